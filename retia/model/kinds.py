"""The kinds of object a user declares: frozen, typed, no I/O.

Everything else about a kind is derived from here: its place in the store, its YAML, its CLI verbs, its docs.
`id` is a UUID given once; `parent` names the field that holds the id of the object it lives in, and names are
unique per kind within that parent (or within the project where there is none). `document` names the document
that declared it ("" when hands made it). Keys (`key`, `switch_key`) are allocated once by the store, 0 before.
The words are Neutron's and OVN's where they have one.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from retia.values import Cidr, Ip, Mac

DEFAULT_PROJECT = "default"
DEFAULT_MTU = 1400


class Object(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every object has."""

    kind: ClassVar[str] = ""
    plural: ClassVar[str] = ""
    parent: ClassVar[str] = ""

    id: str
    name: str
    project: str = DEFAULT_PROJECT
    document: str = ""


class Project(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant: the space names and addresses live in."""

    kind: ClassVar[str] = "project"
    plural: ClassVar[str] = "projects"


class Host(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A machine with an agent and Open vSwitch. Its tunnel address is the agent's to say (see store.state)."""

    kind: ClassVar[str] = "host"
    plural: ClassVar[str] = "hosts"

    admin_state: bool = True


class Switch(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A layer 2 network, on every host that needs it (Neutron: network)."""

    kind: ClassVar[str] = "switch"
    plural: ClassVar[str] = "switches"

    key: int = 0
    mtu: int = DEFAULT_MTU
    admin_state: bool = True


class Subnet(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Addresses of a switch: a prefix, the routers' address in it, and the pool that ports draw from."""

    kind: ClassVar[str] = "subnet"
    plural: ClassVar[str] = "subnets"
    parent: ClassVar[str] = "switch"

    switch: str
    cidr: Cidr
    gateway: Ip | None = None
    pool: tuple[tuple[Ip, Ip], ...] = ()


class Port(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A guest's place on a switch. An interface names it by external_ids:iface-id (its id, or SWITCH/PORT)."""

    kind: ClassVar[str] = "port"
    plural: ClassVar[str] = "ports"
    parent: ClassVar[str] = "switch"

    switch: str
    mac: Mac
    addresses: tuple[Ip, ...] = ()
    key: int = 0
    admin_state: bool = True


class Router(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A distributed layer 3 router."""

    kind: ClassVar[str] = "router"
    plural: ClassVar[str] = "routers"

    key: int = 0
    admin_state: bool = True


class RouterPort(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A link between a router and a switch, with the router's addresses there."""

    kind: ClassVar[str] = "router-port"
    plural: ClassVar[str] = "router-ports"
    parent: ClassVar[str] = "router"

    router: str
    switch: str
    mac: Mac
    addresses: tuple[Cidr, ...]
    key: int = 0
    switch_key: int = 0
    admin_state: bool = True


class Route(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A static route: of equal prefixes the lowest metric counts, then the lowest next hop."""

    kind: ClassVar[str] = "route"
    plural: ClassVar[str] = "routes"
    parent: ClassVar[str] = "router"

    router: str
    prefix: Cidr
    next_hop: Ip
    metric: int = 0


KINDS: tuple[type[Object], ...] = (Project, Host, Switch, Subnet, Port, Router, RouterPort, Route)
BY_KIND: dict[str, type[Object]] = {kind.kind: kind for kind in KINDS}
