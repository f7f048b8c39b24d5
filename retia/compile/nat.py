"""NAT at routers on edges: SNAT, DNAT and floating IPs, each router with two zones of connection tracking of its own.

    in:   ZONES ─► UNSNAT (answers to what left) ─► ... ─► DNAT (what comes for an address outside) ─► ROUTE
    out:  UNDNAT (answers of who is known outside by another address) ─► SNAT ─► NEXT_HOP

A packet passes connection tracking only for an address that is translated. What comes from inside for a translated
address goes back in with the edge's own address as its source, so that the answer comes back the same way (hairpin).
All `ct` take their zone from a register, which one flow for each router loads. RFC 3022, 4787, 5382.
"""

from __future__ import annotations

from retia.compile.choice import ported
from retia.compile.facts import DnatFact, SnatFact, ThisHost
from retia.compile.local import ZonesFact
from retia.compile.outputs import FlowRow, WantsZones
from retia.compile.reasons import Reason, complain
from retia.compile.routing import PING_ANSWER, Active, Own, packet_to, ping_to
from retia.compile.translations import DnatHere, DnatOf, FloatingOf, HasNat, SnatHere, SnatOf
from retia.compile.uplinks import FirstOwn, OutsideHere, OwnOutside
from retia.flows.actions import Actions, Ct, CtClear, Goto, Load, Translate
from retia.flows.fields import IPV4
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import DNAT_ZONE, NATTED, SNAT_ZONE, TRIED, Shape, when
from retia.pipeline.stages import (
    ANSWER,
    DNAT,
    NEXT_HOP,
    ROUTE,
    SNAT,
    TTL,
    UNDNAT,
    UNSNAT,
    ZONES,
)
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Cidr, Ip

TRACKED_ANSWER = 0x20 | 0x08
"""ct_state: tracked, in the direction of answers."""

UNDO: Actions = (Ct(SNAT_ZONE, int(ANSWER), nat=Translate()),)
UNDO_ANSWER: Actions = (Load(TRIED, 1), Ct(DNAT_ZONE, int(SNAT), nat=Translate()))
UNTRANSLATED: Actions = (CtClear(), Load(NATTED, 0), Load(TRIED, 0), Goto(ANSWER))
AS_IT_IS: Actions = (Goto(NEXT_HOP),)

of_router = fn(Shape("datapath"))


class Translates(Relation):
    "A router that translates here, and its key: it runs here, is in reach, and has its zones."

    router: str = COL
    key: int = COL


class Returns(Relation):
    "An address under which sources of a router leave here."

    router: str = COL
    address: Ip = COL
    nat: str = COL


class Claimed(Relation):
    "An address outside that a router has for NAT alone, and does not translate whole."

    router: str = COL
    address: Ip = COL
    nat: str = COL


class Whole(Relation):
    "An address outside that a router translates whole."

    router: str = COL
    address: Ip = COL


class HairpinBy(Relation):
    "The router port whose address a router takes for what turns back inside."

    router: str = COL
    port: str = COL


@fn
def has_zones(dnat: int, snat: int) -> Actions:
    """What one before it knew of the packet is over: it may come back to a router that it left, as an answer."""
    forgotten: Actions = (CtClear(), Load(NATTED, 0), Load(TRIED, 0))
    return (Load(DNAT_ZONE, dnat), Load(SNAT_ZONE, snat), *forgotten, Goto(UNSNAT))


@fn
def to_port(router: int, address: Ip, protocol: int, port: int) -> Match:
    return when(datapath=router, eth_type=IPV4, ip_dst=address, **ported(protocol, "dst", port))


@fn
def from_port(router: int, address: Ip, protocol: int, port: int) -> Match:
    return when(datapath=router, eth_type=IPV4, ip_src=address, **ported(protocol, "src", port))


@fn
def dnat_priority(protocol: int) -> int:
    return DNAT.priority("port" if protocol else "address")


@fn
def undnat_priority(protocol: int) -> int:
    return UNDNAT.priority("port" if protocol else "address")


@fn
def becomes_target(address: Ip, port: int) -> Actions:
    """A port of 0 leaves it as it is."""
    return (Load(NATTED, 1), Ct(DNAT_ZONE, int(ROUTE), commit=True, nat=Translate(False, address, port, port)))


@fn
def becomes_source(address: Ip, ports: tuple[int, int]) -> Actions:
    return (Ct(SNAT_ZONE, int(NEXT_HOP), commit=True, nat=Translate(True, address, *ports)),)


@fn
def leaves_from(router: int, port: int, prefix: Ip, length: int) -> Match:
    source = {"ip_src": (int(prefix), Cidr(prefix, length).mask)} if length else {}
    return when(datapath=router, destination_port=port, eth_type=IPV4, **source)


