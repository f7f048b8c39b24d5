"""LOOKUP to DELIVER: from a destination MAC to a port, here or on another host, and out of it.

A frame crosses hosts after LOOKUP, so that the far side only delivers. A host's tunnel address stands in one flow of
one table, so that a host that moves costs one flow, not one for each of its ports.
"""

from __future__ import annotations

from retia.compile.edges import Elects
from retia.compile.facts import RouterPortFact, ThisHost, TunnelPort
from retia.compile.outputs import FlowRow, Peer
from retia.compile.presence import (
    HERE,
    Here,
    LinkHere,
    LiveRouter,
    LiveSwitch,
    Located,
    Reach,
    Runs,
    Tunnel,
    Working,
)
from retia.compile.reasons import Reason, drop
from retia.compile.ways import for_mac, for_port, found, tunnel_to
from retia.flows.actions import Actions, ForgetInPort, Goto, Load, Move, Output, Resubmit
from retia.flows.fields import whole
from retia.flows.match import ANYTHING
from retia.pipeline.fields import (
    COMMAND,
    DATAPATH,
    DESTINATION_PORT,
    FLAGS,
    FORWARDED,
    SOURCE_PORT,
    TUNNEL_COMMAND,
    TUNNEL_DESTINATION_PORT,
    TUNNEL_FLAGS,
    TUNNEL_KEY,
    TUNNEL_SOURCE_PORT,
    Shape,
    when,
)
from retia.pipeline.stages import DECIDE, DELIVER, ENCAP, LOOKUP, LOOPBACK_JUDGE, TO_TUNNEL, ZONES
from retia.rules import Rule, fn, rule
from retia.values import Ip, Mac

MULTICAST = when(eth_dst=(1 << 40, 1 << 40))

for_host = fn(Shape("destination_host"))


@fn
def out_of(ofport: int) -> Actions:
    return (Output(ofport),)


@fn
def into_router(router: int, port: int) -> Actions:
    return (Load(DATAPATH, router), Load(SOURCE_PORT, port), Goto(ZONES))


@fn
def encapsulate(ofport: int) -> Actions:
    """The key and the option, written whole: what a forwarded packet arrived with must not travel on. What came by a
    tunnel and was routed here may leave by one."""
    return (
        ForgetInPort(),
        Move(DATAPATH, TUNNEL_KEY),
        Move(SOURCE_PORT, TUNNEL_SOURCE_PORT),
        Move(DESTINATION_PORT, TUNNEL_DESTINATION_PORT),
        Move(FLAGS, TUNNEL_FLAGS),
        Move(COMMAND, TUNNEL_COMMAND),
        Load(whole("tun_src"), 0),
        Output(ofport),
    )


@rule
def lookup_port(s: str, p: str, d: int, k: int, m: Mac, n: int) -> Rule:
    "The MAC of a port that lives somewhere leads to it and to its host."
    return FlowRow(LOOKUP, LOOKUP.priority("port"), for_mac(d, m), found(k, n), p) <= [
        Reach(s),
        Working(p, s, d, k, m),
        Located(p, n),
    ]


@rule
def lookup_router(s: str, x: str, r: str, d: int, k: int, m: Mac) -> Rule:
    "The MAC of a router port leads into the router, on this very host, if it runs here and nothing else is better."
    return FlowRow(LOOKUP, LOOKUP.priority("port"), for_mac(d, m), found(k, HERE), x) <= [
        Reach(s),
        LinkHere(x, r, s),
        Runs(r),
        ~Elects(r),
        RouterPortFact(x, switch_key=k, mac=m),
        LiveSwitch(s, d),
    ]


@rule
def lookup_multicast(h: str) -> Rule:
    "Broadcast and multicast are not delivered."
    actions = drop(Reason.MULTICAST)
    return FlowRow(LOOKUP, LOOKUP.priority("multicast"), MULTICAST, actions, h) <= [ThisHost(h)]


@rule
def lookup_nothing(h: str) -> Rule:
    "A MAC that no port has leads nowhere."
    return FlowRow(LOOKUP, LOOKUP.priority("miss"), ANYTHING, drop(Reason.UNKNOWN_MAC), h) <= [ThisHost(h)]


