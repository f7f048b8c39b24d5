"""From what is declared, and how it stands, to a picture: a box a switch, router and host, or one for many like ones.

    part ──► heaps (what is folded) ──► boxes ──► lines between what has a place in them

A thing's place is the heading or the row that stands for it, and lines join places: folding needs no lines of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from retia.graph.folding import FOLD, Folding, Heap, Held, heaps
from retia.graph.hosts import HostBoxes
from retia.graph.part import Part
from retia.graph.picture import Box, End, Line, Picture, Row, Style
from retia.graph.rows import Rows, counted, joined
from retia.graph.standing import Standing
from retia.model.gateways import is_outside
from retia.model.kinds import Edge, Host, Nat, Object, Port, Project, Route, Router, RouterPort, Subnet, Switch, Uplink
from retia.model.network import Network

MOST_BINDINGS = 40
"""Ports are joined to their hosts where no more lines are to be drawn; that they live there, their rows say always."""
FAN = 2.5
"""Switches of one router, by the square of the number of columns they are drawn in."""
IN_SWITCH: tuple[type[Object], ...] = (Subnet, Uplink, Port)
IN_ROUTER: tuple[type[Object], ...] = (RouterPort, Edge, Route, Nat)
HEAPED: tuple[type[Object], ...] = (Router, Switch, *IN_SWITCH, *IN_ROUTER)
Led = tuple[str, End, Style]
"""A host, what leads to it, and why."""


def draw(network: Network, standing: Standing, part: Part, fold: int = FOLD, notes: Iterable[str] = ()) -> Picture:
    """`fold`: more than so many things of one kind in one place are one row, or one box."""
    drawing = _Drawing(network, standing, part, fold)
    lines = sorted(set(drawing.lines()))
    return Picture(part.title, drawing.counts(), (*notes, *drawing.notes()), tuple(drawing.boxes), tuple(lines))


class _Drawing:
    def __init__(self, network: Network, standing: Standing, part: Part, fold: int) -> None:
        self._network, self._standing, self._part, self._fold = network, standing, part, fold
        self._rows = Rows(network, standing)
        self._folding = Folding(self._rows, fold, part.marked)
        self._ends: dict[str, End] = {}
        self._things = [item for item in network.ordered() if item.id in part.things]

        marked = network.objects.get(part.marked)
        self._marked = {part.marked, getattr(marked, marked.parent, "") if marked else ""}
        boxes = self._declared()
        self._hosts = HostBoxes(self._rows, fold, part.marked, self._led())
        self.boxes = [*boxes, *self._hosts.boxes]

    # -- boxes -----------------------------------------------------------------------------------------------------

    def _declared(self) -> list[Box]:
        folded = heaps(self._network, self._part, self._fold)
        gone = {one.id for heap in folded for one in (*heap.routers, *heap.switches)}
        alone = [item for item in self._things if isinstance(item, Switch | Router) and item.id not in gone]
        return [*map(self._box, alone), *map(self._heap, folded)]

    def _box(self, item: Switch | Router) -> Box:
        head, label = self._rows.of(item), self._network.label(item)
        self._ends[item.id] = End(label)
        rows = self._placed(label, self._inside(item))
        told = joined(head.detail, head.state)
        title = f"{item.kind} {self._network.path(item, item.project)}"
        return Box(label, item.kind, title, told, head.tone, rows, head.names, item.project, item.id in self._marked)

    def _inside(self, item: Switch | Router) -> Iterator[Held]:
        for kind in IN_SWITCH if isinstance(item, Switch) else IN_ROUTER:
            found = self._children(item, kind)
            here = [one for one in found if kind is not Port or one.id in self._part.things]
            rest = [one for one in found if kind is Port and one.id not in self._part.things]
            yield from self._folding.rows(here, rest)

    def _children(self, item: Switch | Router, kind: type[Object]) -> list[Object]:
        return [one for one in self._network.referrers(item.id, kind) if getattr(one, one.parent) == item.id]

    def _placed(self, box: str, held: Iterable[Held]) -> tuple[Row, ...]:
        rows = []
        for number, (row, items) in enumerate(held):
            rows.append(row)
            self._ends.update((item.id, End(box, number)) for item in items)
        return tuple(rows)

    def _heap(self, heap: Heap) -> Box:
        """Many like routers with their switches, or many like switches: a box of counts."""
        items: list[Switch | Router] = [*heap.routers, *heap.switches]
        found: dict[type[Object], list[Object]] = {kind: [] for kind in HEAPED}
        for item in items:
            found[type(item)].append(item)
            for kind in IN_SWITCH if isinstance(item, Switch) else IN_ROUTER:
                found[kind] += self._children(item, kind)
        (head, whole), *held = (one for kind in HEAPED for one in self._folding.folded(found[kind]))
        box = f"{head.name}: {self._network.path(items[0])} and others"
        self._ends.update((item.id, End(box)) for item in whole)
        project, *others = {item.project for item in items}
        own = "" if others else project
        title = f"{head.name}: {self._network.path(items[0], own)} and others"
        rows = self._placed(box, held)
        return Box(box, items[0].kind, title, "", head.tone, rows, head.names, own)

    def _led(self) -> dict[str, frozenset[object]]:
        """What leads to each host."""
        led: dict[str, set[object]] = {name: set() for name in self._part.hosts}
        for host, end, style in (*self._gateways(), *self._bindings()):
            led[host].add((end, style))
        return {host: frozenset(ends) for host, ends in led.items()}

    # -- lines -----------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[Line]:
        """Each from left to right: hosts that are gateways, what is outside, routers, what is inside, other hosts."""
        gateways, bindings = self._gateways(), self._bindings()
        for host, end, style in gateways:
            yield Line(End(self._hosts.place[host]), end, style)
        left = {self._hosts.place[host] for host, _, _ in gateways}
        for host, end, style in bindings:
            place = End(self._hosts.place[host])
            yield Line(place, end, style, loose=True) if place.box in left else Line(end, place, style)
        yield from self._links()

    def _links(self) -> Iterator[Line]:
        """From outside to the left, by routers, to what is inside; the switches of one router in several columns."""
        fans: dict[str, dict[tuple[End, End], None]] = {}
        for port in sorted(self._network.of(RouterPort), key=self._network.path):
            start, end = self._ends.get(port.id), self._ends.get(port.switch)
            if start is None or end is None or start.box == end.box:
                continue
            if is_outside(self._network, port.switch):
                yield Line(end, start, Style.LINK)
            else:
                fans.setdefault(start.box, {})[start, end] = None
        for fan in fans.values():
            columns = max(1, round(math.sqrt(len(fan) / FAN)))
            for turn, (start, end) in enumerate(fan):
                yield Line(start, end, Style.LINK, 1 + turn % columns)

    def _gateways(self) -> list[Led]:
        found = []
        for item in self._network.objects.values():
            if isinstance(item, Edge | Uplink) and item.id in self._ends:
                style = Style.EDGE if isinstance(item, Edge) else Style.UPLINK
                found.append((self._rows.name_of_host(item.host), self._ends[item.id], style))
        return [one for one in found if one[0] in self._part.hosts]

    def _bindings(self) -> list[Led]:
        """None, if they are too many."""
        found: dict[Led, None] = {}
        for port, host in self._standing.homes.items():
            if port in self._ends and port in self._part.things and host in self._part.hosts:
                found[host, self._ends[port], Style.BINDING] = None
        return list(found) if len(found) <= MOST_BINDINGS else []

    # -- words -----------------------------------------------------------------------------------------------------

    def counts(self) -> str:
        """What is drawn, by kind."""
        number = Counter(type(item) for item in self._network.objects.values() if item.id in self._ends)
        hosts = len(self._part.hosts)
        shown: list[tuple[type[Object], int]] = [(Host, hosts), *((kind, number[kind]) for kind in HEAPED)]
        return joined(*(counted(many, kind.kind, kind.plural) for kind, many in shown if many))

    def notes(self) -> Iterator[str]:
        if not self._standing.known:
            yield "of a document alone: who lives and what is bound where, nobody knows"
        if not self._ends and not self._part.hosts:
            yield "nothing is declared yet: `retia apply -f FILE`"
        drawn = {item.project for item in self._things}
        empty = sorted(one.name for one in self._network.of(Project) if one.name not in drawn)
        if empty and not self._part.marked:
            yield f"with nothing in it: {', '.join(f'project {name}' for name in empty)}"
