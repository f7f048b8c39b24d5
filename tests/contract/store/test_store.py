"""The contract of every store."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from retia.store.contract import Batch, Compacted, Event, Store, Transaction
from retia.store.contract import StaleWrite as Stale


async def take(store: Store, prefix: str, start: int, count: int) -> list[Batch]:
    batches = []
    async with asyncio.timeout(5):
        async for batch in store.watch(prefix, start):
            batches.append(batch)
            if len(batches) == count:
                return batches
    return batches


async def test_what_is_put_is_got_with_its_revision(store: Store) -> None:
    assert await store.get("/a") is None
    revision = await store.commit(Transaction(puts={"/a": b"1"}))
    record = await store.get("/a")
    assert (record.key, record.value, record.revision) == ("/a", b"1", revision)


async def test_a_transaction_is_whole_or_nothing(store: Store) -> None:
    first = await store.commit(Transaction({"/a": 0}, {"/a": b"1", "/b": b"2"}))
    with pytest.raises(Stale) as stale:
        await store.commit(Transaction({"/a": 0, "/b": first}, {"/c": b"3"}, {"/b"}))
    assert stale.value.keys == {"/a"}
    assert await store.get("/c") is None and (await store.get("/b")).value == b"2"
    await store.commit(Transaction({"/a": first}, {"/a": b"4"}, {"/b"}))
    assert (await store.get("/a")).value == b"4" and await store.get("/b") is None


async def test_only_one_of_many_creators_wins(store: Store) -> None:
    tries = [store.commit(Transaction({"/one": 0}, {"/one": str(n).encode()})) for n in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1


async def test_a_snapshot_of_thousands_is_of_one_revision(store: Store) -> None:
    for part in range(3):
        await store.commit(Transaction(puts={f"/many/{n:05}": b"x" for n in range(part * 2000, part * 2000 + 2000)}))
    revision = await store.commit(Transaction(puts={"/other": b"y", "/many0": b"z"}))
    snapshot = await store.snapshot("/many/")
    assert len(snapshot.records) == 6000 and snapshot.revision == revision


async def test_a_snapshot_may_leave_parts_out_and_let_records_go_as_they_come(store: Store) -> None:
    many = {f"/p/b/{n:05}": str(n % 7).encode() for n in range(1200)}
    few = {"/p/a": b"1", "/p/b": b"2", "/p/b0": b"3", "/p/d/x": b"4", "/p/e": b"5"}
    await store.commit(Transaction(puts=few | many))
    revision = await store.commit(Transaction(puts={"/p": b"", "/q": b"", "/p/c/x": b"6"}))
    some = await store.snapshot("/p/", without=("/p/d/", "/p/b/"))
    assert list(some.records) == ["/p/a", "/p/b", "/p/b0", "/p/c/x", "/p/e"] and some.revision == revision
    found = await store.snapshot("/p/b/", only=lambda record: record.value == b"6")
    assert set(found.records) == {key for key, value in many.items() if value == b"6"} and found.revision == revision
    none = await store.snapshot("/p/b/", without=("/p/b/",))
    assert none == (revision, {})


async def test_keys_are_read_together_at_one_revision(store: Store) -> None:
    """Also more than a server takes in one transaction."""
    first = await store.commit(Transaction(puts={f"/r/{n}": str(n).encode() for n in range(250)}))
    last = await store.commit(Transaction(puts={"/other": b"", "/r/7": b"x"}, deletes={"/r/8"}))
    got = await store.read([f"/r/{n}" for n in range(260)])
    assert got.revision == last and len(got.records) == 249 and "/r/8" not in got.records
    assert (got.records["/r/7"].value, got.records["/r/7"].revision) == (b"x", last)
    assert (got.records["/r/249"].value, got.records["/r/249"].revision) == (b"249", first)
    assert await store.read([]) == (last, {}) and await store.read(["/r/none"]) == (last, {})


async def test_a_watch_brings_each_revision_as_one_batch_in_order(store: Store) -> None:
    start = await store.commit(Transaction(puts={"/w/a": b"1", "/w/b": b"2", "/v": b"3"}))
    await store.commit(Transaction(puts={"/v": b"4"}))
    second = await store.commit(Transaction(puts={"/w/a": b"5"}, deletes={"/w/b"}))
    one, two = await take(store, "/w/", start, 2)
    assert one.revision == start and set(one.events) == {Event("/w/a", b"1"), Event("/w/b", b"2")}
    assert two.revision == second and set(two.events) == {Event("/w/a", b"5"), Event("/w/b", None)}


async def test_a_watch_waits_for_what_is_to_come(store: Store) -> None:
    revision = await store.commit(Transaction(puts={"/w/x": b"0"}))
    watching = asyncio.create_task(take(store, "/w/", revision + 1, 3))
    await asyncio.sleep(0.1)
    for n in range(3):
        await store.commit(Transaction(puts={"/w/x": str(n).encode()}))
    assert [batch.events[0].value for batch in await watching] == [b"0", b"1", b"2"]


async def test_deleting_what_is_not_there_is_no_event(store: Store) -> None:
    revision = await store.commit(Transaction(puts={"/w/x": b"0"}))
    await store.commit(Transaction(deletes={"/w/nothing"}))
    last = await store.commit(Transaction(puts={"/w/y": b"1"}))
    assert [batch.revision for batch in await take(store, "/w/", revision, 2)] == [revision, last]


async def test_keys_under_a_lease_end_with_it(store: Store) -> None:
    lease = await store.lease(30)
    await store.commit(Transaction(puts={"/l/a": b"1"}, lease=lease.id))
    await store.commit(Transaction(puts={"/l/b": b"1"}))
    await lease.revoke()
    assert set((await store.snapshot("/l/")).records) == {"/l/b"}


async def test_a_lease_that_is_not_kept_runs_out_and_a_kept_one_does_not(store: Store) -> None:
    kept, lost = await store.lease(1), await store.lease(1)
    await store.commit(Transaction(puts={"/l/kept": b""}, lease=kept.id))
    revision = await store.commit(Transaction(puts={"/l/lost": b""}, lease=lost.id))
    keeping = asyncio.create_task(kept.keep())
    async with asyncio.timeout(8):
        while len((await store.snapshot("/l/")).records) > 1:
            await asyncio.sleep(0.1)
    (batch,) = await take(store, "/l/", revision + 1, 1)
    assert batch.events == (Event("/l/lost", None),)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_compacted_history_is_said_to_be_gone(store: Store, request: pytest.FixtureRequest) -> None:
    first = await store.commit(Transaction(puts={"/c": b"1"}))
    last = await store.commit(Transaction(puts={"/c": b"2"}))
    await compact(store, last)
    with pytest.raises(Compacted):
        await take(store, "/", first, 1)


async def compact(store: Store, revision: int) -> None:
    if hasattr(store, "compact"):
        store.compact()
        return
    import grpc
    from aetcd import rpc

    async with grpc.aio.insecure_channel(store.where) as channel:
        await rpc.KVStub(channel).Compact(rpc.CompactionRequest(revision=revision, physical=True))


async def test_a_watch_from_now_on_says_so_and_tells_nothing_older(store: Store) -> None:
    before = await store.commit(Transaction(puts={"/w/x": b"0"}))
    watch = store.watch("/w/", 0)
    async with asyncio.timeout(5):
        assert await anext(watch) == Batch(before, ())
        after = await store.commit(Transaction(puts={"/w/x": b"1"}))
        assert await anext(watch) == Batch(after, (Event("/w/x", b"1"),))
