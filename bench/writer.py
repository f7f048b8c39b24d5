"""Writes the benchmark's network into a store, and changes it as `retia apply` would: index keys, compares, fences.

A writer with one open connection who knows the network, as a cloud's own service would be; and in the place of other
hosts' agents it claims their ports. Used by `ours` and `null_switch`.
"""

from __future__ import annotations

import asyncio

from bench.network import Size, host_of, objects, subnets, tunnel
from retia.errors import StoreAway
from retia.model.kinds import Object
from retia.model.network import Network
from retia.model.state import Binding, HostState
from retia.store import barrier
from retia.store.contract import Store, Transaction
from retia.store.host import KEYS
from retia.store.records import STATES, encode, key_of
from retia.store.transactions import chunk, make_unit, transaction

CHUNK = 5_000
Changes = list[tuple[Object | None, Object | None]]


class Writer:
    def __init__(self, store: Store, size: Size) -> None:
        self.store, self.size = store, size
        self._network = Network()
        self._revisions: dict[str, int] = {}

    async def fill(self) -> None:
        """The whole network, its hosts, and who holds which port; the host under test claims its own."""
        await self._reachable()
        await self.commit([(None, item) for item in (*objects(self.size), *subnets(self.size))])
        hosts = [HostState(host=f"h{n}", key=n + 2, tunnel=tunnel(f"h{n}")) for n in range(self.size.hosts)]
        numbers = {f"{KEYS}{host.key}": host.host.encode() for host in hosts}
        await self.store.commit(Transaction(puts=numbers | {key_of(host): encode(host) for host in hosts}))
        remote = [n for n in range(self.size.ports) if host_of(self.size, n) != "me"]
        bindings = [Binding(port=f"p{n}", host=host_of(self.size, n)) for n in remote]
        for at in range(0, len(bindings), CHUNK):
            await self.store.commit(Transaction(puts={key_of(one): encode(one) for one in bindings[at : at + CHUNK]}))

    async def _reachable(self) -> None:
        for _ in range(150):
            try:
                await self.store.get("/retia")
                return
            except StoreAway:
                await asyncio.sleep(0.1)
        raise TimeoutError("etcd did not start within 15 s")

    async def commit(self, changes: Changes, ask: bool = False) -> int:
        """The revision it made. `ask`: its barrier travels with it."""
        for before, after in changes:
            if before is not None:
                self._network.remove(before)
            if after is not None:
                self._network.put(after)
        revision = 0
        for units in chunk((make_unit(self._network, *change) for change in changes), CHUNK):
            made = transaction(units, self._revisions)
            made.puts |= barrier.question() if ask else {}
            revision = await self.store.commit(made)
            self._revisions |= dict.fromkeys(made.puts, revision)
            self._revisions |= dict.fromkeys(made.deletes, 0)
        return revision

    async def bind(self, port: str, host: str, ask: bool = False) -> int:
        binding = Binding(port=port, host=host)
        question = barrier.question() if ask else {}
        return await self.store.commit(Transaction(puts={key_of(binding): encode(binding)} | question))

    async def release(self, port: str) -> None:
        await self.store.commit(Transaction(deletes={f"{STATES}binding/{port}"}))

    async def claimed(self, count: int) -> None:
        """Until the host under test holds that many ports."""
        for _ in range(600):
            found = await self.store.snapshot(f"{STATES}binding/")
            if sum(b'"host":"me"' in record.value for record in found.records.values()) == count:
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("the local ports are not bound within 60 s")
