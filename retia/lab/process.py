"""Processes of a lab: commands that end and children that stay. Every one carries the lab's mark in its environment.

Children that stay are `subprocess.Popen`s: they outlive the process that started them where a lab is left up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from retia.errors import Fatal
from retia.lab.names import MARK, SEARCH


class Done(NamedTuple):
    code: int
    out: str
    err: str


def environment(mark: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with this Retia and Debian's system directories in the path, the mark, and `more`."""
    path = ":".join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH", ""), SEARCH]))
    return {**os.environ, "PATH": path, MARK: mark, **(more or {})}


async def execute(
    command: Sequence[str], env: Mapping[str, str], stdin: str = "", limit: float = 60.0, check: bool = True
) -> Done:
    """Run to its end. Raises Fatal for a failure (unless not `check`), or when it takes longer than `limit`."""
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Fatal(f"{command[0]} is not installed", where="lab", advice="`make setup` installs it") from None
    try:
        async with asyncio.timeout(limit):
            out, err = await child.communicate(stdin.encode() if stdin else None)
    except TimeoutError:
        raise Fatal(f"did not end within {limit:g} s", where=" ".join(command)) from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)  # with its own children, which hold the pipes open
            await child.wait()
    done = Done(child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
    if check and done.code:
        raise Fatal((done.err or done.out).strip() or f"ended with {done.code}", where=" ".join(command))
    return done


def spawn(
    command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a child that stays, in a session of its own, writing to `log`."""
    try:
        with log.open("ab") as out:
            return subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd,
                start_new_session=True,
            )
    except FileNotFoundError:
        raise Fatal(f"{command[0]} is not installed", where="lab", advice="`make setup` installs it") from None


def tail(log: Path, lines: int = 12) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
