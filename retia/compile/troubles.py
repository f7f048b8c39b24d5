"""What is wrong, as rows: each trouble is named while it lasts, and gone when it is mended. See `retia status`.

Only what concerns ports here is named here, so that one mistake is not told by every host.
"""

from __future__ import annotations

from retia.compile.clashes import Displaced, Outranked
from retia.compile.direct import OutsideSwitch
from retia.compile.edges import OwnEdge
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
    Unusable,
    UplinkFact,
)
from retia.compile.local import PeerSeen, PeerUp
from retia.compile.outputs import Trouble, WantsPeer
from retia.compile.presence import (
    EdgeHost,
    Elsewhere,
    Hosted,
    Link,
    LinkHere,
    Named,
    Pinned,
    Plugged,
    Reach,
    Through,
    Tunnel,
    Working,
)
from retia.compile.uplinks import UplinkOf
from retia.rules import COL, Relation, Rule, fn, rule
from retia.values import Ip


class Concerns(Relation):
    "A switch that a port plugged in here is on, or that one here can reach."

    switch: str = COL


class Unregistered(Relation):
    "A port whose host has no record."

    port: str = COL
    host: str = COL


class InService(Relation):
    "A router that has an edge which is not drained, on a host that packets can be sent to."

    router: str = COL


class Outwards(Relation):
    "A router that meets the physical network somewhere."

    router: str = COL


class OutwardsHere(Relation):
    "A router that has a port for that on this host."

    router: str = COL


@fn
def about(kind: str, name: str) -> str:
    """A slug that is stable while the trouble lasts; a key of the store has no slash in it."""
    return f"{kind}-{name}".replace("/", ".").replace(" ", "_")


@fn
def says(form: str, *parts: object) -> str:
    return form.format(*parts)


@rule
def concerns_plugged(p: str, s: str) -> Rule:
    "A switch concerns this host when one of its ports is plugged in here."
    return Concerns(s) <= [Plugged(p), PortFact(p, switch=s)]


@rule
def concerns_reached(s: str) -> Rule:
    "So does every reached switch."
    return Concerns(s) <= [Reach(s)]


@rule
def unknown_port(h: str, i: str, x: str) -> Rule:
    "An interface names a port that does not exist."
    return Trouble(
        about("unknown-port", i),
        says("interface {} names port {}, which does not exist", i, x),
        i,
        "declare the port, or correct external_ids:iface-id (SWITCH/PORT, PROJECT/SWITCH/PORT, or the port's id)",
    ) <= [InterfaceFact(h, i, names=x), ~Named(h, i)]


@rule
def named_twice(h: str, i: str, p: str, n: str, s: str, w: str, o: int, q: int) -> Rule:
    "Two interfaces here name one port; the lower OpenFlow port counts."
    return Trouble(
        about("named-twice", i),
        says("interface {} names port {}/{}, and so does another interface here, which has it", i, w, n),
        i,
        "remove external_ids:iface-id from one of them",
    ) <= [Named(h, i, p), InterfaceFact(h, i, o), Plugged(p, h, q), o != q, PortFact(p, n, s), SwitchFact(s, w)]


@rule
def bound_elsewhere(i: str, p: str, h: str, n: str, s: str, w: str) -> Rule:
    "A port is plugged in here and bound to another host."
    return Trouble(
        about("bound-elsewhere", p),
        says("port {}/{} is plugged in here and bound to host {}", w, n, h),
        i,
        "unplug it there; it is taken over when that host lets go of it or its agent is dead",
    ) <= [Elsewhere(p, h), Named(interface=i, port=p), PortFact(p, n, s), SwitchFact(s, w)]


@rule
def displaced_port(p: str, t: str, n: str, s: str, w: str) -> Rule:
    "A port claims a MAC or a key that is another's, and does not work."
    return Trouble(
        about("displaced-port", p),
        says("port {}/{} does not work: it has the {}", w, n, t),
        p,
        "another program wrote it: delete the port and create it again",
    ) <= [Displaced(p, t), PortFact(p, n, s), Concerns(s), SwitchFact(s, w)]


@rule
def displaced_router_port(x: str, t: str, n: str, r: str, s: str, w: str) -> Rule:
    "So does a router port."
    return Trouble(
        about("displaced-router-port", x),
        says("router port {}/{} does not work: it has the {}", w, n, t),
        x,
        "another program wrote it: delete the router port and create it again",
    ) <= [Displaced(x, t), RouterPortFact(x, n, r, s), Concerns(s), RouterFact(r, w)]


