"""Sync over every store: deltas are net, breaks end in the difference, bad records are set aside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from retia.model.kinds import Switch
from retia.store.contract import Store, Transaction
from retia.store.records import encode, key_of
from retia.store.sync import Delta, Sync
from tests.contract.store.test_store import compact


class Reader:
    """Reads a sync's deltas in the background."""

    def __init__(self, store: Store) -> None:
        self.sync, self.deltas = self.make(store), asyncio.Queue()
        self.task = asyncio.create_task(self._read())

    def make(self, store: Store) -> Sync:
        return Sync(store)

    async def _read(self) -> None:
        async for delta in self.sync.deltas():
            await self.deltas.put(delta)

    async def next(self) -> Delta:
        async with asyncio.timeout(5):
            return await self.deltas.get()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not ready():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@contextlib.asynccontextmanager
async def reading(store: Store):
    reader = Reader(store)
    try:
        yield reader
    finally:
        await reader.stop()


def switch(name: str, **more) -> Switch:
    return Switch(id=name, name=name, key=1, **more)


async def put(store: Store, *things, delete: tuple = ()) -> int:
    puts = {key_of(thing): encode(thing) for thing in things}
    return await store.commit(Transaction(puts=puts, deletes={key_of(thing) for thing in delete}))


async def test_a_snapshot_then_one_delta_a_revision(store: Store) -> None:
    await put(store, switch("a"))
    async with reading(store) as reader:
        first = await reader.next()
        assert first.whole and [change.new.name for change in first.changes] == ["a"]
        revision = await put(store, switch("a", mtu=1300), switch("b"))
        delta = await reader.next()
        assert delta.revision == revision and not delta.whole
        assert {(c.old and c.old.mtu, c.new.mtu) for c in delta.changes} == {(1400, 1300), (None, 1400)}


async def test_tuplenet_d1_put_and_delete_close_together_leave_nothing(store: Store) -> None:
    async with reading(store) as reader:
        await reader.next()
        for _ in range(5):
            await put(store, switch("a"))
            await put(store, switch("a", mtu=1200))
            await put(store, delete=(switch("a"),))
        await put(store, switch("end"))
        seen = {}
        while "end" not in seen:
            for change in (await reader.next()).changes:
                thing = change.new or change.old
                assert seen.get(thing.name) == change.old
                seen[thing.name] = change.new
        assert seen.get("a") is None and ("switch", "a") not in reader.sync.view


async def test_what_piles_up_behind_a_slow_reader_is_squashed(store: Store) -> None:
    """Each change starts from what the reader knows, and the last delta has the last revision."""
    await put(store, switch("a"), switch("gone"))
    async with contextlib.aclosing(Sync(store).deltas()) as deltas, asyncio.timeout(5):
        seen = {change.new.name: change.new for change in (await anext(deltas)).changes}
        for mtu in (1100, 1200, 1300):
            await put(store, switch("a", mtu=mtu), switch(f"b{mtu}"))
        last = await put(store, switch("end"), delete=(switch("gone"), switch("b1200")))
        while "end" not in seen:
            delta = await anext(deltas)
            for old, new in delta.changes:
                name = (new or old).name
                assert seen.get(name) == old
                seen[name] = new
        assert delta.revision == last
        left = {"a": 1300, "b1100": 1400, "b1300": 1400, "end": 1400}
        assert {name: one.mtu for name, one in seen.items() if one} == left


async def test_a_malformed_record_is_set_aside_and_the_last_good_one_kept(store: Store) -> None:
    good = switch("a")
    async with reading(store) as reader:
        await reader.next()
        await put(store, good)
        await reader.next()
        for bad in (b"{", b'{"id": "a"}', b'{"id": "b", "name": "b"}', b'{"id":"a","name":"a","mtu":"big"}'):
            await store.commit(Transaction(puts={key_of(good): bad}))
        await put(store, switch("b"))
        await reader.until(lambda: ("switch", "b") in reader.sync.view)
        assert reader.sync.view["switch", "a"] == good
        assert list(reader.sync.problems) == [key_of(good)] and "mtu" in reader.sync.problems[key_of(good)].what
        await put(store, switch("a", mtu=1000))
        await reader.until(lambda: reader.sync.view["switch", "a"].mtu == 1000)
        assert not reader.sync.problems


async def test_tuplenet_d7_after_a_compaction_only_the_difference_comes(store: Store) -> None:
    await put(store, *[switch(f"s{n}") for n in range(100)])
    sync = Sync(store)
    assert len((await sync.first()).changes) == 100
    await put(store, switch("new"), delete=(switch("s7"),))
    revision = await put(store, switch("s8", mtu=1000))
    await compact(store, revision)
    again = await sync.first()
    assert again.whole
    names = {(c.old and c.old.name, c.new and c.new.name) for c in again.changes}
    assert names == {(None, "new"), ("s7", None), ("s8", "s8")}
