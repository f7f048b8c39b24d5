"""Static routes: to a next hop, to several that share, or nowhere; for a prefix, from everywhere or from a prefix.

A route works when its next hop is in a connected prefix of its router. Of those to one prefix, one for the packet's
source counts first, then the lowest metric; equal metrics share the packets (ECMP, RFC 2992), each connection going
one way. When the winner goes, the next takes over. RFC 1812 5.2.4.
"""

from __future__ import annotations

from typing import Any

from retia.compile.facts import BlackholeFact, RouteFact, RouterPortFact, ThisHost
from retia.compile.outputs import FlowRow
from retia.compile.prefixes import within
from retia.compile.presence import LiveSwitch
from retia.compile.reasons import Reason, drop
from retia.compile.routing import Active, Connected, Own, leave
from retia.flows.actions import Actions, Goto, Load, Spread
from retia.flows.fields import IPV4
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import MEMBER, NEIGHBOUR_IP4, when
from retia.pipeline.stages import ECMP, ROUTE
from retia.rules import COL, Relation, Rule, collect, fn, lowest, rule
from retia.values import Cidr, Ip, Mac

Target = tuple[Ip, int, Ip, int]
"""What a route is for: prefix and length, source prefix and length (0: from everywhere)."""
Hop = tuple[Ip, str]
"""A next hop, and the id of the router port it is behind."""


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


class Leads(Relation):
    "How packets get to a next hop that counts, from a router that counts here."

    router: str = COL
    key: int = COL
    target: Target = COL
    hop: Hop = COL
    route: str = COL
    actions: Actions = COL


@fn
def nearness(length: int, port: str) -> tuple[int, str]:
    """The least is the longest prefix; among equals, which only another program can write, the lowest port id."""
    return (-length, port)


@fn
def port_of(nearest: tuple[int, str]) -> str:
    return nearest[1]


@fn
def to_hop(port: int, mac: Mac, switch: int, next_hop: Ip) -> Actions:
    return leave(port, mac, switch, Load(NEIGHBOUR_IP4, next_hop))


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
def has(hops: tuple[Hop, ...], hop: Hop) -> bool:
    """Within a batch, a hop that is new may meet the old ones."""
    return hop in hops


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
def by_port(r: str, e: int, t: Target, p: Hop, x: str, i: str, o: int, m: Mac, s: str, d: int) -> Rule:
    "A next hop that counts is reached by its port."
    return Leads(r, e, t, p, i, to_hop(o, m, d, address_of_hop(p))) <= [
        Active(r, e),
        BestHop(r, t, p, x, i),
        RouterPortFact(x, switch=s, key=o, mac=m),
        LiveSwitch(s, d),
    ]


@rule
def route_drop(r: str, e: int, t: Target, i: str) -> Rule:
    "A destination in the prefix of a route that drops is dropped."
    return FlowRow(ROUTE, target_priority(t), target_match(e, t), drop(Reason.BLACKHOLE), i) <= [
        Active(r, e),
        Sink(r, t, i),
    ]


@rule
def route_static(r: str, e: int, t: Target, w: tuple[Hop, ...], i: str, a: Actions) -> Rule:
    "A destination in a static route's prefix goes to its next hop."
    return FlowRow(ROUTE, target_priority(t), target_match(e, t), a, i) <= [
        BestHops(r, t, w),
        is_one(w),
        Leads(r, e, t, route=i, actions=a),
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
def route_member(r: str, e: int, t: Target, w: tuple[Hop, ...], p: Hop, i: str, a: Actions) -> Rule:
    "The one that was chosen gets the packet."
    return FlowRow(ECMP, member_priority(t), member_match(e, t, place_in(w, p)), a, i) <= [
        BestHops(r, t, w),
        are_several(w),
        Leads(r, e, t, p, i, a),
        has(w, p),
    ]


@rule
def no_member(h: str) -> Rule:
    "A next hop that went a moment ago takes its packet along."
    return FlowRow(ECMP, ECMP.priority("miss"), ANYTHING, drop(Reason.NO_ROUTE), h) <= [ThisHost(h)]


RULES = [
    route_exit,
    active_route,
    blackhole,
    offered,
    offered_to_drop,
    best_metric,
    sink,
    best_hop,
    best_hops,
    by_port,
    route_drop,
    route_static,
    route_shared,
    route_member,
    no_member,
]
