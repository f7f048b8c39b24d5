"""ARP is answered where it is asked, from the one table of addresses that next hops are looked up in too.

An address is in that table while its port lives somewhere: an answer for a port that is nowhere would only make
its frames be dropped later. A guest that asks for its own address (RFC 5227: a probe or an announcement) gets no
answer, or it would believe that somebody else has it; who has not got the address hears who has. RFC 826.
"""

from __future__ import annotations

from retia.compile.clashes import Outranked
from retia.compile.facts import PortAddress, RouterAddress, RouterPortFact, ThisHost
from retia.compile.outputs import FlowRow
from retia.compile.presence import Here, Link, LiveSwitch, Located, Reach, Working
from retia.compile.reasons import Reason, drop
from retia.flows.actions import Actions, Goto, Load, Move, Resubmit
from retia.flows.fields import ARP, whole
from retia.flows.match import ANYTHING, Match
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION_PORT,
    FORWARDED,
    LOOPBACK,
    NEIGHBOUR_DATAPATH,
    NEIGHBOUR_IP4,
    NEIGHBOUR_MAC,
    REDIRECTED,
    SOURCE_PORT,
    Shape,
    when,
)
from retia.pipeline.stages import ADDRESS, ARP_ANSWER, ARP_REQUEST, LOOKUP, LOOPBACK_JUDGE
from retia.rules import Rule, fn, rule
from retia.values import Ip, Mac

REQUEST, REPLY = 1, 2

ASK: Actions = (
    Move(DATAPATH, NEIGHBOUR_DATAPATH),
    Move(whole("arp_tpa"), NEIGHBOUR_IP4),
    Load(NEIGHBOUR_MAC, 0),
    Resubmit(ADDRESS),
    Goto(ARP_ANSWER),
)
ANSWER: Actions = (
    Move(whole("eth_src"), whole("eth_dst")),
    Move(NEIGHBOUR_MAC, whole("eth_src")),
    Load(whole("arp_op"), REPLY),
    Move(whole("arp_sha"), whole("arp_tha")),
    Move(whole("arp_spa"), whole("arp_tpa")),
    Move(NEIGHBOUR_MAC, whole("arp_sha")),
    Move(NEIGHBOUR_IP4, whole("arp_spa")),
    Load(LOOPBACK, 1),
    Load(FORWARDED, 0),
    Load(REDIRECTED, 0),
    Move(SOURCE_PORT, DESTINATION_PORT),
    Goto(LOOPBACK_JUDGE),
)

address_of = fn(Shape("neighbour_datapath", "neighbour_ip4"))
own_address_of = fn(Shape("neighbour_datapath", "neighbour_ip4", "redirected"))
"""Of what only who asks on this very host may find here."""


@fn
def resolves_to(mac: Mac) -> Actions:
    return (Load(NEIGHBOUR_MAC, mac),)


@fn
def asks_itself(datapath: int, port: int, address: Ip) -> Match:
    return when(datapath=datapath, source_port=port, eth_type=ARP, arp_op=REQUEST, arp_tpa=address)


@rule
def address_of_port(s: str, d: int, a: Ip, p: str, m: Mac) -> Rule:
    "The address of a port that lives somewhere resolves to its MAC."
    return FlowRow(ADDRESS, ADDRESS.priority("port"), address_of(d, a), resolves_to(m), p) <= [
        Reach(s),
        Working(p, s, d, mac=m),
        Located(p),
        PortAddress(p, a),
        ~Outranked(p, a),
    ]


@rule
def address_of_router(s: str, d: int, a: Ip, x: str, m: Mac) -> Rule:
    "A router's address resolves to the MAC of its port."
    return FlowRow(ADDRESS, ADDRESS.priority("port"), address_of(d, a), resolves_to(m), x) <= [
        Reach(s),
        Link(x, switch=s),
        RouterPortFact(x, mac=m),
        RouterAddress(x, a),
        ~Outranked(x, a),
        LiveSwitch(s, d),
    ]


@rule
def arp_own(p: str, d: int, k: int, a: Ip) -> Rule:
    "A port that asks for its own address gets no answer."
    actions = drop(Reason.ARP_OWN)
    return FlowRow(ARP_REQUEST, ARP_REQUEST.priority("own"), asks_itself(d, k, a), actions, p) <= [
        Here(p),
        Working(p, datapath=d, key=k),
        PortAddress(p, a),
        ~Outranked(p, a),
    ]


@rule
def arp_ask(h: str) -> Rule:
    "An ARP request asks the address table."
    wanted = when(eth_type=ARP, arp_op=REQUEST)
    return FlowRow(ARP_REQUEST, ARP_REQUEST.priority("request"), wanted, ASK, h) <= [ThisHost(h)]


@rule
def arp_pass(h: str) -> Rule:
    "Everything else goes on."
    return FlowRow(ARP_REQUEST, ARP_REQUEST.priority("miss"), ANYTHING, (Goto(LOOKUP),), h) <= [ThisHost(h)]


@rule
def arp_unknown(h: str) -> Rule:
    "A request for an address nobody has is dropped."
    actions = drop(Reason.ARP_UNKNOWN)
    return FlowRow(ARP_ANSWER, ARP_ANSWER.priority("unknown"), when(neighbour_mac=0), actions, h) <= [ThisHost(h)]


@rule
def arp_answer(h: str) -> Rule:
    "A request for a known address becomes its reply, back to the asker."
    return FlowRow(ARP_ANSWER, ARP_ANSWER.priority("miss"), when(eth_type=ARP), ANSWER, h) <= [ThisHost(h)]


RULES = [
    address_of_port,
    address_of_router,
    arp_own,
    arp_ask,
    arp_pass,
    arp_unknown,
    arp_answer,
]
