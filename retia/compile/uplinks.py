"""Switches with a way to the physical network: frames out and in, and ARP both ways, on the hosts that have an uplink.

What no port of the switch has goes out by the uplink; what comes in is for ports here, or dropped. The physical network
is answered for what is on this host alone. Neighbours there are learned by the ARP that the agent sends (`daemons`):
the MAC of one stands in a flow of its own for each router port, so that no router believes what another was told. What
another host redirected here does not leave: it could not there.
"""

from __future__ import annotations

from retia.compile.admit import came_by
from retia.compile.arp import REQUEST, resolves_to
from retia.compile.beside import Lent
from retia.compile.clashes import Displaced, Outranked
from retia.compile.facts import HostFact, PortAddress, RouterAddress, RouterPortFact, ThisHost, UplinkFact
from retia.compile.local import NeighbourFact, UplinkPort, uplink_name
from retia.compile.outputs import Announce, FlowRow, Outside, WantsUplink
from retia.compile.presence import HERE, Here, LinkHere, LiveRouter, LiveSwitch, Reach, Runs, Working
from retia.compile.reasons import Reason, drop
from retia.compile.switching import out_of
from retia.compile.ways import for_port, found
from retia.flows.actions import Actions, Goto, Load, Move, Resubmit
from retia.flows.fields import ARP, whole
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION,
    FROM_UPLINK,
    NEIGHBOUR_IP4,
    NEIGHBOUR_MAC,
    SOURCE_PORT,
    Shape,
    when,
)
from retia.pipeline.punts import PuntKind, punt
from retia.pipeline.stages import (
    ADDRESS,
    ADMIT,
    ARP_ANSWER,
    ARP_REQUEST,
    DELIVER,
    HOLDER,
    HOOK,
    LOOKUP,
    LOOPBACK_JUDGE,
    NEIGHBOUR,
    NEXT_HOP,
    RESOLVED,
    UPLINK_ANSWER,
    UPLINK_ARP,
)
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Ip, Mac

ASK_BOTH: Actions = (Resubmit(ADDRESS), Resubmit(NEIGHBOUR), Goto(RESOLVED))
ASK_AGENT: Actions = (*punt(PuntKind.ASK_NEIGHBOUR), *drop(Reason.NEIGHBOUR_ASKED))

out_of_switch = fn(Shape("datapath", "from_uplink", "redirected"))
for_outside = fn(Shape("datapath", "destination_port", "redirected"))
uplink_called = fn(uplink_name)


class UplinkOf(Relation):
    "The uplink of a switch on this host."

    switch: str = COL
    uplink: str = COL


class Way(Relation):
    "An uplink that is there: its switch's key, its own port key and its OpenFlow port."

    switch: str = COL
    uplink: str = COL
    datapath: int = COL
    key: int = COL
    ofport: int = COL


class OutsideHere(Relation):
    "A router port here whose switch has its uplink here: keys of switch, router and port, MAC, OpenFlow port."

    port: str = COL
    router: str = COL
    switch: str = COL
    datapath: int = COL
    router_key: int = COL
    key: int = COL
    mac: Mac = COL
    ofport: int = COL


class OwnOutside(Relation):
    "An address that such a router port has of its own."

    port: str = COL
    router: str = COL
    address: Ip = COL


class FirstOwn(Relation):
    "The lowest of these."

    port: str = COL
    address: Ip = COL


@fn
def unknown_inside(datapath: int) -> Match:
    return when(datapath=datapath, from_uplink=0, redirected=0, neighbour_mac=0)


@fn
def unresolved(router: int, port: int) -> Match:
    return when(datapath=router, destination_port=port, neighbour_mac=0)


@fn
def learned_of(router: int, port: int, address: Ip) -> Match:
    return when(datapath=router, destination_port=port, neighbour_ip4=address, neighbour_mac=0)


@fn
def enter_from_uplink(datapath: int, port: int) -> Actions:
    return (Load(DATAPATH, datapath), Load(SOURCE_PORT, port), Load(FROM_UPLINK, 1), Goto(HOOK))


@fn
def ask_outside(port: int) -> Actions:
    return (Load(DESTINATION, port), Goto(LOOPBACK_JUDGE))


@fn
def said_by(datapath: int, address: Ip) -> Match:
    return when(datapath=datapath, eth_type=ARP, arp_spa=address)


@fn
def asked_for(datapath: int, address: Ip) -> Match:
    return when(datapath=datapath, eth_type=ARP, arp_op=REQUEST, arp_tpa=address)


