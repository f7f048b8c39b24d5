"""Which of a router's edges a packet goes to, from any host.

    LOOKUP ─► DECIDE ─► STICKY (translated on one edge only) ─► DIRECT ─► CHOOSE (spread over those that live) ─► EDGE

A single edge gets everything, whether it lives or not; so does the first by priority while none was ever seen. Why so:
docs/decisions/0010-gateways.md.
"""

from __future__ import annotations

from retia.compile.edges import (
    Above,
    Chooses,
    Elects,
    Only,
    OwnEdge,
    Ranked,
    Slots,
    WatchedRanks,
    WatchedSlots,
    first_of,
)
from retia.compile.facts import (
    DnatFact,
    EdgeFact,
    HostFact,
    RouterAddress,
    RouterPortFact,
    ThisHost,
)
from retia.compile.local import PeerPort
from retia.compile.outputs import FlowRow, WantsPeer
from retia.compile.presence import (
    HERE,
    Hosted,
    Link,
    LinkHere,
    LiveSwitch,
    Reach,
    Tunnel,
)
from retia.compile.reasons import Reason, drop
from retia.compile.ways import for_mac, found
from retia.flows.actions import Actions, Goto, Load, LoadLive
from retia.flows.fields import IPV4, TCP
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DESTINATION,
    DESTINATION_HOST,
    EDGE_ROUTER,
    LIVE_PORT,
    Shape,
    when,
)
from retia.pipeline.stages import (
    CHOOSE,
    DECIDE,
    DIRECT,
    EDGE,
    LOOKUP,
    LOOPBACK_JUDGE,
    STICKY,
    TO_TUNNEL,
)
from retia.rules import COL, Relation, Rule, fn, rule
from retia.values import Ip, Mac

EDGES = 0xFFFF
"""The host key that stands for: one of the edges of the router in EDGE_ROUTER."""
NOBODY_LIVES = 0xFFFF
ABSENT = 0xFEFF
"""A port that no bridge has, in the place of a member that is away: so that the others keep theirs."""

STAY: Actions = (Load(DESTINATION_HOST, HERE), Goto(LOOPBACK_JUDGE))

for_router = fn(Shape("edge_router"))
from_inside = fn(Shape("datapath", "eth_dst", "from_uplink"))
by_port = fn(Shape("live_port"))
nobody_for = fn(Shape("edge_router", "live_port"))


class Backup(Relation):
    "The way to the edge that holds what only one edge of a router translates."

    router: str = COL
    key: int = COL
    actions: Actions = COL


@fn
def spread_over(slots: Slots) -> Actions:
    """Members by their slots (1 is the first); a slot that nobody has is a port that no bridge has."""
    places = dict(slots)
    members = tuple(places.get(slot, ABSENT) for slot in range(1, max(places) + 1))
    return (LoadLive(members, LIVE_PORT, True), Goto(EDGE))


@fn
def first_living(ranks: Ranked) -> Actions:
    return (first_of(ranks), Goto(EDGE))


@fn
def found_edges(port: int, router: int) -> Actions:
    return (Load(DESTINATION, EDGES << 16 | port), Load(EDGE_ROUTER, router), Goto(DECIDE))


@fn
def towards_host(host: int) -> Actions:
    return (Load(DESTINATION_HOST, host), Goto(TO_TUNNEL))


@fn
def for_address(router: int, address: Ip) -> Match:
    return when(edge_router=router, eth_type=IPV4, ip_dst=address)


def ported(protocol: int, end: str, port: int) -> dict[str, int]:
    """The match of one port of a protocol; of all where it is 0."""
    if not protocol:
        return {}
    return {"nw_proto": protocol, f"{'tcp' if protocol == TCP else 'udp'}_{end}": port}


@fn
def sticky_to(router: int, address: Ip, protocol: int, port: int) -> Match:
    return when(edge_router=router, eth_type=IPV4, ip_dst=address, **ported(protocol, "dst", port))


@fn
def sticky_from(router: int, address: Ip, protocol: int, port: int) -> Match:
    return when(edge_router=router, eth_type=IPV4, ip_src=address, **ported(protocol, "src", port))


@fn
def sticky_priority(protocol: int) -> int:
    return STICKY.priority("port" if protocol else "address")


@rule
def lookup_edges(r: str, e: int, x: str, s: str, d: int, k: int, m: Mac) -> Rule:
    "The MAC of a router's port leads to one of its edges, but for what the physical network brings: it has that too."
    return FlowRow(LOOKUP, LOOKUP.priority("port"), from_inside(d, m, 0), found_edges(k, e), x) <= [
        Chooses(r, e),
        LinkHere(x, r, s),
        Reach(s),
        RouterPortFact(x, switch_key=k, mac=m, on=""),
        LiveSwitch(s, d),
    ]


@rule
def lookup_own_port(r: str, x: str, s: str, d: int, k: int, m: Mac, g: str) -> Rule:
    "The MAC of a port that this edge alone has always leads into the router here."
    return FlowRow(LOOKUP, LOOKUP.priority("port"), for_mac(d, m), found(k, HERE), x) <= [
        Elects(r),
        Hosted(r),
        LinkHere(x, r, s),
        Reach(s),
        RouterPortFact(x, switch_key=k, mac=m, on=g),
        g != "",
        LiveSwitch(s, d),
    ]


