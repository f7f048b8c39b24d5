"""Which translations count on this host: those of the edges it is, or of its own guests; of rivals, the lowest id."""

from __future__ import annotations

from retia.compile.beside import BesideGuest, ForGuests
from retia.compile.facts import DnatFact, HostFact, SnatFact, ThisHost
from retia.rules import COL, Relation, Rule, lowest, rule
from retia.values import Ip


class HasNat(Relation):
    "A router that translates."

    router: str = COL


class SnatHere(Relation):
    "A rule for sources that counts on this host."

    nat: str = COL


class DnatHere(Relation):
    "A rule for destinations that counts on this host."

    nat: str = COL


class SnatOf(Relation):
    "Of the rules for one prefix the lowest id counts."

    router: str = COL
    prefix: Ip = COL
    length: int = COL
    nat: str = COL


class FloatingOf(Relation):
    "Of the floating IPs of one address inside the lowest id counts."

    router: str = COL
    internal: Ip = COL
    nat: str = COL


class DnatOf(Relation):
    "Of the rules for one destination the lowest id counts."

    router: str = COL
    external: Ip = COL
    protocol: int = COL
    port: int = COL
    nat: str = COL


@rule
def has_snat(r: str) -> Rule:
    "A router with a rule for sources translates."
    return HasNat(r) <= [SnatFact(router=r)]


@rule
def has_dnat(r: str) -> Rule:
    "So does one with a rule for destinations."
    return HasNat(r) <= [DnatFact(router=r)]


@rule
def snat_anywhere(i: str, r: str) -> Rule:
    "A rule that names no edge counts on all of them."
    return SnatHere(i) <= [SnatFact(i, router=r, on=""), ~ForGuests(r)]


@rule
def snat_on_edge(i: str, g: str, h: str) -> Rule:
    "One that does, on that one."
    return SnatHere(i) <= [SnatFact(i, on=g), HostFact(g, h), ThisHost(h)]


@rule
def dnat_on_edges(i: str, r: str) -> Rule:
    "Rules for destinations count on all edges."
    return DnatHere(i) <= [DnatFact(i, router=r), ~ForGuests(r)]


@rule
def dnat_beside_guest(i: str) -> Rule:
    "And a distributed one where its guest lives."
    return DnatHere(i) <= [BesideGuest(i)]


@rule
def snat_of(r: str, p: Ip, n: int, i: str) -> Rule:
    "A prefix has one rule."
    return SnatOf(r, p, n, lowest(i)) <= [SnatHere(i), SnatFact(i, router=r, prefix=p, length=n)]


@rule
def floating_of(r: str, a: Ip, i: str) -> Rule:
    "An address inside has one floating IP."
    return FloatingOf(r, a, lowest(i)) <= [DnatHere(i), DnatFact(i, router=r, internal=a, both=True)]


@rule
def dnat_of(r: str, a: Ip, p: int, n: int, i: str) -> Rule:
    "A destination has one rule."
    return DnatOf(r, a, p, n, lowest(i)) <= [
        DnatHere(i),
        DnatFact(i, router=r, external=a, protocol=p, external_port=n),
    ]


RULES = [
    has_snat,
    has_dnat,
    snat_anywhere,
    snat_on_edge,
    dnat_on_edges,
    dnat_beside_guest,
    snat_of,
    floating_of,
    dnat_of,
]
