"""Answers over an outage of the store: whoever waits goes on, and what another store said does not count."""

from __future__ import annotations

import asyncio

import pytest

from retia.errors import StoreRefused, Timeout
from retia.model.state import Alive, Applied
from retia.store import barrier
from retia.store.contract import Transaction
from retia.store.memory import MemoryStore
from retia.store.records import encode, key_of
from retia.store.tether import Tether


def said(revision: int) -> Transaction:
    answer = Applied(host="hv1", revision=revision)
    return Transaction(puts={key_of(answer): encode(answer)})


async def born(store: MemoryStore) -> None:
    alive = Alive(host="hv1")
    await store.commit(Transaction(puts={key_of(alive): encode(alive)}))


async def test_who_waits_while_the_store_goes_away_hears_the_answer_once_it_is_back() -> None:
    memory = MemoryStore()
    tether = Tether(memory)
    await born(memory)
    async with barrier.listening(tether) as answers:
        asked = await tether.commit(Transaction(puts=barrier.question()))
        waiting = asyncio.create_task(answers.wait(5, asked))
        await asyncio.sleep(0.02)
        tether.cut()
        await asyncio.sleep(0.02)
        await memory.commit(said(asked))
        assert not waiting.done()
        tether.mend()
        assert [one.revision for one in await waiting] == [asked]


async def test_an_answer_from_before_an_outage_is_none_after_it() -> None:
    """The store that comes back may be another one, whose revisions begin anew."""
    memory = MemoryStore()
    tether = Tether(memory)
    await born(memory)
    await memory.commit(said(900))
    async with barrier.listening(tether) as answers:
        assert await answers.wait(1, 900)
        await memory.commit(Transaction(deletes={key_of(Applied(host="hv1", revision=0))}))
        tether.cut()
        await asyncio.sleep(0.02)
        tether.mend()
        with pytest.raises(Timeout, match="from hv1"):
            await answers.wait(0.3)


async def test_who_may_not_read_answers_is_told_so() -> None:
    class Refusing(MemoryStore):
        def watch(self, prefix: str, start: int):
            raise StoreRefused("the role is too weak")

    store = Refusing()
    await born(store)
    with pytest.raises(StoreRefused):
        await barrier.wait(store, 1)
