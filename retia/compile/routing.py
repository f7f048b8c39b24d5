"""Routers, on the host the packet comes from: answer, TTL, longest prefix, next hop, and into the next switch.

Of equal prefixes a connected one counts before static ones, of those one for the packet's source first, then the
lowest metric; equal metrics share the packets (ECMP). When the winner goes, the next takes over. RFC 1812 5.2-5.3.
"""

from __future__ import annotations

from retia.compile.beside import BesideGuest, Lent
from retia.compile.facts import NeverRouted, RouterAddress, RouterPortFact, ThisHost
from retia.compile.outputs import FlowRow
from retia.compile.prefixes import network
from retia.compile.presence import LinkHere, LiveRouter, LiveSwitch, Runs, Through
from retia.compile.reasons import Reason, complain, drop
from retia.compile.ways import for_port
from retia.flows.actions import Actions, DecTtl, Goto, Load, Move, Resubmit
from retia.flows.fields import ICMP, IPV4, whole
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION,
    FORWARDED,
    FROM_UPLINK,
    LOOPBACK,
    NEIGHBOUR_DATAPATH,
    NEIGHBOUR_IP4,
    NEIGHBOUR_MAC,
    REDIRECTED,
    SOURCE_PORT,
    when,
)
from retia.pipeline.stages import (
    ADDRESS,
    ANSWER,
    DNAT,
    HOOK,
    NEXT_HOP,
    RESOLVED,
    ROUTE,
    ROUTER_FORWARD,
    TTL,
    UNDNAT,
)
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Cidr, Ip, Mac

ECHO_REQUEST = 8
START_TTL = 255

PING_ANSWER: Actions = (
    Move(whole("ip_dst"), NEIGHBOUR_IP4),
    Move(whole("ip_src"), whole("ip_dst")),
    Move(NEIGHBOUR_IP4, whole("ip_src")),
    Load(whole("icmp_type"), 0),
    Load(whole("nw_ttl"), START_TTL),
    Goto(TTL),
)

INTO_SWITCH: Actions = (Move(NEIGHBOUR_MAC, whole("eth_dst")), Goto(ROUTER_FORWARD))


class Own(Relation):
    "An address of a router, at one of its working ports."

    router: str = COL
    port: str = COL
    address: Ip = COL
    length: int = COL


class Joins(Relation):
    "A prefix that a port of a router meets."

    router: str = COL
    prefix: Ip = COL
    length: int = COL
    port: str = COL


class Connected(Relation):
    "A prefix that a router is connected to, and the port that leads there."

    router: str = COL
    prefix: Ip = COL
    length: int = COL
    port: str = COL


class Active(Relation):
    "A router that ports here can send through, and its key."

    router: str = COL
    key: int = COL


@fn
def ping_to(router: int, address: Ip) -> Match:
    return when(datapath=router, eth_type=IPV4, nw_proto=ICMP, ip_dst=address, icmp_type=ECHO_REQUEST, icmp_code=0)


@fn
def packet_to(router: int, address: Ip) -> Match:
    return when(datapath=router, eth_type=IPV4, ip_dst=address)


@fn
def anywhere(prefix: Ip, length: int) -> Match:
    return when(eth_type=IPV4, ip_dst=(prefix, Cidr(prefix, length).mask))


@fn
def towards(router: int, prefix: Ip, length: int) -> Match:
    return when(datapath=router, eth_type=IPV4, ip_dst=(prefix, Cidr(prefix, length).mask))


@fn
def route_priority(kind: str, length: int) -> int:
    return ROUTE.priority(f"{kind}-{length}")


@fn
def to_connected(port: int, mac: Mac, switch: int) -> Actions:
    """The next hop is the destination itself."""
    return leave(port, mac, switch, Move(whole("ip_dst"), NEIGHBOUR_IP4))


def leave(port: int, mac: Mac, switch: int, hop: Load | Move) -> Actions:
    return (
        Load(DESTINATION, port),
        Load(whole("eth_src"), mac),
        Load(NEIGHBOUR_DATAPATH, switch),
        hop,
        Load(NEIGHBOUR_MAC, 0),
        Goto(UNDNAT),
    )


@fn
def into_switch(switch: int, port: int) -> Actions:
    """A routed packet may well leave by the port it came by: it has other MACs now."""
    return (
        Load(DATAPATH, switch),
        Load(SOURCE_PORT, port),
        Load(DESTINATION, 0),
        Load(FORWARDED, 0),
        Load(REDIRECTED, 0),
        Load(LOOPBACK, 1),
        Load(FROM_UPLINK, 0),
        Resubmit(HOOK),
    )


@rule
def active(r: str, e: int) -> Rule:
    "A router counts here when it runs here and is in reach."
    return Active(r, e) <= [Through(r), Runs(r), LiveRouter(r, e)]


@rule
def own(r: str, x: str, a: Ip, n: int) -> Rule:
    "A router has the addresses of its working ports."
    return Own(r, x, a, n) <= [LinkHere(x, r), RouterAddress(x, a, n), ~Lent(x)]


@rule
def answer_ping(r: str, e: int, x: str, a: Ip) -> Rule:
    "A router answers pings to its addresses."
    return FlowRow(ANSWER, ANSWER.priority("ping"), ping_to(e, a), PING_ANSWER, x) <= [
        Active(r, e),
        Own(r, x, a),
    ]


