"""Routers, on the host the packet comes from: answer, TTL, longest prefix, next hop, and into the next switch.

Of equal prefixes a connected one counts before static ones, of those one for the packet's source first, then the
lowest metric; equal metrics share the packets (ECMP). When the winner goes, the next takes over. RFC 1812 5.2-5.3.
"""

from __future__ import annotations

from typing import Any

from retia.compile.facts import BlackholeFact, NeverRouted, RouteFact, RouterAddress, RouterPortFact, ThisHost
from retia.compile.outputs import FlowRow
from retia.compile.presence import LinkHere, LiveRouter, LiveSwitch, Runs, Through
from retia.compile.reasons import Reason, complain, drop
from retia.flows.actions import Actions, DecTtl, Goto, Load, Move, Resubmit, Spread
from retia.flows.fields import ICMP, IPV4, whole
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION,
    FORWARDED,
    FROM_UPLINK,
    LOOPBACK,
    MEMBER,
    NEIGHBOUR_DATAPATH,
    NEIGHBOUR_IP4,
    NEIGHBOUR_MAC,
    SOURCE_PORT,
    Shape,
    when,
)
from retia.pipeline.stages import (
    ADDRESS,
    ANSWER,
    DNAT,
    ECMP,
    HOOK,
    NEXT_HOP,
    RESOLVED,
    ROUTE,
    ROUTER_FORWARD,
    TTL,
    UNDNAT,
)
from retia.rules import COL, Relation, Rule, collect, fn, lowest, rule
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

for_port = fn(Shape("datapath", "destination_port"))

Target = tuple[Ip, int, Ip, int]
"""What a route is for: prefix and length, source prefix and length (0: from everywhere)."""
Hop = tuple[Ip, str]
"""A next hop, and the id of the router port it is behind."""


class Own(Relation):
    "An address of a router, at one of its working ports."

    router: str = COL
    port: str = COL
    address: Ip = COL
    length: int = COL


class Connected(Relation):
    "A prefix that a router is connected to, and the port that leads there."

    router: str = COL
    prefix: Ip = COL
    length: int = COL
    port: str = COL


class Exit(Relation):
    "Where a static route leaves its router: by the longest connected prefix that its next hop is in."

    route: str = COL
    router: str = COL
    target: Target = COL
    metric: int = COL
    next_hop: Ip = COL
    nearest: tuple[int, str] = COL


class ActiveRoute(Relation):
    "A static route whose next hop is in a connected prefix, and the port it leaves by."

    route: str = COL
    router: str = COL
    target: Target = COL
    metric: int = COL
    next_hop: Ip = COL
    port: str = COL


class Blackhole(Relation):
    "A static route that drops."

    route: str = COL
    router: str = COL
    target: Target = COL
    metric: int = COL


class Offered(Relation):
    "A metric that routes to a target have."

    router: str = COL
    target: Target = COL
    metric: int = COL


class BestMetric(Relation):
    "The lowest of these."

    router: str = COL
    target: Target = COL
    metric: int = COL


class BestHop(Relation):
    "A next hop of the lowest metric, the port it leaves by, and its route."

    router: str = COL
    target: Target = COL
    hop: Hop = COL
    port: str = COL
    route: str = COL


class BestHops(Relation):
    "All of these, in order."

    router: str = COL
    target: Target = COL
    hops: tuple[Hop, ...] = COL


class Sink(Relation):
    "The route that drops what is for a target."

    router: str = COL
    target: Target = COL
    route: str = COL


class Active(Relation):
    "A router that ports here can send through, and its key."

    router: str = COL
    key: int = COL


@fn
def network(address: Ip, length: int) -> Ip:
    return Cidr(address, length).first


@fn
def within(address: Ip, prefix: Ip, length: int) -> bool:
    return address >> (32 - length) == prefix >> (32 - length)


@fn
def nearness(length: int, port: str) -> tuple[int, str]:
    """The least is the longest prefix; among equals, which only another program can write, the lowest port id."""
    return (-length, port)


@fn
def port_of(nearest: tuple[int, str]) -> str:
    return nearest[1]


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
    return _leave(port, mac, switch, Move(whole("ip_dst"), NEIGHBOUR_IP4))