@rule
def lookup_one_edge(x: str, r: str, s: str, d: int, k: int, m: Mac, i: str, h: str, n: int) -> Rule:
    "The MAC of a port that one edge has leads to that one, but for what the physical network brings: it has that too."
    return FlowRow(LOOKUP, LOOKUP.priority("port"), from_inside(d, m, 0), found(k, n), x) <= [
        Reach(s),
        RouterPortFact(x, router=r, switch=s, switch_key=k, mac=m, on=i),
        EdgeFact(router=r, host=i),
        Link(x),
        HostFact(i, h),
        Tunnel(h, n),
        LiveSwitch(s, d),
    ]


@rule
def decide_edges(h: str) -> Rule:
    "Where an edge is to be chosen, that is done."
    wanted = when(destination_host=EDGES)
    return FlowRow(DECIDE, DECIDE.priority("edges"), wanted, (Goto(STICKY),), h) <= [ThisHost(h)]


@rule
def backup_only(r: str, e: int, k: int) -> Rule:
    "Where there is one to go to, that is it."
    return Backup(r, e, towards_host(k)) <= [Chooses(r, e), Only(r, k)]


@rule
def backup_any(r: str, e: int, t: Ranked) -> Rule:
    "Else, from a host that is no edge, or a drained one, it is the first that lives."
    return Backup(r, e, first_living(t)) <= [
        Chooses(r, e),
        WatchedRanks(r, t),
        ~Only(r),
        ~OwnEdge(router=r, up=True),
    ]


@rule
def backup_above(r: str, e: int, t: Ranked) -> Rule:
    "From an edge, the first living one before it; else it is itself the first."
    return Backup(r, e, first_living(t)) <= [Chooses(r, e), Above(r, t)]


@rule
def sticky_own(r: str, e: int, x: str, a: Ip, i: str, h: str, n: int) -> Rule:
    "The address that one edge has of its own leads there."
    return FlowRow(STICKY, STICKY.priority("own"), for_address(e, a), towards_host(n), x) <= [
        Chooses(r, e),
        RouterPortFact(x, router=r, on=i),
        Link(x),
        HostFact(i, h),
        Tunnel(h, n),
        RouterAddress(x, a),
    ]


@rule
def sticky_outside(r: str, e: int, v: Actions, i: str, a: Ip, p: int, n: int) -> Rule:
    "What is for a translated address goes to the edge that holds it."
    return FlowRow(STICKY, sticky_priority(p), sticky_to(e, a, p, n), v, i) <= [
        Backup(r, e, v),
        DnatFact(i, router=r, external=a, protocol=p, external_port=n),
    ]


@rule
def sticky_inside(r: str, e: int, v: Actions, i: str, a: Ip, p: int, n: int) -> Rule:
    "So does what comes from the guest behind it."
    return FlowRow(STICKY, sticky_priority(p), sticky_from(e, a, p, n), v, i) <= [
        Backup(r, e, v),
        DnatFact(i, router=r, internal=a, protocol=p, internal_port=n),
    ]


@rule
def sticky_not(h: str) -> Rule:
    "Other packets may take any edge."
    return FlowRow(STICKY, STICKY.priority("miss"), ANYTHING, (Goto(DIRECT),), h) <= [ThisHost(h)]


@rule
def spread(r: str, e: int, t: Slots) -> Rule:
    "They are spread over those that live."
    return FlowRow(CHOOSE, CHOOSE.priority("router"), for_router(e), spread_over(t), r) <= [
        Chooses(r, e),
        WatchedSlots(r, t),
        ~Only(r),
        ~OwnEdge(router=r, up=True),
    ]


@rule
def only_edge(r: str, e: int, k: int) -> Rule:
    "Where there is one to go to, it gets them all."
    return FlowRow(CHOOSE, CHOOSE.priority("router"), for_router(e), towards_host(k), r) <= [
        Chooses(r, e),
        Only(r, k),
    ]


@rule
def spread_not(r: str, e: int) -> Rule:
    "On an edge they stay."
    return FlowRow(CHOOSE, CHOOSE.priority("router"), for_router(e), STAY, r) <= [
        Chooses(r, e),
        OwnEdge(r, up=True),
    ]


@rule
def no_edge(h: str) -> Rule:
    "A router without any edge to send to ends the way."
    return FlowRow(CHOOSE, CHOOSE.priority("miss"), ANYTHING, drop(Reason.NO_EDGE), h) <= [ThisHost(h)]


@rule
def edge_peer(h: str, n: int, o: int) -> Rule:
    "The port that was chosen names the host."
    return FlowRow(EDGE, EDGE.priority("peer"), by_port(o), towards_host(n), h) <= [PeerPort(h, n, o), WantsPeer(key=n)]


@rule
def edge_here(r: str, e: int) -> Rule:
    "Where none lives and this is an edge too, here is best."
    return FlowRow(EDGE, EDGE.priority("here"), nobody_for(e, NOBODY_LIVES), STAY, r) <= [Chooses(r, e), Hosted(r)]


@rule
def no_edge_lives(h: str) -> Rule:
    "Else it is dropped."
    return FlowRow(EDGE, EDGE.priority("miss"), ANYTHING, drop(Reason.NO_EDGE), h) <= [ThisHost(h)]


RULES = [
    lookup_edges,
    lookup_own_port,
    lookup_one_edge,
    decide_edges,
    backup_only,
    backup_any,
    backup_above,
    sticky_own,
    sticky_outside,
    sticky_inside,
    sticky_not,
    spread,
    only_edge,
    spread_not,
    no_edge,
    edge_peer,
    edge_here,
    no_edge_lives,
]
