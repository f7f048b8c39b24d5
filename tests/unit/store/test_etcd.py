"""What etcd alone can do to us: be away, come back, refuse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time

import pytest

from retia.errors import InvalidInput, Retry, StoreAway, StoreFull, Unsupported
from retia.store import schema
from retia.store.contract import SCHEMA_KEY, TooLarge, Transaction
from retia.store.etcd import Access, EtcdStore
from tests.etcd import EtcdServer, free_port


def test_without_an_endpoint_it_says_what_to_set() -> None:
    with pytest.raises(InvalidInput, match="no endpoint") as error:
        EtcdStore(Access(()))
    assert "RETIA_ETCD" in error.value.advice


async def test_etcd_away_is_said_soon() -> None:
    store = EtcdStore(Access((f"127.0.0.1:{free_port()}",)))
    start = time.monotonic()
    with pytest.raises(StoreAway, match="etcd does not answer"):
        await store.get("/a")
    assert time.monotonic() - start < 10
    await store.close()


async def test_the_next_endpoint_is_tried(etcd: EtcdServer) -> None:
    store = EtcdStore(Access((f"127.0.0.1:{free_port()}", etcd.endpoint)))
    await store.commit(Transaction(puts={"/failover": b"1"}))
    assert (await store.get("/failover")).value == b"1"
    await store.close()


async def test_it_comes_back_after_a_restart(own_etcd: EtcdServer) -> None:
    store = EtcdStore(Access((own_etcd.endpoint,)))
    await store.commit(Transaction(puts={"/a": b"1"}))
    own_etcd.halt()
    with pytest.raises(StoreAway):
        await store.get("/a")
    own_etcd.start()
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await store.get("/a")).value == b"1"
                break
            except StoreAway:
                await asyncio.sleep(0.1)
    await store.close()


async def test_too_large_a_transaction_is_named(etcd: EtcdServer) -> None:
    store = EtcdStore(Access((etcd.endpoint,)))
    with pytest.raises(TooLarge):
        await store.commit(Transaction(puts={f"/big/{n}": b"" for n in range(30_000)}))
    await store.close()


async def test_a_newer_schema_is_refused_by_number(own_etcd: EtcdServer) -> None:
    store = EtcdStore(Access((own_etcd.endpoint,)))
    await schema.check(store)
    await schema.check(store)
    for text in (b"10", b"two"):
        await store.commit(Transaction(puts={SCHEMA_KEY: text}))
        with pytest.raises(Unsupported, match="schema"):
            await schema.check(store)
    await store.close()


async def test_what_one_finds_away_does_not_end_what_others_do(own_etcd: EtcdServer) -> None:
    """One connection serves a process: when a call leaves it, the others see an outage, never a cancellation."""
    store = EtcdStore(Access((own_etcd.endpoint, f"127.0.0.1:{free_port()}")))
    await store.commit(Transaction(puts={"/a": b"1"}))

    async def again() -> None:
        end = time.monotonic() + 12
        while time.monotonic() < end:
            with contextlib.suppress(Retry):
                await store.get("/a")
            await asyncio.sleep(0.01)

    async def follow() -> None:
        with contextlib.suppress(Retry):
            async for _ in store.watch("/a", 1):
                pass
        await again()

    tasks = [asyncio.create_task(work()) for work in (again, again, again, follow, follow)]
    for _ in range(2):
        await asyncio.sleep(1)
        own_etcd.halt()
        await asyncio.sleep(2)
        own_etcd.start()
    await asyncio.sleep(4.5)
    assert not any(task.cancelled() for task in tasks)
    assert not any(task.exception() for task in tasks if task.done())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await store.get("/a")).value == b"1"
    await store.close()


async def test_a_full_database_takes_no_write_says_so_and_recovers() -> None:
    """etcd's alarm NOSPACE: nothing is half-written, what is there is read, and after room was made all goes on."""
    server = EtcdServer(options=(f"--quota-backend-bytes={1 << 20}",))
    try:
        store = EtcdStore(Access((server.start().endpoint,)))
        full = await _fill(store)
        assert "disarm" in full.advice
        before = await store.snapshot("/")
        with pytest.raises(StoreFull):
            await store.commit(Transaction(puts={"/half/a": b"1", "/half/b": b"2"}))
        with pytest.raises(StoreFull):
            await store.lease(5)
        assert (await store.snapshot("/")).records == before.records
        await store.commit(Transaction(deletes=set(before.records)))
        etcdctl = ["etcdctl", f"--endpoints={server.endpoint}"]
        revision = str((await store.snapshot("/")).revision)
        for words in (["compact", revision], ["defrag"], ["alarm", "disarm"]):
            environment = {**os.environ, "ETCDCTL_API": "3"}
            await asyncio.to_thread(
                subprocess.run, [*etcdctl, *words], check=True, capture_output=True, env=environment
            )
        await store.commit(Transaction(puts={"/half/a": b"1"}))
        await store.close()
    finally:
        server.stop()


async def _fill(store: EtcdStore) -> StoreFull:
    for number in range(200):
        try:
            await store.commit(Transaction(puts={f"/fill/{number}": bytes(100_000)}))
        except StoreFull as error:
            return error
    raise AssertionError("never full")
