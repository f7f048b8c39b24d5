"""REDIRECT: what a host does not know goes to one that may, once; an on-demand host's agent hears of it as well (WANT).

    on-demand: LOOKUP, ARP_ANSWER, RESOLVED ─► REDIRECT · HELPER · ENCAP ═══► a full host, and then WANT
    an edge:   RESOLVED (its agent may be dead, and a port new) ─► REDIRECT · HELPER · ENCAP ═══► another edge

From a switch it comes to DELIVER for port 0, which nobody has: ARP is answered there, other frames are looked up once
more. From a router it comes to that router's ROUTE: its TTL is one less already. The packet is sent before the agent
hears of it, since what is over a meter is sent nowhere from there on.
"""

from __future__ import annotations

from retia.compile.admit import came_tunnelled
from retia.compile.choice import by_port
from retia.compile.edges import Rank, Ranked, first_of, ranked
from retia.compile.facts import ThisHost
from retia.compile.local import PeerPort, PeerSeen
from retia.compile.modes import Asks, Helper, Ranks, Serves
from retia.compile.nat import of_router
from retia.compile.outputs import FlowRow, Trouble
from retia.compile.presence import Link, LiveRouter, Pinned, Runs, Through, Tunnel
from retia.compile.reasons import Reason, complain, drop
from retia.compile.relays import Accompanied, Beside, ByHost, EdgePeer, Relays, WatchedHost, of_host
from retia.compile.troubles import about, says
from retia.compile.ways import tunnel_to
from retia.flows.actions import Actions, ForgetInPort, Goto, Load, Move, Resubmit
from retia.flows.fields import ARP
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION,
    FLAGS,
    FORWARDED,
    NEIGHBOUR_DATAPATH,
    REDIRECTED,
    SOURCE_PORT,
    TUNNEL_FLAGS,
    TUNNEL_KEY,
    TUNNEL_SOURCE_PORT,
    when,
)
from retia.pipeline.punts import PuntKind, punt
from retia.pipeline.stages import (
    ADMIT,
    ARP_ANSWER,
    ARP_REQUEST,
    DELIVER,
    HELPER,
    LOOKUP,
    NEXT_HOP,
    REDIRECT,
    RESOLVED,
    ROUTE,
    UNDNAT,
    WANT,
)
from retia.rules import COL, Relation, Rule, collect, fn, lowest, rule
from retia.values import Ip

REQUEST = 1
TRACKED = 0x20
"""ct_state: connection tracking has seen it."""

MARK: Actions = (Load(REDIRECTED, 1), Load(FORWARDED, 0), Load(DESTINATION, 0))
ASK: Actions = (Resubmit(REDIRECT), Goto(WANT))
TO_ROUTER: Actions = (
    Move(TUNNEL_KEY, DATAPATH),
    Move(TUNNEL_SOURCE_PORT, SOURCE_PORT),
    Move(TUNNEL_FLAGS, FLAGS),
    Goto(ROUTE),
)


class HelperPort(Relation):
    "The port that watches a helper of this host, and is known to be able to."

    host: str = COL
    rank: Rank = COL
    ofport: int = COL
    here: str = COL


class HelperPorts(Relation):
    "All of these, the first helper first."

    here: str = COL
    ports: Ranked = COL


class FirstHelper(Relation):
    "The first helper of this host, and its tunnel address."

    here: str = COL
    first: tuple[Rank, Ip] = COL


class BesidePorts(Relation):
    "All of these."

    router: str = COL
    edges: ByHost = COL


class Twinned(Relation):
    "A router that another edge has as well: one of both, or one behind that."

    router: str = COL


class TwinnedSwitch(Relation):
    "A switch of such a router."

    switch: str = COL


class PlainLink(Relation):
    "A link of a router that runs everywhere."

    router: str = COL
    switch: str = COL


class Admits(Relation):
    "This host, when others may send it what they do not know in a router."

    host: str = COL


@fn
def unknown_in(router: int) -> Match:
    return when(datapath=router, neighbour_mac=0, redirected=0)


@fn
def tracked_unknown_in(router: int) -> Match:
    return when(datapath=router, neighbour_mac=0, redirected=0, ct_state=(TRACKED, TRACKED))


@fn
def by_first_living(hosts: Ranked | ByHost) -> Actions:
    return (*MARK, first_of(hosts), Goto(HELPER))


@fn
def addressed(rank: Rank, address: Ip) -> tuple[Rank, Ip]:
    return (rank, address)


@fn
def address_in(first: tuple[Rank, Ip]) -> Ip:
    return first[1]


@fn
def by_tunnel(first: tuple[Rank, Ip]) -> Actions:
    return (*MARK, *tunnel_to(first[1]))


# -- a host that asks -----------------------------------------------------------------------------------------------


