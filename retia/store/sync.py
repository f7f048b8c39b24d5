"""From the store to deltas: a snapshot, then a watch, and after every break only what differs.

    snapshot at R ─► Delta(whole) ─► watch from R+1 ─► Delta ─► ...   away, compacted ─► snapshot ─► Delta(whole)

One revision is one delta; deltas that pile up behind a slow reader are squashed into one. A record that cannot be
read is set aside as a problem and its last good value stays. Used by the agent and by the CLI's `--wait`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from retia.errors import Problem, Retry, StoreAway
from retia.log import logger
from retia.model.kinds import Object
from retia.store.contract import DATA, Event, Snapshot, Store
from retia.store.records import OBJECTS, RESTORING, Identity, Thing, decode, identity

AGAIN = 0.2
SLICE = 500
"""Records decoded before other tasks get a turn: some milliseconds."""

log = logger("sync")


class Changed(NamedTuple):
    """One thing's value before and after; None where it did not exist."""

    old: Thing | None
    new: Thing | None


class Delta(NamedTuple):
    """What is different at `revision`. `whole`: after a snapshot, all that differs from what was known before."""

    revision: int
    changes: tuple[Changed, ...]
    whole: bool = False
    came: float = 0.0
    """When the first event of a delta that is not `whole` arrived, by `time.monotonic`."""


class Sync:
    """`view` holds every thing by (kind, id) as of the last delta handed out; `problems` the records set aside."""

    def __init__(self, store: Store, prefix: str = DATA) -> None:
        self._store, self._prefix = store, prefix
        self.view: dict[Identity, Thing] = {}
        self.problems: dict[str, Problem] = {}
        self.revision = 0
        self.connected = False
        self.breaks = 0

    async def deltas(self) -> AsyncIterator[Delta]:
        """For ever. Reconnects by itself, and says each new reason why it has to; Fatal errors pass through."""
        said = ""
        while True:
            try:
                yield await self._snapshot()
                self.connected, said = True, ""
                async for delta in self._watch():
                    yield delta
            except Retry as error:
                if error.what != said:
                    log.warning("store away", error=error.what, advice=error.advice, revision=self.revision)
                said = error.what
                self.breaks += self.connected
                self.connected = False
                await asyncio.sleep(AGAIN if error.after else 0)

    async def first(self) -> Delta:
        """One snapshot, no watch. Raises StoreAway."""
        return await self._snapshot()

    async def _snapshot(self) -> Delta:
        snapshot = await self._store.snapshot(self._prefix)
        self._check_whole(snapshot)
        known = {who for key in snapshot.records if (who := identity(key)) is not None}
        events = [Event(key, record.value) for key, record in snapshot.records.items()]
        gone = [who for who in self.view if who not in known]
        changes = [Changed(self.view.pop(who), None) for who in gone]
        self.problems = {key: problem for key, problem in self.problems.items() if key in snapshot.records}
        for start in range(0, len(events), SLICE):
            changes += self._take(events[start : start + SLICE])
            await asyncio.sleep(0)
        self.revision = snapshot.revision
        return Delta(snapshot.revision, tuple(changes), whole=True)

    def _check_whole(self, snapshot: Snapshot) -> None:
        """A store that is being restored, or that lost everything, must not cost a flow. Raises Retry.

        Who deletes the last object does so at a later revision; an etcd that starts anew begins at the first.
        """
        if RESTORING in snapshot.records:
            raise StoreAway("the store is being restored", where=RESTORING, advice="wait for its end")
        known = any(isinstance(thing, Object) for thing in self.view.values())
        if known and snapshot.revision < self.revision and not any(key.startswith(OBJECTS) for key in snapshot.records):
            advice = "restore it (`retia store restore FILE`), or restart this agent if it shall be empty"
            raise StoreAway("etcd has lost everything: what the switch has is kept", where=self._prefix, advice=advice)

    async def _watch(self) -> AsyncIterator[Delta]:
        """Watch in a task of its own, so that what comes while the reader works is squashed."""
        waiting: list[Event] = []
        revisions: list[tuple[int, float]] = []
        came = asyncio.Event()

        async def follow() -> None:
            async for batch in self._store.watch(self._prefix, self.revision + 1):
                waiting.extend(batch.events)
                revisions.append((batch.revision, time.monotonic()))
                came.set()

        task = asyncio.create_task(follow(), name="watch")
        task.add_done_callback(lambda _: came.set())
        try:
            while True:
                await came.wait()
                came.clear()
                events, waiting[:] = list(waiting), []
                if events:
                    self.revision, arrived = revisions[-1][0], revisions[0][1]
                    revisions.clear()
                    yield Delta(self.revision, tuple(self._take(events)), came=arrived)
                elif task.done():
                    task.result()
                    return
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _take(self, events: list[Event]) -> list[Changed]:
        """Net changes of these events, by thing: put and delete in one batch leave nothing."""
        before: dict[Identity, Thing | None] = {}
        for event in events:
            who = identity(event.key)
            if who is None:
                continue
            before.setdefault(who, self.view.get(who))
            self._take_one(who, event)
        pairs = [Changed(old, self.view.get(who)) for who, old in before.items()]
        return [pair for pair in pairs if pair.old != pair.new]

    def _take_one(self, who: Identity, event: Event) -> None:
        if event.value is None:
            self.view.pop(who, None)
            self.problems.pop(event.key, None)
            return
        thing = decode(event.key, event.value)
        if isinstance(thing, Problem):
            if self.problems.get(event.key) != thing:
                log.warning("record set aside", key=event.key, problem=thing.what)
            self.problems[event.key] = thing
            return
        self.problems.pop(event.key, None)
        self.view[who] = thing
