"""The control socket: questions to a running process, one JSON line each way, on a unix socket only root reads.

    {"ask": "flows", "with": {"stage": "ROUTE"}}   →   {"answer": ...}  or  {"error": {"what", "where", "advice"}}

`serve` runs inside the process with a table of answers; `ask` is what the CLI calls. Errors cross as RetiaErrors.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from retia import errors
from retia.errors import InvalidInput, NotAllowed, RetiaError, Retry

Answers = Mapping[str, Callable[[dict[str, Any]], Awaitable[Any]]]

LIMIT = 64 << 20
"""The longest line, in bytes: the flows of a large host are one answer."""


async def serve(path: Path, answers: Answers) -> asyncio.Server:
    """Listen on `path`. Raises Conflict when another living process answers there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if await _answers(path):
            raise errors.Conflict(
                "another agent answers on its control socket",
                where=str(path),
                advice="stop that agent first, or give this one another --run-dir or --host",
            )
        path.unlink()
    server = await asyncio.start_unix_server(lambda r, w: _serve_one(r, w, answers), path, limit=LIMIT)
    path.chmod(0o600)
    return server


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers) -> None:
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(json.dumps(await _reply(line, answers)).encode() + b"\n")
            await writer.drain()
    writer.close()


async def _reply(line: bytes, answers: Answers) -> dict[str, Any]:
    try:
        question = json.loads(line)
        answer = answers.get(question.get("ask", ""))
        if answer is None:
            raise InvalidInput(f"cannot answer {question.get('ask')!r}", advice=f"ask one of {', '.join(answers)}")
        return {"answer": await answer(question.get("with") or {})}
    except (ValueError, AttributeError):
        return {"error": {"what": "the question is no JSON object", "where": "", "advice": 'send {"ask": ...}'}}
    except RetiaError as error:
        kind = type(error).__name__
        return {"error": {"kind": kind, "what": error.what, "where": error.where, "advice": error.advice}}


async def ask(path: Path, question: str, timeout: float = 30.0, **arguments: Any) -> Any:
    """One question. Raises Retry when no process answers, NotAllowed without the right, or the process' own error."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LIMIT)
    except PermissionError:
        raise NotAllowed("may not be opened by this user", where=str(path), advice="run as root") from None
    except OSError:
        raise Retry(
            "no agent answers here",
            where=str(path),
            advice="start it with `retia agent`, or name its --host and --run-dir",
        ) from None
    try:
        writer.write(json.dumps({"ask": question, "with": arguments}).encode() + b"\n")
        reply = json.loads(await asyncio.wait_for(reader.readline(), timeout))
    except (TimeoutError, ValueError):
        raise Retry("the agent did not answer", where=str(path), advice="look at its log") from None
    finally:
        writer.close()
    if "error" in reply:
        raise _as_error(reply["error"])
    return reply["answer"]


def _as_error(data: dict[str, str]) -> RetiaError:
    kind = getattr(errors, data.get("kind", ""), InvalidInput)
    made: RetiaError = kind.__new__(kind)
    RetiaError.__init__(made, data["what"], where=data["where"], advice=data["advice"])
    return made
