"""Desired flows minus observed flows: the one place where a switch is made to agree, and where it is tried again.

    desired ──┐
              ├─► add, modify, delete only what differs ─► bundle ─► refused flows are named and set aside
    observed ─┘      (on connect: the wire dump; later: our own changes, and the flow monitor's foreign ones)

Meters are there before the flows that name them, and go after those: a flow whose meter is missing is refused, and
one whose meter is deleted is deleted with it.

Idempotent: what is right is not sent again, so its counters survive. Nothing is deleted before the first whole
desired set was given (`start`). A switch that has flows already gets the difference in one bundle, however large: the
flows may be those of another pipeline, whose tables mean something else, and no packet may see some of each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from retia.errors import SwitchAway
from retia.flows.actions import Actions
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import ADDED, MODIFIED, REMOVED, Observed, Update
from retia.pipeline.generation import BITS
from retia.switch.bundle import Bundler, Change, Refusal, delete, delete_all, put

NO_SUCH_METER = (12, 2)
"""OpenFlow's error type and code."""


class Channel(Protocol):
    """A connection to a switch, as far as agreeing needs it."""

    async def dump(self, table: int | None = None) -> Iterable[Observed]:
        """The flows, of one table or of all: made as they are looked at, and once. Raises SwitchAway."""

    async def sizes(self) -> dict[int, int]:
        """How many flows each table has. Raises SwitchAway."""

    async def add_meters(self, wanted: Mapping[int, Meter]) -> None:
        """Those that are missing or different. Raises SwitchAway."""

    async def drop_meters(self, wanted: Mapping[int, Meter]) -> None:
        """All but these. Raises SwitchAway."""

    def packet_out(self, frame: bytes, actions: Actions, in_port: int) -> None:
        """Raises SwitchAway."""

    async def flush_zones(self, zones: Iterable[int]) -> None:
        """Forget the tracked connections of these zones. Raises SwitchAway."""

    def abort(self) -> None: ...


class Sender(Protocol):
    async def send(self, changes: Sequence[Change], whole: bool = False) -> list[Refusal]:
        """Raises SwitchAway."""


class Repair(NamedTuple):
    """How many flows were put right, and which of them the switch does not take."""

    flows: int
    refusals: list[Refusal]


