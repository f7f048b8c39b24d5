"""Which hosts have everything, which only what they asked for, and who helps those: full hosts, to which they redirect.

A host in on-demand mode is given the records of its own ports and of those it asked for; the rules are the same for it.
A full host reaches what any such host does, so that each can be helped by each. Three helpers watch and are watched, by
BFD: enough for two to die, and few enough for a thousand hosts. In a network without on-demand hosts none of this has a
row for a port. Why so: docs/decisions/0011-on-demand.md.
"""

from __future__ import annotations

from retia.compile.clashes import Displaced
from retia.compile.edges import Rank
from retia.compile.facts import BindingFact, Cluster, EdgeFact, HostFact, HostMode, HostTunnel, ThisHost, UplinkFact
from retia.compile.outputs import Peer, WantsPeer
from retia.compile.presence import HostDown, Reach, Tunnel, Working
from retia.model.state import FULL, ON_DEMAND
from retia.rules import COL, Relation, Rule, collect, fn, rule
from retia.values import Ip

HELPERS = 3


class Gateway(Relation):
    "A host that is an edge or has an uplink, and so is full whatever it says."

    host: str = COL


class OnDemand(Relation):
    "A host that has only what it asked for, and the host that sees it so: this one."

    host: str = COL
    here: str = COL


class Mixed(Relation):
    "The cluster of this host, when it has such a one."

    here: str = COL
    cluster: str = COL


class Asks(Relation):
    "This host, when it is such a one."

    host: str = COL


class Serves(Relation):
    "This host, when it has everything and another does not."

    host: str = COL


class ServedSeat(Relation):
    "A switch that has a port on a host that this one serves."

    switch: str = COL
    host: str = COL


class Able(Relation):
    "A host in service that has everything, in a cluster where another does not; its rank."

    host: str = COL
    rank: Rank = COL
    here: str = COL


class Ranks(Relation):
    "All of these, the least rank first."

    here: str = COL
    ranks: tuple[Rank, ...] = COL


class Helper(Relation):
    "One of the first: what others do not know is sent to it."

    host: str = COL
    rank: Rank = COL
    here: str = COL


@fn
def helper_rank(group: int, host: str) -> Rank:
    """Edges and hosts with uplinks first: they are full for good."""
    return (group, host)


@fn
def is_among_first(ranks: tuple[Rank, ...], rank: Rank) -> bool:
    return rank in ranks[:HELPERS]


@rule
def gateway_by_edge(i: str, h: str) -> Rule:
    "An edge of any router is a gateway."
    return Gateway(h) <= [EdgeFact(host=i), HostFact(i, h)]


@rule
def gateway_by_uplink(i: str, h: str) -> Rule:
    "So is a host with an uplink."
    return Gateway(h) <= [UplinkFact(host=i), HostFact(i, h)]


@rule
def on_demand(h: str, c: str, g: str) -> Rule:
    "A host that says so has only what it asked for, unless it is a gateway."
    return OnDemand(g, h) <= [Cluster(h, c), HostMode(g, ON_DEMAND, c), ~Gateway(g)]


@rule
def mixed(h: str, c: str) -> Rule:
    "Where there is one, the cluster is of both kinds."
    return Mixed(h, c) <= [OnDemand(here=h), Cluster(h, c)]


@rule
def asks(h: str) -> Rule:
    "This host asks when it is one of them."
    return Asks(h) <= [ThisHost(h), OnDemand(h)]


@rule
def serves(h: str) -> Rule:
    "Else it serves them."
    return Serves(h) <= [Mixed(h), ~Asks(h), ~HostDown(h)]


@rule
def served_seat(h: str, g: str, p: str, s: str) -> Rule:
    "A switch is served when a port of it lives on such a host."
    return ServedSeat(s, h) <= [OnDemand(g, h), BindingFact(p, g), Working(p, s), Serves(h)]


@rule
def reach_served(h: str, s: str) -> Rule:
    "So it is reached: what such a host reaches, one that serves it does."
    return Reach(s, h) <= [ServedSeat(s, h)]


# -- who helps ------------------------------------------------------------------------------------------------------


@rule
def able_gateway(h: str, c: str, g: str) -> Rule:
    "A gateway in service has everything."
    return Able(g, helper_rank(0, g), h) <= [
        Mixed(h, c),
        HostMode(g, cluster=c),
        Gateway(g),
        HostTunnel(g),
        ~HostDown(g),
        ~Displaced(g),
    ]


@rule
def able_host(h: str, c: str, g: str) -> Rule:
    "So has a host in full mode."
    return Able(g, helper_rank(1, g), h) <= [
        Mixed(h, c),
        HostMode(g, FULL, c),
        ~Gateway(g),
        HostTunnel(g),
        ~HostDown(g),
        ~Displaced(g),
    ]


@rule
def ranks(h: str, w: Rank) -> Rule:
    "They have an order, which all hosts see alike."
    return Ranks(h, collect(w)) <= [Able(rank=w, here=h)]


@rule
def helper(h: str, g: str, w: Rank, t: tuple[Rank, ...]) -> Rule:
    "The first of them help."
    return Helper(g, w, h) <= [Ranks(h, t), Able(g, w, h), is_among_first(t, w)]


@rule
def peer_helper(h: str, g: str, a: Ip) -> Rule:
    "The tunnels to them are in use by who asks."
    return Peer(g, a) <= [Asks(h), Helper(g, here=h), Tunnel(g, address=a)]


@rule
def watch_helper(h: str, g: str, n: int, a: Ip) -> Rule:
    "It watches them."
    return WantsPeer(g, n, a) <= [Asks(h), Helper(g, here=h), Tunnel(g, n, a)]


@rule
def watch_helped(h: str, g: str, n: int, a: Ip) -> Rule:
    "And they watch it, since both ends of a tunnel do."
    return WantsPeer(g, n, a) <= [Helper(h, here=h), OnDemand(g, h), Tunnel(g, n, a)]


RULES = [
    gateway_by_edge,
    gateway_by_uplink,
    on_demand,
    mixed,
    asks,
    serves,
    served_seat,
    reach_served,
    able_gateway,
    able_host,
    ranks,
    helper,
    peer_helper,
    watch_helper,
    watch_helped,
]
