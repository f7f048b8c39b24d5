"""DIRECT: where a host is set to it, what is for the physical network leaves by the host's own stack, not by an edge.

Only for routers on edges that have a way outside; what is inside the virtual network, and what only one edge can
translate, still goes to an edge. Answers come back by whatever way the physical network knows (docs/gateways.md).
"""

from __future__ import annotations

from retia.compile.edges import Chooses
from retia.compile.facts import RouterAddress, RouterPortFact, ThisHost, UplinkFact
from retia.compile.local import DirectFact
from retia.compile.outputs import FlowRow
from retia.compile.prefixes import network
from retia.compile.presence import Hosted, Link
from retia.compile.routing import anywhere
from retia.flows.actions import LOCAL, Actions, Goto, Load, Output
from retia.flows.fields import IPV4, whole
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import when
from retia.pipeline.stages import CHOOSE, DIRECT
from retia.rules import COL, Relation, Rule, fn, rule
from retia.values import Ip, Mac


class OutsideSwitch(Relation):
    "A switch with a way to the physical network, on whatever host."

    switch: str = COL


class InsidePrefix(Relation):
    "A prefix that lies in the virtual network, which `inside` says."

    prefix: Ip = COL
    length: int = COL
    inside: bool = COL


@fn
def all_of(router: int) -> Match:
    return when(edge_router=router, eth_type=IPV4)


@fn
def out_by_stack(mac: Mac) -> Actions:
    return (Load(whole("eth_dst"), mac), Output(LOCAL))


@rule
def outside_switch(s: str) -> Rule:
    "A switch with an uplink anywhere meets the physical network."
    return OutsideSwitch(s) <= [UplinkFact(switch=s)]


@rule
def inside_prefix(x: str, s: str, a: Ip, n: int) -> Rule:
    "What routers are connected to on other switches is inside."
    return InsidePrefix(network(a, n), n, True) <= [
        RouterAddress(x, a, n),
        RouterPortFact(x, switch=s),
        ~OutsideSwitch(s),
    ]


@rule
def direct_inside(h: str, a: Ip, n: int) -> Rule:
    "With direct exit, what is inside still goes to an edge."
    return FlowRow(DIRECT, DIRECT.priority("inside"), anywhere(a, n), (Goto(CHOOSE),), h) <= [
        DirectFact(h, True),
        InsidePrefix(a, n, True),
    ]


@rule
def direct_out(h: str, m: Mac, r: str, e: int, s: str) -> Rule:
    "All else that goes to a router with a way outside leaves by the host's own stack."
    return FlowRow(DIRECT, DIRECT.priority("out"), all_of(e), out_by_stack(m), r) <= [
        DirectFact(h, True, m),
        Chooses(r, e, h),
        ~Hosted(r),
        Link(router=r, switch=s),
        OutsideSwitch(s),
    ]


@rule
def direct_not(h: str) -> Rule:
    "Without it, everything goes to an edge."
    return FlowRow(DIRECT, DIRECT.priority("miss"), ANYTHING, (Goto(CHOOSE),), h) <= [ThisHost(h)]


RULES = [outside_switch, inside_prefix, direct_inside, direct_out, direct_not]
