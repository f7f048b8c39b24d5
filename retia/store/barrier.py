"""The barrier behind `--wait`: asked in the store, answered once by every live agent whose switch has caught up.

asker: Barrier at revision R ─► agents see it in order, after all that was written before ─► BarrierAnswer each
"""

from __future__ import annotations

import asyncio
import uuid

from retia.errors import Timeout
from retia.model.state import Alive, Barrier, BarrierAnswer
from retia.store.contract import Store, Transaction
from retia.store.records import BARRIERS, STATES, decode, encode, key_of

KEPT = 60.0
"""Seconds a barrier's records live in the store."""


async def wait(store: Store, limit: float) -> list[BarrierAnswer]:
    """Ask, and wait until every host that is alive has answered. Raises Timeout (which hosts, why) or StoreAway."""
    lease = await store.lease(KEPT)
    barrier = Barrier(id=uuid.uuid4().hex)
    alive = await store.snapshot(f"{STATES}alive/")
    hosts = {thing.host for r in alive.records.values() if isinstance(thing := decode(r.key, r.value), Alive)}
    revision = await store.commit(Transaction(puts={key_of(barrier): encode(barrier)}, lease=lease.id))
    answers: dict[str, BarrierAnswer] = {}
    try:
        async with asyncio.timeout(limit):
            await _gather(store, barrier, revision, hosts, answers)
    except TimeoutError:
        missing = sorted(hosts - answers.keys())
        raise Timeout(
            f"no answer within {limit:g} s from {', '.join(missing)}",
            advice="the change is stored and will arrive: see `retia status` for what these hosts lack",
        ) from None
    finally:
        await lease.revoke()
    return sorted(answers.values(), key=lambda answer: answer.host)


async def _gather(
    store: Store, barrier: Barrier, revision: int, hosts: set[str], answers: dict[str, BarrierAnswer]
) -> None:
    if not hosts:
        return
    async for batch in store.watch(f"{BARRIERS}answer/{barrier.id}/", revision):
        for key, value in batch.events:
            answer = decode(key, value) if value is not None else None
            if isinstance(answer, BarrierAnswer):
                answers[answer.host] = answer
        if hosts <= answers.keys():
            return


async def answer(store: Store, barrier: Barrier, host: str, revision: int, problems: tuple[str, ...]) -> None:
    """Say that this host's switch has everything up to `revision`. Raises StoreAway."""
    lease = await store.lease(KEPT)
    made = BarrierAnswer(id=barrier.id, host=host, revision=revision, problems=problems)
    await store.commit(Transaction(puts={key_of(made): encode(made)}, lease=lease.id))
