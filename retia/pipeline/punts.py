"""What a switch sends up to its agent, and how much of it: each kind of punt with a number and a meter of its own.

Declared once: flows name the number (userdata) and the meter, the agent knows the kind by the number. A punted packet
is a copy; nothing depends on an agent being there.
"""

from __future__ import annotations

from enum import IntEnum

from retia.flows.actions import Actions, Metered, Punt
from retia.flows.meter import Meter

RATE = 100
"""Packets a second of each kind, so that a flood of all of them costs an agent a small part of one core; as many at
once."""
REPORTS = 20_000
"""Of traced packets, which are sent by hand: what would be over it is a trace that never ends."""


class PuntKind(IntEnum):
    """`doc` is the sentence people read. The number is the meter's too, whose `rate` is in packets a second."""

    doc: str
    rate: int

    def __new__(cls, number: int, doc: str, rate: int = RATE) -> PuntKind:
        made = int.__new__(cls, number)
        made._value_ = number
        made.doc, made.rate = doc, rate
        return made

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")

    TIME_EXCEEDED = 1, "Its time to live ended at a router: ICMP time exceeded."
    NET_UNREACHABLE = 2, "A router has no route to its destination: ICMP network unreachable."
    HOST_UNREACHABLE = 3, "No port that lives anywhere has the address of the next hop: ICMP host unreachable."
    REFUSED = 4, "It is for a router itself: ICMP port or protocol unreachable, or a reset for TCP."
    TOO_BIG = 5, "It is larger than the next switch's MTU: ICMP fragmentation needed."
    ASK_NEIGHBOUR = 6, "Its next hop on the physical network is not known: asked by ARP, while it waits."
    HEARD_NEIGHBOUR = 7, "A neighbour on the physical network that a router here needs says what its MAC is."
    WANTED = 8, "Its destination is not known on this host, which has only what was asked for: looked up in the store."
    """The address NEIGHBOUR_IP4 of the switch NEIGHBOUR_DATAPATH; where that is 0, `eth_dst` of the switch DATAPATH."""
    TRACED = 9, "A traced packet has come to a stage.", REPORTS


METERS = [Meter(int(kind), kind.rate, kind.rate) for kind in PuntKind]


KIND_OF = {bytes([kind]): kind for kind in PuntKind}
"""Kinds by the userdata of their punts."""


def punt(kind: int) -> Actions:
    """First in their flow, since a meter is."""
    return (Metered(int(kind)), Punt(bytes([kind])))
