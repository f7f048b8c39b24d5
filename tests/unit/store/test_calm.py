"""An agent whose writes etcd takes no more goes on trying, and says so once."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from retia.errors import StoreFull
from retia.model.state import Alive
from retia.store.contract import Transaction
from retia.store.host import HostAgent
from retia.store.memory import MemoryStore
from retia.store.records import key_of


async def test_a_full_store_is_said_once_and_the_lease_comes_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    tries = []

    async def full(transaction: Transaction) -> int:
        tries.append(transaction)
        raise StoreFull("etcd takes no more writes", advice="make room")

    with monkeypatch.context() as patch, capture_logs() as said:
        patch.setattr(store, "commit", full)
        task = asyncio.create_task(HostAgent(store, "hv1", 5).run())
        await asyncio.sleep(0.75)
    assert len(tries) >= 3
    assert [line["advice"] for line in said] == ["make room"]
    await asyncio.sleep(0.4)
    assert await store.get(key_of(Alive(host="hv1"))) is not None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
