"""The barrier behind `--wait`: asked in the store, answered by every live agent whose switch has caught up.

    asker:  [change + Barrier] at revision R ──► agents see it in order, with or after all that was written before
    agents: switch has everything up to R    ──► Applied(R or later), each in its own key ──► asker

The question may travel in the change's own transaction (`catalog.change(..., ask=True)`): then it costs one write,
and each host one. All askers share one record, and one answer serves them all. Who asks more than once keeps
`listening`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from retia.errors import StoreAway, Timeout
from retia.model.state import Applied, Barrier, alive_hosts
from retia.store.contract import Event, Store, Transaction
from retia.store.records import APPLIED, STATES, decode, encode, key_of

AGAIN = 0.1
"""Seconds after which answers are listened for again, once the store was away."""


def question() -> dict[str, bytes]:
    """What to put in a transaction for its revision to be answered."""
    asked = Barrier(id=uuid.uuid4().hex)
    return {key_of(asked): encode(asked)}


async def wait(store: Store, limit: float, asked: int | None = None, without: Collection[str] = ()) -> list[Applied]:
    """`Answers.wait`, for who asks once."""
    async with listening(store) as answers:
        return await answers.wait(limit, asked, without)


@asynccontextmanager
async def listening(store: Store) -> AsyncIterator[Answers]:
    answers = Answers(store)
    try:
        yield answers
    finally:
        await answers.close()


class Answers:
    """The last answer of every host, heard as it comes until `close`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: dict[str, Applied] = {}
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(), name="barrier")
        self._listening.add_done_callback(lambda _: self._news.set())

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def wait(self, limit: float, asked: int | None = None, without: Collection[str] = ()) -> list[Applied]:
        """Until every host that is alive has revision `asked` (None: ask now) in its switch, `without` those known
        better.

        Raises Timeout after `limit` seconds (which hosts, why), or StoreAway.
        """
        revision = asked if asked is not None else await self._store.commit(Transaction(puts=question()))
        hosts: set[str] = set()
        try:
            async with asyncio.timeout(limit):
                alive = await self._store.snapshot(f"{STATES}alive/")
                hosts = alive_hosts(decode(record.key, record.value) for record in alive.records.values()) - {*without}
                while self._lacking(hosts, revision):
                    await self._hear()
        except TimeoutError:
            missing = ", ".join(self._lacking(hosts, revision))
            raise Timeout(
                f"no answer within {limit:g} s from {missing}",
                advice="the change is stored and will arrive: see `retia status` for what these hosts lack",
            ) from None
        return [self._answers[host] for host in sorted(hosts)]

    def _lacking(self, hosts: Iterable[str], revision: int) -> list[str]:
        answers = self._answers
        return sorted(host for host in hosts if host not in answers or answers[host].revision < revision)

    async def _hear(self) -> None:
        """Until there is news. Raises what ended the listening."""
        if self._listening.done():
            self._listening.result()
        self._news.clear()
        await self._news.wait()

    async def _listen(self) -> None:
        """A watch from now on, and one look at what there is: of what came before a watch was made etcd tells only ten
        times a second."""
        while True:
            try:
                async for batch in self._store.watch(APPLIED, 0):
                    if not batch.events:
                        there = (await self._store.snapshot(APPLIED)).records.values()
                        self._take(Event(record.key, record.value) for record in there)
                    self._take(batch.events)
            except StoreAway:
                self._answers.clear()  # another store may answer next, whose revisions are others
                await asyncio.sleep(AGAIN)

    def _take(self, events: Iterable[Event]) -> None:
        for key, value in events:
            told = decode(key, value) if value is not None else None
            if isinstance(told, Applied):
                self._answers[told.host] = told
        self._news.set()
