"""The store in this process' memory: the same contract, for software labs and tests. Nothing is on disk.

Its clock is given, so that a test can let leases run out without waiting. History is kept for watches until
`compact`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection

from retia.errors import Retry
from retia.store.contract import Batch, Compacted, Event, Record, Snapshot, StaleWrite, Transaction


class MemoryStore:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._history: list[Batch] = []
        self._revision = 1
        self._compacted = 0
        self._changed = asyncio.Event()
        self._leases: dict[int, float] = {}
        self._leased: dict[str, int] = {}

    async def get(self, key: str) -> Record | None:
        self._expire()
        return self._records.get(key)

    async def snapshot(
        self, prefix: str, without: Collection[str] = (), only: Callable[[Record], bool] | None = None
    ) -> Snapshot:
        self._expire()
        found = {key: record for key, record in sorted(self._records.items()) if key.startswith(prefix)}
        if without:
            found = {key: record for key, record in found.items() if not key.startswith(tuple(without))}
        if only is not None:
            found = {key: record for key, record in found.items() if only(record)}
        return Snapshot(self._revision, found)

    async def read(self, keys: Collection[str]) -> Snapshot:
        self._expire()
        return Snapshot(self._revision, {key: self._records[key] for key in keys if key in self._records})

    async def commit(self, transaction: Transaction) -> int:
        self._expire()
        stale = {key for key, revision in transaction.compares.items() if self._revision_of(key) != revision}
        if stale:
            raise StaleWrite(stale)
        if transaction.lease and transaction.lease not in self._leases:
            raise Retry("the lease ran out", where="memory", after=0.0)
        events = [Event(key, value) for key, value in transaction.puts.items()]
        events += [Event(key, None) for key in transaction.deletes if key in self._records]
        if events:
            self._write(events, transaction.lease)
        return self._revision

    def _revision_of(self, key: str) -> int:
        record = self._records.get(key)
        return record.revision if record else 0

    def _write(self, events: list[Event], lease: int = 0) -> None:
        self._revision += 1
        for key, value in events:
            self._leased.pop(key, None)
            if value is None:
                del self._records[key]
            else:
                self._records[key] = Record(key, value, self._revision)
                if lease:
                    self._leased[key] = lease
        self._history.append(Batch(self._revision, tuple(events)))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        following = start or self._revision + 1
        if not start:
            yield Batch(self._revision, ())
        while True:
            if following <= self._compacted:
                raise Compacted("the history to watch is gone", where="memory", after=0.0)
            changed = self._changed
            for batch in [one for one in self._history if one.revision >= following]:
                following = batch.revision + 1
                events = tuple(event for event in batch.events if event.key.startswith(prefix))
                if events:
                    yield Batch(batch.revision, events)
            await changed.wait()

    def compact(self) -> None:
        """Forget the history, as etcd does."""
        self._compacted = self._revision
        self._history.clear()

    async def lease(self, ttl: float) -> MemoryLease:
        number = max(self._leases, default=0) + 1
        self._leases[number] = self._clock() + ttl
        return MemoryLease(self, number, ttl)

    def refresh(self, lease: int, ttl: float) -> bool:
        """Whether the lease was still there to be kept."""
        self._expire()
        if lease not in self._leases:
            return False
        self._leases[lease] = self._clock() + ttl
        return True

    def end(self, lease: int) -> None:
        self._leases.pop(lease, None)
        gone = [Event(key, None) for key, holder in self._leased.items() if holder == lease]
        if gone:
            self._write(gone)

    def _expire(self) -> None:
        now = self._clock()
        for lease in [one for one, end in self._leases.items() if end <= now]:
            self.end(lease)

    async def close(self) -> None:
        """Nothing to close: whoever holds the object holds the data."""


class MemoryLease:
    def __init__(self, store: MemoryStore, identifier: int, ttl: float) -> None:
        self._store, self.id, self.ttl = store, identifier, ttl

    async def keep(self) -> None:
        while self._store.refresh(self.id, self.ttl):
            await asyncio.sleep(self.ttl / 4)
        raise Retry("the lease ran out", where="memory", after=0.0)

    async def revoke(self) -> None:
        self._store.end(self.id)
