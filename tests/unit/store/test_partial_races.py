"""The partial sync where answers of the store and its watch come in any order: what is kept is right at every rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from retia.model.kinds import Port, Switch
from retia.model.state import Binding
from retia.store import sync
from retia.store.contract import Batch, Record, Snapshot, Store, Transaction
from retia.store.memory import MemoryStore
from retia.store.partial import BINDINGS, PORTS
from retia.store.records import decode, encode, identity, key_of
from retia.store.tether import Tether
from retia.store.transactions import index_keys
from retia.values import Ip, Mac
from tests.contract.store.test_partial import WEB, Partial, bound, port, put, reading

NUMBERS = range(1, 7)


class Late(Tether):
    """Answers and news arrive some turns of the loop after they were given; what is asked, some turns after that."""

    def __init__(self, store: MemoryStore, source: random.Random) -> None:
        super().__init__(store)
        self._source, self.asked = source, 0

    async def _linger(self) -> None:
        for _ in range(self._source.randrange(8)):
            await asyncio.sleep(0)

    async def read(self, keys) -> Snapshot:
        return await self._late(partial(super().read, keys))

    async def snapshot(self, prefix: str, without=(), only=None) -> Snapshot:
        return await self._late(partial(super().snapshot, prefix, without, only))

    async def _late(self, ask: Callable[[], Awaitable[Snapshot]]) -> Snapshot:
        self.asked += 1
        try:
            await self._linger()
            found = await ask()
            await self._linger()
            return found
        finally:
            self.asked -= 1

    async def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        async for batch in super().watch(prefix, start):
            await self._linger()
            yield batch


class Follower(Partial):
    """Adds the deltas up, as a compiler does."""

    def __init__(self, store: Store, wanted: tuple[str, ...] = ()) -> None:
        self.known: dict = {}
        super().__init__(store, wanted)

    async def _read(self) -> None:
        async for delta in self.sync.deltas():
            for old, new in delta.changes:
                who = identity(key_of(new or old))
                assert self.known.get(who) == old
                self.known[who] = new
            await asyncio.sleep(0)


class Walk:
    def __init__(self, source: random.Random) -> None:
        self.source, self.memory = source, MemoryStore()
        self.line = Late(self.memory, source)
        self.ports: dict[int, Port] = {}
        self.switch: Switch = WEB
        self.plugged: dict[str, str] = {}
        self.last = 1

    async def commit(self, *things, gone: tuple = (), keys: set[str] = frozenset()) -> None:
        puts = {
            key: thing.id.encode() for thing in things if not isinstance(thing, Binding) for key in index_keys(thing)
        }
        puts |= {key_of(thing): encode(thing) for thing in things}
        deletes = {key_of(thing) for thing in gone} | set(keys)
        self.last = await self.memory.commit(Transaction(puts=puts, deletes=deletes - puts.keys()))

    async def step(self, reader: Follower) -> None:
        number, chance = self.source.choice(NUMBERS), self.source.random()
        if chance < 0.3:
            await self.change_port(number)
        elif chance < 0.45:
            host = self.source.choice(("me", "me", "other", "another", ""))
            await (self.commit(bound(number, host)) if host else self.commit(gone=(bound(number, ""),)))
        elif chance < 0.5:
            self.switch = Switch(id="s", name=self.source.choice(("web", "api")), key=9)
            await self.commit(self.switch)
        elif chance < 0.7:
            self.plug(reader, self.source.choice("ab"), number)
        elif chance < 0.85:
            reader.want(number)
        elif chance < 0.93:
            reader.sync.forget([f"id{number}"])
        elif chance < 0.97:
            self.memory.compact()
        else:
            self.line.cut()
            self.line.mend()

    async def change_port(self, number: int) -> None:
        """It comes, goes, gets another's address or name, or goes with its address to another in one transaction."""
        old = self.ports.pop(number, None)
        taken = {int(one.addresses[0]) & 0xFF for one in self.ports.values()}
        free = [n for n in NUMBERS if n not in taken]
        keys = set(index_keys(old)) if old else set()
        if old and self.source.random() < 0.4:
            await self.commit(gone=(old,), keys=keys)
            return
        address = Ip.parse(f"10.0.0.{self.source.choice(free)}")
        name = self.source.choice((f"p{number}", f"x{number}"))
        self.ports[number] = port(number, addresses=(address,), name=name, mac=Mac(0x02 << 40 | number))
        await self.commit(self.ports[number], keys=keys - set(index_keys(self.ports[number])))

    def plug(self, reader: Follower, name: str, number: int) -> None:
        if name in self.plugged:
            reader.unplug(name, self.plugged.pop(name))
        else:
            self.plugged[name] = self.source.choice((f"id{number}", f"web/p{number}", f"api/x{number}"))
            reader.plug(name, self.plugged[name])

    async def check(self, reader: Follower) -> None:
        await reader.until(lambda: self.at_rest(reader))
        stored = {
            identity(key): decode(key, record.value)
            for key, record in (await self.memory.snapshot("/retia/v1/data/")).records.items()
        }
        interest, view = reader.sync.interest, reader.sync.view
        assert {who: thing for who, thing in reader.known.items() if thing is not None} == view
        followed = interest.own | interest.wanted.keys()
        for who, thing in view.items():
            assert stored[who] == thing
        for who, thing in stored.items():
            assert who in view or (who[0] in (Port.kind, Binding.kind) and who[1] not in followed), who
            must = isinstance(thing, Binding) and thing.host == "me"
            if isinstance(thing, Port):
                must = {thing.id, f"{self.switch.name}/{thing.name}"} & set(self.plugged.values())
                must = must or any(key in interest.asked for key in index_keys(thing))
            assert who in view or not must, who

    def at_rest(self, reader: Follower) -> bool:
        followed = reader.sync
        reader.task.done() and reader.task.result()
        idle = not (self.line.asked or followed._has_more or followed._came.is_set())
        return followed.connected and followed.revision >= self.last and idle


