"""The barrier behind `--wait`: asked in the store, answered by every live agent whose switch has caught up.

    asker:  [change + Barrier] at revision R ──► agents see it in order, with or after all that was written before
    agents: switch has everything up to R    ──► Applied(R or later), each in its own key ──► asker

The question may travel in the change's own transaction (`catalog.change(..., ask=True)`): then it costs one write,
and each host one. All askers share one record, and one answer serves them all.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection

from retia.errors import Timeout
from retia.model.state import Applied, Barrier, alive_hosts
from retia.store.contract import Store, Transaction
from retia.store.records import APPLIED, STATES, decode, encode, key_of

FIRST_LOOK, LAST_LOOK = 0.001, 0.05
"""Seconds between two looks for answers: a tenth of the time it took so far, within these."""


def question() -> dict[str, bytes]:
    """What to put in a transaction for its revision to be answered."""
    asked = Barrier(id=uuid.uuid4().hex)
    return {key_of(asked): encode(asked)}


async def wait(store: Store, limit: float, asked: int | None = None, without: Collection[str] = ()) -> list[Applied]:
    """Until every host that is alive has revision `asked` (None: ask now) in its switch, `without` those known better.

    Raises Timeout after `limit` seconds (which hosts, why), or StoreAway.
    """
    revision = asked if asked is not None else await store.commit(Transaction(puts=question()))
    answers: dict[str, Applied] = {}
    hosts: set[str] = set()
    gathering = asyncio.create_task(_gather(store, revision, hosts, answers), name="barrier")
    try:
        async with asyncio.timeout(limit):
            alive = await store.snapshot(f"{STATES}alive/")
            found = [decode(record.key, record.value) for record in alive.records.values()]
            hosts |= alive_hosts(found) - {*without}
            if not hosts <= answers.keys():
                await gathering
    except TimeoutError:
        missing = sorted(hosts - answers.keys())
        raise Timeout(
            f"no answer within {limit:g} s from {', '.join(missing)}",
            advice="the change is stored and will arrive: see `retia status` for what these hosts lack",
        ) from None
    finally:
        gathering.cancel()
        await asyncio.gather(gathering, return_exceptions=True)
    return [answers[host] for host in sorted(hosts)]


async def _gather(store: Store, revision: int, hosts: set[str], answers: dict[str, Applied]) -> None:
    """Collect answers until those of all `hosts`, which fills meanwhile, are there: look, seldomer the longer it takes.

    A watch would be slower: what came before it was made, as most answers do, etcd tells it only ten times a second.
    """
    clock = asyncio.get_running_loop().time
    begin = clock()
    while not hosts or not hosts <= answers.keys():
        await asyncio.sleep(min(max((clock() - begin) / 10, FIRST_LOOK), LAST_LOOK))
        for record in (await store.snapshot(APPLIED)).records.values():
            told = decode(record.key, record.value)
            if isinstance(told, Applied) and told.revision >= revision:
                answers[told.host] = told