class Reconciler:
    """Holds what the switch should have; told of connections by `ovs` and `software`. Where a change may have gone in
    by half, the connection is given up: it is opened again, and that ends in the difference."""

    def __init__(self, bundler: Callable[[Any], Sender] = Bundler, kept_tables: frozenset[int] = frozenset()) -> None:
        """`bundler` makes of a connection what sends changes over it. In `kept_tables` flows of others stay."""
        self._make_bundler = bundler
        self._kept_tables = kept_tables
        self.desired: dict[FlowKey, Flow] = {}
        self.refused: dict[FlowKey, Refusal] = {}
        self._started = self._agreed = False
        self._connection: Channel | None = None
        self._bundler: Sender | None = None
        self._meters: dict[int, Meter] = {}
        self._stale_zones: set[int] = set()
        self._lock = asyncio.Lock()

    @property
    def agrees(self) -> bool:
        """Whether every desired flow that the switch takes is in it: no difference is still on its way."""
        return self._agreed

    async def start(self, flows: Iterable[Flow]) -> list[Refusal]:
        """The first whole desired set: only now may flows that are not in it be deleted."""
        async with self._lock:
            self.desired = {flow.key: flow for flow in flows}
            self._started = True
            return await self._agree()

    async def apply(self, puts: Iterable[Flow], drops: Iterable[FlowKey]) -> list[Refusal]:
        """Change the desired set, and the switch if it is there. Raises nothing for a switch that is away: the
        change is made when it is back."""
        async with self._lock:
            wanted = {flow.key: flow for flow in puts}
            changes = [self._drop(key) for key in drops if key in self.desired and key not in wanted]
            changes += [self._put(flow) for key, flow in wanted.items() if self.desired.get(key) != flow]
            return await self._send(changes) if self._bundler else []

    async def limit(self, meters: Iterable[Meter]) -> None:
        """All the meters that flows may name from now on."""
        async with self._lock:
            self._meters = {meter.number: meter for meter in meters}
            if self._connection is not None and self._started:
                with contextlib.suppress(SwitchAway):
                    await self._connection.add_meters(self._meters)
                    await self._connection.drop_meters(self._meters)

    async def flush_zones(self, zones: Iterable[int]) -> None:
        """At once, or before anything else when the switch is back: the kernel's connections outlive Open vSwitch."""
        self._stale_zones |= set(zones)
        with contextlib.suppress(SwitchAway):
            await self._flush_zones()

    async def _flush_zones(self) -> None:
        """Raises SwitchAway."""
        if self._connection is not None and (zones := sorted(self._stale_zones)):
            await self._connection.flush_zones(zones)
            self._stale_zones -= set(zones)

    def send(self, frame: bytes, actions: Actions, in_port: int) -> None:
        """Raises SwitchAway."""
        self.channel.packet_out(frame, actions, in_port)

    def _put(self, flow: Flow) -> Change:
        old = self.desired.get(flow.key)
        self.desired[flow.key] = flow
        self.refused.pop(flow.key, None)
        return put(flow, reset_counts=old is not None and old.cookie != flow.cookie)

    def _drop(self, key: FlowKey) -> Change:
        del self.desired[key]
        self.refused.pop(key, None)
        return delete(key)

    async def connected(self, connection: Channel) -> list[Refusal]:
        """Make a switch that came (back) agree."""
        async with self._lock:
            self.disconnected()
            self._connection = connection
            return await self._agree() if self._started else []

    def disconnected(self) -> None:
        self._connection = self._bundler = None
        self._agreed = False

    async def _agree(self) -> list[Refusal]:
        if self._connection is None:
            return []
        self.refused.clear()
        connection = self._connection
        try:
            await self._flush_zones()
            await connection.add_meters(self._meters)
            observed = dict(map(self._as_desired, await connection.dump()))
            self._bundler = self._make_bundler(connection)
            refusals = await self._send(list(self._difference(observed)), whole=bool(observed))
            await connection.drop_meters(self._meters)
            self._agreed = self._bundler is not None
            return refusals
        except SwitchAway:
            self._give_up()
            return []

    def _as_desired(self, one: Observed) -> tuple[FlowKey, Flow]:
        """A flow that is right is the desired one itself, so that those of a large switch are not in memory twice."""
        flow = one.flow
        wanted = self.desired.get(flow.key)
        return (flow.key, flow) if wanted is None or wanted != flow else (wanted.key, wanted)

    def _difference(self, observed: dict[FlowKey, Flow]) -> Iterator[Change]:
        """Where nothing is right the flows are those of another pipeline: taking them all out at once is cheapest."""
        wrong = [flow for key, flow in self.desired.items() if observed.get(key) != flow]
        theirs = {key for key, flow in observed.items() if key not in self.desired and self._is_kept(flow)}
        if observed and not theirs and len(wrong) == len(self.desired):
            observed = {}
            yield delete_all()
        for flow in wrong:
            old = observed.get(flow.key)
            yield put(flow, reset_counts=old is not None and old.cookie != flow.cookie)
        for key in observed.keys() - theirs:
            if key not in self.desired:
                yield delete(key)

    def _is_kept(self, flow: Flow) -> bool:
        """Whether a flow that is not desired is someone else's to have there. Retia's former ones say so themselves."""
        return flow.table in self._kept_tables and not flow.cookie >> (64 - BITS)

    async def foreign(self, updates: Iterable[Update]) -> Repair:
        """Flows that someone else added, changed or removed: put back what is ours, remove what is not."""
        async with self._lock:
            if self._bundler is None:
                return Repair(0, [])
            changes: dict[FlowKey, Change] = {}
            for update in updates:
                if update.flow is not None and update.event in (ADDED, MODIFIED, REMOVED):
                    self._repair(update, changes)
            return Repair(len(changes), await self._send(list(changes.values())))

    def _repair(self, update: Update, changes: dict[FlowKey, Change]) -> None:
        flow = update.flow
        if flow is None:
            return
        wanted = self.desired.get(flow.key)
        if wanted is None or flow.key in self.refused:
            if update.event != REMOVED and not self._is_kept(flow):
                changes[flow.key] = delete(flow.key)
        elif update.event == REMOVED or flow != wanted:
            changes[flow.key] = put(wanted, reset_counts=update.event != REMOVED and flow.cookie != wanted.cookie)
        else:
            changes.pop(flow.key, None)

    async def _send(self, changes: list[Change], whole: bool = False) -> list[Refusal]:
        if not changes or self._bundler is None:
            return []
        try:
            refusals = await self._send_metered(self._bundler, changes, whole)
        except SwitchAway:
            self._give_up()
            return []
        except BaseException:
            self._give_up()
            raise
        for refusal in refusals:
            self.refused[refusal.key] = refusal
        return refusals

    async def _send_metered(self, bundler: Sender, changes: list[Change], whole: bool) -> list[Refusal]:
        """When someone took a meter away, the flows that name it went too: both are put back. Raises SwitchAway."""
        refusals = await bundler.send(changes, whole)
        lacking = {one.key for one in refusals if (one.error.type_, one.error.detail) == NO_SUCH_METER}
        if not lacking or self._connection is None:
            return refusals
        await self._connection.add_meters(self._meters)
        again = [change for change in changes if change.flow is not None and change.key in lacking]
        return [one for one in refusals if one.key not in lacking] + await bundler.send(again)

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self.disconnected()

    @property
    def channel(self) -> Channel:
        """The connection, for questions. Raises SwitchAway."""
        if self._connection is None:
            raise SwitchAway("Open vSwitch is not connected", advice="start ovs-vswitchd")
        return self._connection