def telling(mac: Mac) -> Actions:
    """Everything that ARP_ANSWER wants, but for the way there."""
    return (Move(whole("arp_tpa"), NEIGHBOUR_IP4), Load(NEIGHBOUR_MAC, mac))


@fn
def tell(mac: Mac) -> Actions:
    return (*telling(mac), Goto(ARP_ANSWER))


# -- the uplink -----------------------------------------------------------------------------------------------------


@rule
def uplink_of(s: str, u: str, i: str, h: str) -> Rule:
    "A switch has one uplink on a host; of several, which only another program can write, the lowest id counts."
    return UplinkOf(s, lowest(u)) <= [
        UplinkFact(u, switch=s, host=i),
        HostFact(i, h),
        ThisHost(h),
        ~Displaced(u),
        LiveSwitch(s),
    ]


@rule
def wants_uplink(s: str, u: str, d: int, b: str, v: int) -> Rule:
    "The host is to join the switch to its physical bridge."
    return WantsUplink(uplink_called(d), b, v) <= [UplinkOf(s, u), UplinkFact(u, bridge=b, vlan=v), LiveSwitch(s, d)]


@rule
def way(s: str, u: str, d: int, k: int, h: str, o: int) -> Rule:
    "That is done, and something here reaches the switch."
    return Way(s, u, d, k, o) <= [
        UplinkOf(s, u),
        Reach(s, h),
        UplinkFact(u, key=k),
        LiveSwitch(s, d),
        UplinkPort(h, uplink_called(d), o),
    ]


@rule
def admit_uplink(u: str, d: int, k: int, o: int) -> Rule:
    "What comes by an uplink enters its switch."
    return FlowRow(ADMIT, ADMIT.priority("local"), came_by(o), enter_from_uplink(d, k), u) <= [
        Way(uplink=u, datapath=d, key=k, ofport=o)
    ]


@rule
def deliver_uplink(u: str, d: int, k: int, o: int) -> Rule:
    "A frame for the uplink leaves by it."
    return FlowRow(DELIVER, DELIVER.priority("port"), for_port(d, k), out_of(o), u) <= [
        Way(uplink=u, datapath=d, key=k, ofport=o)
    ]


@rule
def lookup_outside(u: str, d: int, k: int) -> Rule:
    "A MAC that no port has is on the physical network, unless the frame comes from there, or from another host."
    return FlowRow(LOOKUP, LOOKUP.priority("outside"), out_of_switch(d, 0, 0), found(k, HERE), u) <= [
        Way(uplink=u, datapath=d, key=k)
    ]


@rule
def arp_outside(u: str, d: int, k: int) -> Rule:
    "So is an address that nobody has: the request goes there."
    return FlowRow(ARP_ANSWER, ARP_ANSWER.priority("outside"), unknown_inside(d), ask_outside(k), u) <= [
        Way(uplink=u, datapath=d, key=k)
    ]


# -- what the physical network asks ---------------------------------------------------------------------------------


@rule
def arp_of_uplink(h: str) -> Rule:
    "ARP from an uplink is looked at by itself."
    wanted = when(from_uplink=1, eth_type=ARP)
    return FlowRow(ARP_REQUEST, ARP_REQUEST.priority("uplink"), wanted, (Goto(UPLINK_ARP),), h) <= [ThisHost(h)]


@rule
def hear_neighbour(x: str, d: int, a: Ip) -> Rule:
    "What a neighbour that is known or asked for says, the agent hears."
    actions: Actions = (*punt(PuntKind.HEARD_NEIGHBOUR), Goto(UPLINK_ANSWER))
    return FlowRow(UPLINK_ARP, UPLINK_ARP.priority("heard"), said_by(d, a), actions, x) <= [
        OutsideHere(x, datapath=d),
        NeighbourFact(x, a),
    ]


@rule
def hear_others(h: str) -> Rule:
    "What others say, it does not."
    return FlowRow(UPLINK_ARP, UPLINK_ARP.priority("miss"), ANYTHING, (Goto(UPLINK_ANSWER),), h) <= [ThisHost(h)]


@rule
def answer_for_router(x: str, d: int, a: Ip, m: Mac) -> Rule:
    "The physical network is told the MAC of a router that runs here."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell(m), x) <= [
        OutsideHere(x, datapath=d, mac=m),
        OwnOutside(x, address=a),
    ]


