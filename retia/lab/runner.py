"""Runs a lab's checks, one after the other, and keeps what they saw. A step that fails does not end the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from retia.compile.modes import HELPERS
from retia.errors import RetiaError
from retia.lab.lab import Lab
from retia.lab.step import Step
from retia.pipeline.stage import Stage
from retia.pipeline.stages import HELPER, WANT

HELPED = 10.0


@dataclass(frozen=True)
class StepResult:
    """`seen` is what it saw, `error` what it should have seen; `left_out` what a software lab did without, and `done`
    whether anything is left besides."""

    name: str
    id: str
    ok: bool
    seconds: float
    seen: str = ""
    error: str = ""
    done: bool = True
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """The lab is up: so many seconds it took."""

    lab: str
    about: str
    seconds: float
    hosts: int
    guests: int
    software: bool = False


@dataclass(frozen=True)
class Result:
    lab: str
    ok: bool
    seconds: float
    up_seconds: float
    steps: tuple[StepResult, ...]
    software: bool = False

    def data(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


Report = Callable[[Started | StepResult | Result], None]


def started(lab: Lab, seconds: float) -> Started:
    return Started(lab.file.name, lab.file.about, seconds, len(lab.hosts), len(lab.guests), lab.software)


async def run_checks(lab: Lab, report: Report) -> tuple[StepResult, ...]:
    results = []
    if lab.file.on_demand:
        await _helped(lab)
    for step in lab.file.checks:
        results.append(await _run_step(lab, step))
        report(results[-1])
    return tuple(results)


async def _helped(lab: Lab) -> None:
    """Until hosts that ask know that their helpers live, which changes their flows; at most `HELPED` seconds."""
    end = time.monotonic() + HELPED
    while time.monotonic() < end:
        flows = [await host.flows() for host in lab.hosts.values()]
        asking = [lines for lines in flows if _of(lines, WANT)]
        helpers = min(HELPERS, len(flows) - len(asking))
        if all(len(_of(lines, HELPER)) > helpers for lines in asking):
            return
        await asyncio.sleep(0.1)


def _of(lines: list[str], stage: Stage) -> list[str]:
    return [line for line in lines if f"table={int(stage)}," in line]


async def _run_step(lab: Lab, step: Step) -> StepResult:
    begin = time.monotonic()
    seen = error = ""
    lab.left_out.clear()
    try:
        seen = await step.run(lab)
    except RetiaError as found:
        error = str(found)
    took = round(time.monotonic() - begin, 3)
    done = not (lab.software and step.needs)
    return StepResult(step.name or step.word, step.id, not error, took, seen, error, done, tuple(lab.left_out))
