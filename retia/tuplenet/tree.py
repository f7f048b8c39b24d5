"""What a TupleNet tree declares, as values: parsed once from its records, each knowing the key it came from.

A record that says nothing usable is a problem of the tree and no value. Read by `reading`; `links` says which of these
belong together. Keys here are without the tree's prefix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from retia.errors import Problem
from retia.values import Cidr, Ip, Mac

PATCH_ADDRESS = Ip.parse("255.255.255.255")
PATCH_MAC = Mac.parse("ff:ff:ff:ff:ff:ee")
"""What marks a switch port that leads to a bridge of its host."""


@dataclass(frozen=True)
class Chassis:
    """A host."""

    key: str
    name: str
    ip: Ip
    tick: int


@dataclass(frozen=True)
class Switch:
    """LS: a logical switch."""

    key: str
    name: str
    id: int


@dataclass(frozen=True)
class SwitchPort:
    """LSP: a guest's port or, with a peer, the switch's end of a link; of a patch port the peer is a bridge."""

    key: str
    switch: str
    name: str
    ip: Ip
    mac: Mac
    peer: str = ""
    chassis: str = ""

    @property
    def is_patch(self) -> bool:
        return self.ip == PATCH_ADDRESS


@dataclass(frozen=True)
class Router:
    """LR: a logical router, on every host or pinned to one."""

    key: str
    name: str
    id: int
    chassis: str = ""


@dataclass(frozen=True)
class RouterPort:
    """LRP: the router's end of a link."""

    key: str
    router: str
    name: str
    address: Cidr
    mac: Mac
    peer: str = ""


@dataclass(frozen=True)
class StaticRoute:
    """LSR: by a port of its router to a neighbour."""

    key: str
    router: str
    name: str
    prefix: Cidr
    next_hop: Ip
    outport: str


@dataclass(frozen=True)
class Translation:
    """LNAT: of sources in a prefix, or to one address; `inside` is behind the router and `outside` what others see."""

    key: str
    router: str
    name: str
    type: Literal["snat", "dnat"]
    inside: Cidr
    outside: Ip


Entity: TypeAlias = Chassis | Switch | SwitchPort | Router | RouterPort | StaticRoute | Translation


@dataclass
class Tree:
    """`entities` by key, in the order of keys. `version` is None where the tree has none."""

    version: str | None = None
    entities: dict[str, Entity] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    """Keys and fields without a counterpart, by kind."""