@rule
def answer_for_port(p: str, s: str, d: int, a: Ip, m: Mac) -> Rule:
    "And that of a guest that lives here."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell(m), p) <= [
        Way(s, datapath=d),
        Here(p),
        Working(p, s, mac=m),
        PortAddress(p, a),
        ~Outranked(p, a),
    ]


@rule
def answer_nothing_else(h: str) -> Rule:
    "Nothing else: other hosts answer for theirs."
    actions = drop(Reason.ARP_NOT_OURS)
    wanted = when(eth_type=ARP, arp_op=REQUEST)
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("request"), wanted, actions, h) <= [ThisHost(h)]


@rule
def pass_answer(h: str) -> Rule:
    "An answer goes to who asked."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("miss"), ANYTHING, (Goto(LOOKUP),), h) <= [ThisHost(h)]


@rule
def holder_alone(h: str) -> Rule:
    "An edge answers for a translated address when none before it lives."
    wanted = when(live_port=0xFFFF)
    return FlowRow(HOLDER, HOLDER.priority("alone"), wanted, (Goto(ARP_ANSWER),), h) <= [ThisHost(h)]


@rule
def holder_other(h: str) -> Rule:
    "Else that one does."
    return FlowRow(HOLDER, HOLDER.priority("miss"), ANYTHING, drop(Reason.ARP_NOT_OURS), h) <= [ThisHost(h)]


# -- routers on it --------------------------------------------------------------------------------------------------


@rule
def outside_here(x: str, r: str, s: str, d: int, e: int, k: int, m: Mac, o: int) -> Rule:
    "A router port is outside here when it is on the switch of an uplink here, and its router runs here."
    return OutsideHere(x, r, s, d, e, k, m, o) <= [
        Way(s, datapath=d, ofport=o),
        LinkHere(x, r, s),
        Runs(r),
        LiveRouter(r, e),
        RouterPortFact(x, key=k, mac=m),
    ]


@rule
def own_outside(x: str, r: str, a: Ip) -> Rule:
    "It has its addresses."
    return OwnOutside(x, r, a) <= [OutsideHere(x, r), RouterAddress(x, a), ~Outranked(x, a), ~Lent(x)]


@rule
def first_own(x: str, a: Ip) -> Rule:
    "With the lowest of them it asks and, where none is given, translates."
    return FirstOwn(x, lowest(a)) <= [OwnOutside(x, address=a)]


@rule
def outside(x: str, e: int, k: int, m: Mac, a: Ip, o: int) -> Rule:
    "The agent asks for its neighbours."
    return Outside(x, e, k, m, a, o) <= [OutsideHere(x, router_key=e, key=k, mac=m, ofport=o), FirstOwn(x, a)]


@rule
def announce_own(x: str, a: Ip, m: Mac, o: int) -> Rule:
    "Its addresses are announced to the physical network."
    return Announce(a, o, m) <= [OutsideHere(x, mac=m, ofport=o), OwnOutside(x, address=a)]


@rule
def next_hop_outside(x: str, e: int, k: int) -> Rule:
    "A next hop on the physical network may have been learned."
    return FlowRow(NEXT_HOP, NEXT_HOP.priority("outside"), for_outside(e, k, 0), ASK_BOTH, x) <= [
        OutsideHere(x, router_key=e, key=k)
    ]


@rule
def learned(x: str, e: int, k: int, a: Ip, m: Mac) -> Rule:
    "What was learned counts where no port has the address."
    return FlowRow(NEIGHBOUR, NEIGHBOUR.priority("learned"), learned_of(e, k, a), resolves_to(m), x) <= [
        OutsideHere(x, router_key=e, key=k),
        NeighbourFact(x, a, m),
        m != 0,
    ]


@rule
def ask_agent(x: str, e: int, k: int) -> Rule:
    "What was not, the agent asks for; the packet waits there."
    return FlowRow(RESOLVED, RESOLVED.priority("ask"), unresolved(e, k), ASK_AGENT, x) <= [
        OutsideHere(x, router_key=e, key=k)
    ]


RULES = [
    uplink_of,
    wants_uplink,
    way,
    admit_uplink,
    deliver_uplink,
    lookup_outside,
    arp_outside,
    arp_of_uplink,
    hear_neighbour,
    hear_others,
    answer_for_router,
    answer_for_port,
    answer_nothing_else,
    pass_answer,
    holder_alone,
    holder_other,
    outside_here,
    own_outside,
    first_own,
    outside,
    announce_own,
    next_hop_outside,
    learned,
    ask_agent,
]
