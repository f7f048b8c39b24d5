"""Every store there is, each empty for its test. A new one is one more parameter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from retia.store.contract import Store, Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.memory import MemoryStore


@pytest.fixture(params=["memory", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made = EtcdStore(Access((request.getfixturevalue("etcd").endpoint,)))
    keys = (await made.snapshot("/")).records
    if keys:
        await made.commit(Transaction(deletes=set(keys)))
    yield made
    await made.close()
