"""Which ports live here, which live on another host, and what this host's ports can reach.

A port is here as soon as an interface names it and no other host holds it: its flows are in before the binding is
published, so that the first packet for it finds them. During a move the interface is on two hosts: the old one goes
on forwarding to the new one as long as it has it, the new one has all it reaches before it takes over.
"""

from __future__ import annotations

from retia.compile.clashes import Displaced
from retia.compile.facts import (
    BindingFact,
    EdgeFact,
    HostFact,
    HostTunnel,
    InterfaceFact,
    PortFact,
    RouterFact,
    RouterPortFact,
    SwitchFact,
    ThisHost,
)
from retia.compile.outputs import Claim, Peer
from retia.model.local import spelt as spelt_in
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Ip, Mac

HERE = 0
"""The host key that stands for this host."""


class Spelt(Relation):
    "The project, switch and port that an interface's iface-id spells."

    host: str = COL
    interface: str = COL
    project: str = COL
    switch: str = COL
    port: str = COL


class Names(Relation):
    "A port that an interface names; two ports of one name may make it several."

    host: str = COL
    interface: str = COL
    port: str = COL


class Named(Relation):
    "The one port that an interface counts for."

    host: str = COL
    interface: str = COL
    port: str = COL


class Plugged(Relation):
    "Where a port is plugged in: of the interfaces that name it, the one that counts."

    port: str = COL
    host: str = COL
    ofport: int = COL


class Elsewhere(Relation):
    "A port that is plugged in here and that another host holds."

    port: str = COL
    host: str = COL


class HostDown(Relation):
    "A host taken out of service by the operator."

    host: str = COL


class Tunnel(Relation):
    "Another host in service: its key, and where its tunnels end."

    host: str = COL
    key: int = COL
    address: Ip = COL


class LiveSwitch(Relation):
    "A switch that is up and has its key to itself."

    switch: str = COL
    key: int = COL


class LiveRouter(Relation):
    "A router that is up and has its key to itself."

    router: str = COL
    key: int = COL


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
    host: str = COL
    ofport: int = COL


class Located(Relation):
    "A port that lives somewhere, and the key of that host; HERE for this one."

    port: str = COL
    host_key: int = COL


class Link(Relation):
    "A router port that works: its router and its switch do too."

    port: str = COL
    router: str = COL
    switch: str = COL


class Pinned(Relation):
    "A router that runs on edges alone."

    router: str = COL


class EdgeHost(Relation):
    "An edge of a router by its host's name. The least rank comes first; without `up` it is drained."

    router: str = COL
    host: str = COL
    rank: tuple[int, str] = COL
    slot: int = COL
    up: bool = COL


class Hosted(Relation):
    "A router that runs on this host as one of its edges."

    router: str = COL
    host: str = COL


class Runs(Relation):
    "A router that runs on this host."

    router: str = COL


class Aside(Relation):
    "A port of a router that runs here, which only another of its edges has."

    port: str = COL


class LinkHere(Relation):
    "A router port that works, but for those that only another edge has where the router runs here."

    port: str = COL
    router: str = COL
    switch: str = COL


class Seat(Relation):
    "A switch that has a working port plugged in here. Outside the recursion: a second guest of it costs nothing there."

    switch: str = COL
    host: str = COL


class Reach(Relation):
    "A switch that a port of this host can reach."

    switch: str = COL
    host: str = COL


class Through(Relation):
    "A router that a port of this host can send through."

    router: str = COL
    host: str = COL


@fn
def project_part(names: str) -> str:
    """The project in [PROJECT/]SWITCH/PORT."""
    return spelt_in(names)[0]


@fn
def switch_part(names: str) -> str:
    """The switch in it; "" in anything else."""
    return spelt_in(names)[1]


@fn
def port_part(names: str) -> str:
    return spelt_in(names)[2]


@rule
def named_by_id(h: str, i: str, p: str) -> Rule:
    "An interface names the port whose id is its iface-id."
    return Names(h, i, p) <= [InterfaceFact(h, i, names=p), PortFact(p)]


@rule
def spelt(h: str, i: str, x: str) -> Rule:
    "An iface-id may spell a port's name."
    return Spelt(h, i, project_part(x), switch_part(x), port_part(x)) <= [InterfaceFact(h, i, names=x)]


@rule
def named_by_name(h: str, i: str, p: str, j: str, x: str, y: str, s: str) -> Rule:
    "It names that port: SWITCH/PORT of the default project, or PROJECT/SWITCH/PORT."
    return Names(h, i, p) <= [Spelt(h, i, j, x, y), SwitchFact(s, name=x, project=j), PortFact(p, name=y, switch=s)]


@rule
def named(h: str, i: str, p: str) -> Rule:
    "Of several ports of that name the lowest id counts."
    return Named(h, i, lowest(p)) <= [Names(h, i, p)]


@rule
def plugged(h: str, i: str, p: str, o: int) -> Rule:
    "Of several interfaces that name one port the lowest OpenFlow port counts."
    return Plugged(p, h, lowest(o)) <= [Named(h, i, p), InterfaceFact(h, i, o)]


@rule
def claim(h: str, i: str, p: str, o: int) -> Rule:
    "This host should bind a port that is plugged in here."
    return Claim(p, i) <= [Plugged(p, h, o), Named(h, i, p), InterfaceFact(h, i, o)]


@rule
def elsewhere(p: str, h: str) -> Rule:
    "A port is elsewhere when another host holds its binding."
    return Elsewhere(p, h) <= [Plugged(p), BindingFact(p, h), ~ThisHost(h)]


@rule
def host_down(h: str) -> Rule:
    "A host whose admin state is down is out of service."
    return HostDown(h) <= [HostFact(name=h, up=False)]


