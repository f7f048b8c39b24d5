"""Tells the physical network, unasked, where an address is now: gratuitous ARP for each that comes to this host.

At once, and again after one and three seconds, since a frame may be lost; all of them again when the switch is back.
So after a takeover neighbours find the new edge within a packet's time (RFC 5227 section 3).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Iterable
from itertools import count

from retia.compile.outputs import Announce
from retia.daemons import arp
from retia.errors import SwitchAway
from retia.flows.actions import Output
from retia.rules.terms import Row
from retia.switch.contract import Switch
from retia.values import Ip, Mac

AFTER = (0.0, 1.0, 3.0)
"""Seconds after a row came."""
AT_ONCE, PAUSE = 100, 0.05
"""That many announcements, then that many seconds for everything else."""

Key = tuple[Ip, int]


class Announcer:
    """`note` which rows came and went; `run` announces. `sent` counts since the start."""

    def __init__(self, switch: Switch, clock: Callable[[], float] = time.monotonic) -> None:
        self._switch, self._clock = switch, clock
        self._macs: dict[Key, Mac] = {}
        self._due: list[tuple[float, int, Key, Mac]] = []
        self._numbers = count()
        self._wake = asyncio.Event()
        self.sent = 0

    def note(self, rows: Iterable[tuple[Row | None, Row | None]], ready: bool) -> None:
        """Rows before and after. Until the switch has its flows (`ready`) they are only remembered."""
        for old, new in rows:
            if old is not None and new is None:
                gone = Announce.of(old)
                self._macs.pop((gone.address, gone.ofport), None)
            elif new is not None:
                one = Announce.of(new)
                self._macs[one.address, one.ofport] = one.mac
                if ready:
                    self._plan((one.address, one.ofport))

    def again(self) -> None:
        """All of them, as if they had just come."""
        self._due.clear()
        for key in self._macs:
            self._plan(key)

    def _plan(self, key: Key) -> None:
        now = self._clock()
        for seconds in AFTER:
            heapq.heappush(self._due, (now + seconds, next(self._numbers), key, self._macs[key]))
        self._wake.set()

    def announce(self) -> None:
        """What is due now, as much as may go at once."""
        for _ in range(AT_ONCE):
            if not self._due or self._due[0][0] > self._clock():
                return
            _, _, (address, ofport), mac = heapq.heappop(self._due)
            if self._macs.get((address, ofport)) == mac:
                self._send(arp.announcement(mac, address), ofport)

    def _send(self, frame: bytes, ofport: int) -> None:
        with contextlib.suppress(SwitchAway):  # all are announced again when it is back
            self._switch.send(frame, (Output(ofport),))
            self.sent += 1

    async def run(self) -> None:
        while True:
            self.announce()
            self._wake.clear()
            rest = max(PAUSE, self._due[0][0] - self._clock()) if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):  # wait_for may swallow that it is to end
                    await self._wake.wait()
