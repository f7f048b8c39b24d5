"""The flows, tunnels and troubles of every host, before and after a change, by one evaluation of the rules.

    records, the changes of some, what each host's switch shows ──► Forecast: differences, each with its hosts

Each host is two worlds of `rules.worlds`: host number n before the change is bit n, after it bit n + the number of
hosts. So what hosts share is worked out once, and a difference that a hundred hosts have is one value. What a host
knows by itself (uplinks, watched tunnels, zones) is assumed, before and after. Called by the CLI. Pure; exactly what a
compiler of each host would say (`tests/unit/plan` hold the two against each other).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from retia.compile.assumed import assumed
from retia.compile.compiler import RecordChange, Thing
from retia.compile.facts import TunnelPort, constants, interface_rows, rows
from retia.compile.outputs import FlowRow, Trouble
from retia.compile.program import RULES
from retia.plan.hosts import HostView
from retia.rules import Relation
from retia.rules.worlds import Holds, Worlds


class Difference(NamedTuple):
    """One flow that comes (no `old`), goes (no `new`) or changes, on each of `hosts` (one bit each)."""

    old: FlowRow | None
    new: FlowRow | None
    hosts: int


class Counts(NamedTuple):
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass
class Forecast:
    """`came` and `went`: troubles that the change makes or mends, each with its hosts."""

    hosts: list[str] = field(default_factory=list)
    flows: list[Difference] = field(default_factory=list)
    came: list[tuple[Trouble, int]] = field(default_factory=list)
    went: list[tuple[Trouble, int]] = field(default_factory=list)

    def counts(self) -> dict[str, Counts]:
        """Of every host that something changes on, how many flows."""
        alike = Counter((one.old is not None, one.new is not None, one.hosts) for one in self.flows)
        found: dict[str, list[int]] = {}
        for (old, new, mask), number in alike.items():
            place = 1 if old and new else 2 if old else 0
            for host in self.named(mask):
                found.setdefault(host, [0, 0, 0])[place] += number
        return {host: Counts(*found[host]) for host in self.hosts if host in found}

    def of(self, host: str) -> Iterator[Difference]:
        bit = 1 << self.hosts.index(host)
        return (one for one in self.flows if one.hosts & bit)

    def named(self, mask: int) -> list[str]:
        """The hosts of a set of bits."""
        return [self.hosts[place] for place in range(mask.bit_length()) if mask >> place & 1]


def forecast(things: Iterable[Thing], pairs: Sequence[RecordChange], known: Sequence[HostView]) -> Forecast:
    """`things`: every record before; `pairs`: those that change, before and after."""
    before = (1 << len(known)) - 1
    after = before << len(known)
    worlds = Worlds(RULES, [FlowRow, Trouble])
    found = worlds.evaluate(_facts(things, pairs, known), before | after)

    def differs(holds: int) -> bool:
        return holds & before != holds >> len(known)

    troubles = [(row, *_moves(holds, len(known))) for row, holds in found.rows(Trouble).items() if differs(holds)]
    return Forecast(
        [view.host for view in known],
        list(_differences(found.notable(FlowRow, differs), len(known))),
        [(Trouble.of(row), came) for row, came, _ in troubles if came],
        [(Trouble.of(row), went) for row, _, went in troubles if went],
    )


def _moves(holds: int, count: int) -> tuple[int, int]:
    """Where a row comes, and where it goes."""
    before, after = holds & (1 << count) - 1, holds >> count
    return after & ~before, before & ~after


def _differences(holds: Holds, count: int) -> Iterator[Difference]:
    """Where a flow goes and another of its key comes, it changes."""
    keys: dict[object, list[tuple[FlowRow, int, int]]] = {}
    for row, worlds in holds.items():
        came, went = _moves(worlds, count)
        keys.setdefault(row[:3], []).append((FlowRow.of(row), came, went))
    for rivals in keys.values():
        changed = 0
        for old, _, went in rivals:
            for new, came, _ in rivals if went else ():
                if went & came:
                    changed |= went & came
                    yield Difference(old, new, went & came)
        for one, came, went in rivals:
            if came & ~changed:
                yield Difference(None, one, came & ~changed)
            if went & ~changed:
                yield Difference(one, None, went & ~changed)


Facts = dict[type[Relation], Holds]


def _facts(things: Iterable[Thing], pairs: Sequence[RecordChange], known: Sequence[HostView]) -> Facts:
    before = (1 << len(known)) - 1
    after = before << len(known)
    changing = {id(old) for old, _ in pairs if old is not None}
    facts: Facts = {}
    kept: list[Thing] = []
    gone: list[Thing] = []
    for thing in things:
        (gone if id(thing) in changing else kept).append(thing)
        _put(facts, rows(thing), before if id(thing) in changing else before | after)
    new = [one for _, one in pairs if one is not None]
    for thing in new:
        _put(facts, rows(thing), after)
    now = assumed([*kept, *gone])
    then = assumed([*kept, *new], now)
    for place, view in enumerate(known):
        _put_host(facts, view, 1 << place | 1 << place + len(known))
        _put(facts, now.rows(view.host), 1 << place)
        _put(facts, then.rows(view.host), 1 << place + len(known))
    return facts


def _put_host(facts: Facts, view: HostView, worlds: int) -> None:
    """What a host knows by itself, whatever is declared."""
    _put(facts, constants(view.host), worlds)
    if view.tunnel_port:
        _put(facts, [TunnelPort(view.host, view.tunnel_port)], worlds)
    for interface in view.interfaces:
        _put(facts, interface_rows(view.host, interface), worlds)


def _put(facts: Facts, made: list[Relation], worlds: int) -> None:
    """Of two rows of one key the last counts, as for a compiler."""
    last = (
        made
        if len(made) < 3
        else {(type(one), *(one.row[place] for place in one.identity)): one for one in made}.values()
    )
    for one in last:
        table = facts.setdefault(type(one), {})
        table[one.row] = table.get(one.row, 0) | worlds
