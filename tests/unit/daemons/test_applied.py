"""How far a host's switch is, told now and then, and never because of itself."""

from __future__ import annotations

import asyncio

import pytest

from retia.daemons import duties
from retia.model.state import Applied
from retia.store import barrier
from retia.store.contract import Transaction
from retia.store.host import HostAgent
from retia.store.memory import MemoryStore
from retia.store.records import APPLIED, decode
from tests.unit.daemons.test_loop import running, store, until

__all__ = ["store"]


async def test_the_applied_revision_is_told_and_then_all_is_quiet(
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duties, "TOLD_EVERY", 0.02)
    async with running(store, "hv1") as agent:
        task = asyncio.create_task(agent.duties.tell_applied())
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        async with asyncio.timeout(5):
            while not (found := (await store.snapshot(APPLIED)).records):
                await asyncio.sleep(0.01)
        (told,) = [decode(*record[:2]) for record in found.values()]
        assert isinstance(told, Applied) and told.host == "hv1"
        await asyncio.sleep(0.2)
        before = (await store.snapshot("/")).revision
        await asyncio.sleep(0.3)
        assert (await store.snapshot("/")).revision == before
        task.cancel()


async def test_what_is_told_never_goes_back(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow write of what is told now and then, and a barrier that is asked meanwhile: its answer comes last."""
    monkeypatch.setattr(duties, "TOLD_EVERY", 0.02)
    write, begun, ended, may_end = HostAgent.applied, list[int](), list[int](), asyncio.Event()

    async def slow(host: HostAgent, revision: int, problems: tuple[str, ...], flows: int) -> None:
        begun.append(revision)
        if len(begun) == 1:
            await may_end.wait()
        await write(host, revision, problems, flows)
        ended.append(revision)

    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        monkeypatch.setattr(HostAgent, "applied", slow)
        task = asyncio.create_task(agent.duties.tell_applied())
        await until(lambda: bool(begun))
        monkeypatch.setattr(duties, "TOLD_EVERY", 60.0)
        asked = await store.commit(Transaction(puts=barrier.question()))
        await until(lambda: agent.loop.revision >= asked)
        await asyncio.sleep(0.05)
        may_end.set()
        await until(lambda: len(ended) == 2)
        (told,) = [decode(*record[:2]) for record in (await store.snapshot(APPLIED)).records.values()]
        assert isinstance(told, Applied) and told.revision >= asked > begun[0]
        task.cancel()
