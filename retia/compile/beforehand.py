"""Physical neighbours that a host asks for before any packet does: the next hops of routes by its ports outside.

Else an edge that has just come would lose what comes at once for a gateway that it has never asked for: only few
packets wait (`daemons.neighbours`). Who else is in a connected prefix, only packets say.
"""

from __future__ import annotations

from retia.compile.clashes import PortClaim, RouterClaim
from retia.compile.facts import RouterPortFact
from retia.compile.outputs import Outside, WantsNeighbour
from retia.compile.routes import ActiveRoute
from retia.rules import COL, Relation, Rule, rule
from retia.values import Ip


class HopOutside(Relation):
    "A next hop by a port outside here, and the switch it is on."

    switch: str = COL
    address: Ip = COL
    port: str = COL


@rule
def hop_outside(x: str, s: str, g: Ip) -> Rule:
    "A static route that works leads to its next hop by a port, even while another of a lower metric counts."
    return HopOutside(s, g, x) <= [Outside(x), ActiveRoute(port=x, next_hop=g), RouterPortFact(x, switch=s)]


@rule
def wants_hop(x: str, s: str, g: Ip) -> Rule:
    "It is asked for unless it is inside the virtual network, where its MAC is known."
    return WantsNeighbour(x, g) <= [HopOutside(s, g, x), ~PortClaim(s, g), ~RouterClaim(s, g)]


RULES = [hop_outside, wants_hop]