@rule
def decide_here(h: str) -> Rule:
    "A destination here is delivered."
    wanted = when(destination_host=HERE)
    return FlowRow(DECIDE, DECIDE.priority("here"), wanted, (Goto(LOOPBACK_JUDGE),), h) <= [ThisHost(h)]


@rule
def decide_there(h: str) -> Rule:
    "Any other goes through its host's tunnel."
    return FlowRow(DECIDE, DECIDE.priority("miss"), ANYTHING, (Goto(TO_TUNNEL),), h) <= [ThisHost(h)]


@rule
def loopback_wanted(h: str) -> Rule:
    "A packet whose flow asked for it may leave by the port it came by."
    actions: Actions = (ForgetInPort(), Goto(DELIVER))
    priority = LOOPBACK_JUDGE.priority("wanted")
    return FlowRow(LOOPBACK_JUDGE, priority, when(loopback=1), actions, h) <= [ThisHost(h)]


@rule
def loopback_pass(h: str) -> Rule:
    "Others go on, and Open vSwitch does not send them back."
    priority = LOOPBACK_JUDGE.priority("miss")
    return FlowRow(LOOPBACK_JUDGE, priority, ANYTHING, (Goto(DELIVER),), h) <= [ThisHost(h)]


@rule
def deliver_port(p: str, o: int, d: int, k: int) -> Rule:
    "A frame for a port that is here leaves by its interface."
    return FlowRow(DELIVER, DELIVER.priority("port"), for_port(d, k), out_of(o), p) <= [
        Here(p, ofport=o),
        Working(p, datapath=d, key=k),
    ]


@rule
def deliver_router(s: str, x: str, r: str, d: int, k: int, e: int, n: int) -> Rule:
    "A frame for a router port enters the router."
    return FlowRow(DELIVER, DELIVER.priority("port"), for_port(d, k), into_router(e, n), x) <= [
        Reach(s),
        LinkHere(x, r, s),
        Runs(r),
        RouterPortFact(x, switch_key=k, key=n),
        LiveRouter(r, e),
        LiveSwitch(s, d),
    ]


@rule
def deliver_moved(h: str) -> Rule:
    "A port that is not here any more is looked up once more, and its frame follows it to its new host."
    actions: Actions = (Load(FORWARDED, 1), ForgetInPort(), Resubmit(LOOKUP))
    return FlowRow(DELIVER, DELIVER.priority("moved"), when(forwarded=0), actions, h) <= [ThisHost(h)]


@rule
def deliver_nothing(h: str) -> Rule:
    "Once only: then the frame is dropped, so that no two hosts can play ball with it."
    return FlowRow(DELIVER, DELIVER.priority("miss"), ANYTHING, drop(Reason.NO_SUCH_PORT), h) <= [ThisHost(h)]


@rule
def tunnel_host(h: str, n: int, a: Ip) -> Rule:
    "A host's key leads to its tunnel address."
    return FlowRow(TO_TUNNEL, TO_TUNNEL.priority("host"), for_host(n), tunnel_to(a), h) <= [
        Peer(h),
        Tunnel(h, n, a),
    ]


@rule
def tunnel_nowhere(h: str) -> Rule:
    "A host without one is unknown."
    return FlowRow(TO_TUNNEL, TO_TUNNEL.priority("miss"), ANYTHING, drop(Reason.HOST_UNKNOWN), h) <= [ThisHost(h)]


@rule
def encapsulated(h: str, o: int) -> Rule:
    "Out of the one Geneve port, with the datapath as key and the ports and flags as option."
    return FlowRow(ENCAP, ENCAP.priority("miss"), ANYTHING, encapsulate(o), h) <= [TunnelPort(h, o)]


RULES = [
    lookup_port,
    lookup_router,
    lookup_multicast,
    lookup_nothing,
    decide_here,
    decide_there,
    loopback_wanted,
    loopback_pass,
    deliver_port,
    deliver_router,
    deliver_moved,
    deliver_nothing,
    tunnel_host,
    tunnel_nowhere,
    encapsulated,
]
