"""The sync of an on-demand agent: all but ports and bindings as `Sync` has it, and of those what `interest` says.

    events of followed ports, and of those that begin to be followed ─┐
    interfaces that name others ─► index ─► ids ─┐                    ├─► Delta
    packets for others ──────────► index ─► ids ─┴─► records read ────┘

One turn after the other: what was asked for and what came from the watch is taken together, then what lacks is read at
one revision, at least that of the watch. Events up to that revision that come later are old news of what was read. So
each delta has, of all that is followed, everything up to its revision. After a break all of it is read again, and the
difference is the delta. Once its host is a gateway, everything is of interest, until the agent is started again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from functools import partial
from operator import eq

from retia.errors import Retry
from retia.log import logger
from retia.model.kinds import Port, RouterPort
from retia.model.local import InterfaceChange
from retia.model.state import Binding
from retia.store.contract import Batch, Event, Record, Snapshot, Store
from retia.store.index import name_key
from retia.store.interest import Interest
from retia.store.records import OBJECTS, STATES, Identity, decode, identity
from retia.store.sync import Delta, Sync

PORTS, BINDINGS = f"{OBJECTS}{Port.kind}/", f"{STATES}{Binding.kind}/"
OF_PORTS = frozenset({Port.kind, Binding.kind})
TRIES = 5

log = logger("sync")


class PartialSync(Sync):
    """`plug`, `want` and `forget` may be called at any time, also while the store is away. The first delta waits for
    all interfaces. `full`: everything is read. `counts`: destinations that packets were for, those found in the
    store and those unknown to it, since the start."""

    def __init__(self, store: Store, host: str, wanted: Iterable[str] = ()) -> None:
        super().__init__(store)
        self.interest = Interest(host, wanted)
        self.full = False
        self.counts: Counter[str] = Counter()
        self._plugged = False
        self._asking: list[str] = []
        self._asked_at = 0.0
        self._looked: frozenset[str] = frozenset()
        self._fetching: set[str] = set()
        self._touched: set[str] = set()
        self._known_at: dict[str, int] = {}
        """Keys that were read at a revision which the watch has not reached."""
        self._read_at: dict[str, int] = {}
        """The same of whole kinds."""
        self._then: list[Callable[[], None]] = []
        self._taken = 0

    # -- what it is told -------------------------------------------------------------------------------------------

    def plug(self, changes: Iterable[InterfaceChange], whole: bool, then: Callable[[], None]) -> None:
        """Interfaces of this host; `whole`: now all are known. `then`: once their ports were handed out, or at once
        where the store is away."""
        self.interest.plug(changes)
        self._touched |= self.interest.own
        self._plugged |= whole
        self._came.set()
        if self.full or not self.connected or not (self._then or self._lacks_names):
            then()
        else:
            self._then.append(then)

    @property
    def _lacks_names(self) -> bool:
        return not (self.interest.ids <= self.interest.own and self.interest.name_keys <= self._looked)

    def want(self, key: str) -> None:
        """A packet was for whoever has this index key. Costs nothing where that was asked lately."""
        now = time.monotonic()
        if not self.full and self.interest.ask(key, now):
            self._asking.append(key)
            self._asked_at = self._asked_at or now
            self._came.set()

    def forget(self, ports: Iterable[str]) -> None:
        """They are wanted no more."""
        for port in ports:
            self.interest.wanted.pop(port, None)
            self._touched.add(port)
        self._came.set()

    # -- what it hands out -----------------------------------------------------------------------------------------

    async def deltas(self) -> AsyncIterator[Delta]:
        async for delta in super().deltas():
            yield delta
            self._go_on(self._taken)

    def _go_on(self, number: int) -> None:
        ready, self._then[:number] = self._then[:number], []
        self._taken = 0
        for then in ready:
            then()

    def _note_break(self) -> None:
        self._go_on(len(self._then))

    async def _snapshot(self) -> Delta:
        while not self._plugged:
            await self._came.wait()
            self._came.clear()
        self._known_at, self._read_at = {}, {}
        small = await self._store.snapshot(self._prefix, without=(PORTS, BINDINGS))
        self._check_whole(small)
        await self._replace(small, lambda kind: kind not in OF_PORTS)
        self.revision = small.revision
        asked, self._asked_at = self._asked_at, 0.0
        if self.full or self.interest.is_gateway:
            await self._load_all()
        else:
            await self._load_own()
        return Delta(self.revision, self._changes(), whole=True, asked=asked)

    @property
    def _has_more(self) -> bool:
        return bool(self._asking or self._touched or self._then or self._lacks_names) and not self.full

    async def _turn(self, batches: list[Batch], came: float) -> Delta:
        self._taken = len(self._then)
        asked, self._asked_at = self._asked_at, 0.0
        for batch in batches:
            for event in batch.events:
                self._notice(event, batch.revision)
            self.revision = batch.revision
        if not self.full and self.interest.is_gateway:
            await self._load_all()
        elif not self.full:
            await self._complete()
        self._known_at = {key: read for key, read in self._known_at.items() if read > self.revision}
        return Delta(self.revision, self._changes(), came=came, asked=asked)

    # -- how it comes by it ----------------------------------------------------------------------------------------

    def _notice(self, event: Event, revision: int) -> None:
        """One event of the watch."""
        who = identity(event.key)
        if who is None:
            return
        kind, port = who
        if kind not in OF_PORTS:
            self._take_one(who, event)
        elif self.full or self.interest.follows(port):
            if revision > max(self._known_at.get(event.key, 0), self._read_at.get(kind, 0)):
                self._take_one(who, event)
                self._touched.add(port)
        elif event.value is not None and self.interest.takes(decode(event.key, event.value)):
            self._fetching.add(port)

    def _take_one(self, who: Identity, event: Event) -> None:
        if who[0] in OF_PORTS:
            super()._take_one(who, event)
            return
        old = self.view.get(who)
        super()._take_one(who, event)
        self.interest.note(old, self.view.get(who))

    def _drop(self, who: Identity) -> None:
        old = self.view.get(who)
        super()._drop(who)
        self.interest.note(old, None)

    async def _complete(self) -> None:
        """What lacks of that which is of interest now; and what is not goes."""
        names, asking, fetching = self.interest.name_keys, self._asking, self._fetching
        self._asking, self._fetching = [], set()
        if names != self._looked:
            self._touched |= self.interest.own
        fresh, self._looked = names - self._looked, names
        fetching |= self.interest.ids - self.interest.own
        if fresh or asking:
            fetching |= await self._owners(fresh, asking)
        if fetching:
            await self._fetch(fetching)
        self._settle(fetching)

    async def _load_own(self) -> None:
        """All that is followed, and what was asked for lately."""
        interest = self.interest
        self._asking, self._fetching, self._looked = [], set(), interest.name_keys
        held = self._check_time(await self._store.snapshot(BINDINGS, only=self._is_mine))
        mine = {who[1] for key in held.records if (who := identity(key)) is not None}
        mine |= interest.own | interest.ids | interest.wanted.keys()
        mine |= await self._owners(self._looked, list(interest.asked))
        await self._fetch(mine)
        self._settle(mine)

    def _is_mine(self, record: Record) -> bool:
        said = decode(record.key, record.value)
        return isinstance(said, Binding) and said.host == self.interest.host

    async def _owners(self, names: Collection[str], asked: Collection[str]) -> set[str]:
        """The ids of ports that have these index keys."""
        found = (await self._read([*names, *asked])).records
        owners = {key: record.value.decode("utf-8", "replace") for key, record in found.items()}
        for key in asked:
            port = owners.get(key, "")
            is_port = bool(port) and (RouterPort.kind, port) not in self.view
            self.counts["looked-up" if is_port else "unknown"] += 1
            if is_port and port not in self.interest.own:
                self.interest.wanted[port] = None
        return set(owners.values())

    async def _fetch(self, ports: Collection[str]) -> None:
        keys = [key for port in ports for key in (PORTS + port, BINDINGS + port)]
        found = await self._read(keys)
        for key in keys:
            self._known_at[key] = found.revision
            who, record = identity(key), found.records.get(key)
            if who is not None:
                self._take_one(who, Event(key, record.value if record is not None else None))
        self._touched |= set(ports)

    def _settle(self, read: Collection[str]) -> None:
        """Who is kept, of those touched. What is known of one that was neither `read` now nor followed until now may be
        old: it goes, and is read in the next turn where it is of interest again."""
        touched, self._touched = self._touched, set()
        for port in touched:
            known, binding = (self.view.get((kind, port)) for kind in (Port.kind, Binding.kind))
            known = known if isinstance(known, Port) else None
            binding = binding if isinstance(binding, Binding) else None
            is_fresh = port in read or self.interest.follows(port)
            if not (is_fresh and self.interest.settle(port, known, binding)):
                self._let_go(port, known)

    def _let_go(self, port: str, known: Port | None) -> None:
        """Whoever names it again has to look it up again."""
        if known is not None:
            self._looked -= {name_key(Port.kind, known.switch, known.name)}
            self.interest.dismiss(known)
        for kind, prefix in ((Port.kind, PORTS), (Binding.kind, BINDINGS)):
            self._drop((kind, port))
            self.problems.pop(prefix + port, None)

    async def _load_all(self) -> None:
        for kind, prefix in ((Port.kind, PORTS), (Binding.kind, BINDINGS)):
            found = self._check_time(await self._store.snapshot(prefix))
            self._read_at[kind] = found.revision
            await self._replace(found, partial(eq, kind))
        if not self.full:
            log.info("this host is an edge or has an uplink: everything is read")
        self.full = True
        self.interest.wanted.clear()
        self._touched.clear()

    async def _read(self, keys: Collection[str]) -> Snapshot:
        """Not older than what the watch told already. Raises Retry."""
        return self._check_time(await self._store.read(keys))

    def _check_time(self, found: Snapshot) -> Snapshot:
        if found.revision < self.revision:
            what = f"the store answered as of revision {found.revision}, after it told of {self.revision}"
            raise Retry(what, where=self._prefix, advice="everything is read again", after=0.0)
        return found
