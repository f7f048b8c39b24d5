"""Fences: what lets two who change a network at once both succeed or one of them notice, without a hot key.

A check over several objects (an address lies in a subnet, nothing lives in a deleted switch) is made on a view. Its
transaction must fail when that view is no longer true, and only then. Each switch, router and project has two
records beside the watched data:

    fence/shape/<id>     put by whoever changes what its members are judged by: its subnets, router ports, routes,
                         uplinks, edges, what it translates, its end
    fence/members/<id>   put, without comparing it, by whoever adds or changes a member

    a member (a port)            compares shape, puts members               any number of them at once
    a shaper (a subnet, delete)  compares shape and members, puts shape     one at a time, alone

A translation shapes its router and the switches outside, where its address is one of many routers'. An uplink is a
member of the routers its switch meets, which it asks for edges.

and both compare the record of the switch, router or project itself: it must still be there.

Creating a port and deleting its switch therefore never both succeed, while two ports never hinder each other.
Pure. Called by `transactions`; the reasons are in docs/decisions.
"""

from __future__ import annotations

from typing import NamedTuple

from retia.model.gateways import outside_ports
from retia.model.kinds import DEFAULT_PROJECT, Nat, Object, Port, Project, Router, RouterPort, Switch, Uplink
from retia.model.network import Network
from retia.model.shapes import references
from retia.store import records
from retia.store.contract import INDEX

FENCES = f"{INDEX}fence/"
MEMBERS_ONLY = frozenset({Port})
"""The kinds created by the thousand and in parallel: nothing else is judged by them."""


class Place(NamedTuple):
    """An object that others live in or lead to, and the key of its record."""

    id: str
    record: str


class Touch(NamedTuple):
    """Which objects a change is a member of, and which ones it shapes."""

    member: frozenset[Place]
    shaper: frozenset[Place]


def shape(id_: str) -> str:
    return f"{FENCES}shape/{id_}"


def members(id_: str) -> str:
    return f"{FENCES}members/{id_}"


def touch(network: Network, before: Object | None, after: Object | None) -> Touch:
    """What a change of one object touches. `network` holds the projects."""
    item = after or before
    if item is None:
        raise ValueError("a change has a before or an after")
    if not item.parent:
        project = network.child(Project, "", item.project) if item.project != DEFAULT_PROJECT else None
        return Touch(_places(project) if after else frozenset(), frozenset() if after else _places(item))
    parents = frozenset(place for each in (before, after) if each for place in _judges(network, each))
    all_after = frozenset(_references(after)) if after else frozenset()
    all_after |= _met(network, before, after)
    if type(item) in MEMBERS_ONLY:
        return Touch(all_after, frozenset())
    return Touch(all_after - parents, parents)


def _judges(network: Network, item: Object) -> list[Place]:
    """Where it is judged beside its like: its parent and, what a router translates, the switches it translates for."""
    beside = outside_ports(network, item.router) if isinstance(item, Nat) else []
    return _references(item)[:1] + [_switch(id_) for id_ in dict.fromkeys(port.switch for port in beside)]


def _met(network: Network, before: Object | None, after: Object | None) -> frozenset[Place]:
    """The routers whose edges an uplink that comes or goes is judged with: those that its switch meets. They are few;
    an edge that looked after its router's switches would write a record for each."""
    uplinks = [each for each in (before, after) if isinstance(each, Uplink)]
    if len({(uplink.switch, uplink.host) for uplink in uplinks}) != 1 or len(uplinks) == 1:
        ports = (port for uplink in uplinks for port in network.referrers(uplink.switch, RouterPort))
        return frozenset(Place(port.router, f"{records.OBJECTS}{Router.kind}/{port.router}") for port in ports)
    return frozenset()


def _switch(id_: str) -> Place:
    return Place(id_, f"{records.OBJECTS}{Switch.kind}/{id_}")


def _places(item: Object | None) -> frozenset[Place]:
    return frozenset({Place(item.id, records.key_of(item))} if item else ())


def _references(item: Object) -> list[Place]:
    """What it lives in and leads to, its parent first."""
    return [
        Place(id_, f"{records.OBJECTS}{kind.kind}/{id_}")
        for field, kind in references(type(item)).items()
        if (id_ := getattr(item, field))
    ]