@rule
def tunnel(h: str, k: int, a: Ip) -> Rule:
    "A tunnel leads to each other host that is in service and has its key to itself."
    return Tunnel(h, k, a) <= [HostTunnel(h, k, a), ~ThisHost(h), ~HostDown(h), ~Displaced(h)]


@rule
def live_switch(s: str, d: int) -> Rule:
    "A switch works when it is up and its key is its own."
    return LiveSwitch(s, d) <= [SwitchFact(s, key=d, up=True), ~Displaced(s)]


@rule
def live_router(r: str, d: int) -> Rule:
    "A router works when it is up and its key is its own."
    return LiveRouter(r, d) <= [RouterFact(r, key=d, up=True), ~Displaced(r)]


@rule
def working(p: str, s: str, d: int, k: int, m: Mac) -> Rule:
    "A port works when it and its switch do, and its MAC and key are its own."
    return Working(p, s, d, k, m) <= [
        PortFact(p, switch=s, key=k, mac=m, up=True),
        ~Displaced(p),
        LiveSwitch(s, d),
    ]


@rule
def link(x: str, r: str, s: str) -> Rule:
    "A router port works when it, its router and its switch do."
    return Link(x, r, s) <= [
        RouterPortFact(x, router=r, switch=s, up=True),
        ~Displaced(x),
        LiveRouter(r),
        LiveSwitch(s),
    ]


@fn
def rank(priority: int, host: str) -> tuple[int, str]:
    """The least is the highest priority; among equals the lowest name."""
    return (-priority, host)


@rule
def pinned(r: str) -> Rule:
    "A router with any edge runs on its edges alone."
    return Pinned(r) <= [EdgeFact(router=r)]


@rule
def edge_host(r: str, i: str, h: str, p: int, n: int, u: bool) -> Rule:
    "An edge is a host."
    return EdgeHost(r, h, rank(p, h), n, u) <= [EdgeFact(router=r, host=i, priority=p, slot=n, up=u), HostFact(i, h)]


@rule
def runs_everywhere(r: str) -> Rule:
    "A router without edges runs on every host."
    return Runs(r) <= [LiveRouter(r), ~Pinned(r)]


@rule
def hosted(r: str, h: str) -> Rule:
    "A router with edges is on each of them that is in service."
    return Hosted(r, h) <= [LiveRouter(r), EdgeHost(r, h), ThisHost(h), ~HostDown(h)]


@rule
def runs_on_edge(r: str) -> Rule:
    "There it runs."
    return Runs(r) <= [Hosted(r)]


@rule
def aside(x: str, r: str, i: str, g: str, h: str) -> Rule:
    "Of a router that runs here, the ports of other hosts alone are not here."
    return Aside(x) <= [RouterPortFact(x, router=r, on=i), HostFact(i, g), Hosted(r, h), g != h]


@rule
def link_here(x: str, r: str, s: str) -> Rule:
    "All others that work count."
    return LinkHere(x, r, s) <= [Link(x, r, s), ~Aside(x)]


@rule
def here(p: str, h: str, o: int) -> Rule:
    "A working port is here when it is plugged in, no other host holds it, and this host is in service."
    return Here(p, h, o) <= [Plugged(p, h, o), Working(p), ~Elsewhere(p), ~HostDown(h)]


@rule
def located_here(p: str) -> Rule:
    "A port that is here lives here."
    return Located(p, HERE) <= [Here(p)]


@rule
def located_there(p: str, h: str, k: int) -> Rule:
    "A port that another host in service holds lives there."
    return Located(p, k) <= [BindingFact(p, h), Tunnel(h, k)]


@rule
def seat(p: str, h: str, s: str) -> Rule:
    "A switch has a seat here when a port of it is plugged in, even while another host holds it (a move)."
    return Seat(s, h) <= [Plugged(p, h), Working(p, s), ~HostDown(h)]


@rule
def reach_seat(h: str, s: str) -> Rule:
    "A switch with a seat here is reached."
    return Reach(s, h) <= [Seat(s, h)]


@rule
def reach_edge(r: str, s: str, h: str) -> Rule:
    "An edge reaches the switches of the routers it is there for, whoever lives on it."
    return Reach(s, h) <= [Hosted(r, h), LinkHere(router=r, switch=s)]


@rule
def through(r: str, s: str, h: str) -> Rule:
    "A router on a reached switch can be sent through."
    return Through(r, h) <= [Reach(s, h), Link(router=r, switch=s)]


@rule
def reach_routed(r: str, s: str, h: str) -> Rule:
    "So every switch of that router is reached, if it runs here; else what it reaches is its edges' to know."
    return Reach(s, h) <= [Through(r, h), Runs(r), Link(router=r, switch=s)]


@rule
def peer(s: str, p: str, h: str, a: Ip) -> Rule:
    "A tunnel is in use when a reached switch has a port at its end."
    return Peer(h, a) <= [Reach(s), Working(p, s), BindingFact(p, h), Tunnel(h, address=a)]


@rule
def peer_edge(r: str, h: str, a: Ip) -> Rule:
    "So it is when an edge of a router in reach is at its end."
    return Peer(h, a) <= [Through(r), EdgeHost(r, h), Tunnel(h, address=a)]


RULES = [
    named_by_id,
    spelt,
    named_by_name,
    named,
    plugged,
    claim,
    elsewhere,
    host_down,
    tunnel,
    live_switch,
    live_router,
    working,
    link,
    here,
    located_here,
    located_there,
    pinned,
    edge_host,
    runs_everywhere,
    hosted,
    runs_on_edge,
    aside,
    link_here,
    seat,
    reach_seat,
    reach_edge,
    through,
    reach_routed,
    peer,
    peer_edge,
]
