"""`retia apply`: make the network what a document says. All problems of the document at once, or all of it written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from retia.cli.output import Form, show_data
from retia.cli.session import Output, Wait, run, store_of
from retia.config import Settings
from retia.errors import InvalidInput
from retia.model.document import Document, parse
from retia.model.kinds import Object
from retia.model.network import Network
from retia.store import barrier, catalog
from retia.store.changes import Changes
from retia.store.view import View


def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Option("-f", "--file", help="The document; - for standard input.")],
    prune: Annotated[bool, typer.Option(help="Delete what this document declared before and no longer does.")] = False,
    wait: Wait = None,
    output: Output = Form.table,
) -> None:
    """Make the network what a document says; what others declared is left alone. Twice changes nothing."""
    document = read(file)
    answer = run(_apply(context.obj, document, prune, wait))
    if output is not Form.table:
        show_data(answer, output)
        return
    for line in answer["lines"]:
        print(line)
    print(_summary(answer))


async def _apply(settings: Settings, document: Document, prune: bool, wait: float | None) -> dict[str, Any]:
    async with store_of(settings) as store:
        asking = wait is not None
        changes, revision = await catalog.change(store, lambda view: catalog.plan(view, document, prune), asking)
        answers = await barrier.wait(store, wait, revision) if wait is not None else None
    answer = answer_of(document, revision, changes)
    if answers is not None:
        answer["hosts"] = [{"host": one.host, "problems": list(one.problems)} for one in answers]
    return answer


def answer_of(document: Document, revision: int | str, changes: Changes) -> dict[str, Any]:
    """What `apply` and `plan` tell programs."""
    return {"document": document.name, "revision": revision, **changes.data(), "lines": changes.lines()}


def _summary(answer: dict[str, Any]) -> str:
    counts = (len(answer["create"]), len(answer["update"]), len(answer["delete"]), answer["unchanged"])
    text = "{} created, {} changed, {} deleted, {} unchanged".format(*counts)
    hosts = answer.get("hosts")
    if hosts is None:
        return text
    bad = [f"{one['host']}: {'; '.join(one['problems'])}" for one in hosts if one["problems"]]
    names = ", ".join(one["host"] for one in hosts) or "no host (none is alive)"
    return f"{text}; in the switches of {names}" + "".join(f"\nproblem on {line}" for line in bad)


def read(file: Path) -> Document:
    """Raises InvalidInput for a file that cannot be read, InvalidDocument for what is wrong in it."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        advice = "give a YAML document: docs/document.md says what it holds"
        raise InvalidInput(f"cannot be read: {error}", where=str(file), advice=advice) from None
    return parse(text, str(file))


def objects_of(file: Path) -> list[Object]:
    """A document's objects, as they would be were it applied to nothing. Raises InvalidInput, InvalidDocument."""
    return list(catalog.plan(View(Network()), read(file)).creates)
