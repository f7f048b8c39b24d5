"""The walk through a lab as it is now: its hosts' switches, the tunnels between them, the physical segment they share.

The segment is taken to bring each frame to everyone: a host drops what is for others, and of the node outside only what
is for it counts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from retia.compile.local import UPLINK_PREFIX
from retia.flows.conntrack import Tracker
from retia.flows.fields import CT_STATES
from retia.flows.journey import HostFlows, Journey, Leg, walk_hosts
from retia.flows.lookup import FlowTable
from retia.lab.spaces import SpacesLab
from retia.pipeline.fields import NEIGHBOUR_IP4
from retia.pipeline.punts import KIND_OF, PuntKind
from retia.values import Ip, Ip4, Mac
from tests.agreement.outside import WORLD, WORLD_ADDRESSES, WORLD_MAC
from tests.agreement.packets import ask
from tests.chaos import judge

TUNNEL = 60000
MOST = 32
"""A packet that came in so often goes round in circles; nobody hears of it."""
PATIENCE = 20.0
_TRANSLATED = CT_STATES["snat"] | CT_STATES["dnat"]


class Part(NamedTuple):
    """What becomes of a frame that comes in from a guest or the segment."""

    host: str
    in_port: int
    frame: bytes
    journey: Journey


@dataclass
class Trip:
    """All parts, and who hears which bytes."""

    parts: list[Part] = field(default_factory=list)
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def legs(self) -> Iterator[Leg]:
        return (leg for part in self.parts for leg in part.journey.legs)

    @property
    def wanted(self) -> list[tuple[str, str]]:
        return sorted((name, frame.hex()) for name, frame in self.heard)

    @property
    def is_translated(self) -> bool:
        return any(state & _TRANSLATED for leg in self.legs for state in leg.walk.states)

    @property
    def asked(self) -> set[tuple[str, Ip]]:
        """The hosts where it waits, and the neighbours on the segment that it waits for."""
        return {(leg.host, Ip4(leg.walk.read(NEIGHBOUR_IP4))) for leg in self.legs if _asks(leg)}


def _asks(leg: Leg) -> bool:
    return any(KIND_OF.get(one.action.userdata) is PuntKind.ASK_NEIGHBOUR for one in leg.walk.punted)


@dataclass
class Hosts:
    """`flows` by host; `ports`: its interfaces by name, a guest's being the guest's."""

    flows: dict[str, HostFlows]
    ports: dict[str, dict[str, int]]

    @property
    def uplinks(self) -> dict[str, int]:
        return {
            host: number
            for host, known in self.ports.items()
            for name, number in known.items()
            if name.startswith(UPLINK_PREFIX)
        }

    def places(self, party: str) -> list[tuple[str, int]]:
        """Where its frames come in."""
        if party == WORLD:
            return list(self.uplinks.items())
        return [(host, known[party]) for host, known in self.ports.items() if party in known]

    def send(self, party: str, frame: bytes) -> Trip:
        trip, waiting = Trip(), deque((*place, frame) for place in self.places(party))
        names = {(host, number): name for host, known in self.ports.items() for name, number in known.items()}
        while waiting and len(trip.parts) < MOST:
            host, in_port, frame = waiting.popleft()
            trip.parts.append(Part(host, in_port, frame, walk_hosts(self.flows, host, frame, in_port)))
            for one in trip.parts[-1].journey.arrivals:
                if one.port != self.uplinks.get(one.host):
                    trip.heard.append((names[one.host, one.port], one.frame))
                    continue
                trip.heard += [(WORLD, one.frame)] if is_for_world(one.frame) else []
                waiting += [(other, port, one.frame) for other, port in self.uplinks.items() if other != one.host]
        return trip

    def is_held(self, trip: Trip) -> bool:
        """Whether it waits for a neighbour that will answer."""
        return any(self._answers(host, address) for host, address in trip.asked)

    def _answers(self, host: str, address: Ip) -> bool:
        if str(address) in WORLD_ADDRESSES:
            return True
        frame = ask(Mac(0x02_FF_FF_FF_FF_FF), "203.0.113.250", str(address))
        others = [place for place in self.uplinks.items() if place[0] != host]
        told = (one for place in others for one in walk_hosts(self.flows, place[0], frame, place[1]).arrivals)
        return any(one.port == self.uplinks.get(one.host) and one.frame[28:32] == frame[38:42] for one in told)

    async def read_again(self, made: SpacesLab) -> bool:
        """What the switches have learned meanwhile; connections stay known. Whether anything is new."""
        before = {name: set(one.flows) for name, one in self.flows.items()}
        for name, host in made.hosts.items():
            flows = (await judge.flows_of(host)).values()
            self.flows[name] = replace(self.flows[name], flows=FlowTable(flows))
        return before != {name: set(one.flows) for name, one in self.flows.items()}


def is_for_world(frame: bytes) -> bool:
    return bool(frame[0] & 1) or frame[:6] == int(WORLD_MAC).to_bytes(6, "big")


async def settled(made: SpacesLab) -> Hosts:
    """The hosts once all tunnels that are to be watched live, and each switch has just the flows that a compiler makes
    which begins with nothing."""
    end = time.monotonic() + PATIENCE
    while True:
        hosts, lacking = Hosts({}, {}), list[str]()
        for host in made.hosts.values():
            compiler, seen = await judge.fresh(made, host)
            flows, live = compiler.flows, {one.ofport for one in seen.attachments.values() if one.bfd == "up"}
            wanted = {one.name for one in (*compiler.uplinks, *compiler.watched)}
            if wanted != seen.attachments.keys() or len(live) != len(compiler.watched):
                lacking.append(f"{host.name} has not all of {sorted(wanted)}, or they do not live")
            elif flows != await judge.flows_of(host):
                lacking.append(f"{host.name} has not the flows of a fresh compile")
            table, address = FlowTable(flows.values()), int(Ip.parse(host.address))
            hosts.flows[host.name] = HostFlows(table, address, TUNNEL, Tracker(), live.__contains__)
            here = (*seen.interfaces.values(), *seen.attachments.values())
            hosts.ports[host.name] = {one.name: one.ofport for one in here}
        if not lacking:
            return hosts
        assert time.monotonic() < end, lacking
        await asyncio.sleep(0.1)