@fn
def source_priority(length: int) -> int:
    return SNAT.priority(f"prefix-{length}")


@fn
def entered_by(router: int, port: int) -> Match:
    return when(datapath=router, natted=1, source_port=port)


@fn
def turned_back(router: int) -> Match:
    return when(datapath=router, natted=1, eth_type=IPV4)


@fn
def either(given: Ip, own: Ip) -> Ip:
    return given or own


@rule
def wants_zones(r: str) -> Rule:
    "Where it runs it needs zones."
    return WantsZones(r) <= [Active(r), HasNat(r)]


@rule
def translates(r: str, e: int) -> Rule:
    "With them it translates."
    return Translates(r, e) <= [Active(r, e), HasNat(r), ZonesFact(router=r)]


# -- in -------------------------------------------------------------------------------------------------------------


@rule
def load_zones(r: str, e: int, z: int, w: int) -> Rule:
    "A router that translates brings its zones along."
    return FlowRow(ZONES, ZONES.priority("router"), of_router(e), has_zones(z, w), r) <= [
        Translates(r, e),
        ZonesFact(router=r, dnat=z, snat=w),
    ]


@rule
def without_zones(h: str) -> Rule:
    "Others need none, and forget that one before them translated."
    return FlowRow(ZONES, ZONES.priority("miss"), ANYTHING, UNTRANSLATED, h) <= [ThisHost(h)]


@rule
def returns_own(r: str, a: Ip, x: str) -> Rule:
    "Sources may leave under the router's own addresses outside."
    return Returns(r, a, x) <= [HasNat(r), OwnOutside(x, r, a)]


@rule
def returns_given(r: str, a: Ip, i: str) -> Rule:
    "Or under the one that a rule gives them."
    return Returns(r, a, i) <= [SnatHere(i), SnatFact(i, router=r, external=a), a != 0]


@rule
def returns_floating(r: str, a: Ip, i: str) -> Rule:
    "Or under a floating IP."
    return Returns(r, a, i) <= [DnatHere(i), DnatFact(i, router=r, external=a, both=True)]


@rule
def unsnat(r: str, e: int, a: Ip, i: str) -> Rule:
    "What comes for such an address may be an answer: then it goes back to who asked."
    return FlowRow(UNSNAT, UNSNAT.priority("address"), packet_to(e, a), UNDO, i) <= [Translates(r, e), Returns(r, a, i)]


@rule
def unsnat_nothing_else(h: str) -> Rule:
    "Anything else is what it is."
    return FlowRow(UNSNAT, UNSNAT.priority("miss"), ANYTHING, (Goto(ANSWER),), h) <= [ThisHost(h)]


@rule
def spare_port(r: str, e: int, a: Ip, p: int, n: int, i: str) -> Rule:
    "A translated port is not the router's own, even on its own address."
    return FlowRow(ANSWER, ANSWER.priority("translated"), to_port(e, a, p, n), (Goto(TTL),), i) <= [
        Translates(r, e),
        DnatOf(r, a, p, n, i),
        p != 0,
    ]


@rule
def claimed_source(r: str, a: Ip, i: str) -> Rule:
    "A router claims the addresses that its sources get."
    return Claimed(r, a, i) <= [
        SnatHere(i),
        SnatFact(i, router=r, external=a),
        a != 0,
        ~Whole(r, a),
        ~Own(router=r, address=a),
    ]


@rule
def claimed_port(r: str, a: Ip, p: int, i: str) -> Rule:
    "And those of which it translates single ports."
    return Claimed(r, a, i) <= [
        DnatHere(i),
        DnatFact(i, router=r, external=a, protocol=p),
        p != 0,
        ~Whole(r, a),
        ~Own(router=r, address=a),
    ]


@rule
def whole_address(r: str, a: Ip) -> Rule:
    "An address is translated whole by a rule without a port."
    return Whole(r, a) <= [DnatFact(router=r, external=a, protocol=0)]


@rule
def answer_ping_claimed(r: str, e: int, a: Ip, i: str) -> Rule:
    "A router answers pings to an address it claims."
    return FlowRow(ANSWER, ANSWER.priority("ping"), ping_to(e, a), PING_ANSWER, i) <= [
        Translates(r, e),
        Claimed(r, a, i),
    ]


@rule
def refuse_claimed(r: str, e: int, a: Ip, i: str) -> Rule:
    "What is for it and neither an answer nor translated is refused."
    actions = complain(Reason.ROUTER_REFUSES)
    return FlowRow(ANSWER, ANSWER.priority("own"), packet_to(e, a), actions, i) <= [Translates(r, e), Claimed(r, a, i)]


