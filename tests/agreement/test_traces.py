"""What `retia trace` tells of a packet live, by what hosts report, and with --what-if, and who hears it byte for byte.

All packets of a network are on their way at once, each with a trace of its own, and then the answers to some of them.
Each is of a connection of its own, and it is the traced packet itself that is handed over and heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from retia.compile.reasons import Reason
from retia.daemons.following import Live
from retia.lab import agreeing
from retia.lab.contract import Tap
from retia.lab.spaces import SpacesLab
from retia.model.kinds import Port, Uplink
from retia.reach.world import Place, World
from retia.store import traces
from retia.store.sync import Sync
from retia.store.traces import Entry
from retia.trace.story import Ending, Story
from retia.trace.verdict import Judge
from retia.trace.walked import walked
from tests.agreement.networks import GUESTS, lab
from tests.agreement.outside import WORLD, world
from tests.agreement.packets import answer, some_frame
from tests.agreement.standing import another_network, standing
from tests.agreement.test_agreement import is_of
from tests.agreement.travel import Hosts, is_for_world

PACKETS = 20
"""In each network."""
NETWORKS = int(os.environ.get("RETIA_RANDOM", "10"))
PATIENCE, SILENCE = 3.0, 0.2
LONG = 300
"""Points on more than any way that comes to an end."""
SHORTEST = 60
"""Frames that guests send by themselves, to ask for each other by ARP, are shorter."""
RARE = ("left", "came in", "reply", "translated", "asked", "no-neighbour", "ttl-expired", "arp-unknown", "no-route")
"""Seen in any run of so many packets, but for one in a million."""


@pytest.mark.lab
@pytest.mark.timeout(120 + 20 * NETWORKS)
def test_live_what_if_and_guests_agree() -> None:
    seed = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"RETIA_SEED={seed} RETIA_RANDOM={NETWORKS}")
    fates = asyncio.run(_all(random.Random(seed)))
    print(f"{fates['packets']} packets in {NETWORKS} networks: {dict(fates)}")
    assert fates["packets"] >= NETWORKS * PACKETS
    rare = RARE if NETWORKS >= 100 else ()
    assert all(fates[fate] for fate in ("dropped", "delivered", "over a tunnel", *rare)), fates


async def _all(rnd: random.Random) -> Counter[str]:
    fates: Counter[str] = Counter()
    async with standing("traces") as made:
        number = 0
        while fates["packets"] < NETWORKS * PACKETS:  # a network may have no guest that sends
            run = await _Run.of(made, rnd, await another_network(made, rnd), number)
            fates += await run.packets()
            number += 1
    return fates


class _Sent(NamedTuple):
    """`place` is where the walk has its port or uplink, `token` what its payload begins with."""

    entry: Entry
    place: Place
    token: bytes


class _Came(NamedTuple):
    sent: _Sent
    live: Story
    walk: Story


@dataclass
class _Run:
    """Packets in one network."""

    made: SpacesLab
    rnd: random.Random
    hosts: Hosts
    name: str
    number: int
    walk: World
    judge: Judge
    fates: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def of(cls, made: SpacesLab, rnd: random.Random, hosts: Hosts, number: int) -> _Run:
        sync = Sync(made.store)
        await sync.first()
        walk = World(sync.view)
        judge = Judge(walk.things, lambda: walk.facts(None))
        return cls(made, rnd, hosts, f"network {number}", 2 * number * PACKETS, walk, judge)

    async def packets(self) -> Counter[str]:
        came = await self._follow([one for one in (self._some() for _ in range(PACKETS)) if one is not None])
        replies = [reply for one in came if self.rnd.random() < 0.5 and (reply := self._reply(one)) is not None]
        self.fates["reply"] += len(await self._follow(replies)) if replies else 0
        return self.fates

    # -- what is sent ----------------------------------------------------------------------------------------------

    def _some(self) -> _Sent | None:
        """Of a guest, or by an uplink as if from outside."""
        guests = self.made.guests
        senders = {guest: port for guest in GUESTS if (port := self.made.port_of(guests[guest])) is not None}
        senders = {guest: port for guest, port in senders.items() if port.id in self.walk.places}
        outside = world(self.rnd, self.made.network)
        uplinks = sorted(place for place in self.walk.uplinks if place.host in self.hosts.uplinks)
        if outside is not None and uplinks and (not senders or self.rnd.random() < 0.3):
            place = self.rnd.choice(uplinks)
            uplink = self.walk.uplinks[place]
            return self._sent(outside, uplink, place)
        if not senders:
            return None
        port = senders[self.rnd.choice(sorted(senders))]
        return self._sent(port, port, self.walk.places[port.id])

    def _sent(self, sender: Port, item: Port | Uplink, place: Place) -> _Sent:
        token = self._next_token()
        frame = some_frame(self.rnd, self.made.network, sender, token, 20000 + self.number % 40000)
        return _Sent(Entry(place.host, item.id, frame), place, token)

    def _next_token(self) -> bytes:
        self.number += 1
        return f"retia {self.number} ".encode()

    def _reply(self, came: _Came) -> _Sent | None:
        end = came.live.end
        frame = answer(end.frame, token := self._next_token()) if came.live.arrived and self._is_heard(came) else None
        if frame is None:
            return None
        places = {**self.walk.places, **{uplink.id: place for place, uplink in self.walk.uplinks.items()}}
        return _Sent(Entry(end.host, end.out, frame), places[end.out], token)

    def _is_heard(self, came: _Came) -> bool:
        """By another than who sent it, whom it was for."""
        end = came.live.end
        return end.out != came.sent.entry.place and (end.ending is Ending.delivered or is_for_world(end.frame))

    # -- what comes of it ------------------------------------------------------------------------------------------

    async def _follow(self, sent: Sequence[_Sent]) -> list[_Came]:
        sent = list({one.entry.frame: one for one in sent}.values())  # who asks the same twice hears two answers
        with contextlib.ExitStack() as listening:
            there = [one for one in self.made.stations.values() if one.mac is not None]
            taps = {one.name: listening.enter_context(one.tap()) for one in there}
            came = await self._live(sent)
            for one in came:
                self._compare(one)
            await self._compare_heard(came, taps)
        return came

    async def _live(self, sent: Sequence[_Sent]) -> list[_Came]:
        """Those that go round in circles take their time; others that are not at their end by then wait for ever."""
        walks = [agreeing.with_macs(walked(self.walk, one.place, one.entry.frame), MACS) for one in sent]
        rounds = [sum(1 for _ in walk.points) > LONG for walk in walks]
        came: list[_Came] = []
        async with traces.tracing(self.made.store) as tracing:
            for slow, patience in ((False, PATIENCE), (True, 20 * PATIENCE)):
                some = [pair for pair, long in zip(zip(sent, walks, strict=True), rounds, strict=True) if long == slow]
                live = Live(tracing, self.walk.things, patience, deliver=True)
                stories = await live.follow([one.entry for one, _ in some]) if some else []
                assert not live.unready, live.unready
                came += [_Came(one, story, walk) for (one, walk), story in zip(some, stories, strict=True)]
        return came

    def _compare(self, came: _Came) -> None:
        """Where the next hop is nobody's, the walk takes it for a stranger's: up to there."""
        sent, live, walk = came
        told = f"{self.name} at {sent.entry.host} {sent.entry.place}: {sent.entry.frame.hex()}"
        assert live.end.ending is not Ending.unreported, f"{told}: {live}"
        unlike = agreeing.difference(agreeing.without_waiting(live), walk)
        assert not unlike, f"{told}: {unlike}"
        if live.end.reason is not Reason.NEIGHBOUR_ASKED:
            assert self.judge.obstacle(live) == self.judge.obstacle(walk), told
        self._count(sent, live)

    async def _compare_heard(self, came: list[_Came], taps: dict[str, Tap]) -> None:
        """What leaves for another's MAC on the segment comes in there by an uplink, as a packet nobody traces: it is
        left aside."""
        followed = [one for one in came if one.live.end.ending is not Ending.left or is_for_world(one.live.end.frame)]
        self.fates["left for others"] += len(came) - len(followed)
        wanted = Counter(one for each in followed for one in self._wanted(each.live))
        got = Counter(await _hear(taps, [one.sent for one in followed], wanted.total()))
        odd = [
            one for one in came if any(one.sent.token.hex() in frame for _, frame in (wanted - got) + (got - wanted))
        ]
        assert got == wanted, f"{self.name}: not heard {wanted - got}, heard besides {got - wanted}, of {odd}"

    def _wanted(self, story: Story) -> list[tuple[str, str]]:
        """Who hears what."""
        end = story.end
        if end.ending is Ending.left:
            return [(WORLD, end.frame.hex())]
        names = {port.id: guest for guest in GUESTS if (port := self.made.port_of(self.made.guests[guest]))}
        return [(names[end.out], end.frame.hex())] if story.arrived else []

    def _count(self, sent: _Sent, live: Story) -> None:
        points = [point for _, point in live.points]
        self.fates["packets"] += 1
        self.fates[str(live.end.ending)] += 1
        self.fates[live.end.reason.label if live.end.reason else "no reason"] += 1
        self.fates["over a tunnel"] += len(live.passages) > 1 and live.arrived
        self.fates["came in"] += live.end.ending is Ending.delivered and sent.place in self.walk.uplinks
        self.fates["translated"] += any(point.changed.keys() & {"ip_src", "ip_dst"} for point in points)
        self.fates["asked"] += len(points) > sum(1 for _ in agreeing.without_waiting(live).points)


MACS = agreeing.macs(lab().outside.values())


async def _hear(taps: dict[str, Tap], sent: Sequence[_Sent], wanted: int) -> list[tuple[str, str]]:
    """Until so much is heard, and then a little for what should not come."""
    heard: list[tuple[str, str]] = []
    end, quiet = time.monotonic() + PATIENCE, time.monotonic() + SILENCE
    while time.monotonic() < (quiet if len(heard) >= wanted else end):
        await asyncio.sleep(0.005)
        for name, tap in taps.items():
            came = [frame for frame in tap.received() if len(frame) >= SHORTEST]
            came = [frame for frame in came if any(is_of(frame, one.entry.frame, one.token) for one in sent)]
            heard += [(name, frame.hex()) for frame in came if name != WORLD or is_for_world(frame)]
    return heard
