"""COMPLAIN: what routers cannot carry goes up to the agent, which answers its sender; then it is dropped and counted.

Never because of ICMP errors, nor of what no single station sent or was sent (RFC 1122 3.2.2, RFC 1812 4.3.2.7): what
flows can tell of that they tell, the agent looks at the rest. Also the size check in front of a narrower switch, and
what the agent asks to build an answer. A constant number of flows, and one for each router port into a narrower switch.
"""

from __future__ import annotations

from retia.compile.facts import Complaint, RouterAddress, RouterPortFact, SilentAbout, SilentSource, SwitchMtu, ThisHost
from retia.compile.outputs import FlowRow
from retia.compile.presence import LinkHere, LiveRouter
from retia.compile.reasons import Reason
from retia.compile.reasons import complain as complaint
from retia.compile.routing import INTO_SWITCH, Active
from retia.compile.ways import for_port
from retia.flows.actions import Actions, CheckLarger, Goto
from retia.flows.fields import ICMP, IPV4
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import LARGE, Shape, when
from retia.pipeline.punts import PuntKind, punt
from retia.pipeline.stages import COMPLAIN, DROP, RESOLVED, ROUTER_FORWARD
from retia.rules import COL, Program, Relation, Rule, fn, highest, rule
from retia.values import Cidr, Ip

ETHERNET = 14
GO_ON: Actions = (Goto(DROP),)

because_of = fn(Shape("reason"))


class Widest(Relation):
    "The largest MTU among the switches of a router."

    router: str = COL
    mtu: int = COL


@fn
def is_error(icmp_type: int) -> Match:
    return when(eth_type=IPV4, nw_proto=ICMP, icmp_type=icmp_type)


@fn
def from_prefix(prefix: Ip, length: int) -> Match:
    return when(eth_type=IPV4, ip_src=(prefix, Cidr(prefix, length).mask))


@fn
def punted(kind: int) -> Actions:
    """Open vSwitch counts a packet on both ways of a size check: of what is too big, the agent alone keeps count."""
    said = punt(kind)
    return said if kind == PuntKind.TOO_BIG else (*said, Goto(DROP))


@fn
def smaller(one: int, other: int) -> bool:
    return one < other


@fn
def measure(mtu: int) -> Actions:
    """After the next hop is known: Open vSwitch counts a packet on both ways from here."""
    return (CheckLarger(mtu + ETHERNET, LARGE), *INTO_SWITCH)


@rule
def complain(h: str, n: int, k: int) -> Rule:
    "A packet that is dropped for a reason its sender should hear of goes up to the agent."
    return FlowRow(COMPLAIN, COMPLAIN.priority("reason"), because_of(n), punted(k), h) <= [Complaint(h, n, k)]


@rule
def silent_about(h: str, n: int) -> Rule:
    "An ICMP error is never answered."
    return FlowRow(COMPLAIN, COMPLAIN.priority("silent"), is_error(n), GO_ON, h) <= [SilentAbout(h, n)]


@rule
def silent_towards(h: str, a: Ip, n: int) -> Rule:
    "Nor is a packet whose source is no single station."
    return FlowRow(COMPLAIN, COMPLAIN.priority("silent"), from_prefix(a, n), GO_ON, h) <= [SilentSource(h, a, n)]


@rule
def silent_about_many(h: str) -> Rule:
    "Nor one to many stations, or to an address that none can have."
    wanted = when(eth_type=IPV4, ip_dst=(0xE0000000, 0xE0000000))
    return FlowRow(COMPLAIN, COMPLAIN.priority("silent"), wanted, GO_ON, h) <= [ThisHost(h)]


@rule
def silent(h: str) -> Rule:
    "Everything else is just dropped."
    return FlowRow(COMPLAIN, COMPLAIN.priority("miss"), ANYTHING, GO_ON, h) <= [ThisHost(h)]


@rule
def widest(r: str, s: str, m: int) -> Rule:
    "The largest packets a router may be sent are those of its widest switch."
    return Widest(r, highest(m)) <= [LinkHere(router=r, switch=s), SwitchMtu(s, m)]


@rule
def narrow(r: str, e: int, x: str, s: str, k: int, m: int, w: int) -> Rule:
    "Packets into a narrower switch than that are measured; where all are alike, none is."
    return FlowRow(RESOLVED, RESOLVED.priority("narrow"), for_port(e, k), measure(m), x) <= [
        Active(r, e),
        Widest(r, w),
        LinkHere(x, r, s),
        SwitchMtu(s, m),
        smaller(m, w),
        RouterPortFact(x, key=k),
    ]


@rule
def too_big(h: str) -> Rule:
    "What is too big for the next switch ends here: Open vSwitch cannot make fragments of it."
    priority, actions = ROUTER_FORWARD.priority("large"), complaint(Reason.TOO_BIG)
    return FlowRow(ROUTER_FORWARD, priority, when(large=1), actions, h) <= [ThisHost(h)]


RULES = [
    complain,
    silent_about,
    silent_towards,
    silent_about_many,
    silent,
    widest,
    narrow,
    too_big,
]


# -- what an answer needs to know -----------------------------------------------------------------------------------


def address_towards(program: Program, router: int, port: int, source: Ip) -> Ip | None:
    """The address a router speaks with at one of its ports, by their keys: the one in the prefix of `source`, else
    the lowest. None for a port that is gone."""
    found = [one for link in _ports(program, router, port) for one in program.find(RouterAddress, port=link.id)]
    near = [one.address for one in found if source in Cidr(one.address, one.length)]
    return min(near or [one.address for one in found], default=None)


def mtu_beyond(program: Program, router: int, port: int) -> int | None:
    """The MTU of the switch that a router port, by their keys, leads to."""
    return next(
        (one.mtu for link in _ports(program, router, port) for one in program.find(SwitchMtu, switch=link.switch)),
        None,
    )


def _ports(program: Program, router: int, port: int) -> list[RouterPortFact]:
    routers = program.find(LiveRouter, key=router)
    return [one for live in routers for one in program.find(RouterPortFact, router=live.router, key=port)]