@rule
def redirect_frame(h: str) -> Rule:
    "A MAC that is not known here may be known elsewhere; the agent is told it by the datapath."
    actions: Actions = (Load(NEIGHBOUR_DATAPATH, 0), *ASK)
    return FlowRow(LOOKUP, LOOKUP.priority("redirect"), when(redirected=0), actions, h) <= [Asks(h)]


@rule
def redirect_arp(h: str) -> Rule:
    "So may an address that is asked for."
    wanted = when(neighbour_mac=0, redirected=0)
    return FlowRow(ARP_ANSWER, ARP_ANSWER.priority("redirect"), wanted, ASK, h) <= [Asks(h)]


@rule
def redirect_routed(h: str) -> Rule:
    "So may a next hop."
    wanted = when(neighbour_mac=0, redirected=0)
    return FlowRow(RESOLVED, RESOLVED.priority("redirect"), wanted, ASK, h) <= [Asks(h)]


@rule
def want(h: str) -> Rule:
    "The agent hears of it."
    return FlowRow(WANT, WANT.priority("miss"), ANYTHING, punt(PuntKind.WANTED), h) <= [Asks(h)]


@rule
def helper_port(h: str, g: str, w: Rank, n: int, o: int) -> Rule:
    "The life of a helper is known once its BFD was up."
    return HelperPort(g, w, o, h) <= [Asks(h), Helper(g, w, h), Tunnel(g, n), PeerPort(h, n, o), PeerSeen(h, n)]


@rule
def helper_ports(h: str, w: Rank, o: int) -> Rule:
    "All whose life is known are asked in order."
    return HelperPorts(h, collect(ranked(w, o))) <= [HelperPort(rank=w, ofport=o, here=h)]


@rule
def first_helper(h: str, g: str, w: Rank, a: Ip) -> Rule:
    "One of them comes first."
    return FirstHelper(h, lowest(addressed(w, a))) <= [Asks(h), Helper(g, w, h), Tunnel(g, address=a)]


@rule
def redirect_living(h: str, t: Ranked) -> Rule:
    "The first that lives is sent it."
    return FlowRow(REDIRECT, REDIRECT.priority("host"), ANYTHING, by_first_living(t), h) <= [HelperPorts(h, t)]


@rule
def redirect_first(h: str, f: tuple[Rank, Ip]) -> Rule:
    "While nobody's life is known, the first."
    return FlowRow(REDIRECT, REDIRECT.priority("host"), ANYTHING, by_tunnel(f), h) <= [
        FirstHelper(h, f),
        ~HelperPorts(h),
    ]


@rule
def no_helper(h: str) -> Rule:
    "Where there is none, it is dropped."
    return FlowRow(REDIRECT, REDIRECT.priority("miss"), ANYTHING, drop(Reason.NO_FULL_HOST), h) <= [ThisHost(h)]


@rule
def to_helper(g: str, o: int, a: Ip) -> Rule:
    "The port that was chosen names the tunnel address."
    return FlowRow(HELPER, HELPER.priority("peer"), by_port(o), tunnel_to(a), g) <= [
        HelperPort(g, ofport=o),
        Tunnel(g, address=a),
    ]


@rule
def no_helper_lives(h: str, f: tuple[Rank, Ip]) -> Rule:
    "Where none seems to live, the first: BFD may be silent while packets pass, and there is nobody else."
    return FlowRow(HELPER, HELPER.priority("miss"), ANYTHING, tunnel_to(address_in(f)), h) <= [FirstHelper(h, f)]


@rule
def no_full_host(h: str) -> Rule:
    "A host that asks, and nobody to send to."
    return Trouble(
        about("no-full-host", h),
        says("host {} is in on-demand mode, and no host is full: first packets to what it does not know are lost", h),
        h,
        "set `mode: full` on one host at least (an edge, or a host with an uplink, is full by itself)",
    ) <= [Asks(h), ~Ranks(h)]


# -- an edge --------------------------------------------------------------------------------------------------------


@rule
def beside_ports(r: str, g: str, o: int) -> Rule:
    "All of them."
    return BesidePorts(r, collect(of_host(g, o))) <= [Beside(r, g, o)]


@rule
def redirect_in_router(r: str, e: int, t: ByHost) -> Rule:
    "What is not known in such a router goes to one of them that lives."
    return FlowRow(REDIRECT, REDIRECT.priority("router"), of_router(e), by_first_living(t), r) <= [
        BesidePorts(r, t),
        LiveRouter(r, e),
    ]


@rule
def twinned(r: str) -> Rule:
    "A router has a twin when another edge has it."
    return Twinned(r) <= [Beside(r)]


@rule
def twinned_switch(r: str, s: str) -> Rule:
    "That edge reaches its switches."
    return TwinnedSwitch(s) <= [Twinned(r), Link(router=r, switch=s)]


