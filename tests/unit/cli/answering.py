"""Hosts that are alive and answer every barrier, as agents would; each answer notes what their switches then had."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from retia.model.state import Alive, Applied, Barrier, HostProblem, State
from retia.store.contract import put_all
from retia.store.etcd import Access, EtcdStore
from retia.store.records import encode, key_of

GLANCE = 0.005


class Hosts:
    """`silent`: those that do not answer. `late`: what is said after the next answer."""

    def __init__(self, endpoint: str, names: tuple[str, ...]) -> None:
        self.endpoint, self.names = endpoint, names
        self.silent: set[str] = set()
        self.late: HostProblem | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._answer()), name="hosts")

    def start(self) -> None:
        asyncio.run(self.put(*(Alive(host=name) for name in self.names)))
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    async def put(self, *states: State) -> None:
        store = EtcdStore(Access((self.endpoint,)))
        try:
            await store.commit(put_all({key_of(one): encode(one) for one in states}))
        finally:
            await store.close()

    async def _answer(self) -> None:
        store = EtcdStore(Access((self.endpoint,)))
        seen = 0
        while not self._end.is_set():
            record = await store.get(key_of(Barrier(id="")))
            if record is not None and record.revision > seen:
                seen = record.revision
                told = [Applied(host=name, revision=seen) for name in self.names if name not in self.silent]
                await store.commit(put_all({key_of(one): encode(one) for one in told}))
                if self.late is not None:
                    await asyncio.sleep(0.3)
                    await self.put(self.late)
            await asyncio.sleep(GLANCE)
        await store.close()


@contextlib.contextmanager
def answering(endpoint: str, *names: str) -> Iterator[Hosts]:
    hosts = Hosts(endpoint, names)
    hosts.start()
    try:
        yield hosts
    finally:
        hosts.stop()
