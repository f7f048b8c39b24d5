"""The walk over several hosts: what leaves by one host's tunnel port comes in by another's.

Only the flows count: links between hosts are taken to work. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from retia.flows.conntrack import Tracker
from retia.flows.lookup import FlowTable
from retia.flows.spreading import Live, everything_lives
from retia.flows.walk import Fate, Means, Sent, Walk, walk

LEG_LIMIT = 32
"""A packet that was in this many switches goes round in circles."""


VNI_MASK = 0xFFFFFF
"""A Geneve header carries 24 bits of tun_id."""


@dataclass(frozen=True)
class HostFlows:
    """A host as the walk sees it: its flows, where its tunnels end, their port, the connections that walks through it
    left known, and which of its ports are live."""

    flows: FlowTable
    address: int
    tunnel_port: int
    tracker: Tracker = field(default_factory=Tracker)
    live: Live = everything_lives

    @property
    def means(self) -> Means:
        return Means(tracker=self.tracker, live=self.live)


class Leg(NamedTuple):
    """The way through one host's switch; `cause` is the place in `legs` that it came from (None: the first)."""

    host: str
    walk: Walk
    cause: int | None = None


class Arrival(NamedTuple):
    """A frame that came out of a port of a host."""

    host: str
    port: int
    frame: bytes


@dataclass
class Journey:
    """`legs` in the order they were walked. `lost`: sent to a tunnel address that no host has. `endless`: cut off."""

    legs: list[Leg] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    lost: list[tuple[str, Sent]] = field(default_factory=list)
    endless: bool = False

    @property
    def dropped(self) -> list[Leg]:
        """The legs that ended without sending anything."""
        return [leg for leg in self.legs if leg.walk.fate is not Fate.SENT]


class _Entry(NamedTuple):
    """A frame about to come in."""

    host: str
    frame: bytes
    in_port: int
    tunnel: Mapping[str, int] = {}
    cause: int | None = None


def walk_hosts(hosts: Mapping[str, HostFlows], host: str, frame: bytes, in_port: int) -> Journey:
    """Send `frame` in by a port of a host, and follow it and its copies to all ends."""
    journey, waiting = Journey(), deque([_Entry(host, frame, in_port)])
    while waiting and not journey.endless:
        entry = waiting.popleft()
        here = hosts[entry.host]
        story = walk(here.flows, entry.frame, entry.in_port, entry.tunnel, here.means)
        journey.legs.append(Leg(entry.host, story, entry.cause))
        waiting += [entry for sent in story.sent for entry in _follow(journey, hosts, sent)]
        journey.endless = bool(waiting) and len(journey.legs) >= LEG_LIMIT
    return journey


def _follow(journey: Journey, hosts: Mapping[str, HostFlows], sent: Sent) -> Iterator[_Entry]:
    """Where a frame that the last leg sent comes in next, if it left by the tunnel port to one of the hosts."""
    cause = len(journey.legs) - 1
    name = journey.legs[cause].host
    if sent.port != hosts[name].tunnel_port:
        journey.arrivals.append(Arrival(name, sent.port, sent.frame))
        return
    target = next((other for other, flows in hosts.items() if flows.address == sent.tunnel["tun_dst"]), None)
    if target is None:
        journey.lost.append((name, sent))
        return
    tunnel = received_tunnel(sent, hosts[name].address)
    yield _Entry(target, sent.frame, hosts[target].tunnel_port, tunnel, cause)


def received_tunnel(sent: Sent, source: int) -> dict[str, int]:
    """The tunnel fields that a frame sent through a tunnel arrives with; `source` is its sender's own address."""
    return {**sent.tunnel, "tun_src": sent.tunnel["tun_src"] or source, "tun_id": sent.tunnel["tun_id"] & VNI_MASK}
