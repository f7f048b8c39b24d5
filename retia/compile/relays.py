"""Which hosts watch each other by BFD, and on an edge the way round a dead tunnel.

Watched are the tunnels between an edge and the hosts that send through its router, and those between edges; no others.
On an edge, a host that cannot be reached directly is reached by another edge, once: there the packet is forwarded as
any that finds its port gone (`switching.deliver_moved`).
"""

from __future__ import annotations

from retia.compile.choice import by_port
from retia.compile.edges import OwnEdge, Rank, Rival, before, first_of
from retia.compile.facts import BindingFact, ThisHost
from retia.compile.local import PeerPort, PeerSeen, PeerUp
from retia.compile.outputs import FlowRow, Peer, WantsPeer
from retia.compile.presence import EdgeHost, Hosted, Link, LinkHere, Pinned, Runs, Through, Tunnel, Working
from retia.compile.reasons import Reason, drop
from retia.compile.switching import for_host
from retia.compile.ways import tunnel_to
from retia.flows.actions import NOBODY_LIVE, Actions, Goto, LoadLive
from retia.flows.match import ANYTHING
from retia.pipeline.fields import LIVE_PORT, when
from retia.pipeline.stages import AROUND, RELAY, TO_TUNNEL
from retia.rules import COL, Relation, Rule, collect, fn, rule
from retia.values import Ip

ByHost = tuple[tuple[str, int], ...]


class Caught(Relation):
    "A switch from which packets come to a router on this edge."

    switch: str = COL


class Edging(Relation):
    "This host is an edge."

    host: str = COL


class WatchedHost(Relation):
    "A host in use that is watched from here: its key, its port, its tunnel address."

    here: str = COL
    host: str = COL
    key: int = COL
    ofport: int = COL
    address: Ip = COL


class Beside(Relation):
    "A watched edge of a router that this host is an edge of, and its port."

    router: str = COL
    edge: str = COL
    ofport: int = COL


class EdgePeer(Relation):
    "A watched edge beside this one, and its port."

    host: str = COL
    edge: str = COL
    ofport: int = COL


class Accompanied(Relation):
    "This host, when it has one. Apart from `Relays`, so that an edge more is nothing to the flows of each host."

    host: str = COL


class Relays(Relation):
    "All of these, in an order that has nothing to do with the numbers of ports here: what-if does not know those."

    host: str = COL
    edges: ByHost = COL


class LiveAbove(Relation):
    "A router that has an edge before this one, which lives now."

    router: str = COL


class Holding(Relation):
    "A router whose translated addresses are at this edge now, as far as its agent knows."

    router: str = COL


@fn
def of_host(host: str, ofport: int) -> tuple[str, int]:
    return (host, ofport)


@fn
def by_one_of(edges: ByHost) -> Actions:
    return (first_of(edges), Goto(AROUND))


@fn
def directly(ofport: int) -> Actions:
    return (LoadLive((ofport,), LIVE_PORT, False), Goto(RELAY))


@rule
def watch_edge(r: str, h: str, n: int, a: Ip) -> Rule:
    "Each edge of a router in reach is watched."
    return WantsPeer(h, n, a) <= [Through(r), EdgeHost(r, h), Tunnel(h, n, a)]


@rule
def caught_own(r: str, s: str) -> Rule:
    "Packets come to a router on this edge from its own switches."
    return Caught(s) <= [Hosted(r), LinkHere(router=r, switch=s)]


@rule
def caught_routed(r: str, s: str, t: str) -> Rule:
    "And from those that a router which runs everywhere joins to one."
    return Caught(t) <= [Caught(s), Link(router=r, switch=s), Runs(r), ~Pinned(r), Link(router=r, switch=t)]


@rule
def watch_user(s: str, p: str, h: str, n: int, a: Ip) -> Rule:
    "An edge watches the hosts that have a port on such a switch."
    return WantsPeer(h, n, a) <= [Caught(s), Working(p, s), BindingFact(p, h), Tunnel(h, n, a)]


