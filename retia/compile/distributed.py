"""Distributed floating IPs: translated on the guest's own host, which then needs no edge between it and the world.

Outside, the guest is known by its own MAC under the floating IP, so that no two hosts ever bear one MAC. What it sends
enters the router here (STICKY), and what comes for it does (LOOKUP); NAT is as on an edge (`nat`). RFC 3022.
"""

from __future__ import annotations

from retia.compile.arp import own_address_of, resolves_to
from retia.compile.beside import BesideGuest, Lent
from retia.compile.choice import STAY
from retia.compile.clashes import PortClaim, RouterClaim
from retia.compile.edges import Chooses
from retia.compile.facts import RouterPortFact
from retia.compile.holders import AnsweredBy
from retia.compile.outputs import Announce, FlowRow, Outside
from retia.compile.presence import HERE
from retia.compile.uplinks import ASK_BOTH, OutsideHere, asked_for, tell
from retia.compile.ways import found
from retia.flows.actions import Actions, Load
from retia.flows.fields import IPV4, whole
from retia.flows.match import Match
from retia.pipeline.fields import when
from retia.pipeline.stages import ADDRESS, LOOKUP, NEXT_HOP, STICKY, UPLINK_ANSWER
from retia.rules import COL, Relation, Rule, fn, lowest, rule
from retia.values import Ip, Mac

Asker = tuple[Ip, Mac]


class Told(Relation):
    "A floating IP that the physical network finds here: switch key, MAC, OpenFlow port."

    nat: str = COL
    address: Ip = COL
    mac: Mac = COL
    datapath: int = COL
    ofport: int = COL


class AsksAs(Relation):
    "As whom the agent asks for neighbours at a port that is lent: the lowest floating IP, and its guest's MAC."

    port: str = COL
    asker: Asker = COL


@fn
def sent_to(datapath: int, mac: Mac, address: Ip) -> Match:
    return when(datapath=datapath, eth_type=IPV4, eth_dst=mac, ip_dst=address, redirected=0)


@fn
def sent_by(router: int, address: Ip) -> Match:
    return when(edge_router=router, eth_type=IPV4, ip_src=address)


@fn
def leaves_as(router: int, port: int, address: Ip) -> Match:
    return when(datapath=router, destination_port=port, eth_type=IPV4, ip_src=address)


@fn
def bears(mac: Mac) -> Actions:
    return (Load(whole("eth_src"), mac), *ASK_BOTH)


@fn
def asker(address: Ip, mac: Mac) -> Asker:
    return (address, mac)


@fn
def address_in(asker: Asker) -> Ip:
    return asker[0]


@fn
def mac_in(asker: Asker) -> Mac:
    return asker[1]


@rule
def enter_here(i: str, r: str, e: int, b: Ip) -> Rule:
    "What its guest sends to the router stays here."
    return FlowRow(STICKY, STICKY.priority("here"), sent_by(e, b), STAY, i) <= [
        BesideGuest(i, r, internal=b),
        Chooses(r, e),
    ]


@rule
def lookup_floating(i: str, x: str, a: Ip, m: Mac, d: int, k: int) -> Rule:
    "What comes for it by its guest's MAC enters the router."
    return FlowRow(LOOKUP, LOOKUP.priority("floating"), sent_to(d, m, a), found(k, HERE), i) <= [
        BesideGuest(i, port=x, external=a, mac=m),
        OutsideHere(x, datapath=d),
        RouterPortFact(x, switch_key=k),
    ]


@rule
def told(i: str, x: str, s: str, a: Ip, m: Mac, d: int, o: int) -> Rule:
    "It is found here unless its address is anyone else's, which only another program can write."
    return Told(i, a, m, d, o) <= [
        BesideGuest(i, port=x, external=a, mac=m),
        OutsideHere(x, switch=s, datapath=d, ofport=o),
        ~AnsweredBy(s, a),
        ~PortClaim(s, a),
        ~RouterClaim(s, a),
    ]


@rule
def answer_floating(i: str, a: Ip, m: Mac, d: int) -> Rule:
    "The physical network is told that MAC."
    return FlowRow(UPLINK_ANSWER, UPLINK_ANSWER.priority("mine"), asked_for(d, a), tell(m), i) <= [
        Told(i, a, m, datapath=d)
    ]


@rule
def address_of_floating(i: str, a: Ip, m: Mac, d: int) -> Rule:
    "So is who asks on this very host."
    return FlowRow(ADDRESS, ADDRESS.priority("port"), own_address_of(d, a, 0), resolves_to(m), i) <= [
        Told(i, a, m, datapath=d)
    ]


@rule
def leave_floating(i: str, x: str, a: Ip, m: Mac, e: int, k: int) -> Rule:
    "What leaves under it bears that MAC."
    return FlowRow(NEXT_HOP, NEXT_HOP.priority("floating"), leaves_as(e, k, a), bears(m), i) <= [
        BesideGuest(i, external=a, port=x, mac=m),
        OutsideHere(x, router_key=e, key=k),
    ]


@rule
def announce_floating(a: Ip, m: Mac, o: int) -> Rule:
    "It is announced from here."
    return Announce(a, o, m) <= [Told(address=a, mac=m, ofport=o)]


@rule
def asks_as(x: str, a: Ip, m: Mac) -> Rule:
    "Of several the lowest asks."
    return AsksAs(x, lowest(asker(a, m))) <= [BesideGuest(port=x, external=a, mac=m), Lent(x)]


@rule
def outside_lent(x: str, e: int, k: int, w: Asker, o: int) -> Rule:
    "The agent asks for neighbours in its name."
    return Outside(x, e, k, mac_in(w), address_in(w), o) <= [
        AsksAs(x, w),
        OutsideHere(x, router_key=e, key=k, ofport=o),
    ]


RULES = [
    enter_here,
    lookup_floating,
    told,
    answer_floating,
    address_of_floating,
    leave_floating,
    announce_floating,
    asks_as,
    outside_lent,
]
