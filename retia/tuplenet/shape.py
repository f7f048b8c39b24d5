"""The network between TupleNet's words and Retia's: what belongs together is joined, names are still TupleNet's.

    Tree ──links──► Shape ──fold──► Shape ──renumber──► Shape ──objects──► Retia's objects

Everything knows the records it came from (`keys`), so that whatever is said of it names these. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from retia.errors import Problem
from retia.tuplenet.tree import SwitchPort
from retia.values import Cidr, Ip, Mac


@dataclass(frozen=True)
class Link:
    """A router's place on a switch. `host` is the edge that alone has it, "" for all that run the router."""

    keys: tuple[str, ...]
    name: str
    router: str
    switch: str
    addresses: tuple[Cidr, ...]
    mac: Mac
    host: str = ""


@dataclass(frozen=True)
class Way:
    """A static route and the link it leaves by."""

    keys: tuple[str, ...]
    name: str
    router: str
    prefix: Cidr
    next_hop: Ip
    link: str


@dataclass(frozen=True)
class Nat:
    """`type` is Retia's: a matching pair of TupleNet's rules is floating."""

    keys: tuple[str, ...]
    name: str
    router: str
    type: str
    inside: Cidr
    outside: Ip
    host: str = ""


@dataclass(frozen=True)
class Edge:
    """A host that a router is pinned to."""

    keys: tuple[str, ...]
    host: str
    priority: int = 0


@dataclass
class Shape:
    """`switches` and `routers` map a name to its keys; `hosts` those that are known or named."""

    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    switches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    routers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edges: dict[str, list[Edge]] = field(default_factory=dict)
    guests: list[SwitchPort] = field(default_factory=list)
    patches: list[SwitchPort] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    nats: list[Nat] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def remark(self, key: str, what: str, advice: str = "") -> None:
        self.remarks.append(Problem(key, what, advice))