@rule
def dnat(r: str, e: int, a: Ip, p: int, n: int, i: str, b: Ip, m: int) -> Rule:
    "A destination outside becomes the one inside."
    return FlowRow(DNAT, dnat_priority(p), to_port(e, a, p, n), becomes_target(b, m), i) <= [
        Translates(r, e),
        DnatOf(r, a, p, n, i),
        DnatFact(i, internal=b, internal_port=m),
    ]


@rule
def dnat_nothing_else(h: str) -> Rule:
    "Others stay as they are."
    return FlowRow(DNAT, DNAT.priority("miss"), ANYTHING, (Goto(ROUTE),), h) <= [ThisHost(h)]


# -- out ------------------------------------------------------------------------------------------------------------


@rule
def undnat(r: str, e: int, i: str, b: Ip, p: int, m: int) -> Rule:
    "What a guest behind a translated destination sends may be an answer: its source becomes the address outside."
    return FlowRow(UNDNAT, undnat_priority(p), from_port(e, b, p, m), UNDO_ANSWER, i) <= [
        Translates(r, e),
        DnatHere(i),
        DnatFact(i, router=r, internal=b, protocol=p, internal_port=m),
    ]


@rule
def undnat_nothing_else(h: str) -> Rule:
    "Others stay as they are."
    return FlowRow(UNDNAT, UNDNAT.priority("miss"), ANYTHING, (Goto(SNAT),), h) <= [ThisHost(h)]


@rule
def snat_answer(h: str) -> Rule:
    "An answer has its address already."
    wanted = when(tried=1, ct_state=(TRACKED_ANSWER, TRACKED_ANSWER))
    return FlowRow(SNAT, SNAT.priority("answer"), wanted, AS_IT_IS, h) <= [ThisHost(h)]


@rule
def snat_turned_answer(h: str) -> Rule:
    "So has one that was known as an answer by its destination."
    wanted = when(natted=1, ct_state=(TRACKED_ANSWER, TRACKED_ANSWER))
    return FlowRow(SNAT, SNAT.priority("answer"), wanted, AS_IT_IS, h) <= [ThisHost(h)]


@rule
def snat_floating(r: str, e: int, k: int, b: Ip, i: str, a: Ip) -> Rule:
    "A guest with a floating IP leaves under it."
    return FlowRow(SNAT, SNAT.priority("floating"), leaves_from(e, k, b, 32), becomes_source(a, (0, 0)), i) <= [
        Translates(r, e),
        OutsideHere(router=r, key=k),
        FloatingOf(r, b, i),
        DnatFact(i, external=a),
    ]


@rule
def snat_prefix(r: str, e: int, x: str, k: int, p: Ip, n: int, i: str, a: Ip, o: Ip, w: tuple[int, int]) -> Rule:
    "A source in a prefix becomes the address of the narrowest rule, or the edge's own."
    return FlowRow(SNAT, source_priority(n), leaves_from(e, k, p, n), becomes_source(either(a, o), w), i) <= [
        Translates(r, e),
        OutsideHere(x, r, key=k),
        FirstOwn(x, o),
        SnatOf(r, p, n, i),
        SnatFact(i, external=a, ports=w),
    ]


@rule
def snat_entered(r: str, e: int, x: str, k: int) -> Rule:
    "What came from outside keeps its source."
    return FlowRow(SNAT, SNAT.priority("entered"), entered_by(e, k), AS_IT_IS, x) <= [
        Translates(r, e),
        OutsideHere(x, r, key=k),
    ]


@rule
def hairpin_by(r: str, x: str) -> Rule:
    "Of several ports outside the lowest id."
    return HairpinBy(r, lowest(x)) <= [OwnOutside(x, r), DnatFact(router=r)]


@rule
def snat_hairpin(r: str, e: int, x: str, a: Ip) -> Rule:
    "What came from inside for an address outside gets the edge's own source, or the answer would pass it by."
    return FlowRow(SNAT, SNAT.priority("hairpin"), turned_back(e), becomes_source(a, (0, 0)), x) <= [
        Translates(r, e),
        HairpinBy(r, x),
        FirstOwn(x, a),
    ]


@rule
def snat_nothing_else(h: str) -> Rule:
    "Others keep their source."
    return FlowRow(SNAT, SNAT.priority("miss"), ANYTHING, AS_IT_IS, h) <= [ThisHost(h)]


RULES = [
    wants_zones,
    translates,
    load_zones,
    without_zones,
    returns_own,
    returns_given,
    returns_floating,
    unsnat,
    unsnat_nothing_else,
    spare_port,
    claimed_source,
    claimed_port,
    whole_address,
    answer_ping_claimed,
    refuse_claimed,
    dnat,
    dnat_nothing_else,
    undnat,
    undnat_nothing_else,
    snat_answer,
    snat_turned_answer,
    snat_floating,
    snat_prefix,
    snat_entered,
    hairpin_by,
    snat_hairpin,
    snat_nothing_else,
]
