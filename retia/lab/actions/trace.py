"""A step that follows a packet: a real one by what hosts report, and the same one walked over what they would have."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from retia.daemons.following import Live, Way, walk_ways
from retia.flows.fields import ICMP, TCP, UDP
from retia.lab import agreeing
from retia.lab.failure import CheckFailed
from retia.lab.frames import ARP, ARP_LENGTH, SHORTEST, checksum
from retia.lab.words import GuestName, HostName, Target
from retia.model.kinds import Port
from retia.model.state import Applied, Barrier
from retia.pipeline.stages import DROP
from retia.reach.answers import Obstacle
from retia.reach.world import World
from retia.store import traces
from retia.store.records import TRACED, TRACES
from retia.store.sync import Sync
from retia.store.traces import Entry
from retia.trace import packets, telling
from retia.trace.names import Names
from retia.trace.packets import Wish
from retia.trace.telling import Told
from retia.trace.verdict import Judge
from retia.values import Ip

if TYPE_CHECKING:
    from retia.lab.contract import Tap
    from retia.lab.lab import Lab

SILENCE = 0.15
"""Seconds in which nobody may hear of a packet after its trace."""
SLACK = 5.0
"""Seconds more than its patience that a trace may take here: what the machine does besides is not its fault."""

_WORLDS: WeakKeyDictionary[Lab, World] = WeakKeyDictionary()

Ends = Literal["delivered", "left", "dropped", "suppressed", "unreported"]


@dataclass(frozen=True)
class Trace:
    """Live and what-if must agree in every point and in the end; `hosts` are those that it comes to, in order, and
    `back` those of its answer. With `deliver` the one it is for hears it, byte for byte; without nobody does. Of what
    ends `unreported` the walk tells the rest."""

    from_: GuestName
    to: Target
    hosts: tuple[HostName, ...] = ()
    back: tuple[HostName, ...] = ()
    ends: Ends = "delivered"
    reason: str = ""
    stage: str = ""
    object: str = ""
    says: str = ""
    lines: str = ""
    tcp: int = 0
    udp: int = 0
    arp: bool = False
    ttl: int = 64
    deliver: bool = False
    patience: float = 3.0

    async def run(self, lab: Lab) -> str:
        following = _Following(self, lab, await _world(lab))
        begin = time.monotonic()
        live = await following.live()
        took = time.monotonic() - begin
        self._judge(following, live, following.walk())
        if left := [*(await lab.store.snapshot(TRACES)).records, *(await lab.store.snapshot(TRACED)).records]:
            raise CheckFailed(f"of the trace there is left in the store: {', '.join(left)}")
        if took > self.patience * len(live) + SLACK:
            raise CheckFailed(f"the trace took {took:.1f} s, with {self.patience:g} s to wait")
        points = sum(1 for way in live for _ in way.story.points)
        return f"{live[0].packet.what}: {points} points on {', '.join(_hosts(live[0]))}; {following.ending(live[-1])}"

    def wish(self) -> Wish:
        return Wish(TCP if self.tcp else UDP if self.udp else ICMP, self.tcp or self.udp, self.ttl, self.arp)

    def _judge(self, following: _Following, live: list[Way], walk: list[Way]) -> None:
        for way, wanted in zip(live, (self.hosts, self.back), strict=False):
            if wanted and _hosts(way) != list(wanted):
                raise CheckFailed(f"it comes to {', '.join(_hosts(way))}, expected {', '.join(wanted)}")
        for real, walked in zip(live, walk, strict=False):
            if unlike := following.difference(real, walked):
                raise CheckFailed(unlike)
        if len(live) != 1 + bool(self.back):
            raise CheckFailed("it is not answered")
        if self.ends == "unreported" and not walk[-1].story.arrived:
            raise CheckFailed("what-if does not tell the rest of its way")
        self._judge_end(following, live[-1])
        text = "\n".join(line for way in live for line in following.lines(way))
        if self.lines and text != self.lines.strip():
            raise CheckFailed(f"its lines are not those expected but\n{text}")

    def _judge_end(self, following: _Following, way: Way) -> None:
        if str(way.story.end.ending) != self.ends:
            raise CheckFailed(f"it ends {way.story.end.ending}, expected {self.ends}: {following.ending(way)}")
        found = following.obstacle(way)
        said = {"reason": found.reason, "stage": found.stage, "object": found.object} if found else {}
        wanted = {"reason": self.reason, "stage": self.stage, "object": self.object}
        if self.reason and way.story.passages[-1].points[-1].stage != DROP.name:
            raise CheckFailed(f"its last stage is {way.story.passages[-1].points[-1].stage}")
        for name, value in wanted.items():
            if value and said.get(name) != value:
                raise CheckFailed(f"its {name} is {said.get(name, '')!r}, expected {value!r}")
        text = following.tree(way)
        if self.says not in text:
            raise CheckFailed(f"nothing of {self.says!r} is said but: {text[-400:]}")


class _Following:
    """One packet of a lab, followed in both worlds."""

    def __init__(self, wish: Trace, lab: Lab, world: World) -> None:
        self._wish, self._lab, self.world = wish, lab, world
        self.source = self._port(wish.from_)
        self.target = self._target()
        address = self.target.addresses[0] if isinstance(self.target, Port) else self.target
        made = packets.made(self.world.network, self.source, address, wish.wish())
        self.packet = made._replace(frame=_marked(made.frame))
        self._entry = Entry(str(lab.guests[wish.from_].host.name), self.source.id, self.packet.frame)
        self._names = Names(self.world.network)
        self._judge = Judge(self.world.things, lambda: self.world.facts(None))
        self._macs = agreeing.macs(lab.file.outside.values())

    def _port(self, name: str) -> Port:
        port = self._lab.port_of(self._lab.guests[name])
        if port is None:
            raise CheckFailed(f"guest {name} has no port")
        return port

    def _target(self) -> Port | Ip:
        name = self._wish.to
        return self._port(name) if name in self._lab.guests else self._lab.address_of(name)

    async def live(self) -> list[Way]:
        """The real packet, and who hears of it."""
        lab, wish = self._lab, self._wish
        with contextlib.ExitStack() as listening:
            taps = {name: listening.enter_context(one.tap()) for name, one in lab.stations.items()}
            async with traces.tracing(lab.store) as tracing:
                live = Live(tracing, self.world.things, wish.patience, wish.deliver)
                (ways,) = await live.ways([(self._entry, self.packet)], bool(wish.back))
            await asyncio.sleep(SILENCE)
            self._judge_heard(ways, taps)
        return ways

    def walk(self) -> list[Way]:
        return walk_ways(self.world, self.world.places[self.source.id], self.packet, bool(self._wish.back))

    def _judge_heard(self, ways: list[Way], taps: dict[str, Tap]) -> None:
        """Outside, a segment may bring others what is not for them, and who forwards it sends it on."""
        wanted = [way.story.end.frame for way in ways if self._wish.deliver and way.story.arrived]
        heard: list[bytes] = []
        for name, tap in taps.items():
            ours = [frame for frame in tap.received() if _is_ours(frame, self.packet.frame)]
            if ours and not self._wish.deliver:
                raise CheckFailed(f"{name} heard of the traced packet: {ours[0].hex()}")
            mac = self._lab.station(name).mac if name in self._lab.outside else None
            heard += [
                frame for frame in ours if mac is None or (frame in wanted and frame[:6] == mac.to_bytes(6, "big"))
            ]
        if sorted(heard) != sorted(wanted):
            what = f"heard {[frame.hex() for frame in heard]}, expected {[frame.hex() for frame in wanted]}"
            raise CheckFailed(f"its end is not as told: {what}")

    def difference(self, live: Way, walk: Way) -> str:
        real = agreeing.without_waiting(live.story)
        return agreeing.difference(real, agreeing.with_macs(walk.story, self._macs))

    def obstacle(self, way: Way) -> Obstacle | None:
        ends = (None, None) if self._wish.arp else (self.source, self.target)
        return self._judge.obstacle(way.story, *ends)

    def _told(self, way: Way) -> Told:
        return Told("", way.packet.what, way.story, self.obstacle(way), True, self.source.id, self._wish.deliver)

    def lines(self, way: Way) -> list[str]:
        return list(telling.lines(self._told(way), self._names))

    def tree(self, way: Way) -> str:
        return "\n".join(telling.tree(self._told(way), self._names))

    def ending(self, way: Way) -> str:
        return telling.ending(self._told(way), self._names)


async def _world(lab: Lab) -> World:
    """Compiled anew only when something is not as it was."""
    sync = Sync(lab.store)
    await sync.first()
    things = {who: thing for who, thing in sync.view.items() if not isinstance(thing, Barrier | Applied)}
    known = _WORLDS.get(lab)
    if known is None or known.things != things:
        known = _WORLDS[lab] = World(things)
    known.forget()
    return known


def _hosts(way: Way) -> list[str]:
    return [passage.host for passage in way.story.passages]


def _marked(frame: bytes) -> bytes:
    """With an identification (RFC 791, 3.1) of its own, by which it is known wherever it comes. ARP has none, but room:
    what fills a frame up to its least length stays in it, also when it is made the answer."""
    if frame[12:14] == struct.pack("!H", ARP):
        return frame[:ARP_LENGTH] + secrets.token_bytes(SHORTEST - ARP_LENGTH)
    head = frame[14:18] + secrets.token_bytes(2) + frame[20:24] + bytes(2) + frame[26:34]
    return frame[:14] + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + frame[34:]


def _is_ours(heard: bytes, sent: bytes) -> bool:
    """Whether a frame is the one sent, or the answer that was followed: of the same kind and size, with its mark."""
    if heard[12:14] != sent[12:14]:
        return False
    if sent[12:14] == struct.pack("!H", ARP):
        return heard[ARP_LENGTH:SHORTEST] == sent[ARP_LENGTH:SHORTEST]
    return heard[16:20] == sent[16:20] and heard[23] == sent[23]


ACTIONS: dict[str, type] = {"trace": Trace}