@rule
def edging(h: str) -> Rule:
    "This host is an edge when a router with edges runs here."
    return Edging(h) <= [Hosted(host=h)]


@rule
def beside(r: str, h: str, g: str, n: int, o: int) -> Rule:
    "The other edges of a router, once watched, have it as well."
    return Beside(r, g, o) <= [Hosted(r, h), EdgeHost(r, g), Tunnel(g, n), PeerPort(h, n, o), PeerSeen(h, n)]


@rule
def edge_peers(r: str, h: str, g: str, o: int) -> Rule:
    "They may carry packets on."
    return EdgePeer(h, g, o) <= [Beside(r, g, o), Hosted(r, h)]


@rule
def accompanied(h: str) -> Rule:
    "An edge that has another beside it."
    return Accompanied(h) <= [EdgePeer(h)]


@rule
def relays(h: str, g: str, o: int) -> Rule:
    "All of them."
    return Relays(h, collect(of_host(g, o))) <= [EdgePeer(h, g, o)]


@rule
def watched_host(h: str, g: str, n: int, o: int, a: Ip) -> Rule:
    "A host whose tunnel is in use and whose life is known."
    return WatchedHost(h, g, n, o, a) <= [
        Edging(h),
        Peer(g),
        WantsPeer(g, n, a),
        PeerPort(h, n, o),
        PeerSeen(h, n),
    ]


@rule
def tunnel_watched(h: str, g: str, n: int, o: int) -> Rule:
    "From an edge that has others beside it, a host is reached directly while its tunnel lives."
    return FlowRow(TO_TUNNEL, TO_TUNNEL.priority("watched"), for_host(n), directly(o), g) <= [
        WatchedHost(h, g, n, o),
        Accompanied(h),
    ]


@rule
def relay_peer(g: str, o: int, a: Ip) -> Rule:
    "The port that was chosen names the tunnel address."
    return FlowRow(RELAY, RELAY.priority("peer"), by_port(o), tunnel_to(a), g) <= [
        WatchedHost(host=g, ofport=o, address=a)
    ]


@rule
def relay_dead(h: str, t: ByHost) -> Rule:
    "Else by another edge: that one sends it directly, or drops it. One flow, so that an edge more costs no other."
    return FlowRow(RELAY, RELAY.priority("dead"), when(live_port=NOBODY_LIVE, forwarded=0), by_one_of(t), h) <= [
        Relays(h, t)
    ]


@rule
def around_edge(h: str, g: str, o: int, a: Ip) -> Rule:
    "The port of that edge names its tunnel address."
    return FlowRow(AROUND, AROUND.priority("edge"), by_port(o), tunnel_to(a), g) <= [
        EdgePeer(h, g, o),
        WatchedHost(h, g, ofport=o, address=a),
    ]


@rule
def around_nobody(h: str) -> Rule:
    "Where no edge lives either the packet is dropped."
    return FlowRow(AROUND, AROUND.priority("miss"), ANYTHING, drop(Reason.TUNNEL_DEAD), h) <= [ThisHost(h)]


@rule
def relay_nobody(h: str) -> Rule:
    "What came from another edge already is dropped."
    return FlowRow(RELAY, RELAY.priority("miss"), ANYTHING, drop(Reason.TUNNEL_DEAD), h) <= [ThisHost(h)]


@rule
def live_above(r: str, w: Rank, v: Rank, k: int) -> Rule:
    "An edge that comes before this one and lives holds them."
    return LiveAbove(r) <= [Rival(r, w, key=k), PeerUp(peer=k), OwnEdge(r, v, True), before(w, v)]


@rule
def holding(r: str) -> Rule:
    "Else this one does, unless it is drained."
    return Holding(r) <= [OwnEdge(r, up=True), ~LiveAbove(r)]


RULES = [
    watch_edge,
    caught_own,
    caught_routed,
    watch_user,
    edging,
    beside,
    edge_peers,
    accompanied,
    relays,
    watched_host,
    tunnel_watched,
    relay_peer,
    relay_dead,
    around_edge,
    around_nobody,
    relay_nobody,
    live_above,
    holding,
]
