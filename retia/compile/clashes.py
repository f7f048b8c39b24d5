"""Which of several objects gets a key, a MAC or an address that they all claim: routers first, then the lowest id.

The catalog lets no clash into the store; other programs may. Every host decides alike, whatever came first, and when
the winner goes the next one is promoted. A loser is inert and named (`troubles`); nobody else feels it.
"""

from __future__ import annotations

from retia.compile.facts import (
    HostTunnel,
    PortAddress,
    PortFact,
    RouterAddress,
    RouterFact,
    RouterPortFact,
    SwitchFact,
    UplinkFact,
)
from retia.rules import COL, Relation, Rule, rule
from retia.values import Ip, Mac


class Displaced(Relation):
    "An object that does not work, because what it claims is another's. `what` completes 'has the ...'."

    id: str = COL
    what: str = COL


class DatapathKey(Relation):
    "The key of a switch or a router: they share one space."

    key: int = COL
    datapath: str = COL


class PortClaim(Relation):
    "An address that a port claims in its switch."

    switch: str = COL
    address: Ip = COL
    port: str = COL


class RouterClaim(Relation):
    "An address that a router port claims in its switch."

    switch: str = COL
    address: Ip = COL
    port: str = COL


class Outranked(Relation):
    "A port or router port, and an address it claims that is another's."

    port: str = COL
    address: Ip = COL


@rule
def switch_key(s: str, d: int) -> Rule:
    "A switch has a datapath key."
    return DatapathKey(d, s) <= [SwitchFact(s, key=d)]


@rule
def router_key(r: str, d: int) -> Rule:
    "A router has a datapath key."
    return DatapathKey(d, r) <= [RouterFact(r, key=d)]


@rule
def same_datapath_key(s: str, t: str, d: int) -> Rule:
    "Of datapaths with one key the lowest id has it."
    return Displaced(s, "datapath key of another switch or router") <= [DatapathKey(d, s), DatapathKey(d, t), t < s]


@rule
def same_mac(p: str, q: str, s: str, m: Mac) -> Rule:
    "Of a switch's ports with one MAC the lowest id has it."
    return Displaced(p, "MAC of another port of its switch") <= [
        PortFact(p, switch=s, mac=m),
        PortFact(q, switch=s, mac=m),
        q < p,
    ]


@rule
def mac_of_router(p: str, s: str, m: Mac) -> Rule:
    "A router's MAC is no port's."
    return Displaced(p, "MAC of a router on its switch") <= [
        PortFact(p, switch=s, mac=m),
        RouterPortFact(switch=s, mac=m),
    ]


@rule
def same_router_mac(x: str, y: str, s: str, m: Mac) -> Rule:
    "Of routers with one MAC on a switch the lowest id has it."
    return Displaced(x, "MAC of another router on its switch") <= [
        RouterPortFact(x, switch=s, mac=m),
        RouterPortFact(y, switch=s, mac=m),
        y < x,
    ]


@rule
def same_port_key(p: str, q: str, s: str, k: int) -> Rule:
    "Of a switch's ports with one key the lowest id has it."
    return Displaced(p, "key of another port of its switch") <= [
        PortFact(p, switch=s, key=k),
        PortFact(q, switch=s, key=k),
        q < p,
    ]


@rule
def port_key_of_router(p: str, s: str, k: int) -> Rule:
    "A router port's key on a switch is no port's."
    return Displaced(p, "key of a router port on its switch") <= [
        PortFact(p, switch=s, key=k),
        RouterPortFact(switch=s, switch_key=k),
    ]


@rule
def same_switch_key(x: str, y: str, s: str, k: int) -> Rule:
    "Of router ports with one key on a switch the lowest id has it."
    return Displaced(x, "key of another router port on its switch") <= [
        RouterPortFact(x, switch=s, switch_key=k),
        RouterPortFact(y, switch=s, switch_key=k),
        y < x,
    ]


@rule
def uplink_key_of_port(u: str, s: str, k: int) -> Rule:
    "A port's key is no uplink's."
    return Displaced(u, "key of a port of its switch") <= [UplinkFact(u, switch=s, key=k), PortFact(switch=s, key=k)]


@rule
def uplink_key_of_router(u: str, s: str, k: int) -> Rule:
    "Nor is a router port's."
    return Displaced(u, "key of a router port on its switch") <= [
        UplinkFact(u, switch=s, key=k),
        RouterPortFact(switch=s, switch_key=k),
    ]


@rule
def same_router_port_key(x: str, y: str, r: str, k: int) -> Rule:
    "Of a router's ports with one key the lowest id has it."
    return Displaced(x, "key of another port of its router") <= [
        RouterPortFact(x, router=r, key=k),
        RouterPortFact(y, router=r, key=k),
        y < x,
    ]


@rule
def same_host_key(h: str, g: str, k: int) -> Rule:
    "Of hosts with one key the lowest name has it."
    return Displaced(h, "key of another host") <= [HostTunnel(h, k), HostTunnel(g, k), g < h]


@rule
def port_claims(s: str, a: Ip, p: str) -> Rule:
    "A port claims its addresses in its switch."
    return PortClaim(s, a, p) <= [PortAddress(p, a), PortFact(p, switch=s)]


@rule
def router_claims(s: str, a: Ip, x: str) -> Rule:
    "A router port claims its addresses in its switch."
    return RouterClaim(s, a, x) <= [RouterAddress(x, a), RouterPortFact(x, switch=s)]


@rule
def same_address(s: str, a: Ip, p: str, q: str) -> Rule:
    "Of a switch's ports with one address the lowest id has it."
    return Outranked(p, a) <= [PortClaim(s, a, p), PortClaim(s, a, q), q < p]


@rule
def address_of_a_router(s: str, a: Ip, p: str) -> Rule:
    "A router's address is no port's."
    return Outranked(p, a) <= [PortClaim(s, a, p), RouterClaim(s, a)]


@rule
def same_router_address(s: str, a: Ip, x: str, y: str) -> Rule:
    "Of routers with one address on a switch the lowest id has it."
    return Outranked(x, a) <= [RouterClaim(s, a, x), RouterClaim(s, a, y), y < x]


RULES = [
    switch_key,
    router_key,
    same_datapath_key,
    same_mac,
    mac_of_router,
    same_router_mac,
    same_port_key,
    port_key_of_router,
    same_switch_key,
    uplink_key_of_port,
    uplink_key_of_router,
    same_router_port_key,
    same_host_key,
    port_claims,
    router_claims,
    same_address,
    address_of_a_router,
    same_router_address,
]
