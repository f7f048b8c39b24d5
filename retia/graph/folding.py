"""Many things as one: rows of counts in place of rows, and which switches and routers become one box.

    ports of a switch              100 ports: 98 bound on 10 hosts, 2 unbound
    switches that only one router, the same, leads to          40 switches
    routers that lead to the same other switches               100 routers, and what only they lead to

More than the limit are folded, never what was asked for. A folded row keeps the names of all it stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from retia.graph.part import Part
from retia.graph.picture import Row, worst
from retia.graph.rows import Rows, counted, joined
from retia.model.kinds import Host, Nat, NatType, Object, Port, Router, RouterPort, Switch, Uplink
from retia.model.network import Network

FOLD = 12
"""Of one kind in one place, more are folded."""
WRONG = {
    "dead": "on dead hosts",
    "never registered": "on hosts that never registered",
    "out of service": "on hosts out of service",
    "drained": "drained",
    "down": "down",
    "problem": "with a problem",
}
"""What is counted of folded things, by the words of their states."""

T = TypeVar("T")
Held = tuple[Row, tuple[Object, ...]]
"""A row, and what it stands for."""


class Folding:
    def __init__(self, rows: Rows, limit: int, marked: str) -> None:
        self._rows, self._limit, self._marked = rows, limit, marked

    def rows(self, items: Iterable[Object], rest: Sequence[Object] = ()) -> Iterator[Held]:
        """Things of one kind: a row each, or one for too many. `rest`, not to be shown by name, is one row."""
        network = self._rows.network
        order = sorted(items, key=lambda item: (-getattr(item, "priority", 0), network.path(item)))
        many = len(order) > self._limit
        alone = [item for item in order if not many or item.id == self._marked]
        others = [item for item in order if many and item.id != self._marked]
        yield from ((self._rows.of(item), (item,)) for item in alone)
        yield from self.folded(others, "other " if alone else "")
        yield from self.folded(sorted(rest, key=network.path), "more ")

    def folded(self, items: Sequence[Object], word: str = "") -> Iterator[Held]:
        if not items:
            return
        kind, rows = type(items[0]), [self._rows.of(item) for item in items]
        text = counted(len(items), f"{word}{kind.kind}", f"{word}{kind.plural}")
        counts = self._counts(items, rows)
        names = tuple(name for row in rows for name in row.names)
        tone = worst(*(row.tone for row in rows))
        yield Row("", f"{text}: {counts}" if counts else text, tone=tone, names=names), tuple(items)

    def _counts(self, items: Sequence[Object], rows: Sequence[Row]) -> str:
        said = Counter(word for row in rows for word in row.state.split(", "))
        counts = [f"{said[word]:,} {text}" for word, text in WRONG.items() if said[word]]
        ports = [item for item in items if isinstance(item, Port)]
        if ports:
            return joined(*self._places(ports), *counts)
        types = Counter(item.type for item in items if isinstance(item, Nat))
        return joined(*(f"{types[one]:,} {one}" for one in NatType if types[one]), *counts)

    def _places(self, ports: Sequence[Port]) -> Iterator[str]:
        """98 bound on 10 hosts, 2 unbound."""
        standing = self._rows.standing
        homes = [standing.homes[port.id] for port in ports if port.id in standing.homes]
        if homes:
            yield f"{len(homes):,} bound on {counted(len(set(homes)), Host.kind, Host.plural)}"
        if standing.known and len(homes) < len(ports):
            yield f"{len(ports) - len(homes):,} unbound"


@dataclass(frozen=True)
class Heap:
    """Like routers, or like switches, that are one box. `by`: the router that alone leads to the switches."""

    routers: tuple[Router, ...]
    switches: tuple[Switch, ...]
    by: str = ""


def heaps(network: Network, part: Part, limit: int) -> list[Heap]:
    """Which of a part's routers and switches are folded, in order of their first names."""
    return list(_Heaps(network, part, limit).made())


class _Heaps:
    def __init__(self, network: Network, part: Part, limit: int) -> None:
        self._network, self._part, self._limit = network, part, limit
        self._routers = sorted((one for one in network.of(Router) if one.id in part.things), key=network.path)
        self._switches = sorted((one for one in network.of(Switch) if one.id in part.things), key=network.path)
        self._by = {one.id: self._leads(one) for one in self._switches}
        projects = {one.project for one in (*self._routers, *self._switches)}
        self._apart = len(projects) <= limit

    def made(self) -> Iterator[Heap]:
        leaves = self._leaves()
        alike = _grouped(self._routers, lambda one: (self._project(one), self._onward(one, leaves)))
        gone = set[str]()
        for routers in alike:
            if len(routers) > self._limit and not self._marks(routers):
                ids = {one.id for one in routers}
                inside = [one for one in self._switches if leaves.get(one.id) in ids]
                if self._marks(inside):
                    continue
                gone |= ids
                yield Heap(tuple(routers), tuple(inside))
        left = [one for one in self._switches if one.id in leaves and leaves[one.id] not in gone]
        for switches in _grouped(left, lambda one: (self._project(one), leaves[one.id])):
            others = [one for one in switches if not self._marks([one])]
            if len(others) > self._limit:
                yield Heap((), tuple(others), leaves[others[0].id])

    def _project(self, item: Object) -> str:
        """Of too many projects, like things of all are one heap."""
        return item.project if self._apart else ""

    def _leaves(self) -> dict[str, str]:
        """Switches without a way outside that one router leads to, by its id, or none ("")."""
        return {
            one.id: next(iter(self._by[one.id]), "")
            for one in self._switches
            if len(self._by[one.id]) <= 1 and not self._network.has(one.id, Uplink)
        }

    def _leads(self, switch: Switch) -> frozenset[str]:
        return frozenset(port.router for port in self._network.referrers(switch.id, RouterPort))

    def _onward(self, router: Router, leaves: dict[str, str]) -> frozenset[str]:
        ports = self._network.referrers(router.id, RouterPort)
        return frozenset(port.switch for port in ports if port.switch not in leaves)

    def _marks(self, items: Sequence[Object]) -> bool:
        """Whether what was asked for is, or lives in, one of these."""
        marked = self._network.objects.get(self._part.marked)
        wanted = {self._part.marked, getattr(marked, marked.parent, "") if marked else ""}
        return any(item.id in wanted for item in items)


def _grouped(items: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    found: dict[object, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())
