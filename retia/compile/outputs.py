"""What the rules are for: flows, tunnels in use, ports to bind, and troubles to name."""

from __future__ import annotations

from retia.flows.actions import Actions
from retia.flows.match import Match
from retia.pipeline.stage import Stage
from retia.rules import COL, KEY, NOTE, NOTE_RULE, Relation
from retia.values import Ip, Mac


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


class WantsUplink(Relation):
    "An uplink that this host should have, by the name of its port on the integration bridge."

    name: str = KEY
    bridge: str = COL
    vlan: int = COL


class WantsPeer(Relation):
    "A host whose tunnel this one watches, by its key."

    host: str = KEY
    key: int = COL
    address: Ip = COL


class WantsZones(Relation):
    "A router that translates here, and so needs zones of connection tracking."

    router: str = KEY


class Outside(Relation):
    "A router port to the physical network here: how its neighbours are asked."

    port: str = KEY
    router_key: int = COL
    key: int = COL
    mac: Mac = COL
    address: Ip = COL
    ofport: int = COL


class WantsNeighbour(Relation):
    "A physical neighbour of such a port that this host asks for before any packet does."

    port: str = KEY
    address: Ip = KEY


class Announce(Relation):
    "An address that the physical network finds at this host, by an uplink."

    address: Ip = KEY
    ofport: int = KEY
    mac: Mac = COL


class Trouble(Relation):
    "Something wrong, for `retia status`. `about` is stable while it lasts."

    about: str = KEY
    what: str = COL
    where: str = COL
    advice: str = COL
