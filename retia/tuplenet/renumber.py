"""Other prefixes for inner links of a router that connect it to one prefix twice, which Retia's routers do not do.

TupleNet leaves that to a route's outport. Only switches that join routers and nobody else are renumbered: no guest and
nothing physical knows their addresses. The next hops of routes by them follow. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from retia.tuplenet.shape import Link, Shape
from retia.values import Cidr, Ip, Ip4

SPARE = Cidr.parse("100.64.0.0/10")
"""RFC 6598: between networks, seen by no guest."""
LENGTH = 24


def renumber(shape: Shape) -> Shape:
    on: dict[str, list[Link]] = defaultdict(list)
    for link in shape.links:
        on[link.switch].append(link)
    busy = {port.switch for port in [*shape.guests, *shape.patches]}
    inner = {switch for switch in on if switch not in busy and _is_small(on[switch])}
    kept: dict[str, list[Link]] = defaultdict(list)
    spare = _spare(shape)
    for switch in sorted(on, key=lambda switch: (switch in inner, switch)):
        clashes = switch in inner and any(_clashes(link, kept[link.router]) for link in on[switch])
        prefix = next(spare, None) if clashes else None
        if prefix is not None:
            shape = _renumbered(shape, on[switch], prefix)
        else:  # what clashes all the same is for validation to name
            for link in on[switch]:
                kept[link.router].append(link)
    return shape


def _is_small(links: list[Link]) -> bool:
    """Whether its addresses are one prefix that a spare one can take the place of."""
    cidrs = [cidr for link in links for cidr in link.addresses]
    return len({cidr.network for cidr in cidrs}) == 1 and len({cidr.address for cidr in cidrs}) < 250


def _clashes(link: Link, others: list[Link]) -> bool:
    pairs = ((one, two) for one in link.addresses for other in others for two in other.addresses
             if other.switch != link.switch and not (link.host and other.host))  # fmt: skip
    return any(one.overlaps(two) for one, two in pairs)


def _spare(shape: Shape) -> Iterator[Cidr]:
    """Prefixes that nothing in the network is in or leads to."""
    taken = [cidr.network for link in shape.links for cidr in link.addresses if cidr.overlaps(SPARE)]
    taken += [way.prefix for way in shape.ways if way.prefix.length and way.prefix.overlaps(SPARE)]
    taken += [Cidr(port.ip, 32) for port in shape.guests if port.ip in SPARE]
    size = 1 << (32 - LENGTH)
    for start in range(SPARE.first, SPARE.last, size):
        found = Cidr(Ip4(start), LENGTH)
        if not any(found.overlaps(each) for each in taken):
            yield found


def _renumbered(shape: Shape, links: list[Link], prefix: Cidr) -> Shape:
    """Addresses keep their order."""
    old = sorted({cidr.address for link in links for cidr in link.addresses})
    new: dict[Ip, Ip] = {address: Ip4(prefix.first + place) for place, address in enumerate(old, 1)}
    moved = {link.keys: replace(link, addresses=tuple(Cidr(new[cidr.address], LENGTH) for cidr in link.addresses))
             for link in links}  # fmt: skip
    names = {(link.router, link.name) for link in links}
    ways = [replace(way, next_hop=new.get(way.next_hop, way.next_hop)) if (way.router, way.link) in names else way
            for way in shape.ways]  # fmt: skip
    made = replace(shape, links=[moved.get(link.keys, link) for link in shape.links], ways=ways)
    made.remarks = [*shape.remarks]
    switch, before = links[0].switch, links[0].addresses[0].network
    what = f"{before} on it is {prefix} in Retia, because a router here has that prefix on another switch too"
    told = ", ".join(f"{address} is {new[address]}" for address in old)
    made.remark(shape.switches[switch][0], what, f"only routers are there: {told}; routes by it follow")
    return made
