"""From the store to deltas: a snapshot, then a watch, and after every break only what differs.

    snapshot at R ─► Delta(whole) ─► watch from R+1 ─► Delta ─► ...   away, compacted ─► snapshot ─► Delta(whole)

One revision is one delta; deltas that pile up behind a slow reader are squashed into one. A record that cannot be
read is set aside as a problem and its last good value stays. Used by the agent and by the CLI's `--wait`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

from retia.errors import Problem, Retry, StoreAway
from retia.log import logger
from retia.model.kinds import Object
from retia.store.contract import DATA, Batch, Event, Snapshot, Store
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
    """When the first event of a delta that is not `whole` arrived, by `time.monotonic`; 0 where it has none."""
    asked: float = 0.0
    """When the first packet wanted something of it (`partial`); 0 where none did."""


class Sync:
    """`view` holds every thing by (kind, id) as of the last delta handed out; `problems` the records set aside."""

    def __init__(self, store: Store, prefix: str = DATA) -> None:
        self._store, self._prefix = store, prefix
        self.view: dict[Identity, Thing] = {}
        self.problems: dict[str, Problem] = {}
        self.revision = 0
        self.connected = False
        self.breaks = 0
        self._came = asyncio.Event()
        self._before: dict[Identity, Thing | None] = {}
        """What the view had of things that are other since the last delta."""

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
                self._note_break()
                await asyncio.sleep(AGAIN if error.after else 0)

    def _note_break(self) -> None:
        """What else is to be done about it."""

    async def first(self) -> Delta:
        """One snapshot, no watch. Raises StoreAway."""
        return await self._snapshot()

    async def _snapshot(self) -> Delta:
        snapshot = await self._store.snapshot(self._prefix)
        self._check_whole(snapshot)
        await self._replace(snapshot, lambda kind: True)
        self.revision = snapshot.revision
        return Delta(snapshot.revision, self._changes(), whole=True)

    async def _replace(self, snapshot: Snapshot, is_of: Callable[[str], bool]) -> None:
        """What the view has of the kinds of which this is true is to be what the snapshot says."""
        known = {who for key in snapshot.records if (who := identity(key)) is not None}
        for who in [who for who in self.view if is_of(who[0]) and who not in known]:
            self._drop(who)
        for key in [key for key in self.problems if key not in snapshot.records]:
            who = identity(key)
            if who is not None and is_of(who[0]):
                del self.problems[key]
        events = [Event(key, record.value) for key, record in snapshot.records.items()]
        for start in range(0, len(events), SLICE):
            self._take(events[start : start + SLICE])
            await asyncio.sleep(0)

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
        waiting: list[Batch] = []
        moments: list[float] = []

        async def follow() -> None:
            async for batch in self._store.watch(self._prefix, self.revision + 1):
                waiting.append(batch)
                moments.append(time.monotonic())
                self._came.set()

        task = asyncio.create_task(follow(), name="watch")
        task.add_done_callback(lambda _: self._came.set())
        try:
            while True:
                if not task.done():
                    await self._came.wait()
                self._came.clear()
                batches, waiting[:] = list(waiting), []
                came, moments[:] = moments[0] if moments else 0.0, []
                if batches or (self._has_more and not task.done()):
                    yield await self._turn(batches, came)
                elif task.done():
                    task.result()
                    return
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def _has_more(self) -> bool:
        """Whether there is something to do beside what came from the store."""
        return False

    async def _turn(self, batches: list[Batch], came: float) -> Delta:
        """What has come, of which the first at the moment `came`."""
        for batch in batches:
            self._take(batch.events)
            self.revision = batch.revision
        return Delta(self.revision, self._changes(), came=came)

    def _changes(self) -> tuple[Changed, ...]:
        """Net changes since the last delta, by thing: put and delete in one batch leave nothing."""
        pairs = (Changed(old, self.view.get(who)) for who, old in self._before.items())
        changes = tuple(pair for pair in pairs if pair.old != pair.new)
        self._before = {}
        return changes

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            who = identity(event.key)
            if who is not None:
                self._take_one(who, event)

    def _take_one(self, who: Identity, event: Event) -> None:
        if event.value is None:
            self._drop(who)
            self.problems.pop(event.key, None)
            return
        thing = decode(event.key, event.value)
        if isinstance(thing, Problem):
            if self.problems.get(event.key) != thing:
                log.warning("record set aside", key=event.key, problem=thing.what)
            self.problems[event.key] = thing
            return
        self.problems.pop(event.key, None)
        self._before.setdefault(who, self.view.get(who))
        self.view[who] = thing

    def _drop(self, who: Identity) -> None:
        if who in self.view:
            self._before.setdefault(who, self.view[who])
            del self.view[who]
