"""One network, both contenders: each row's samples taken in turns, so that what else the machine does meets both.

    for each row: [OVN some samples, Retia some samples] x SLICES ─► Figure by contender, by row

A contender that cannot finish in its time has no figure: `no result`. Called by `__main__`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.contender import Cold, Contender, Times
from bench.figures import Figure, figure
from bench.network import Size, host_of, port, tunnel

SLICES = 5
PAIRS = 20
SETTLE = 5.0
TOLD = 0.05
"""Seconds after which the observer was told of everything that is confirmed."""
Rows = dict[str, dict[str, Figure]]
"""By row, then by contender; a contender without a result is missing."""


@dataclass(frozen=True)
class Effort:
    """How many samples of a row, how many seconds of it a contender gets, and how many for a cold start."""

    samples: int
    seconds: float
    cold: float


def _edge(who: Contender, n: int) -> Times:
    """The one before goes first, outside of the time."""
    if n:
        who.remove_edge()
        who.processes.settle(2, SETTLE, slot=0.03)
    return who.edge()


GATEWAY_ROWS: dict[str, Callable[[Contender, int], Times]] = {
    "floating IP": lambda who, n: who.floating(n),
    "SNAT": lambda who, n: who.snat(n),
    "edge added": _edge,
}


def _counted(
    change: Callable[[Contender, int], Times], changed: dict[str, list[float]], who: Contender
) -> Callable[[int], Times]:
    """The change; and how many flows it added, changed or removed."""

    def counted(n: int) -> Times:
        times = change(who, n)
        time.sleep(TOLD)
        changed[who.name].append(len(who.observer.events()))
        return times

    return counted


class Rounds:
    def __init__(self, contenders: Sequence[Contender], size: Size, effort: Effort) -> None:
        self._contenders, self.size, self._effort = contenders, size, effort
        self.rows: Rows = {}
        self.disagreements: list[str] = []

    def put(self, row: str, who: Contender, samples: Sequence[float], unit: str) -> None:
        if samples:
            self.rows.setdefault(row, {})[who.name] = figure(samples, unit)

    def run(self) -> None:
        """Everything there is to measure on this network."""
        self.cold()
        self.disagreements = self.compare(random.Random(7))
        for who in self._contenders:
            who.observer.watch()
        self._changes()
        for who in self._contenders:
            peaks = who.processes.peak()
            self.put("memory of the agent", who, [peaks[who.agent]], "MB")
            self.put("memory of all processes", who, [sum(peaks.values())], "MB")
            who.observer.unwatch()
        for who in self._contenders:
            restart = who.restart()
            self.put("agent restart: time with flows missing", who, [restart.missing], "s")
            self.put("agent restart: flows removed", who, [restart.removed], "")

    def cold(self) -> None:
        for who in self._contenders:
            tries: list[Cold] = []
            try:
                for _ in range(3 if who.name == "Retia" or self.size.ports < 5000 else 1):
                    tries.append(who.cold(self._effort.cold))
            except TimeoutError:
                continue
            self.put("nothing to all flows", who, [one.seconds for one in tries], "s")
            self.put("nothing to all flows, CPU", who, [one.cpu for one in tries], "s")
            self.put("flows", who, [tries[-1].flows], "")

    def meet_outside(self) -> None:
        """What a gateway costs on the same network: after all else, for a router with edges is another one."""
        for who in self._contenders:
            who.meet_outside()
            who.observer.watch()
        for row, change in GATEWAY_ROWS.items():
            changed: dict[str, list[float]] = {who.name: [] for who in self._contenders}
            self._row(row, partial(_counted, change, changed))
            for who in self._contenders:
                self.put(f"{row}, flows changed", who, changed[who.name], "")
        for who in self._contenders:
            who.observer.unwatch()

    def _changes(self) -> None:
        before = {who.name: who.observer.count() for who in self._contenders}
        added = self._row("add a remote port", lambda who: who.add)
        for who in self._contenders:
            more = who.observer.count() - before[who.name]
            self.put("flows per remote port", who, [more / max(1, added[who.name])], "")
        self._row("move a remote port", lambda who: who.move)
        self._row("delete a remote port", lambda who: who.delete, added)
        for who in self._contenders:
            who.prepare_binds(self._effort.samples)
        self._row("bind a local port", lambda who: who.bind)
        self._row("static route", lambda who: who.route)
        self._row("new switch and router port", lambda who: who.switch)
        few = {who.name: min(10, self._effort.samples) for who in self._contenders}
        self._row("add a port by command", lambda who: who.command, few)

    def _row(
        self, name: str, change: Callable[[Contender], Callable[[int], Times]], most: dict[str, int] | None = None
    ) -> dict[str, int]:
        """How many samples each contender gave."""
        found: dict[str, list[Times]] = {who.name: [] for who in self._contenders}
        spent = dict.fromkeys(found, 0.0)
        for turn in range(1, SLICES + 1):
            for who in self._contenders:
                wanted = most[who.name] if most else self._effort.samples
                who.processes.settle(seconds=SETTLE)
                self._slice(change(who), who, (found[who.name], spent), (-(-wanted * turn // SLICES), turn))
        for who in self._contenders:
            for end in ("flow", "confirmed"):
                values = [1e3 * times[end] for times in found[who.name] if end in times]
                self.put(f"{name}, {end}", who, values, "ms")
        return {name: len(times) for name, times in found.items()}

    def _slice(
        self,
        change: Callable[[int], Times],
        who: Contender,
        so_far: tuple[list[Times], dict[str, float]],
        until: tuple[int, int],
    ) -> None:
        """Samples until there are enough of them, or the contender's share of the time is used up."""
        found, spent = so_far
        enough, turn = until
        while len(found) < enough and spent[who.name] < self._effort.seconds * turn / SLICES:
            start = time.monotonic()
            found.append(change(len(found)))
            who.processes.settle(2, SETTLE, slot=0.03)
            spent[who.name] += time.monotonic() - start

    # -- do they do the same? --------------------------------------------------------------------------------------

    def compare(self, source: random.Random) -> list[str]:
        """Random pairs that either contender sends elsewhere than to where the receiver lives."""
        local = [n for n in range(self.size.ports) if host_of(self.size, n) == "me"]
        wrong = []
        for _ in range(PAIRS):
            sender, receiver = source.choice(local), source.randrange(self.size.ports)
            if sender == receiver:
                continue
            host = host_of(self.size, receiver)
            right = f"g{receiver}" if host == "me" else str(tunnel(host))
            for who in self._contenders:
                if (where := who.reached(self.packet(sender, receiver))) != right:
                    wrong.append(f"{who.name}: p{sender} to p{receiver} goes to {where}, not to {right}")
        return wrong

    def packet(self, sender: int, receiver: int) -> str:
        """A ping as a guest sends it: to the router's MAC when the receiver is on another switch."""
        one, other = port(self.size, sender), port(self.size, receiver)
        router = 0x0A << 40 | int(one.switch[1:])
        target = other.mac if one.switch == other.switch else type(one.mac)(router)
        ends = f"dl_src={one.mac},dl_dst={target},nw_src={one.addresses[0]},nw_dst={other.addresses[0]}"
        return f"in_port=g{sender},icmp,{ends},nw_ttl=64,icmp_type=8,icmp_code=0"
