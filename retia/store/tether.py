"""A store behind a line that can be cut: what was reached is away at once, watches and leases too, until it is mended.

Software labs end agents by `kill -9` with it (nothing the agent still wants to say gets through) and take the store
away from everyone. Holds nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeVar

from retia.errors import StoreAway
from retia.store.contract import Batch, Lease, Record, Snapshot, Store, Transaction

T = TypeVar("T")


class Tether:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._cut = asyncio.Event()

    def cut(self) -> None:
        self._cut.set()

    def mend(self) -> None:
        """What was waiting has been told already; it asks again."""
        self._cut = asyncio.Event()

    async def through(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, unless the line is cut before it comes. Raises StoreAway."""
        self._check()
        cut = self._cut
        asking = asyncio.ensure_future(ask())
        cutting = asyncio.ensure_future(cut.wait())
        try:
            await asyncio.wait([asking, cutting], return_when=asyncio.FIRST_COMPLETED)
            if cut.is_set():
                raise StoreAway("the store is cut off", where="software", after=0.2)
            return asking.result()
        finally:
            for task in (asking, cutting):
                if not task.done():
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                elif not task.cancelled():
                    task.exception()

    def _check(self) -> None:
        if self._cut.is_set():
            raise StoreAway("the store is cut off", where="software", after=0.2)

    async def get(self, key: str) -> Record | None:
        self._check()
        return await self._store.get(key)

    async def snapshot(
        self, prefix: str, without: Collection[str] = (), only: Callable[[Record], bool] | None = None
    ) -> Snapshot:
        self._check()
        return await self._store.snapshot(prefix, without, only)

    async def read(self, keys: Collection[str]) -> Snapshot:
        self._check()
        return await self._store.read(keys)

    async def commit(self, transaction: Transaction) -> int:
        self._check()
        return await self._store.commit(transaction)

    async def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        batches = self._store.watch(prefix, start).__aiter__()
        while True:
            yield await self.through(batches.__anext__)

    async def lease(self, ttl: float) -> Lease:
        self._check()
        return TetheredLease(self, await self._store.lease(ttl))

    async def close(self) -> None:
        """The store is its owner's to close."""


class TetheredLease:
    def __init__(self, tether: Tether, lease: Lease) -> None:
        self._tether, self._lease = tether, lease
        self.id, self.ttl = lease.id, lease.ttl

    async def keep(self) -> None:
        await self._tether.through(self._lease.keep)

    async def revoke(self) -> None:
        await self._tether.through(self._lease.revoke)