@fn
def to_hop(port: int, mac: Mac, switch: int, next_hop: Ip) -> Actions:
    return _leave(port, mac, switch, Load(NEIGHBOUR_IP4, next_hop))


def _leave(port: int, mac: Mac, switch: int, hop: Load | Move) -> Actions:
    return (
        Load(DESTINATION, port),
        Load(whole("eth_src"), mac),
        Load(NEIGHBOUR_DATAPATH, switch),
        hop,
        Load(NEIGHBOUR_MAC, 0),
        Goto(UNDNAT),
    )


@fn
def target_of(prefix: Ip, length: int, source: Ip, source_length: int) -> Target:
    return (prefix, length, source, source_length)


@fn
def hop_of(next_hop: Ip, port: str) -> Hop:
    return (next_hop, port)


@fn
def address_of_hop(hop: Hop) -> Ip:
    return hop[0]


@fn
def is_one(hops: tuple[Hop, ...]) -> bool:
    return len(hops) == 1


@fn
def are_several(hops: tuple[Hop, ...]) -> bool:
    return len(hops) > 1


@fn
def place_in(hops: tuple[Hop, ...], hop: Hop) -> int:
    return hops.index(hop)


@fn
def target_match(router: int, target: Target) -> Match:
    return when(**_target_fields(router, target))


@fn
def member_match(router: int, target: Target, place: int) -> Match:
    return when(**_target_fields(router, target), member=place)


def _target_fields(router: int, target: Target) -> dict[str, Any]:
    prefix, length, source, source_length = target
    fields: dict[str, Any] = {"datapath": router, "eth_type": IPV4}
    fields["ip_dst"] = (prefix, Cidr(prefix, length).mask)
    if source_length:
        fields["ip_src"] = (source, Cidr(source, source_length).mask)
    return fields


@fn
def target_priority(target: Target) -> int:
    """Of one prefix, the longest source first."""
    return ROUTE.priority(f"{'policy' if target[3] else 'static'}-{target[1]}") + target[3]


@fn
def member_priority(target: Target) -> int:
    return ECMP.priority(f"{'policy' if target[3] else 'static'}-{target[1]}") + target[3]


@fn
def share(hops: tuple[Hop, ...]) -> Actions:
    return (Spread(len(hops), MEMBER), Goto(ECMP))


