"""Every store there is, each empty for its test. A new one is one more parameter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from retia.store.contract import Store, Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.memory import MemoryStore
from retia.store.tether import Tether


@pytest.fixture(params=["memory", "tether", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "tether":
        memory = MemoryStore()
        tether = Tether(memory)
        tether.compact = memory.compact  # what a test does to a store from outside
        yield tether
        return
    made = EtcdStore(Access((request.getfixturevalue("etcd").endpoint,)))
    keys = (await made.snapshot("/")).records
    if keys:
        await made.commit(Transaction(deletes=set(keys)))
    yield made
    await made.close()
