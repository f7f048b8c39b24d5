"""What the rules are for: flows, tunnels in use, ports to bind, and troubles to name."""

from __future__ import annotations

from retia.flows.actions import Actions
from retia.flows.match import Match
from retia.pipeline.stage import Stage
from retia.rules import COL, KEY, NOTE, NOTE_RULE, Relation
from retia.values import Ip


class FlowRow(Relation):
    "A flow of this host's switch. `origin` is the id of the object it is there for."

    stage: Stage = KEY
    priority: int = KEY
    match: Match = KEY
    actions: Actions = COL
    origin: str = NOTE
    rule: str = NOTE_RULE


class Peer(Relation):
    "A host whose tunnel is in use here."

    host: str = KEY
    address: Ip = COL


class Claim(Relation):
    "A port that an interface here names: this host should bind it."

    port: str = KEY
    interface: str = COL


class Trouble(Relation):
    "Something wrong, for `retia status`. `about` is stable while it lasts."

    about: str = KEY
    what: str = COL
    where: str = COL
    advice: str = COL
