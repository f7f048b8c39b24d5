"""Traces through the store: asked for, begun once every host reports, and heard of as hosts tell.

    asker:  [Trace + Barrier] ─► agents: flows that report are in ─► Applied ─► asker: Trace(go)
    hosts:  TraceReport, TraceReport ... ─► asker, until it has enough

All that a trace writes is under one lease, kept while it runs: whoever asks may be killed, and nothing is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from msgspec import structs

from retia.errors import Conflict, StoreAway, Timeout
from retia.model.state import LAST_TRACE, Trace, TracePoint, TraceReport
from retia.store import barrier
from retia.store.contract import Lease, StaleWrite, Store, Transaction, let_go
from retia.store.records import TRACED, TRACES, decode, encode, key_of

LEASE = 10.0
"""Seconds after which nothing is left of a trace whose asker was killed."""
AGREED = 2.0
"""Seconds that hosts get to be ready for a trace; it begins without those that are not."""
TRIES = 10


class Entry(NamedTuple):
    """Where a frame is to come in: the id of a port or an uplink, and its host."""

    host: str
    place: str
    frame: bytes


class Traces:
    """The traces of one asker. `unready`: what is to be said of hosts that may not report. `heard` tells, by the id of
    a trace and by host, the points told so far; an empty report of a host whose place is gone is none."""

    def __init__(self, store: Store, lease: Lease, answers: barrier.Answers) -> None:
        self._store, self._lease, self._answers = store, lease, answers
        self._points: defaultdict[int, dict[str, dict[int, tuple[TracePoint, ...]]]] = defaultdict(dict)
        self._news = asyncio.Event()
        self._listening = asyncio.Event()
        self.unready = ""

    async def prepare(self, entries: Sequence[Entry], deliver: bool = False) -> list[Trace]:
        """A trace for each, begun by `go`. Raises Conflict when too many run, StoreAway."""
        for _ in range(TRIES):
            ids = await self._free(len(entries))
            made = [
                Trace(id=id_, host=entry.host, place=entry.place, frame=entry.frame.hex(), lease=self._lease.id,
                      deliver=deliver)
                for id_, entry in zip(ids, entries, strict=True)
            ]  # fmt: skip
            puts = {key_of(one): encode(one) for one in made}
            try:
                revision = await self._store.commit(
                    Transaction(dict.fromkeys(puts, 0), puts | barrier.question(), lease=self._lease.id)
                )
            except StaleWrite:
                continue
            await self._until_ready(revision)
            return made
        raise Conflict("others begin traces all the time", where=TRACES, advice="try again")

    async def _free(self, number: int) -> list[int]:
        taken = (await self._store.snapshot(TRACES)).records
        free = [id_ for id_ in range(LAST_TRACE + 1) if f"{TRACES}{id_}" not in taken]
        if len(free) < number:
            what = f"{len(taken):,} traces are running, of {LAST_TRACE + 1:,} at most"
            raise Conflict(what, where=TRACES, advice="wait until some have ended")
        return random.sample(free, number)

    async def _until_ready(self, revision: int) -> None:
        try:
            await self._answers.wait(AGREED, revision)
            self.unready = ""
        except Timeout as late:
            self.unready = late.what
        await self._listening.wait()

    async def go(self, traces: Sequence[Trace]) -> None:
        """Let their packets in."""
        puts = {key_of(one): encode(structs.replace(one, go=True)) for one in traces}
        await self._store.commit(Transaction(puts=puts, lease=self._lease.id))

    async def end(self, traces: Sequence[Trace]) -> None:
        """Nobody follows them any more. What was heard is heard: if the store is away, they end with their lease."""
        with contextlib.suppress(StoreAway):
            await self._store.commit(Transaction(deletes={key_of(one) for one in traces}))

    def heard(self, trace: int) -> dict[str, list[TracePoint]]:
        """By host, in the order of each one's reports; those after one that is missing wait for it."""
        found: dict[str, list[TracePoint]] = {}
        for host, parts in self._points[trace].items():
            points: list[TracePoint] = []
            number = 1
            while number in parts:
                points += parts[number]
                number += 1
            found[host] = points
        return found

    async def news(self) -> None:
        """Until something was heard that was not there when this was called."""
        self._news.clear()
        await self._news.wait()

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async for batch in self._store.watch(TRACED, 0):
                    self._listening.set()
                    for key, value in batch.events:
                        said = decode(key, value) if value is not None else None
                        if isinstance(said, TraceReport):
                            self._points[said.trace].setdefault(said.host, {})[said.number] = said.points
                            self._news.set()
            except StoreAway:
                await asyncio.sleep(barrier.AGAIN)


@asynccontextmanager
async def tracing(store: Store) -> AsyncIterator[Traces]:
    """Raises StoreAway."""
    lease = await store.lease(LEASE)
    async with barrier.listening(store) as answers:
        traces = Traces(store, lease, answers)
        tasks = [asyncio.create_task(traces.listen()), asyncio.create_task(lease.keep())]
        try:
            yield traces
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await let_go(lease)
