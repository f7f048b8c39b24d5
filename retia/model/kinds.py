"""The kinds of object a user declares: frozen, typed, no I/O.

Everything else about a kind is derived from here: its place in the store, its YAML, its CLI verbs, its docs.
`id` is a UUID given once; `parent` names the field that holds the id of the object it lives in, and names are
unique per kind within that parent (or within the project where there is none). `document` names the document
that declared it ("" when hands made it). Keys (`key`, `switch_key`) are allocated once by the store, 0 before.
The words are Neutron's and OVN's where they have one. The text beside a field's type is its line in docs/document.md;
a field named like a kind holds the id of an object of that kind ("" for none).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from retia.values import Cidr, Ip, Mac, PortRange, Prefix

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
    named_after: ClassVar[str] = ""  # the reference that, left out, is the object of its own name

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


class Uplink(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A switch's way to a physical bridge of a host (OVN: localnet port). Its name is the host's, if none is given."""

    kind: ClassVar[str] = "uplink"
    plural: ClassVar[str] = "uplinks"
    parent: ClassVar[str] = "switch"
    named_after: ClassVar[str] = "host"

    switch: str
    host: Annotated[str, "the host it is on; its own name when not given"] = ""
    bridge: Annotated[str, "the physical bridge on that host, made by the operator"]
    vlan: Annotated[int, "the VLAN on that bridge; 0: untagged"] = 0
    key: Key = 0


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
    """A layer 3 router: on every host, or on its edges alone if it has any."""

    kind: ClassVar[str] = "router"
    plural: ClassVar[str] = "routers"

    key: Key = 0
    admin_state: AdminState = True


class Edge(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A host that runs a router (OVN: gateway chassis). Its name is the host's, if none is given."""

    kind: ClassVar[str] = "edge"
    plural: ClassVar[str] = "edges"
    parent: ClassVar[str] = "router"
    named_after: ClassVar[str] = "host"

    router: str
    host: Annotated[str, "the host; the edge's own name when not given"] = ""
    priority: Annotated[int, "the highest that lives holds the router's DNAT and floating addresses"] = 0
    admin_state: Annotated[bool, "false: drained, gets no new connections and holds no addresses"] = True
    slot: Key = 0


class RouterPort(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A link between a router and a switch, with the router's addresses there."""

    kind: ClassVar[str] = "router-port"
    plural: ClassVar[str] = "router-ports"
    parent: ClassVar[str] = "router"

    router: str
    switch: Annotated[str, "the switch it leads to"]
    mac: Annotated[Mac, "chosen at random and kept when not given"]
    addresses: Annotated[tuple[Cidr, ...], "the gateway of each subnet of that switch when not given"]
    host: Annotated[str, "the edge that alone has this port; none: every host that runs the router"] = ""
    key: Key = 0
    switch_key: Key = 0
    admin_state: AdminState = True


class Route(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A static route: of equal prefixes the lowest metric counts; equal metrics share the packets (ECMP)."""

    kind: ClassVar[str] = "route"
    plural: ClassVar[str] = "routes"
    parent: ClassVar[str] = "router"

    router: str
    prefix: Annotated[Cidr, "where packets go; 0.0.0.0/0 is everywhere else"]
    next_hop: Annotated[Ip | None, "a neighbour on one of the router's own prefixes"] = None
    blackhole: Annotated[bool, "true, in place of a next hop: such packets are dropped"] = False
    source: Annotated[Cidr | None, "only packets from here; counts before a route to the same prefix without it"] = None
    metric: Annotated[int, "the lowest of equal prefixes counts"] = 0


class NatType(StrEnum):
    """What a NAT rule translates: sources on the way out, destinations on the way in, or one address both ways."""

    SNAT = "snat"
    DNAT = "dnat"
    FLOATING = "floating"


class Protocol(StrEnum):
    """A transport with ports."""

    TCP = "tcp"
    UDP = "udp"


class Nat(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A translation at a router that meets the physical network: SNAT, DNAT, or a floating IP (both, for one guest)."""

    kind: ClassVar[str] = "nat"
    plural: ClassVar[str] = "nats"
    parent: ClassVar[str] = "router"

    router: str
    type: Annotated[NatType, "snat: sources; dnat: destinations; floating: both, for one address"]
    internal: Annotated[Prefix, "snat: the prefix inside; else the address inside"]
    external: Annotated[Ip | None, "the address outside; of snat without it: each edge's own"] = None
    protocol: Annotated[Protocol | None, "dnat of one port: tcp or udp"] = None
    external_port: Annotated[int, "dnat: the port outside"] = 0
    internal_port: Annotated[int, "dnat: the port inside; the same when not given"] = 0
    ports: Annotated[PortRange | None, "snat: the ports that connections get outside"] = None
    host: Annotated[str, "snat with an address of its own: the edge that has it, where there are several"] = ""
    distributed: Annotated[bool, "floating: translated on the guest's own host, where that has an uplink outside"] = (
        False
    )


KINDS: tuple[type[Object], ...] = (
    Project,
    Host,
    Switch,
    Subnet,
    Uplink,
    Port,
    Router,
    Edge,
    RouterPort,
    Route,
    Nat,
)
BY_KIND: dict[str, type[Object]] = {kind.kind: kind for kind in KINDS}
