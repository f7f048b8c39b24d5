"""What an on-demand host wants: destinations of packets it had no flows for, until no packet is for them any more.

    WANTED ─► index key ─► PartialSync.want ─► Delta ─► flows ─► counted by Open vSwitch ─► idle ─► forget

The switch has sent the packet on to a full host by then; nothing here holds it up. Never touches a flow: what is wanted
comes and goes as records do. It is kept in a file, so that a restart changes no flow.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from retia.compile.cookies import digest_of, object_in
from retia.daemons import kept
from retia.errors import SwitchAway
from retia.flows.carrying import Punted
from retia.log import logger
from retia.pipeline.fields import DATAPATH, NEIGHBOUR_DATAPATH, NEIGHBOUR_IP4
from retia.pipeline.stages import ADDRESS, LOOKUP
from retia.store.index import address_key, mac_key
from retia.store.partial import PartialSync
from retia.switch.contract import Switch
from retia.values import Ip4, Mac

MOST = 4096
"""The most ports wanted."""
ROOM = 64
"""So many go at once where another is wanted."""
LOOKS, LONGEST = 8, 30.0
"""So often in the time after which one is idle are counters read, and at least every so many seconds."""
TICK = 1.0
"""Seconds between two writes of the file, at least."""

COUNTS = ("looked-up", "unknown", "aged-out", "crowded-out")

log = logger("agent")


class Moved(NamedTuple):
    """What a port's flows had counted, and when they last counted more."""

    packets: int
    when: float


def remembered(file: Path) -> list[str]:
    """The ids of what the last agent wanted."""
    return kept.read(file, list[str]) or []


class Wants:
    """`take` punts; `run` looks what is idle. `counts`: those of COUNTS since the start. `idle`: seconds."""

    def __init__(
        self,
        sync: PartialSync,
        switch: Switch,
        file: Path,
        idle: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sync = sync
        self._switch, self._file, self._idle, self._clock = switch, file, idle, clock
        self._moved: dict[str, Moved] = {}
        self._saved = list(sync.interest.wanted)
        self._looked_at = clock()
        self._gone: Counter[str] = Counter()

    @property
    def number(self) -> int:
        return len(self.sync.interest.wanted)

    @property
    def counts(self) -> Counter[str]:
        return self._gone + self.sync.counts

    def take(self, punt: Punted) -> None:
        key = self._key(punt)
        if key:
            if self.number >= MOST:
                self._make_room()
            self.sync.want(key)

    def _key(self, punt: Punted) -> str:
        """Where the store says who has what the packet is for; "" for nobody."""
        neighbours = punt.read(NEIGHBOUR_DATAPATH)
        switch = self.sync.interest.switch_at(neighbours or punt.read(DATAPATH))
        address, mac = Ip4(punt.read(NEIGHBOUR_IP4)), Mac(int.from_bytes(punt.frame[:6], "big"))
        if not switch:
            return ""
        if neighbours:
            return address_key(switch, address) if address else ""
        return "" if mac.is_multicast or not mac else mac_key(switch, mac)

    def _make_room(self) -> None:
        """Those go that counted nothing for the longest time; of those never looked at the last."""
        now = self._clock()
        wanted = self.sync.interest.wanted
        oldest = heapq.nsmallest(ROOM, wanted, key=lambda port: self._moved.get(port, Moved(0, now)).when)
        self._forget(oldest, "crowded-out")

    def _forget(self, ports: list[str], why: str) -> None:
        self._gone[why] += len(ports)
        self.sync.forget(ports)
        for port in ports:
            self._moved.pop(port, None)

    # -- as time goes by -------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Forget what is idle. While the switch is away nothing is known to be."""
        try:
            seen = [*await self._switch.observed(int(LOOKUP)), *await self._switch.observed(int(ADDRESS))]
        except SwitchAway:
            return
        packets: Counter[int] = Counter()
        for one in seen:
            packets[object_in(one.flow.cookie)] += one.packets
        now = self._clock()
        self._moved = {
            port: self._judge(port, Moved(packets[digest_of(port)], now)) for port in self.sync.interest.wanted
        }
        idle = [port for port, moved in self._moved.items() if now - moved.when >= self._idle]
        if idle:
            log.debug("wanted no more", ports=len(idle))
            self._forget(idle, "aged-out")

    def _judge(self, port: str, now: Moved) -> Moved:
        before = self._moved.get(port)
        return before if before is not None and before.packets == now.packets else now

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(TICK)
                self.sync.interest.expire(time.monotonic())
                if self._clock() - self._looked_at >= min(self._idle / LOOKS, LONGEST):
                    self._looked_at = self._clock()
                    await self.look()
                self.save()
        finally:
            self.save()

    def save(self) -> None:
        wanted = list(self.sync.interest.wanted)
        if wanted != self._saved:
            kept.write(self._file, wanted)
            self._saved = wanted