@fn
def into_switch(switch: int, port: int) -> Actions:
    """A routed packet may well leave by the port it came by: it has other MACs now."""
    return (
        Load(DATAPATH, switch),
        Load(SOURCE_PORT, port),
        Load(DESTINATION, 0),
        Load(FORWARDED, 0),
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
    return Own(r, x, a, n) <= [LinkHere(x, r), RouterAddress(x, a, n)]


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
def connected(r: str, x: str, a: Ip, n: int) -> Rule:
    "A router is connected to the prefixes of its addresses; of two ports in one prefix the lowest id leads there."
    return Connected(r, network(a, n), n, lowest(x)) <= [Own(r, x, a, n)]


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
def route_exit(i: str, r: str, p: Ip, n: int, q: Ip, m: int, k: int, g: Ip, x: str, a: Ip, c: int) -> Rule:
    "A static route works when its next hop is in a connected prefix of its router, and not the router itself."
    return Exit(i, r, target_of(p, n, q, m), k, g, lowest(nearness(c, x))) <= [
        RouteFact(i, r, p, n, q, m, g, k),
        Connected(r, a, c, x),
        within(g, a, c),
        ~Own(router=r, address=g),
    ]


@rule
def active_route(i: str, r: str, t: Target, k: int, g: Ip, w: tuple[int, str]) -> Rule:
    "It leaves by the port of the longest such prefix."
    return ActiveRoute(i, r, t, k, g, port_of(w)) <= [Exit(i, r, t, k, g, w)]


@rule
def blackhole(i: str, r: str, p: Ip, n: int, q: Ip, m: int, k: int) -> Rule:
    "A route that drops always works."
    return Blackhole(i, r, target_of(p, n, q, m), k) <= [BlackholeFact(i, r, p, n, q, m, k)]


@rule
def offered(r: str, t: Target, k: int) -> Rule:
    "Routes that work offer their metric."
    return Offered(r, t, k) <= [ActiveRoute(router=r, target=t, metric=k)]


@rule
def offered_to_drop(r: str, t: Target, k: int) -> Rule:
    "So do those that drop."
    return Offered(r, t, k) <= [Blackhole(router=r, target=t, metric=k)]


@rule
def best_metric(r: str, t: Target, k: int) -> Rule:
    "Of the routes to a prefix the lowest metric counts."
    return BestMetric(r, t, lowest(k)) <= [Offered(r, t, k)]


@rule
def sink(r: str, t: Target, k: int, i: str) -> Rule:
    "Where a route that drops has it, packets are dropped."
    return Sink(r, t, lowest(i)) <= [BestMetric(r, t, k), Blackhole(i, r, t, k)]


@rule
def best_hop(r: str, t: Target, k: int, g: Ip, x: str, i: str) -> Rule:
    "Else they go to the next hops of that metric; two routes to one are one."
    return BestHop(r, t, hop_of(g, x), x, lowest(i)) <= [
        BestMetric(r, t, k),
        ActiveRoute(i, r, t, k, g, x),
        ~Sink(r, t),
    ]


@rule
def best_hops(r: str, t: Target, p: Hop) -> Rule:
    "All of them together."
    return BestHops(r, t, collect(p)) <= [BestHop(r, t, p)]


@rule
def route_drop(r: str, e: int, t: Target, i: str) -> Rule:
    "A destination in the prefix of a route that drops is dropped."
    return FlowRow(ROUTE, target_priority(t), target_match(e, t), drop(Reason.BLACKHOLE), i) <= [
        Active(r, e),
        Sink(r, t, i),
    ]


@rule
def route_static(
    r: str, e: int, t: Target, w: tuple[Hop, ...], p: Hop, x: str, i: str, o: int, m: Mac, s: str, d: int
) -> Rule:
    "A destination in a static route's prefix goes to its next hop."
    return FlowRow(ROUTE, target_priority(t), target_match(e, t), to_hop(o, m, d, address_of_hop(p)), i) <= [
        Active(r, e),
        BestHops(r, t, w),
        is_one(w),
        BestHop(r, t, p, x, i),
        RouterPortFact(x, switch=s, key=o, mac=m),
        LiveSwitch(s, d),
    ]


@rule
def route_shared(r: str, e: int, t: Target, w: tuple[Hop, ...]) -> Rule:
    "Several next hops share the packets, each connection going one way."
    return FlowRow(ROUTE, target_priority(t), target_match(e, t), share(w), r) <= [
        Active(r, e),
        BestHops(r, t, w),
        are_several(w),
    ]


@rule
def route_member(
    r: str, e: int, t: Target, w: tuple[Hop, ...], p: Hop, x: str, i: str, o: int, m: Mac, s: str, d: int
) -> Rule:
    "The one that was chosen gets the packet."
    return FlowRow(
        ECMP, member_priority(t), member_match(e, t, place_in(w, p)), to_hop(o, m, d, address_of_hop(p)), i
    ) <= [
        Active(r, e),
        BestHops(r, t, w),
        are_several(w),
        BestHop(r, t, p, x, i),
        RouterPortFact(x, switch=s, key=o, mac=m),
        LiveSwitch(s, d),
    ]


@rule
def no_member(h: str) -> Rule:
    "A next hop that went a moment ago takes its packet along."
    return FlowRow(ECMP, ECMP.priority("miss"), ANYTHING, drop(Reason.NO_ROUTE), h) <= [ThisHost(h)]


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
    connected,
    route_connected,
    route_exit,
    active_route,
    blackhole,
    offered,
    offered_to_drop,
    best_metric,
    sink,
    best_hop,
    best_hops,
    route_drop,
    route_static,
    route_shared,
    route_member,
    no_member,
    route_nowhere,
    ask_next_hop,
    unresolved,
    resolved,
    forward,
    forward_nowhere,
]
