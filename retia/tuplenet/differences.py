"""Where Retia does other than TupleNet with what was translated, and names that are others now. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from retia.errors import Problem
from retia.model.kinds import Edge, Nat, NatType
from retia.tuplenet.objects import Objects
from retia.tuplenet.shape import Shape, Way


def differences(shape: Shape, objects: Objects) -> Iterator[Problem]:
    """Remarks, each about the record that it comes from."""
    yield from _renamed(objects)
    yield from _namesakes(shape)
    yield from _preferred(shape)
    yield from _shared(shape)
    yield from _held(objects)


def _renamed(objects: Objects) -> Iterator[Problem]:
    hosts = {f"entity_view/chassis/{id_.removeprefix('host/')}" for id_ in objects.origins if id_.startswith("host/")}
    for key, (_, new) in objects.names.changed.items():
        if key in hosts:
            what = f"it is host {new} in Retia, whose names are up to 63 plain characters and no ids"
            yield Problem(key, what, f"write `host: {new}` into the settings of its agent")
        else:
            what = f"it is called {new} in Retia, whose names are up to 63 plain characters and no ids"
            yield Problem(key.strip(), what)


def _namesakes(shape: Shape) -> Iterator[Problem]:
    """Ports of one name: TupleNet's agents know the last one of these only."""
    first: dict[str, str] = {}
    for guest in shape.guests:
        if first.setdefault(guest.name, guest.key) != guest.key:
            what = f"{first[guest.name]} has the same name, of which TupleNet carries one only"
            yield Problem(guest.key, what, "Retia carries both; mind which interface is whose (iface-id SWITCH/PORT)")


def _preferred(shape: Shape) -> Iterator[Problem]:
    connected = {(link.router, cidr.network) for link in shape.links for cidr in link.addresses}
    for way in shape.ways:
        if (way.router, way.prefix) in connected:
            what = f"{way.prefix} is also a prefix that its router is connected to, which counts first in Retia"
            yield Problem(way.keys[0], what, "TupleNet takes the route; make it narrower if it is to count")


def _shared(shape: Shape) -> Iterator[Problem]:
    same: dict[tuple[object, ...], list[Way]] = defaultdict(list)
    for way in shape.ways:
        same[way.router, way.prefix].append(way)
    for ways in same.values():
        if len(ways) > 1:
            others = ", ".join(way.keys[0] for way in ways[1:])
            what = f"it and {others} lead to one prefix: Retia shares the packets among them, whether they live or not"
            yield Problem(ways[0].keys[0], what, "give all but one a higher `metric` if one is to have them all")


def _held(objects: Objects) -> Iterator[Problem]:
    """Translated addresses of a router with several edges are on one of these."""
    network = objects.network
    for nat in network.of(Nat):
        if nat.type is not NatType.SNAT and len(network.referrers(nat.router, Edge)) > 1:
            what = f"{nat.external} is on one edge at a time: the one with the highest priority that lives"
            yield Problem(objects.origins[nat.id][0], what, "its way in from outside must reach each of them")
