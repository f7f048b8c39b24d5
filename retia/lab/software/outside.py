"""A software node outside: a stack with a link at each of its segments, which forwards when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from retia.lab.physical import Outside
from retia.lab.software.segment import Place, Segment
from retia.lab.software.stack import Link, Stack
from retia.values import Ip


class SoftwareOutside(Stack):
    """`wish` is what the lab file says of it, `number` its own among all outside nodes."""

    def __init__(self, name: str, wish: Outside, number: int, segments: Mapping[str, Segment]) -> None:
        super().__init__(name)
        self._wish = wish
        self.forwards = wish.forward
        for index, each in enumerate(wish.interfaces(number)):
            place, segment = Place(name, wish.vlan), segments[each.segment]
            link = Link(self, partial(segment.carry, place))
            link.configure(each.mac, (each.address, *(wish.addresses if index == 0 else ())))
            segment.join(place, link.hear)
            self.links.append(link)

    def route(self, to: Ip) -> tuple[Link, Ip] | None:
        """The longest prefix of its routes, after what its links reach."""
        hops = sorted(self._wish.routes.items(), key=lambda item: -item[0].length)
        hop = next((hop for cidr, hop in hops if to in cidr), None)
        for target in [to, hop]:
            link = next((each for each in self.links if target is not None and each.reaches(target)), None)
            if link is not None and target is not None:
                return link, target
        return None
