"""What an agent writes: its host's record, its lease, its bindings and its problems. Each key has this one writer.

A binding is taken by a transaction: created where there is none, taken over where its holder is not alive. So two
hosts that show the same interface settle it once, and the loser writes one problem, not a storm.
"""

from __future__ import annotations

import asyncio
import random

from msgspec import structs

from retia.errors import Conflict, Retry
from retia.log import logger
from retia.model.state import FULL, Alive, Applied, Binding, HostProblem, HostState
from retia.store.contract import INDEX, Record, StaleWrite, Store, Transaction, let_go
from retia.store.records import STATES, decode, encode, key_of
from retia.values import Ip

KEYS = INDEX + "key/host/"
HIGHEST_KEY = 0xFFFF
TRIES = 20
AGAIN = 0.2
"""Seconds between two tries to be alive; each new reason for another is said once."""

log = logger("host")


async def register(store: Store, host: str, tunnel: Ip, version: str, mode: str = FULL) -> HostState:
    """The host's record, made or brought up to date. Its key is allocated once and kept. Raises StoreAway, Conflict."""
    wanted = HostState(host=host, key=0, tunnel=tunnel, version=version, mode=mode)
    for _ in range(TRIES):
        record = await store.get(f"{STATES}host/{host}")
        try:
            if record is not None:
                return await _renew(store, record, wanted)
            return await _create(store, wanted)
        except StaleWrite:
            await asyncio.sleep(random.uniform(0, 0.05))
    raise Conflict(f"host {host} cannot be registered: others write its record", where=host)


async def _renew(store: Store, record: Record, wanted: HostState) -> HostState:
    known = decode(record.key, record.value)
    if not isinstance(known, HostState):
        raise Conflict("the host's record cannot be read", where=record.key, advice="remove it: etcdctl del")
    state = structs.replace(wanted, key=known.key)
    if state != known:
        await store.commit(Transaction({record.key: record.revision}, {record.key: encode(state)}))
    return state


async def _create(store: Store, wanted: HostState) -> HostState:
    drawn = await host_key(store, wanted.host)
    key = drawn or await free_key(store)
    state = structs.replace(wanted, key=key)
    puts = {key_of(state): encode(state)} | ({} if drawn else {f"{KEYS}{key}": wanted.host.encode()})
    await store.commit(Transaction(dict.fromkeys(puts, 0), puts))
    return state


async def host_key(store: Store, host: str) -> int:
    """The key drawn for a host, by itself or by whoever gave it its user; 0 where there is none yet."""
    taken = (await store.snapshot(KEYS)).records
    mine = [key.removeprefix(KEYS) for key, record in taken.items() if record.value == host.encode()]
    return next((int(key) for key in mine if key.isdigit()), 0)


async def free_key(store: Store) -> int:
    """One that no host has. Raises Conflict when none is left."""
    taken = (await store.snapshot(KEYS)).records
    free = [key for key in range(1, HIGHEST_KEY + 1) if f"{KEYS}{key}" not in taken]
    if not free:
        raise Conflict("all 65,535 host keys are taken", where=KEYS, advice="delete hosts that are gone")
    return free[0] if len(free) == HIGHEST_KEY else random.choice(free[:1000])


class HostAgent:
    """One agent's writes. `run` holds the lease; the rest are single transactions that may raise StoreAway."""

    def __init__(self, store: Store, host: str, ttl: float) -> None:
        self._store, self._host, self._ttl = store, host, ttl
        self._problems: dict[str, HostProblem] | None = None  # what a former agent wrote is not known yet

    async def run(self) -> None:
        """Be alive for ever: a lease lost in an outage of the store is taken anew."""
        said = ""
        while True:
            try:
                lease = await self._store.lease(self._ttl)
                alive = Alive(host=self._host)
                await self._store.commit(Transaction(puts={key_of(alive): encode(alive)}, lease=lease.id))
                said = ""
                try:
                    await lease.keep()
                except asyncio.CancelledError:
                    await let_go(lease)
                    raise
            except Retry as error:
                if error.what != said:
                    log.warning("no lease", error=error.what, where=error.where, advice=error.advice)
                said = error.what
                await asyncio.sleep(AGAIN)

    async def claim(self, port: str, interface: str) -> Binding:
        """The port's binding after trying: ours, or that of the host that has it. Raises StoreAway."""
        for _ in range(TRIES):
            wanted = Binding(port=port, host=self._host, interface=interface)
            key = key_of(wanted)
            record = await self._store.get(key)
            held = decode(key, record.value) if record is not None else None
            if isinstance(held, Binding) and held == wanted:
                return held
            compares = {key: record.revision if record is not None else 0}
            if isinstance(held, Binding) and held.host != self._host:
                alive = key_of(Alive(host=held.host))
                if await self._store.get(alive) is not None:
                    return held
                compares[alive] = 0
            try:
                await self._store.commit(Transaction(compares, {key: encode(wanted)}))
            except StaleWrite:
                continue
            return wanted
        raise Retry(f"the binding of port {port} changes too fast", where=self._host)

    async def release(self, port: str) -> None:
        """Give the port's binding up if it is ours. Raises StoreAway."""
        key = f"{STATES}binding/{port}"
        record = await self._store.get(key)
        held = decode(key, record.value) if record is not None else None
        if record is not None and isinstance(held, Binding) and held.host == self._host:
            try:
                await self._store.commit(Transaction({key: record.revision}, deletes={key}))
            except StaleWrite:
                return

    async def applied(self, revision: int, problems: tuple[str, ...] = (), flows: int = 0) -> None:
        """Say which revision this host's switch has, in how many flows, and what it refused. Raises StoreAway."""
        told = Applied(host=self._host, revision=revision, problems=problems, flows=flows)
        await self._store.commit(Transaction(puts={key_of(told): encode(told)}))

    async def report(self, problems: dict[str, HostProblem]) -> None:
        """Make the host's problems in the store these: what is there already is not written again."""
        if problems == self._problems:
            return
        known = (await self._store.snapshot(f"{STATES}problem/{self._host}/")).records
        wanted = {key_of(problem): encode(problem) for problem in problems.values()}
        puts = {key: value for key, value in wanted.items() if key not in known or known[key].value != value}
        deletes = {key for key in known if key not in wanted}
        if puts or deletes:
            await self._store.commit(Transaction(puts=puts, deletes=deletes))
        self._problems = dict(problems)
