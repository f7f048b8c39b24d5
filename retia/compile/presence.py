"""Which ports live here, which live on another host, and what this host's ports can reach.

A port is here as soon as an interface names it and no other host holds it: its flows are in before the binding is
published, so that the first packet for it finds them.
"""

from __future__ import annotations

from retia.compile.facts import (
    BindingFact,
    HostDown,
    HostTunnel,
    InterfaceFact,
    PortAddress,
    PortFact,
    RouterAddress,
    RouterFact,
    RouterPortFact,
    SwitchFact,
    ThisHost,
)
from retia.compile.outputs import Claim, Peer
from retia.model.kinds import DEFAULT_PROJECT
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Ip, Mac


class Names(Relation):
    "An interface here names a port."

    interface: str = COL
    port: str = COL
    ofport: int = COL


class Spelt(Relation):
    "The project, switch and port that an interface's iface-id spells."

    interface: str = COL
    project: str = COL
    switch: str = COL
    port: str = COL
    ofport: int = COL


class Plugged(Relation):
    "The interface that counts for a port, of those here that name it."

    port: str = COL
    ofport: int = COL


class Elsewhere(Relation):
    "A port that another host holds."

    port: str = COL
    host: str = COL


class MacHolder(Relation):
    "Of the ports that claim a MAC in a switch, the one that has it."

    switch: str = COL
    mac: Mac = COL
    port: str = COL


class AddressHolder(Relation):
    "Of those that claim an address in a switch, the one that has it."

    switch: str = COL
    address: Ip = COL
    holder: str = COL


class Claims(Relation):
    "A port or router port, and an address it claims in a switch."

    switch: str = COL
    address: Ip = COL
    holder: str = COL


class Working(Relation):
    "A port that may carry packets, with the keys and the MAC it does it by."

    port: str = COL
    switch: str = COL
    datapath: int = COL
    key: int = COL
    mac: Mac = COL


class Here(Relation):
    "A working port on this host, and its OpenFlow port."

    port: str = COL
    ofport: int = COL


class Remote(Relation):
    "A working port on another host, and that host's key."

    port: str = COL
    host: str = COL
    key: int = COL


class Link(Relation):
    "A router port that works: its router and its switch do too."

    port: str = COL
    router: str = COL
    switch: str = COL


class Reach(Relation):
    "A switch that a port here can reach."

    switch: str = COL


@fn
def project_part(names: str) -> str:
    """The project in [PROJECT/]SWITCH/PORT."""
    parts = names.split("/")
    return parts[0] if len(parts) == 3 else DEFAULT_PROJECT


@fn
def switch_part(names: str) -> str:
    """The switch in [PROJECT/]SWITCH/PORT; "" in an id."""
    parts = names.split("/")
    return parts[-2] if len(parts) > 1 else ""


@fn
def port_part(names: str) -> str:
    return names.rpartition("/")[2]


@rule
def named_by_id(i: str, p: str, o: int) -> Rule:
    "An interface names the port whose id is its iface-id."
    return Names(i, p, o) <= [InterfaceFact(i, o, p), PortFact(p)]


@rule
def spelt(i: str, x: str, o: int) -> Rule:
    "An iface-id may spell a port's name."
    return Spelt(i, project_part(x), switch_part(x), port_part(x), o) <= [InterfaceFact(i, o, x)]


@rule
def named_by_name(i: str, p: str, o: int, j: str, x: str, y: str, s: str) -> Rule:
    "It names that port: SWITCH/PORT of the default project, or PROJECT/SWITCH/PORT."
    return Names(i, p, o) <= [Spelt(i, j, x, y, o), SwitchFact(s, name=x, project=j), PortFact(p, name=y, switch=s)]


@rule
def plugged(p: str, o: int) -> Rule:
    "Of several interfaces that name one port the lowest OpenFlow port counts."
    return Plugged(p, lowest(o)) <= [Names(port=p, ofport=o)]


@rule
def claim(p: str, i: str, o: int) -> Rule:
    "This host should bind a port that is plugged in here."
    return Claim(p, i) <= [Plugged(p, o), Names(i, p, o)]


@rule
def elsewhere(p: str, h: str) -> Rule:
    "A port is elsewhere when another host holds its binding."
    return Elsewhere(p, h) <= [BindingFact(p, h), ~ThisHost(h)]


@rule
def mac_holder(s: str, m: Mac, p: str) -> Rule:
    "A MAC belongs to one port of a switch: the lowest id, so that every host agrees."
    return MacHolder(s, m, lowest(p)) <= [PortFact(p, switch=s, mac=m)]


@rule
def port_claims(s: str, a: Ip, p: str) -> Rule:
    "A port claims its addresses in its switch."
    return Claims(s, a, p) <= [PortAddress(p, a), PortFact(p, switch=s)]


@rule
def router_claims(s: str, a: Ip, p: str) -> Rule:
    "A router port claims its addresses in its switch."
    return Claims(s, a, p) <= [RouterAddress(p, a), RouterPortFact(p, switch=s)]


@rule
def address_holder(s: str, a: Ip, p: str) -> Rule:
    "An address belongs to one of those that claim it: the lowest id."
    return AddressHolder(s, a, lowest(p)) <= [Claims(s, a, p)]


@rule
def working(p: str, s: str, d: int, k: int, m: Mac) -> Rule:
    "A port works when it and its switch are up and its MAC is its own."
    return Working(p, s, d, k, m) <= [
        PortFact(p, switch=s, key=k, mac=m, up=True),
        MacHolder(s, m, p),
        SwitchFact(s, key=d, up=True),
    ]


@rule
def here(p: str, o: int) -> Rule:
    "A working port is here when it is plugged in and no other host holds it."
    return Here(p, o) <= [Plugged(p, o), Working(p), ~Elsewhere(p)]


@rule
def remote(p: str, h: str, k: int) -> Rule:
    "A working port is remote when another host that is in service and has a tunnel holds it."
    return Remote(p, h, k) <= [Elsewhere(p, h), Working(p), HostTunnel(h, k), ~HostDown(h)]


@rule
def link(x: str, r: str, s: str) -> Rule:
    "A router port works when it, its router and its switch are up."
    return Link(x, r, s) <= [RouterPortFact(x, r, s, up=True), RouterFact(r, up=True), SwitchFact(s, up=True)]


@rule
def reach_here(p: str, s: str) -> Rule:
    "A switch with a port here is reached."
    return Reach(s) <= [Here(p), Working(p, s)]


@rule
def reach_routed(r: str, s: str, t: str) -> Rule:
    "So is every switch that shares a router with a reached one."
    return Reach(t) <= [Reach(s), Link(router=r, switch=s), Link(router=r, switch=t)]


@rule
def peer(s: str, p: str, h: str, a: Ip) -> Rule:
    "A tunnel is in use when a reached switch has a port at its end."
    return Peer(h, a) <= [Reach(s), Working(p, s), Remote(p, h), HostTunnel(h, address=a)]


RULES = [
    named_by_id,
    spelt,
    named_by_name,
    plugged,
    claim,
    elsewhere,
    mac_holder,
    port_claims,
    router_claims,
    address_holder,
    working,
    here,
    remote,
    link,
    reach_here,
    reach_routed,
    peer,
]