@rule
def displaced_switch(s: str, t: str, n: str) -> Rule:
    "So does a switch."
    return Trouble(
        about("displaced-switch", s),
        says("switch {} does not work: it has the {}", n, t),
        s,
        "another program wrote it: delete the switch and create it again",
    ) <= [Displaced(s, t), Concerns(s), SwitchFact(s, n)]


@rule
def displaced_router(r: str, t: str, n: str, s: str) -> Rule:
    "So does a router."
    return Trouble(
        about("displaced-router", r),
        says("router {} does not work: it has the {}", n, t),
        r,
        "another program wrote it: delete the router and create it again",
    ) <= [Displaced(r, t), RouterFact(r, n), RouterPortFact(router=r, switch=s), Concerns(s)]


@rule
def outranked_port(p: str, a: Ip, n: str, s: str, w: str) -> Rule:
    "A port claims an address that is another's."
    return Trouble(
        says("duplicate-address-{}-{}", p, a),
        says("port {}/{} has address {}, which belongs to another port of its switch", w, n, a),
        p,
        "give it another address",
    ) <= [Outranked(p, a), PortFact(p, n, s), Concerns(s), SwitchFact(s, w)]


@rule
def outranked_router(x: str, a: Ip, n: str, r: str, s: str, w: str) -> Rule:
    "So does a router."
    return Trouble(
        says("duplicate-address-{}-{}", x, a),
        says("router port {}/{} has address {}, which belongs to another router on its switch", w, n, a),
        x,
        "give it another address",
    ) <= [Outranked(x, a), RouterPortFact(x, n, r, s), Concerns(s), RouterFact(r, w)]


@rule
def unregistered(p: str, h: str) -> Rule:
    "A port is bound to a host that has no record."
    return Unregistered(p, h) <= [BindingFact(p, h), ~HostTunnel(h)]


@rule
def no_tunnel(s: str, p: str, h: str) -> Rule:
    "A port in reach lives on a host without a tunnel address."
    return Trouble(
        about("no-tunnel", h),
        says("host {} has no tunnel address, so its ports cannot be reached", h),
        h,
        "start its agent, with --tunnel-address",
    ) <= [Unregistered(p, h), Working(p, s), Reach(s)]


@rule
def this_without_tunnel(h: str) -> Rule:
    "This host has no record in the store."
    return Trouble(about("unregistered", h), says("host {} is not registered", h), h, "its agent will try again") <= [
        ThisHost(h),
        ~HostTunnel(h),
    ]


@rule
def this_displaced(h: str, t: str) -> Rule:
    "Another host has this one's key, so packets for this one go there."
    return Trouble(
        about("displaced-host", h),
        says("host {} cannot be reached: it has the {}", h, t),
        h,
        "another program wrote it: stop this host's agent, remove its host record, and start the agent again",
    ) <= [ThisHost(h), Displaced(h, t)]


@rule
def unusable(i: str, t: str) -> Rule:
    "A record that no switch could carry out."
    return Trouble(about("unusable", i), t, i, "another program wrote it: delete it and create it again") <= [
        Unusable(i, t)
    ]


# -- gateways -------------------------------------------------------------------------------------------------------


@rule
def in_service_there(r: str, h: str) -> Rule:
    "A router is in service when an edge of it is, on another host."
    return InService(r) <= [EdgeHost(r, h, up=True), Tunnel(h)]


@rule
def in_service_here(r: str, h: str) -> Rule:
    "Or on this one."
    return InService(r) <= [Hosted(r, h), EdgeHost(r, h, up=True)]


@rule
def no_edge_in_service(r: str, n: str) -> Rule:
    "A router on edges that has none left."
    return Trouble(
        about("no-edge", r),
        says("router {} has no edge that is registered, in service and not drained", n),
        r,
        "start the agent of an edge, set the admin_state of one to true, or add one (`retia edge add`)",
    ) <= [Pinned(r), Through(r), RouterFact(r, n), ~InService(r)]


@rule
def edge_unregistered(r: str, h: str, n: str) -> Rule:
    "An edge on a host that has no record."
    return Trouble(
        says("edge-unregistered-{}-{}", r, h),
        says("edge {} of router {} is not registered", h, n),
        r,
        "start its agent, or remove the edge (`retia edge remove`)",
    ) <= [EdgeHost(r, h), Through(r), RouterFact(r, n), ~HostTunnel(h)]


