"""The kinds of object a user declares: frozen, typed, no I/O.

Everything else about a kind is derived from here: its place in the store, its YAML, its CLI verbs, its docs.
`id` is a UUID given once; `parent` names the field that holds the id of the object it lives in, and names are
unique per kind within that parent (or within the project where there is none). `document` names the document
that declared it ("" when hands made it). Keys (`key`, `switch_key`) are allocated once by the store, 0 before.
The words are Neutron's and OVN's where they have one. The text beside a field's type is its line in docs/document.md;
a field named like a kind holds the id of an object of that kind.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from retia.values import Cidr, Ip, Mac

DEFAULT_PROJECT = "default"
DEFAULT_MTU = 1400

AdminState = Annotated[bool, "false: carries nothing"]
Key = Annotated[int, "allocated by the store"]


class Object(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every object has."""

    kind: ClassVar[str] = ""
    plural: ClassVar[str] = ""
    parent: ClassVar[str] = ""
    shared: ClassVar[bool] = False  # belongs to no project: its name is taken once in the whole network

    id: str
    name: str
    project: str = DEFAULT_PROJECT
    document: str = ""


class Project(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant: the space names and addresses live in."""

    kind: ClassVar[str] = "project"
    plural: ClassVar[str] = "projects"
    shared: ClassVar[bool] = True


class Host(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A machine with an agent and Open vSwitch. Its tunnel address is the agent's to say (see store.state)."""

    kind: ClassVar[str] = "host"
    plural: ClassVar[str] = "hosts"
    shared: ClassVar[bool] = True

    admin_state: AdminState = True


class Switch(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A layer 2 network, on every host that needs it (Neutron: network)."""

    kind: ClassVar[str] = "switch"
    plural: ClassVar[str] = "switches"

    key: Key = 0
    mtu: Annotated[int, "the largest IP packet on it, in bytes"] = DEFAULT_MTU
    admin_state: AdminState = True


class Subnet(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Addresses of a switch: a prefix, the routers' address in it, and the pool that ports draw from."""

    kind: ClassVar[str] = "subnet"
    plural: ClassVar[str] = "subnets"
    parent: ClassVar[str] = "switch"

    switch: str
    cidr: Annotated[Cidr, "the prefix its addresses lie in"]
    gateway: Annotated[Ip | None, "the router's address in it; no port may take it"] = None
    pool: Annotated[tuple[tuple[Ip, Ip], ...], "what ports without addresses draw from; empty: the whole prefix"] = ()


class Port(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A guest's place on a switch. An interface names it by external_ids:iface-id (its id, or SWITCH/PORT)."""

    kind: ClassVar[str] = "port"
    plural: ClassVar[str] = "ports"
    parent: ClassVar[str] = "switch"

    switch: str
    mac: Annotated[Mac, "chosen at random and kept when not given"]
    addresses: Annotated[tuple[Ip, ...], "the next free one of its subnet, kept, when not given"] = ()
    key: Key = 0
    admin_state: AdminState = True


class Router(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A distributed layer 3 router."""

    kind: ClassVar[str] = "router"
    plural: ClassVar[str] = "routers"

    key: Key = 0
    admin_state: AdminState = True


class RouterPort(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A link between a router and a switch, with the router's addresses there."""

    kind: ClassVar[str] = "router-port"
    plural: ClassVar[str] = "router-ports"
    parent: ClassVar[str] = "router"

    router: str
    switch: Annotated[str, "the switch it leads to"]
    mac: Annotated[Mac, "chosen at random and kept when not given"]
    addresses: Annotated[tuple[Cidr, ...], "the gateway of each subnet of that switch when not given"]
    key: Key = 0
    switch_key: Key = 0
    admin_state: AdminState = True


class Route(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A static route: of equal prefixes the lowest metric counts, then the lowest next hop."""

    kind: ClassVar[str] = "route"
    plural: ClassVar[str] = "routes"
    parent: ClassVar[str] = "router"

    router: str
    prefix: Annotated[Cidr, "where packets go; 0.0.0.0/0 is everywhere else"]
    next_hop: Annotated[Ip, "a neighbour on one of the router's own prefixes"]
    metric: Annotated[int, "the lowest of equal prefixes counts"] = 0


KINDS: tuple[type[Object], ...] = (Project, Host, Switch, Subnet, Port, Router, RouterPort, Route)
BY_KIND: dict[str, type[Object]] = {kind.kind: kind for kind in KINDS}
