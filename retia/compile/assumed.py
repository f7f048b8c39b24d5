"""What hosts that are only thought of know by themselves, made up: each uplink there, each watched tunnel alive, zones.

`plan` and `reach` ask what a host would do whose Open vSwitch and agent they cannot ask. OpenFlow numbers are of those
no real port has. Zones are counted from 1 in the order of routers' keys; a router that had some before a change keeps
them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from retia.compile.local import PeerPort, PeerSeen, PeerUp, UplinkPort, ZonesFact, uplink_name
from retia.model.kinds import Edge, Host, Nat, Object, Router, Switch, Uplink
from retia.model.state import ON_DEMAND, HostState, State
from retia.rules import Relation

UPLINK_PORTS = 1 << 21
"""Where the numbers begin: the key of the switch is added."""
WATCHED_PORTS = 40000
"""Where the numbers of watched tunnels begin, as a register of 16 bits holds them."""


def uplink_port(switch: Switch) -> int:
    return UPLINK_PORTS + switch.key


def assumed(things: Iterable[Object | State], before: Assumptions | None = None) -> Assumptions:
    """What may be assumed of every host in a network, and after a change of what was assumed `before`."""
    known = Assumptions(before)
    for thing in things:
        known.add(thing)
    return known


class Assumptions:
    """`add` each record; `rows(host)` is what that host knows by itself."""

    def __init__(self, before: Assumptions | None = None) -> None:
        self._before = before
        self._hosts: dict[str, str] = {}
        self._keys: dict[str, int] = {}
        self._mixed = False
        self._switches: dict[str, Switch] = {}
        self._routers: dict[str, int] = {}
        self._uplinks: list[Uplink] = []
        self._edges: list[Edge] = []
        self._translating: set[str] = set()
        self._places: dict[str, int] = {}

    def add(self, thing: Object | State) -> None:
        if isinstance(thing, Host):
            self._hosts[thing.id] = thing.name
        elif isinstance(thing, HostState):
            self._keys[thing.host] = thing.key
            self._mixed = self._mixed or thing.mode == ON_DEMAND
        elif isinstance(thing, Switch):
            self._switches[thing.id] = thing
        elif isinstance(thing, Router):
            self._routers[thing.id] = thing.key
        elif isinstance(thing, Uplink):
            self._uplinks.append(thing)
        elif isinstance(thing, Edge):
            self._edges.append(thing)
        elif isinstance(thing, Nat):
            self._translating.add(thing.router)
            self._places = {}

    def rows(self, host: str) -> list[Relation]:
        found: list[Relation] = []
        for uplink in self._uplinks:
            switch = self._switches.get(uplink.switch)
            if switch is not None and self._hosts.get(uplink.host) == host:
                found.append(UplinkPort(host, uplink_name(switch.key), uplink_port(switch)))
        found += self._watched(host)
        for router, place in self.places().items():
            found.append(ZonesFact(host, router, 2 * place + 1, 2 * place + 2))
        return found

    def places(self) -> dict[str, int]:
        """Which pair of zones each router that translates has."""
        if not self._places:
            had = self._before.places() if self._before is not None else {}
            kept = {router: place for router, place in had.items() if router in self._translating}
            free = (place for place in count() if place not in kept.values())
            new = sorted(self._translating - kept.keys(), key=lambda one: (self._routers.get(one, 0), one))
            self._places = kept | dict(zip(new, free, strict=False))
        return self._places

    def _watched(self, host: str) -> list[Relation]:
        edges = {self._hosts.get(edge.host, "") for edge in self._edges}
        everybody = host in edges or self._mixed  # who helps whom, the rules say
        peers = self._keys if everybody else edges & self._keys.keys()
        keys = sorted(self._keys[peer] for peer in peers if peer != host)
        return [
            row
            for key in keys
            for row in (PeerPort(host, key, WATCHED_PORTS + key), PeerSeen(host, key), PeerUp(host, key))
        ]