@rule
def plain_link(r: str, s: str) -> Rule:
    "A router without edges runs everywhere."
    return PlainLink(r, s) <= [Link(router=r, switch=s), Runs(r), ~Pinned(r)]


@rule
def twinned_behind(s: str, r: str) -> Rule:
    "So it does on that edge, when it is on such a switch."
    return Twinned(r) <= [TwinnedSwitch(s), PlainLink(r, s)]


@rule
def redirect_on_edge(r: str, e: int) -> Rule:
    "In such a router, a guest that is not known may be new."
    return FlowRow(RESOLVED, RESOLVED.priority("redirect"), unknown_in(e), (Goto(REDIRECT),), r) <= [
        Twinned(r),
        LiveRouter(r, e),
    ]


@rule
def redirect_tracked(r: str, e: int) -> Rule:
    "Of a tracked connection the other edge can tell nobody anything: it does not learn by which port the packet came."
    actions: Actions = (Load(SOURCE_PORT, 0), Goto(REDIRECT))
    return FlowRow(RESOLVED, RESOLVED.priority("tracked"), tracked_unknown_in(e), actions, r) <= [
        Beside(r),
        LiveRouter(r, e),
    ]


@rule
def redirect_in_others(h: str, t: ByHost) -> Rule:
    "In a router behind, to any edge beside this one: one flow, so that an edge more costs no other."
    return FlowRow(REDIRECT, REDIRECT.priority("host"), ANYTHING, by_first_living(t), h) <= [Relays(h, t)]


@rule
def to_edge(h: str, g: str, o: int, a: Ip) -> Rule:
    "The port that was chosen names the tunnel address."
    return FlowRow(HELPER, HELPER.priority("peer"), by_port(o), tunnel_to(a), g) <= [
        EdgePeer(h, g, o),
        WatchedHost(h, g, ofport=o, address=a),
    ]


@rule
def no_edge_beside(h: str) -> Rule:
    "Where none of them lives, nobody has the next hop."
    actions = complain(Reason.NO_NEIGHBOUR)
    return FlowRow(HELPER, HELPER.priority("miss"), ANYTHING, actions, h) <= [ThisHost(h), ~Asks(h)]


# -- who is sent it -------------------------------------------------------------------------------------------------


@rule
def admits_helped(h: str) -> Rule:
    "A full host takes what on-demand ones do not know."
    return Admits(h) <= [Serves(h)]


@rule
def admits_edges(h: str) -> Rule:
    "An edge takes what those beside it do not."
    return Admits(h) <= [Accompanied(h)]


@rule
def admit_router(r: str, h: str, e: int) -> Rule:
    "What comes by a tunnel with the key of a router that runs here is routed, and has lost its hop already."
    return FlowRow(ADMIT, ADMIT.priority("tunnel"), came_tunnelled(e), TO_ROUTER, r) <= [
        Through(r, h),
        Runs(r),
        LiveRouter(r, e),
        Admits(h),
    ]


@rule
def deliver_asked(h: str) -> Rule:
    "A redirected ARP request asks the address table here. Its answer is an ordinary frame."
    wanted = when(destination_port=0, redirected=1, forwarded=0, eth_type=ARP, arp_op=REQUEST)
    actions: Actions = (Load(FORWARDED, 1), ForgetInPort(), Resubmit(ARP_REQUEST))
    return FlowRow(DELIVER, DELIVER.priority("asked"), wanted, actions, h) <= [ThisHost(h)]


@rule
def keep_translation(h: str) -> Rule:
    "A redirected packet was translated where it comes from."
    wanted = when(redirected=1)
    return FlowRow(UNDNAT, UNDNAT.priority("redirected"), wanted, (Goto(NEXT_HOP),), h) <= [ThisHost(h)]


@rule
def redirected_unknown(h: str) -> Rule:
    "A next hop that is not known here either ends the way: once redirected is enough."
    wanted = when(neighbour_mac=0, redirected=1)
    actions = complain(Reason.NO_NEIGHBOUR)
    return FlowRow(RESOLVED, RESOLVED.priority("redirected"), wanted, actions, h) <= [ThisHost(h)]


RULES = [
    redirect_frame,
    redirect_arp,
    redirect_routed,
    want,
    helper_port,
    helper_ports,
    first_helper,
    redirect_living,
    redirect_first,
    no_helper,
    to_helper,
    no_helper_lives,
    no_full_host,
    beside_ports,
    redirect_in_router,
    twinned,
    twinned_switch,
    plain_link,
    twinned_behind,
    redirect_on_edge,
    redirect_tracked,
    redirect_in_others,
    to_edge,
    no_edge_beside,
    admits_helped,
    admits_edges,
    admit_router,
    deliver_asked,
    keep_translation,
    redirected_unknown,
]
