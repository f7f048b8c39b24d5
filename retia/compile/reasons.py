"""Why a packet was dropped: declared once, counted by one flow each in the DROP stage, shown by `retia flows`."""

from __future__ import annotations

from enum import IntEnum

from retia.flows.actions import Actions, Goto, Load
from retia.pipeline.fields import REASON
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import COMPLAIN, DROP


class Reason(IntEnum):
    """`doc` is the sentence people read."""

    doc: str

    def __new__(cls, number: int, doc: str) -> Reason:
        made = int.__new__(cls, number)
        made._value_ = number
        made.doc = doc
        return made

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")

    UNKNOWN_PORT = 1, "It came by a port that is bound here to nothing, or by a tunnel with an unknown key."
    ARP_UNKNOWN = 2, "It asked for the MAC of an address that no port of the switch has."
    UNKNOWN_MAC = 3, "No port of the switch that lives anywhere has its destination MAC."
    MULTICAST = 4, "Broadcast and multicast are not delivered inside a switch."
    NO_SUCH_PORT = 5, "Its destination port is not here any more, nor known to be elsewhere."
    HOST_UNKNOWN = 6, "Its destination lives on a host that has no tunnel address."
    ROUTER_REFUSES = 7, "It was for a router's own address, and routers only answer pings."
    NOT_IP = 8, "Routers carry IPv4 only."
    TTL_EXPIRED = 9, "Its time to live ended at a router."
    NO_ROUTE = 10, "The router has no route to its destination."
    NOT_ROUTABLE = 11, "Its destination is a multicast, loopback or broadcast address."
    NO_NEIGHBOUR = 12, "No port that lives anywhere has the address of the next hop."
    ARP_OWN = 13, "A port asked for its own address, to probe or announce it: silence is the answer."
    TOO_BIG = 14, "It was larger than the MTU of the switch a router would send it into."

    ARP_NOT_OURS = 15, "The physical network asked for an address that this host does not answer for."
    NO_EDGE = 16, "No edge of its router can be reached."
    TUNNEL_DEAD = 17, "Neither its host nor another edge on the way to it can be reached."
    NEIGHBOUR_ASKED = 18, "Its next hop on the physical network was not known: it waits while that is asked by ARP."
    BLACKHOLE = 19, "A route says that such packets are dropped."
    NO_FULL_HOST = 20, "Its destination is not known on this host yet, and there is no full host to send it to."
    TRACED = 21, "It was a traced packet, and nobody on this host follows its trace: it is over, or no agent runs."


REASON_OF = {int(reason): reason for reason in Reason}
"""Reasons by number."""

SPOKEN_OF = {
    Reason.TTL_EXPIRED: PuntKind.TIME_EXCEEDED,
    Reason.NO_ROUTE: PuntKind.NET_UNREACHABLE,
    Reason.NO_NEIGHBOUR: PuntKind.HOST_UNREACHABLE,
    Reason.ROUTER_REFUSES: PuntKind.REFUSED,
    Reason.TOO_BIG: PuntKind.TOO_BIG,
}
"""For these reasons a router answers the sender, if the agent lives and answers are not too many."""


def drop(reason: Reason) -> Actions:
    return (Load(REASON, int(reason)), Goto(DROP))


def complain(reason: Reason) -> Actions:
    """Dropped by a router, which says so to the sender."""
    return (Load(REASON, int(reason)), Goto(COMPLAIN))