@rule
def refuse_rest(r: str, e: int, x: str, a: Ip) -> Rule:
    "Other packets to them are refused."
    return FlowRow(ANSWER, ANSWER.priority("own"), packet_to(e, a), complain(Reason.ROUTER_REFUSES), x) <= [
        Active(r, e),
        Own(r, x, a),
    ]


@rule
def carry_ip(h: str) -> Rule:
    "What is IPv4 and not for the router goes through it."
    return FlowRow(ANSWER, ANSWER.priority("ip"), when(eth_type=IPV4), (Goto(TTL),), h) <= [ThisHost(h)]


@rule
def carry_nothing_else(h: str) -> Rule:
    "What is not IPv4 does not."
    return FlowRow(ANSWER, ANSWER.priority("miss"), ANYTHING, drop(Reason.NOT_IP), h) <= [ThisHost(h)]


@rule
def expire_at_one(h: str) -> Rule:
    "A packet with a TTL of 1 ends here."
    wanted = when(eth_type=IPV4, nw_ttl=1)
    return FlowRow(TTL, TTL.priority("expired"), wanted, complain(Reason.TTL_EXPIRED), h) <= [ThisHost(h)]


@rule
def expire_at_zero(h: str) -> Rule:
    "One with a TTL of 0 should never have come."
    wanted = when(eth_type=IPV4, nw_ttl=0)
    return FlowRow(TTL, TTL.priority("expired"), wanted, complain(Reason.TTL_EXPIRED), h) <= [ThisHost(h)]


@rule
def one_hop(h: str) -> Rule:
    "Others lose one hop."
    return FlowRow(TTL, TTL.priority("ip"), when(eth_type=IPV4), (DecTtl(), Goto(DNAT)), h) <= [ThisHost(h)]


@rule
def route_never(h: str, a: Ip, n: int) -> Rule:
    "Multicast, loopback and broadcast addresses are not routed."
    return FlowRow(ROUTE, ROUTE.priority("never"), anywhere(a, n), drop(Reason.NOT_ROUTABLE), h) <= [
        NeverRouted(h, a, n),
    ]


@rule
def joins_own(r: str, x: str, a: Ip, n: int) -> Rule:
    "A router is connected to the prefixes of its addresses."
    return Joins(r, network(a, n), n, x) <= [Own(r, x, a, n)]


@rule
def joins_lent(r: str, x: str, a: Ip, n: int) -> Rule:
    "Where it runs for its guests alone, also to that of the port outside."
    return Joins(r, network(a, n), n, x) <= [Lent(x), BesideGuest(router=r, port=x), RouterAddress(x, a, n)]


@rule
def connected(r: str, x: str, a: Ip, n: int) -> Rule:
    "Of two ports in one prefix the lowest id leads there."
    return Connected(r, a, n, lowest(x)) <= [Joins(r, a, n, x)]


@rule
def route_connected(r: str, e: int, x: str, a: Ip, n: int, k: int, m: Mac, s: str, d: int) -> Rule:
    "A destination in a connected prefix is its own next hop."
    return FlowRow(ROUTE, route_priority("connected", n), towards(e, a, n), to_connected(k, m, d), x) <= [
        Active(r, e),
        Connected(r, a, n, x),
        RouterPortFact(x, switch=s, key=k, mac=m),
        LiveSwitch(s, d),
    ]


@rule
def route_nowhere(h: str) -> Rule:
    "Without a route a packet is dropped."
    return FlowRow(ROUTE, ROUTE.priority("miss"), ANYTHING, complain(Reason.NO_ROUTE), h) <= [ThisHost(h)]


@rule
def ask_next_hop(h: str) -> Rule:
    "The next hop's MAC comes from the address table."
    actions: Actions = (Resubmit(ADDRESS), Goto(RESOLVED))
    return FlowRow(NEXT_HOP, NEXT_HOP.priority("miss"), ANYTHING, actions, h) <= [ThisHost(h)]


@rule
def unresolved(h: str) -> Rule:
    "A next hop that is not there ends the way."
    wanted = when(neighbour_mac=0)
    return FlowRow(RESOLVED, RESOLVED.priority("unknown"), wanted, complain(Reason.NO_NEIGHBOUR), h) <= [ThisHost(h)]


@rule
def resolved(h: str) -> Rule:
    "Else its MAC becomes the destination."
    return FlowRow(RESOLVED, RESOLVED.priority("miss"), ANYTHING, INTO_SWITCH, h) <= [ThisHost(h)]


@rule
def forward(r: str, e: int, x: str, s: str, k: int, w: int, d: int) -> Rule:
    "Out of the router port, the packet enters its switch as from that port."
    return FlowRow(ROUTER_FORWARD, ROUTER_FORWARD.priority("port"), for_port(e, k), into_switch(d, w), x) <= [
        Active(r, e),
        LinkHere(x, r, s),
        RouterPortFact(x, key=k, switch_key=w),
        LiveSwitch(s, d),
    ]


@rule
def forward_nowhere(h: str) -> Rule:
    "A router port that is gone leads nowhere."
    actions = drop(Reason.NO_SUCH_PORT)
    return FlowRow(ROUTER_FORWARD, ROUTER_FORWARD.priority("miss"), ANYTHING, actions, h) <= [ThisHost(h)]


RULES = [
    active,
    own,
    answer_ping,
    refuse_rest,
    carry_ip,
    carry_nothing_else,
    expire_at_one,
    expire_at_zero,
    one_hop,
    route_never,
    joins_own,
    joins_lent,
    connected,
    route_connected,
    route_nowhere,
    ask_next_hop,
    unresolved,
    resolved,
    forward,
    forward_nowhere,
]
