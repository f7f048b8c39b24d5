"""Routers on edges, seen from any host: who the edges are, whose life is known, and where one of them is to be chosen.

A host is believed dead only once its BFD was up. Slots keep a member's place, so that others keep their connections
when one comes or goes. Which edge a packet goes to, `choice` says. Why so: docs/decisions/0010-gateways.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from retia.compile.beside import BesideGuest
from retia.compile.facts import DnatFact
from retia.compile.local import PeerPort, PeerSeen
from retia.compile.presence import (
    EdgeHost,
    Hosted,
    LiveRouter,
    Pinned,
    Runs,
    Through,
    Tunnel,
)
from retia.flows.actions import LoadLive
from retia.pipeline.fields import LIVE_PORT
from retia.rules import COL, Relation, Rule, collect, fn, lowest, rule

Rank = tuple[int, str]
Ranked = tuple[tuple[Rank, int], ...]
Slots = tuple[tuple[int, int], ...]


class OwnEdge(Relation):
    "This host as an edge of a router that runs here."

    router: str = COL
    rank: Rank = COL
    up: bool = COL


class Rival(Relation):
    "Another edge of a router, not drained, that packets can be sent to."

    router: str = COL
    rank: Rank = COL
    slot: int = COL
    key: int = COL


class Watched(Relation):
    "Such an edge whose life is known, its host's key, and the port that knows it."

    router: str = COL
    rank: Rank = COL
    slot: int = COL
    key: int = COL
    ofport: int = COL


class WatchedSlots(Relation):
    "All of these, by their slots."

    router: str = COL
    slots: Slots = COL


class WatchedRanks(Relation):
    "All of these, by their ranks."

    router: str = COL
    ranks: Ranked = COL


class First(Relation):
    "The first of the other edges, and its host's key."

    router: str = COL
    first: tuple[Rank, int] = COL


class Only(Relation):
    "The one edge, by its host's key, that packets go to whether it lives or not: there is nobody else."

    router: str = COL
    key: int = COL


class Above(Relation):
    "The watched edges that come before this one."

    router: str = COL
    ranks: Ranked = COL


class Elects(Relation):
    "A router whose packets are sent to an edge chosen here; its own stages here do not get them at once."

    router: str = COL


class Chooses(Relation):
    "Such a router that is in reach of this host, and its key."

    router: str = COL
    key: int = COL
    host: str = COL


@fn
def ranked(rank: Rank, number: int) -> tuple[Rank, int]:
    return (rank, number)


def first_of(hosts: Iterable[tuple[object, int]]) -> LoadLive:
    """The port of the first that lives, of those in this order, each with its port."""
    return LoadLive(tuple(ofport for _, ofport in hosts), LIVE_PORT, False)


@fn
def placed(slot: int, ofport: int) -> tuple[int, int]:
    return (slot, ofport)


@fn
def are_one(ranks: Ranked) -> bool:
    return len(ranks) == 1


@fn
def second(both: tuple[Rank, int]) -> int:
    return both[1]


@fn
def before(one: Rank, other: Rank) -> bool:
    return one < other


@rule
def own_edge(r: str, h: str, w: Rank, u: bool) -> Rule:
    "This host is an edge of a router that runs here."
    return OwnEdge(r, w, u) <= [Hosted(r, h), EdgeHost(r, h, w, up=u)]


@rule
def rival(r: str, h: str, w: Rank, n: int, k: int) -> Rule:
    "Another edge counts while it is not drained and its host has a tunnel."
    return Rival(r, w, n, k) <= [EdgeHost(r, h, w, n, True), Tunnel(h, k)]


@rule
def watched(r: str, w: Rank, n: int, k: int, h: str, o: int) -> Rule:
    "Its life is known once its BFD was up."
    return Watched(r, w, n, k, o) <= [Rival(r, w, n, k), PeerPort(h, k, o), PeerSeen(h, k)]


@rule
def watched_slots(r: str, n: int, o: int) -> Rule:
    "Spread packets count slots."
    return WatchedSlots(r, collect(placed(n, o))) <= [Watched(r, slot=n, ofport=o)]


@rule
def watched_ranks(r: str, w: Rank, o: int) -> Rule:
    "The holder of addresses is found by rank."
    return WatchedRanks(r, collect(ranked(w, o))) <= [Watched(r, w, ofport=o)]


@rule
def first(r: str, w: Rank, k: int) -> Rule:
    "One of them comes first."
    return First(r, lowest(ranked(w, k))) <= [Rival(r, w, key=k)]


@rule
def only_watched(r: str, t: Ranked, k: int) -> Rule:
    "The life of a single one is not asked, unless this host is an edge too."
    return Only(r, k) <= [WatchedRanks(r, t), are_one(t), Watched(r, key=k), ~OwnEdge(router=r)]


@rule
def only_first(r: str, w: tuple[Rank, int]) -> Rule:
    "While nobody's life is known the first one counts."
    return Only(r, second(w)) <= [First(r, w), ~WatchedRanks(r), ~OwnEdge(router=r, up=True)]


@rule
def above(r: str, w: Rank, v: Rank, o: int) -> Rule:
    "Of the others, those of a lower rank come before this edge."
    return Above(r, collect(ranked(w, o))) <= [Watched(r, w, ofport=o), OwnEdge(r, v, True), before(w, v)]


@rule
def elects_elsewhere(r: str) -> Rule:
    "A router that runs on edges and not here is reached by one of them."
    return Elects(r) <= [Pinned(r), LiveRouter(r), ~Runs(r)]


@rule
def elects_drained(r: str) -> Rule:
    "So it is from an edge that is drained, if another lives."
    return Elects(r) <= [OwnEdge(r, up=False), WatchedRanks(r)]


@rule
def elects_holder(r: str) -> Rule:
    "An edge sends what another translates to that one."
    return Elects(r) <= [Above(r), DnatFact(router=r)]


@rule
def elects_beside_guest(r: str) -> Rule:
    "So is one that is here for some guests alone, for all others."
    return Elects(r) <= [BesideGuest(router=r)]


@rule
def chooses(r: str, e: int, h: str) -> Rule:
    "It counts where it is in reach."
    return Chooses(r, e, h) <= [Elects(r), Through(r, h), LiveRouter(r, e)]


RULES = [
    own_edge,
    rival,
    watched,
    watched_slots,
    watched_ranks,
    first,
    only_watched,
    only_first,
    above,
    elects_elsewhere,
    elects_drained,
    elects_holder,
    elects_beside_guest,
    chooses,
]
