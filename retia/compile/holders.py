"""Who answers for translated addresses on the physical network, and tells it when that changes.

A destination (DNAT, floating IP) is at one edge at a time: the first that lives, by priority. An edge answers ARP for
it unless one before it lives, and announces it when it becomes the holder. What sources get is at every edge that
gives it.
"""

from __future__ import annotations

from retia.compile.arp import own_address_of, resolves_to
from retia.compile.beside import ByGuest
from retia.compile.clashes import PortClaim, RouterClaim
from retia.compile.edges import Above, OwnEdge, Ranked, first_of
from retia.compile.facts import DnatFact, SnatFact
from retia.compile.outputs import Announce, FlowRow
from retia.compile.presence import LiveSwitch, Reach
from retia.compile.relays import Holding
from retia.compile.routing import Own
from retia.compile.translations import SnatHere
from retia.compile.uplinks import OutsideHere, asked_for, tell, telling
from retia.flows.actions import Actions, Goto
from retia.pipeline.stages import ADDRESS, HOLDER, UPLINK_ANSWER
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Ip, Mac


class Held(Relation):
    "An address outside that one edge of a router holds at a time."

    router: str = COL
    address: Ip = COL


class AnsweredBy(Relation):
    "The router port that has a translated address on a switch."

    switch: str = COL
    address: Ip = COL
    port: str = COL


class Answerable(Relation):
    "A translated address that this host may have to answer for."

    router: str = COL
    address: Ip = COL


class HeldHere(Relation):
    "A translated address that is at this edge now: its switch, and the router port."

    switch: str = COL
    address: Ip = COL
    port: str = COL


@fn
def tell_unless(ranks: Ranked, mac: Mac) -> Actions:
    """The edges before this one are looked at first."""
    return (*telling(mac), first_of(ranks), Goto(HOLDER))


@rule
def held(i: str, r: str, a: Ip) -> Rule:
    "A translated destination is at one edge at a time, unless it is at its guest's host."
    return Held(r, a) <= [DnatFact(i, router=r, external=a), ~Own(router=r, address=a), ~ByGuest(i)]


@rule
def answered_by_held(r: str, a: Ip, x: str, s: str) -> Rule:
    "The router port on a switch answers for it."
    return AnsweredBy(s, a, lowest(x)) <= [Answerable(r, a), OutsideHere(x, r, s), ~PortClaim(s, a), ~RouterClaim(s, a)]


@rule
def answerable_held(r: str, a: Ip) -> Rule:
    "An edge that is not drained may hold destinations."
    return Answerable(r, a) <= [Held(r, a), OwnEdge(r, up=True)]


@rule
def answerable_source(r: str, a: Ip, i: str) -> Rule:
    "What sources get here is here."
    return Answerable(r, a) <= [SnatHere(i), SnatFact(i, router=r, external=a), a != 0, ~Own(router=r, address=a)]


@rule
def answer_held(r: str, a: Ip, x: str, d: int, m: Mac, t: Ranked) -> Rule:
    "For a destination it answers unless an edge before it lives."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell_unless(t, m), x) <= [
        AnsweredBy(address=a, port=x),
        OutsideHere(x, r, datapath=d, mac=m),
        Held(r, a),
        Above(r, t),
    ]


@rule
def answer_first(r: str, a: Ip, x: str, d: int, m: Mac) -> Rule:
    "Where none comes before it, it always does."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell(m), x) <= [
        AnsweredBy(address=a, port=x),
        OutsideHere(x, r, datapath=d, mac=m),
        ~Above(r),
    ]


@rule
def answer_source(r: str, a: Ip, x: str, d: int, m: Mac) -> Rule:
    "And for what is no destination."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell(m), x) <= [
        AnsweredBy(address=a, port=x),
        OutsideHere(x, r, datapath=d, mac=m),
        Above(r),
        ~Held(r, a),
    ]


@rule
def held_here(r: str, s: str, a: Ip, x: str) -> Rule:
    "A destination is here while this edge is the holder."
    return HeldHere(s, a, x) <= [AnsweredBy(s, a, x), OutsideHere(x, r), Held(r, a), Holding(r)]


@rule
def source_here(r: str, s: str, a: Ip, x: str) -> Rule:
    "What is none is always here."
    return HeldHere(s, a, x) <= [AnsweredBy(s, a, x), OutsideHere(x, r), ~Held(r, a)]


@rule
def announce_held(a: Ip, x: str, m: Mac, o: int) -> Rule:
    "It is announced to the physical network."
    return Announce(a, o, m) <= [HeldHere(address=a, port=x), OutsideHere(x, mac=m, ofport=o)]


@rule
def address_of_nat(s: str, d: int, a: Ip, x: str, m: Mac) -> Rule:
    "Who asks on this very host finds it at the router."
    return FlowRow(ADDRESS, ADDRESS.priority("port"), own_address_of(d, a, 0), resolves_to(m), x) <= [
        HeldHere(s, a, x),
        OutsideHere(x, mac=m),
        Reach(s),
        LiveSwitch(s, d),
    ]


RULES = [
    held,
    answered_by_held,
    answerable_held,
    answerable_source,
    answer_held,
    answer_first,
    answer_source,
    held_here,
    source_here,
    announce_held,
    address_of_nat,
]
