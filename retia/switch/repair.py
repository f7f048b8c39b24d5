"""Trying again, and putting right what others changed: what every kind of switch does the same way."""

from __future__ import annotations

import asyncio
import time

from retia.flows.wire import Update
from retia.log import logger
from retia.switch.contract import ForeignChange, Refused, Reporter
from retia.switch.reconciler import Reconciler

FIRST_PAUSE, LONGEST_PAUSE, CALM = 0.02, 0.1, 0.2
STEADY = 2.0
"""Seconds: between two tries (a socket that is not there costs microseconds), between two repairs at the most, and
after which a connection counts as a good one."""

log = logger("switch")


class Pause:
    """Between tries: twice as long each time, short again after a connection that lasted."""

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._next, self._longest = FIRST_PAUSE, longest
        self._since = time.monotonic()

    async def sleep(self) -> None:
        if time.monotonic() - self._since > STEADY + self._longest:
            self._next = FIRST_PAUSE
        await asyncio.sleep(self._next)
        self._next = min(self._longest, 2 * self._next)
        self._since = time.monotonic()


async def keep_repaired(foreign: asyncio.Queue[Update], reconciler: Reconciler, report: Reporter) -> None:
    """Changes gather for a short while, for a longer one when someone goes on and on changing flows."""
    pause = Pause(CALM)
    while True:
        updates = [await foreign.get()]
        await pause.sleep()
        while not foreign.empty():
            updates.append(foreign.get_nowait())
        repair = await reconciler.foreign(updates)
        if repair.flows:
            log.warning("foreign flow changes put right", flows=repair.flows)
            report(ForeignChange(repair.flows))
        if repair.refusals:
            report(Refused(tuple(repair.refusals)))
