"""Facts that a host knows by itself: its attachments and whether they live, its zones, its physical neighbours.

They come from its Open vSwitch and its agent, not from the store; for hosts that are only thought of (`plan`, `reach`)
`assumed` makes them up. Called by the agent, by `plan` and by `reach`.
"""

from __future__ import annotations

from retia.model.local import Attachment
from retia.rules import COL, KEY, Relation
from retia.values import Ip, Mac

UPLINK_PREFIX, PEER_PREFIX = "up-", "bfd-"


class UplinkPort(Relation):
    "The OpenFlow port of an uplink of this host, by its name."

    host: str = KEY
    name: str = KEY
    ofport: int = COL


class PeerPort(Relation):
    "The OpenFlow port by which this host watches the tunnel to another, by the key of that."

    host: str = KEY
    peer: int = KEY
    ofport: int = COL


class PeerSeen(Relation):
    "A host that was seen to live, once at least: from then on its tunnel is believed."

    host: str = KEY
    peer: int = KEY


class PeerUp(Relation):
    "A host that is seen to live now."

    host: str = KEY
    peer: int = KEY


class ZonesFact(Relation):
    "The zones of connection tracking that a router has on this host."

    host: str = KEY
    router: str = KEY
    dnat: int = COL
    snat: int = COL


class NeighbourFact(Relation):
    "What this host knows of a router port's neighbour on the physical network; the MAC is 0 while it is asked for."

    port: str = KEY
    address: Ip = KEY
    mac: Mac = COL


class DirectFact(Relation):
    "Whether what is for the outside leaves by the host's own stack: by the bridge's own port, which has this MAC."

    host: str = KEY
    on: bool = COL
    mac: Mac = COL


def uplink_name(key: int) -> str:
    """Of the port on the integration bridge, by the key of the uplink's switch."""
    return f"{UPLINK_PREFIX}{key:06x}"


def peer_name(key: int) -> str:
    """Of the port that watches the tunnel to a host, by that host's key."""
    return f"{PEER_PREFIX}{key:05d}"


def attachment_rows(host: str, one: Attachment) -> list[Relation]:
    """What an uplink or a watched tunnel is to the rules; names of any other form are nothing to them."""
    if one.name.startswith(UPLINK_PREFIX):
        return [UplinkPort(host, one.name, one.ofport)]
    number = one.name.removeprefix(PEER_PREFIX)
    if number == one.name or not number.isdecimal():
        return []
    peer = int(number)
    seen = [PeerSeen(host, peer)] if one.seen else []
    return [PeerPort(host, peer, one.ofport), *seen, *([PeerUp(host, peer)] if one.bfd == "up" else [])]
