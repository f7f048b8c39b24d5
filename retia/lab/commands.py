"""What one does with labs: up, check, exec, down, list. The CLI calls these and decides nothing itself.

A lab being made belongs to this process until it is left up: Ctrl-C, SIGTERM, an exception or a kill remove it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from retia.errors import Conflict, Fatal, InvalidInput, NotFound
from retia.lab import file as lab_file
from retia.lab import netns, runner
from retia.lab.lab import Lab
from retia.lab.names import BASE, NAMESPACES, Place, check_lab
from retia.lab.remove import remove
from retia.lab.runner import Report, Result
from retia.lab.software.lab import SoftwareLab
from retia.lab.spaces import SpacesLab
from retia.model.state import FULL

T = TypeVar("T")
LEFT_OVER = "left over"


class Saved(msgspec.Struct, frozen=True):
    """lab.json."""

    file: str
    mark: str
    owner: int
    guests: dict[str, dict[str, Any]]
    hosts: dict[str, str]
    up: bool = False


class Row(NamedTuple):
    """A lab as `list` shows it."""

    name: str
    state: str
    hosts: int
    guests: int
    file: str


def silent(_: object) -> None:
    """A report nobody reads."""


def up(path: Path, report: Report = silent, name: str = "", agents: bool = True) -> SpacesLab:
    """Bring the lab of a file up and leave it. Raises Conflict when one of that name is, and what hinders it."""

    async def work() -> SpacesLab:
        begin = time.monotonic()
        async with standing(lab_file.load(path), name, agents, keep=True) as lab:
            report(runner.started(lab, time.monotonic() - begin))
        return lab

    return _run(work())


def check(path: Path, keep: bool = False, report: Report = silent, mode: str = FULL) -> Result:
    """Bring a lab up beside all others, run its checks, take it down (unless `keep`). `mode`: its hosts'."""
    file = lab_file.load(path, mode)

    async def work() -> Result:
        begin = time.monotonic()
        async with standing(file, "" if keep else _own_name(file.name), True, keep) as lab:
            return await _checked(lab, begin, report)

    result = _run(work())
    report(result)
    return result


def check_software(path: Path, report: Report = silent, mode: str = FULL) -> Result:
    """The same checks in this process, without root: software switches, real agents, a store in memory."""
    file = lab_file.load(path, mode)

    async def work() -> Result:
        begin = time.monotonic()
        lab = SoftwareLab(file)
        try:
            await lab.start()
            return await _checked(lab, begin, report)
        finally:
            await lab.close()

    result = _run(work())
    report(result)
    return result


def check_again(name: str, report: Report = silent) -> Result:
    """Run the checks of a lab that is up, and leave it up."""
    saved = _load(Place(check_lab(name)))
    file = lab_file.load(Path(saved.file))

    async def work() -> Result:
        begin = time.monotonic()
        lab = SpacesLab(file, Place(name), saved.mark)
        try:
            await lab.find_again(saved.guests, saved.hosts)
            return await _checked(lab, begin, report)
        finally:
            await lab.close()

    result = _run(work())
    report(result)
    return result


async def _checked(lab: Lab, begin: float, report: Report) -> Result:
    took = time.monotonic() - begin
    report(runner.started(lab, took))
    steps = await runner.run_checks(lab, report)
    ok = all(step.ok for step in steps)
    return Result(lab.file.name, ok, round(time.monotonic() - begin, 3), round(took, 3), steps, lab.software)


def _own_name(name: str) -> str:
    """So that the same lab may be checked several times at once."""
    return f"{name[:30]}-{os.getpid()}"


@asynccontextmanager
async def standing(file: lab_file.LabFile, name: str, agents: bool, keep: bool) -> AsyncIterator[SpacesLab]:
    """Up; and away at the end, or when anything goes wrong."""
    lab = SpacesLab(file, Place(check_lab(name or file.name)), agents=agents)
    lab.claim()
    try:
        await lab.start()
        yield lab
    except BaseException:
        await _away(lab)
        raise
    if keep:
        await lab.leave()
    else:
        await _away(lab)


async def _away(lab: SpacesLab) -> None:
    with contextlib.suppress(Exception):
        await lab.close()
    lab.remove()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, but SIGTERM and SIGHUP end it as Ctrl-C does: cleanly."""

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def execute(name: str, node: str, command: Sequence[str]) -> int:
    """A command inside a host or guest, on this terminal; its exit code. Raises NotFound."""
    place = Place(check_lab(name))
    saved = _load(place)
    lab = SpacesLab(lab_file.load(Path(saved.file)), place, saved.mark)
    nodes = [*saved.hosts, *saved.guests, *lab.outside]
    if node not in nodes:
        raise NotFound(f"lab {name} has no {node}", advice=f"it has {', '.join(nodes)}")
    netns.check_right()
    env = dict((lab.hosts.get(node) or lab.guests.get(node) or lab.outside[node]).environment())
    inside = ["ip", "netns", "exec", place.namespace(node), *(command or [os.environ.get("SHELL", "/bin/sh")])]
    return subprocess.run(inside, env=env, check=False).returncode


def down(name: str) -> None:
    """Take a lab away, whatever is left of it. Raises NotFound when nothing is."""
    place = Place(check_lab(name))
    if not place.dir.exists() and not place.namespaces():
        raise NotFound(f"there is no lab {name}", advice="see `retia lab list`")
    netns.check_right()
    try:
        remove(place)
    except TimeoutError as error:
        raise Fatal(str(error), advice="try again") from None


def labs() -> list[Row]:
    """All that are up or left over. Raises NotAllowed."""
    netns.check_right()
    names = {path.name for path in BASE.iterdir()} if BASE.is_dir() else set()
    if NAMESPACES.is_dir():
        spaces = (path.name for path in NAMESPACES.iterdir())
        names |= {name.removeprefix("retia-").partition(".")[0] for name in spaces if name.startswith("retia-")}
    return [_row(Place(name)) for name in sorted(names)]


def _row(place: Place) -> Row:
    try:
        saved = _load(place)
    except (NotFound, Conflict, InvalidInput):
        return Row(place.name, LEFT_OVER, 0, 0, "")
    alive = Path(f"/proc/{saved.owner}").exists()
    state = "up" if saved.up else "being checked" if alive else LEFT_OVER
    return Row(place.name, state, len(saved.hosts), len(saved.guests), saved.file)


def _load(place: Place) -> Saved:
    """Raises NotFound, or Conflict for a lab that is not whole."""
    try:
        return msgspec.json.decode(place.file.read_bytes(), type=Saved)
    except FileNotFoundError:
        raise NotFound(f"there is no lab {place.name}", advice="see `retia lab list`") from None
    except (msgspec.DecodeError, json.JSONDecodeError):
        advice = f"`retia lab down {place.name}` takes it away"
        raise Conflict(f"lab {place.name} is left over, and not whole", advice=advice) from None