@rule
def edge_without_uplink(r: str, x: str, s: str, n: str, w: str, v: str) -> Rule:
    "An edge whose router port meets the physical network, and which has no way there."
    return Trouble(
        about("no-uplink", x),
        says("router port {}/{} leads nowhere from here: switch {} has no uplink on this host", w, n, v),
        x,
        "give the switch an uplink on this host, or delete the router port",
    ) <= [
        Hosted(r),
        LinkHere(x, r, s),
        OutsideSwitch(s),
        ~UplinkOf(s),
        RouterPortFact(x, n),
        RouterFact(r, w),
        SwitchFact(s, v),
    ]


@rule
def outwards(r: str, s: str) -> Rule:
    "A router meets the physical network by a port on a switch with an uplink."
    return Outwards(r) <= [Link(router=r, switch=s), OutsideSwitch(s)]


@rule
def outwards_here(r: str, s: str) -> Rule:
    "On this host, if no other edge alone has that port."
    return OutwardsHere(r) <= [LinkHere(router=r, switch=s), OutsideSwitch(s)]


@rule
def edge_without_port(r: str, n: str) -> Rule:
    "An edge that is sent packets for the physical network, and has no port there."
    return Trouble(
        about("edge-without-port", r),
        says("this edge of router {} has no port on the physical network: what it is sent for there is lost", n),
        r,
        "give it one (`retia edge add` with --port, or a router port with this host), or drain it",
    ) <= [OwnEdge(r, up=True), Outwards(r), ~OutwardsHere(r), RouterFact(r, n)]


@rule
def port_on_no_edge(x: str, n: str, r: str, s: str, i: str, w: str) -> Rule:
    "A router port that only one host has, which does not run the router."
    return Trouble(
        about("port-on-no-edge", x),
        says("router port {}/{} is on a host that is no edge of its router", w, n),
        x,
        "make that host an edge of the router, or name another host",
    ) <= [
        RouterPortFact(x, n, r, s, on=i),
        i != "",
        ~EdgeFact(router=r, host=i),
        Concerns(s),
        RouterFact(r, w),
    ]


@rule
def uplink_unregistered(u: str, s: str, i: str, h: str, n: str) -> Rule:
    "An uplink on a host that has no record."
    return Trouble(
        about("uplink-unregistered", u),
        says("switch {} has an uplink on host {}, which is not registered", n, h),
        h,
        "start its agent, or delete the uplink",
    ) <= [UplinkFact(u, switch=s, host=i), HostFact(i, h), ~HostTunnel(h), Concerns(s), SwitchFact(s, n)]


@rule
def displaced_uplink(u: str, t: str, s: str, i: str, h: str, n: str) -> Rule:
    "An uplink here claims a key that is another's."
    return Trouble(
        about("displaced-uplink", u),
        says("the uplink of switch {} on this host does not work: it has the {}", n, t),
        u,
        "another program wrote it: delete the uplink and create it again",
    ) <= [Displaced(u, t), UplinkFact(u, switch=s, host=i), HostFact(i, h), ThisHost(h), SwitchFact(s, n)]


@rule
def unreached(h: str, k: int) -> Rule:
    "A watched tunnel that was alive, and is not."
    return Trouble(
        about("unreached", h),
        says("host {} is not reached from here: BFD says that its tunnel is dead", h),
        h,
        "look whether the host runs and its Open vSwitch does, and at the network between the two",
    ) <= [WantsPeer(h, k), PeerSeen(peer=k), ~PeerUp(peer=k)]


RULES = [
    concerns_plugged,
    concerns_reached,
    unknown_port,
    named_twice,
    bound_elsewhere,
    displaced_port,
    displaced_router_port,
    displaced_switch,
    displaced_router,
    outranked_port,
    outranked_router,
    unregistered,
    no_tunnel,
    this_without_tunnel,
    this_displaced,
    unusable,
    in_service_there,
    in_service_here,
    no_edge_in_service,
    edge_unregistered,
    edge_without_uplink,
    outwards,
    outwards_here,
    edge_without_port,
    port_on_no_edge,
    uplink_unregistered,
    displaced_uplink,
    unreached,
]
