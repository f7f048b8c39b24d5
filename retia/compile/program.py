"""All the rules of the network, put together. A new feature is one more line here."""

from __future__ import annotations

from retia.compile import admit, arp, clashes, complaints, drops, presence, routing, switching, troubles
from retia.compile.outputs import Claim, FlowRow, Peer, Trouble
from retia.rules import Program, Rule

FEATURES = (clashes, presence, admit, arp, switching, routing, complaints, drops, troubles)
RULES: list[Rule] = [rule for feature in FEATURES for rule in feature.RULES]
OUTPUTS = [FlowRow, Peer, Claim, Trouble]


def program() -> Program:
    return Program(RULES, OUTPUTS)
