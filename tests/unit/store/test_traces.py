"""How many traces there may be at once, and that none of them is another's."""

from __future__ import annotations

import asyncio

import pytest

from retia.errors import Conflict
from retia.model.state import LAST_TRACE, Trace, TracePoint, TraceReport
from retia.store.contract import Transaction
from retia.store.memory import MemoryStore
from retia.store.records import TRACES, encode, key_of
from retia.store.tether import Tether
from retia.store.traces import Entry, tracing

MOST = LAST_TRACE + 1
ENTRY = Entry("hv1", "p", b"frame")


async def full(store: MemoryStore, free: int) -> None:
    """But for so many."""
    running = [Trace(id=number, host="hv1", place="p", frame="00", lease=1) for number in range(MOST - free)]
    await store.commit(Transaction(puts={key_of(one): encode(one) for one in running}))


async def test_the_last_one_finds_its_place_and_one_more_is_refused() -> None:
    store = MemoryStore()
    await full(store, free=2)
    async with tracing(store) as one, tracing(store) as other:
        with pytest.raises(Conflict, match="65,534 traces are running, of 65,536 at most") as refused:
            await one.prepare([ENTRY] * 3)
        assert refused.value.advice
        found = [*await one.prepare([ENTRY]), *await other.prepare([ENTRY])]
        assert sorted(trace.id for trace in found) == [LAST_TRACE - 1, LAST_TRACE]
        assert len((await store.snapshot(TRACES)).records) == MOST
        with pytest.raises(Conflict, match="65,536 traces are running"):
            await other.prepare([ENTRY])
        await one.end([found[0]])
        assert [trace.id for trace in await other.prepare([ENTRY])] == [found[0].id]
    assert len((await store.snapshot(TRACES)).records) == MOST - 2


async def test_many_who_begin_at_once_get_different_ones() -> None:
    """Even where hardly any is free, so that they wish for the same."""
    store = MemoryStore()
    await full(store, free=12)
    async with tracing(store) as one, tracing(store) as other:
        asked = [each.prepare([ENTRY, ENTRY]) for each in (one, other, one)]
        ids = [trace.id for made in await asyncio.gather(*asked) for trace in made]
        assert len(ids) == len({*ids}) == 6


async def test_points_go_to_whom_they_are_for() -> None:
    store = MemoryStore()
    async with tracing(store) as one, tracing(store) as other:
        mine, theirs = [*await one.prepare([ENTRY, ENTRY]), *await other.prepare([ENTRY])][::2]
        for trace, stage in ((mine, "ADMIT"), (theirs, "LOOKUP"), (mine, "DROP")):
            number = 1 if stage != "DROP" else 2
            report = TraceReport(
                host="hv2", trace=trace.id, number=number, points=(TracePoint(stage, "00", {}, "r", "o"),)
            )
            await store.commit(Transaction(puts={key_of(report): encode(report)}, lease=trace.lease))
        async with asyncio.timeout(5):
            while len(one.heard(mine.id).get("hv2", ())) < 2 or not other.heard(theirs.id):
                await asyncio.sleep(0.005)
        assert [point.stage for point in one.heard(mine.id)["hv2"]] == ["ADMIT", "DROP"]
        assert [point.stage for point in other.heard(theirs.id)["hv2"]] == ["LOOKUP"]


async def test_what_was_heard_is_told_though_the_store_is_away_by_then() -> None:
    store = MemoryStore()
    line = Tether(store)
    async with tracing(line) as mine:
        (trace,) = await mine.prepare([ENTRY])
        await mine.go([trace])
        report = TraceReport(host="hv1", trace=trace.id, number=1, points=(TracePoint("ADMIT", "00", {}, "r", "o"),))
        await store.commit(Transaction(puts={key_of(report): encode(report)}, lease=trace.lease))
        async with asyncio.timeout(5):
            while not mine.heard(trace.id):
                await asyncio.sleep(0.005)
        line.cut()
        await mine.end([trace])
        assert [point.stage for point in mine.heard(trace.id)["hv1"]] == ["ADMIT"]
    assert (await store.snapshot(TRACES)).records, "it ends with its lease"
