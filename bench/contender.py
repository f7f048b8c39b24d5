"""What both contenders are asked to do, in the same words, and how the cold start of either is timed.

`ovn` and `ours` are the two; `rounds` asks. Every change returns seconds by name: "flow" from the write until the
observer saw the flow, "confirmed" until the contender says that the switch has it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.observer import Observer
from bench.processes import Processes

POLL = 0.02
QUIET = 0.6
"""Seconds without CPU and without a new flow after which a start counts as done."""
IDLE = 0.05
"""CPU seconds in that time which are still no work: leases, timers."""
Times = dict[str, float]


@dataclass(frozen=True)
class Cold:
    seconds: float
    cpu: float
    flows: int


@dataclass(frozen=True)
class Restart:
    """`missing`: seconds during which the switch had fewer flows; `removed`: flows taken out on the way."""

    missing: float
    removed: int


class Contender(Protocol):
    name: str
    agent: str
    processes: Processes
    observer: Observer

    def cold(self, seconds: float) -> Cold:
        """Start all that computes, on full databases and an empty switch. Raises TimeoutError."""

    def add(self, n: int) -> Times: ...

    def delete(self, n: int) -> Times: ...

    def move(self, n: int) -> Times: ...

    def prepare_binds(self, count: int) -> None: ...

    def bind(self, n: int) -> Times: ...

    def route(self, n: int) -> Times: ...

    def switch(self, n: int) -> Times: ...

    def command(self, n: int) -> Times:
        """A port added by the command line, until it is confirmed."""

    def meet_outside(self) -> None:
        """Give the router an outside (`gateway`), and wait until all of it is there."""

    def floating(self, n: int) -> Times: ...

    def snat(self, n: int) -> Times: ...

    def edge(self) -> Times:
        """One host more as an edge, until the host under test has it."""

    def remove_edge(self) -> None: ...

    def restart(self) -> Restart:
        """Of the agent alone, on a switch that has all flows."""

    def reached(self, packet: str) -> str:
        """Where Open vSwitch sends a packet: a host's tunnel address, an interface, or nowhere."""

    def close(self) -> None: ...


def time_to_all_flows(contender: Contender, start: float, seconds: float) -> Cold:
    """Count flows until nothing moves any more: the last count was complete when it was first seen."""
    seen: list[tuple[float, int, float]] = []
    while time.perf_counter() - start < seconds:
        asked = time.perf_counter()
        count = contender.observer.count()
        now = time.perf_counter()
        seen.append((now, count, _computing(contender)))
        past = [one for one in seen if one[0] >= now - QUIET]
        still = count > 0 and len({one[1] for one in past}) == 1 and past[-1][2] - past[0][2] < IDLE
        if still and now - start > 2 * QUIET:
            return Cold(next(when for when, flows, _ in seen if flows == count) - start, 0.0, count)
        contender.processes.check()
        time.sleep(max(POLL, 5 * (now - asked)))
    raise TimeoutError(f"{contender.name}: not all flows within {seconds:g} s")


def _computing(contender: Contender) -> float:
    """CPU seconds of all but Open vSwitch, which our own counting keeps busy."""
    return sum(used for name, used in contender.processes.cpu().items() if name != "vswitchd")


def missing(seen: Sequence[tuple[float, int]], full: int) -> float:
    """Seconds from the first count below `full` to the first complete one after it."""
    gone = next((when for when, count in seen if count < full), None)
    if gone is None:
        return 0.0
    back = next((when for when, count in seen if when > gone and count >= full), seen[-1][0])
    return back - gone
