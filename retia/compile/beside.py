"""Which floating IPs are translated on the guest's own host (`distributed`), and what a router is there.

Such a host has an uplink of the router's outside switch, and the guest is on a switch of the router. It runs the
router's stages, but for these guests alone: others go to an edge as ever. The router port outside is an edge's, and
only lent: its address stays there. Every host knows from the store which floating IPs are so, so that no edge holds
them; where the guest's host has no such uplink, an edge does.
"""

from __future__ import annotations

from retia.compile.clashes import Outranked
from retia.compile.facts import (
    BindingFact,
    DnatFact,
    HostFact,
    PortAddress,
    RouterAddress,
    RouterPortFact,
    ThisHost,
    UplinkFact,
)
from retia.compile.prefixes import within
from retia.compile.presence import Here, Hosted, Link, LinkHere, Runs, Working
from retia.rules import COL, Relation, Rule, lowest, rule
from retia.values import Ip, Mac


class GuestOf(Relation):
    "The guest behind a distributed floating IP, on a switch of its router."

    nat: str = COL
    guest: str = COL
    mac: Mac = COL


class OutsideLink(Relation):
    "An address of a working router port on a switch that has an uplink, wherever: a router has few of them."

    port: str = COL
    router: str = COL
    switch: str = COL
    address: Ip = COL
    length: int = COL


class LeadsOut(Relation):
    "The outside switch that the address of a distributed floating IP belongs to, by a router port."

    nat: str = COL
    port: str = COL
    switch: str = COL


class ByGuest(Relation):
    "A floating IP that is where its guest lives, here or elsewhere."

    nat: str = COL


class OutsidePort(Relation):
    "The router port, by lowest id, through which it is translated if that is done here."

    nat: str = COL
    port: str = COL


class GuestHere(Relation):
    "A distributed floating IP whose guest is here."

    nat: str = COL
    external: Ip = COL
    port: str = COL
    mac: Mac = COL


class FirstHere(Relation):
    "Of those of one address the lowest id."

    external: Ip = COL
    nat: str = COL


class BesideGuest(Relation):
    "A floating IP that is translated here, where its guest lives: by which router port, under which MAC."

    nat: str = COL
    router: str = COL
    port: str = COL
    internal: Ip = COL
    external: Ip = COL
    mac: Mac = COL


class ForGuests(Relation):
    "A router that runs here for such guests alone: this host is none of its edges."

    router: str = COL


class Lent(Relation):
    "A port of such a router that is an edge's."

    port: str = COL


@rule
def guest_of(i: str, r: str, b: Ip, p: str, s: str, m: Mac) -> Rule:
    "The guest has the address inside, on a switch of the router."
    return GuestOf(i, p, m) <= [
        DnatFact(i, router=r, internal=b, distributed=True),
        PortAddress(p, b),
        ~Outranked(p, b),
        Working(p, s, mac=m),
        Link(router=r, switch=s),
    ]


@rule
def outside_link(x: str, r: str, t: str, c: Ip, n: int) -> Rule:
    "A router meets the physical network on a switch with an uplink."
    return OutsideLink(x, r, t, c, n) <= [UplinkFact(switch=t), Link(x, r, t), RouterAddress(x, c, n)]


@rule
def leads_out(i: str, r: str, a: Ip, x: str, t: str, c: Ip, n: int) -> Rule:
    "The address outside is in a prefix of such a port."
    return LeadsOut(i, x, t) <= [
        DnatFact(i, router=r, external=a, distributed=True),
        OutsideLink(x, r, t, c, n),
        within(a, c, n),
    ]


@rule
def by_guest(i: str, p: str, h: str, g: str, t: str) -> Rule:
    "It is with its guest where that guest's host has an uplink there."
    return ByGuest(i) <= [
        GuestOf(i, p),
        BindingFact(p, h),
        HostFact(g, h),
        LeadsOut(i, switch=t),
        UplinkFact(switch=t, host=g),
    ]


@rule
def outside_port(i: str, x: str, t: str, g: str, h: str) -> Rule:
    "Here, it is by a port on a switch whose uplink is here."
    return OutsidePort(i, lowest(x)) <= [
        LeadsOut(i, x, t),
        LinkHere(x),
        UplinkFact(switch=t, host=g),
        HostFact(g, h),
        ThisHost(h),
    ]


@rule
def guest_here(i: str, x: str, a: Ip, m: Mac, p: str) -> Rule:
    "It may be translated here when its guest is here."
    return GuestHere(i, a, x, m) <= [GuestOf(i, p, m), Here(p), OutsidePort(i, x), DnatFact(i, external=a)]


@rule
def first_here(i: str, a: Ip) -> Rule:
    "Of several for one address, which only another program can write, the lowest id is."
    return FirstHere(a, lowest(i)) <= [GuestHere(i, a)]


@rule
def beside_guest(i: str, r: str, x: str, b: Ip, a: Ip, m: Mac) -> Rule:
    "That one is."
    return BesideGuest(i, r, x, b, a, m) <= [
        FirstHere(a, i),
        GuestHere(i, a, x, m),
        DnatFact(i, router=r, internal=b),
    ]


@rule
def runs_beside_guest(r: str) -> Rule:
    "The router's stages are here for that."
    return Runs(r) <= [BesideGuest(router=r)]


@rule
def for_guests(r: str) -> Rule:
    "On a host that is no edge of it, for nothing else."
    return ForGuests(r) <= [BesideGuest(router=r), ~Hosted(r)]


@rule
def lent_outside(x: str, r: str, t: str) -> Rule:
    "There, its ports on outside switches are lent."
    return Lent(x) <= [ForGuests(r), Link(x, r, t), UplinkFact(switch=t)]


@rule
def lent_of_an_edge(x: str, r: str, i: str) -> Rule:
    "So are those that only an edge has."
    return Lent(x) <= [ForGuests(r), RouterPortFact(x, router=r, on=i), HostFact(i)]


RULES = [
    guest_of,
    outside_link,
    leads_out,
    by_guest,
    outside_port,
    guest_here,
    first_here,
    beside_guest,
    runs_beside_guest,
    for_guests,
    lent_outside,
    lent_of_an_edge,
]