@pytest.mark.parametrize("seed", [*range(25), 654152900, 1978789028, 4182393155, 885647329])
async def test_whatever_happens_in_whatever_order_what_is_kept_is_right(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "AGAIN", 0.0)
    seed = seed if seed >= 1000 else random.randrange(1000, 1 << 32)
    print("seed", seed)
    source = random.Random(seed)
    walk = Walk(source)
    await walk.commit(WEB)
    reader = Follower(walk.line, ("id1", "id2"))
    try:
        reader.sync.plug([], True, lambda: None)
        for _ in range(12):
            for _ in range(source.randrange(1, 16)):
                await walk.step(reader)
                for _ in range(source.randrange(6)):
                    await asyncio.sleep(0)
            await walk.check(reader)
    finally:
        await reader.stop()


class Held(Tether):
    """Reads are answered when the test says so: `asked` of them wait."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.asked: asyncio.Queue[tuple[Snapshot, asyncio.Future]] = asyncio.Queue()
        self.hold = False

    async def read(self, keys) -> Snapshot:
        found = await super().read(keys)
        if self.hold:
            answer = asyncio.get_running_loop().create_future()
            self.asked.put_nowait((found, answer))
            return await answer
        return found

    async def answer(self, later: Snapshot | None = None) -> None:
        async with asyncio.timeout(5):
            found, answer = await self.asked.get()
        answer.set_result(later or found)


async def test_what_changes_while_a_port_is_read_is_neither_lost_nor_undone() -> None:
    store = MemoryStore()
    line = Held(store)
    await put(store, WEB, port(1), bound(1, "other"))
    async with reading(line) as reader:
        reader.plug("a", "web/none")
        await reader.next()
        line.hold = True
        reader.want(1)
        await line.answer()  # where the index leads to
        _, answer = await line.asked.get()  # the records as they are now: kept back
        before = await store.read([PORTS + "id1", BINDINGS + "id1"])
        await put(store, bound(1, "moved"))
        answer.set_result(before)
        await reader.has(p1="moved")
        line.hold = False
        await put(store, bound(1, "again"))
        await reader.has(p1="again")


async def test_news_older_than_what_was_read_does_not_undo_it() -> None:
    store = MemoryStore()
    line = Held(store)
    await put(store, WEB, port(1), bound(1, "first"))
    async with reading(line) as reader:
        reader.plug("a", "web/none")
        await reader.next()
        line.hold = True
        reader.want(1)
        await line.answer()
        _, answer = await line.asked.get()
        for host in ("second", "third"):
            await put(store, bound(1, host))
        answer.set_result(await store.read([PORTS + "id1", BINDINGS + "id1"]))
        seen = []
        while not seen or seen[-1].revision < (await store.read([])).revision:
            seen.append(await reader.next())
        hosts = [new.host for delta in seen for _, new in delta.changes if isinstance(new, Binding)]
        assert hosts == ["third"], "never back to the second"


async def test_an_answer_from_before_what_the_watch_told_is_not_believed() -> None:
    """etcd never gives one; a store that does is read again as a whole."""
    store = MemoryStore()
    line = Held(store)
    await put(store, WEB, port(1), bound(1, "other"))
    async with reading(line) as reader:
        reader.plug("a", "web/none")
        await reader.next()
        revision = await put(store, port(2))
        await reader.next()
        line.hold = True
        reader.want(1)
        old = Snapshot(revision - 1, {BINDINGS + "id1": Record(BINDINGS + "id1", b"", 1)})
        await line.answer(old)
        line.hold = False
        await reader.has(p1="other")
        assert reader.sync.breaks == 1


async def test_a_read_that_fails_loses_nothing_of_what_came_with_it() -> None:
    store = MemoryStore()
    line = Held(store)
    await put(store, WEB)
    reader = Follower(line)
    try:
        reader.sync.plug([], True, lambda: None)
        await reader.until(lambda: reader.sync.connected)
        line.hold = True
        reader.want(1)
        await put(store, Switch(id="t", name="more", key=10), port(1))
        await reader.until(lambda: not line.asked.empty())
        line.hold = False
        line.cut()
        line.asked.get_nowait()[1].set_exception(_away(line))
        line.mend()
        await reader.has(p1="")
        await reader.until(lambda: {who: one for who, one in reader.known.items() if one} == reader.sync.view)
        assert ("switch", "t") in reader.known
    finally:
        await reader.stop()


def _away(line: Held) -> Exception:
    try:
        line._check()
    except Exception as error:  # whatever it raises is what a reader gets
        return error
    raise AssertionError("the line is not cut")


async def test_an_interface_waits_for_its_port_but_not_for_a_store_that_is_away() -> None:
    store = MemoryStore()
    line = Held(store)
    await put(store, WEB, port(1))
    async with reading(line) as reader:
        reader.plug("a", "web/none")
        await reader.next()
        line.hold = True
        reader.plug("b", "web/p1")
        reader.unplug("a", "web/none")
        await reader.until(lambda: not line.asked.empty())
        assert reader.given == ["a"]
        await line.answer()
        assert reader.given == ["a"]
        await line.answer()
        await reader.until(lambda: reader.given == ["a", "b", "-a"])
        line.hold = False
        line.cut()
        await reader.until(lambda: not reader.sync.connected)
        reader.plug("c", "id7")
        assert reader.given == ["a", "b", "-a", "c"]
