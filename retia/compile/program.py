"""All the rules of the network, put together. A new feature is one more line here."""

from __future__ import annotations

from retia.compile import (
    admit,
    arp,
    beforehand,
    beside,
    choice,
    clashes,
    complaints,
    direct,
    distributed,
    drops,
    edges,
    holders,
    modes,
    nat,
    presence,
    redirects,
    relays,
    routes,
    routing,
    switching,
    tracing,
    translations,
    troubles,
    uplinks,
)
from retia.compile.outputs import (
    Announce,
    Claim,
    FlowRow,
    Outside,
    Peer,
    Trouble,
    WantsNeighbour,
    WantsPeer,
    WantsUplink,
    WantsZones,
)
from retia.rules import Program, Rule

FEATURES = (
    clashes,
    presence,
    modes,
    beside,
    admit,
    arp,
    edges,
    choice,
    relays,
    direct,
    switching,
    routing,
    routes,
    uplinks,
    beforehand,
    translations,
    nat,
    holders,
    distributed,
    redirects,
    complaints,
    drops,
    tracing,
    troubles,
)
RULES: list[Rule] = [rule for feature in FEATURES for rule in feature.RULES]
OUTPUTS = [FlowRow, Peer, Claim, Trouble, WantsUplink, WantsPeer, WantsZones, Outside, WantsNeighbour, Announce]


def program() -> Program:
    return Program(RULES, OUTPUTS)
