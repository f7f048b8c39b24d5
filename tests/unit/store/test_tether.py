"""A line that is cut: whatever waits is told at once, nothing gets through, and mended it is as before."""

from __future__ import annotations

import asyncio

import pytest

from retia.errors import StoreAway
from retia.store.contract import Transaction
from retia.store.memory import MemoryStore
from retia.store.tether import Tether


async def test_cut_and_mended() -> None:
    memory = MemoryStore()
    tether = Tether(memory)
    lease = await tether.lease(5.0)
    await tether.commit(Transaction(puts={"/a": b"1"}, lease=lease.id))

    async def first() -> None:
        async for _ in tether.watch("/", 3):
            return

    waiting = [asyncio.create_task(first()), asyncio.create_task(lease.keep())]
    await asyncio.sleep(0.01)
    tether.cut()
    for task in waiting:
        with pytest.raises(StoreAway):
            await task
    for ask in (tether.get("/a"), tether.snapshot("/"), tether.commit(Transaction(puts={"/b": b""})), lease.revoke()):
        with pytest.raises(StoreAway):
            await ask
    assert set((await memory.snapshot("/")).records) == {"/a"}, "nothing came through, and the lease was not ended"
    tether.mend()
    assert (await tether.get("/a")).value == b"1"
