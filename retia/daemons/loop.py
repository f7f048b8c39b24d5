"""The agent's one ordered queue: what the store and the switch say goes in, flows and duties come out.

    sync.deltas ───┐                  ┌─► switch.start / apply ─► refusals ─► uplinks, watched tunnels (`attach`)
    switch events ─┼─► inbox ─► compile ─► zones ─► announcements, held packets (`gateways`)
    learned rows ──┘                  └─► duties: claims, releases, problems, barrier answers (`duties`)

Whatever waits in the inbox is taken as one batch. Nothing is sent to the switch before the store's first snapshot and
the first lists of interfaces and attachments are known, so that nothing right is ever removed at a start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from retia.compile.compiler import Compiler, FlowDelta, LocalChange
from retia.daemons import garbage, metrics
from retia.daemons.duties import Duties
from retia.daemons.gateways import Gateways
from retia.daemons.metrics import Tally
from retia.daemons.tracer import Tracer
from retia.log import logger
from retia.model.local import TUNNEL_PORT, InterfaceChange
from retia.store.sync import Delta
from retia.switch.bundle import Refusal
from retia.switch.contract import (
    DATABASE,
    AttachmentsChanged,
    Connected,
    Disconnected,
    ForeignChange,
    InterfacesChanged,
    Refused,
    Switch,
    SwitchEvent,
)

PATIENCE = 5.0
"""Seconds that a start waits for what is known of attachments, once all else is."""


class Learned(NamedTuple):
    """Rows that this host learned by itself; `then` is called once the switch has the flows that follow."""

    changes: tuple[LocalChange, ...]
    then: Callable[[], None] | None = None


Input = Delta | SwitchEvent | Learned

log = logger("agent")


class Loop:
    def __init__(self, compiler: Compiler, switch: Switch, duties: Duties, gateways: Gateways, tracer: Tracer) -> None:
        self._compiler, self._switch, self._duties, self._gateways = compiler, switch, duties, gateways
        self._tracer = tracer
        self.inbox: asyncio.Queue[Input] = asyncio.Queue()
        self.revision = 0
        self.started = False
        self.tally = Tally()
        self.on_started: Callable[[], None] = lambda: None
        self._known_records = self._known_interfaces = self._known_attachments = False
        self._waits = self._waited = self._back = False
        self._then: list[Callable[[], None]] = []
        gateways.tells(self.learn)
        duties.more = gateways.problems
        compiler.change(local=gateways.remembered)

    def learn(self, changes: Iterable[LocalChange], then: Callable[[], None] | None = None) -> None:
        self.inbox.put_nowait(Learned(tuple(changes), then))

    async def run(self) -> None:
        while True:
            batch = [await self.inbox.get()]
            while not self.inbox.empty():
                batch.append(self.inbox.get_nowait())
            self.tally.count(metrics.BATCHES)
            await self.take(batch)

    async def take(self, batch: Iterable[Input]) -> None:
        """Everything that one batch means, in order: flows first, then what is said about them."""
        deltas = [one for one in batch if isinstance(one, Delta)]
        reports = [one for one in batch if isinstance(one, InterfacesChanged)]
        for event in batch:
            self._notice(event)
        start, loaded = time.monotonic(), self.started
        local = [change for one in batch for change in self._local(one)]
        delta = self._compile(deltas, [change for report in reports for change in report.changes], local)
        self._known_records |= bool(deltas)
        self._known_interfaces |= any(report.whole for report in reports)
        starts = not self.started and self._may_start()
        if starts or (self.started and delta.zones):
            delta = await self._settle(delta)
        self.tally.since(metrics.COMPILE, start)
        await self._send(delta, starts)
        self._follow(delta, loaded)
        if deltas:
            self.revision = deltas[-1].revision
        if loaded and delta.rows:
            self._account(deltas, delta, time.monotonic() - start)
        self._hand_over(deltas, delta)

    def _notice(self, event: Input) -> None:
        """Log and count what is more than a change of records or interfaces."""
        tally = self.tally
        if isinstance(event, Delta):
            tally.count(metrics.RECORDS, len(event.changes))
            tally.count(metrics.SNAPSHOTS, event.whole)
        elif isinstance(event, InterfacesChanged):
            tally.database |= event.whole
        elif isinstance(event, Disconnected):
            log.warning("switch away", part=event.what)
            tally.count(metrics.CONNECTIONS_LOST, label="ovsdb" if event.what == DATABASE else "openflow")
            tally.database &= event.what != DATABASE
        elif isinstance(event, (Connected, Refused)):
            self._name_refusals(event.refusals)
            self._back |= isinstance(event, Connected)
        elif isinstance(event, ForeignChange):
            tally.count(metrics.FOREIGN, event.flows)

    def _local(self, event: Input) -> Iterable[LocalChange]:
        """What this host itself says of its gateways, in one input."""
        if isinstance(event, Learned):
            self._then += [event.then] if event.then is not None else []
            return event.changes
        if isinstance(event, AttachmentsChanged):
            self._known_attachments |= event.whole
            return self._gateways.attach(event.changes)
        return ()

    async def _settle(self, delta: FlowDelta) -> FlowDelta:
        """Zones for all routers that need them and for no others; clean ones for those that are new."""
        settled = self._gateways.settle()
        if settled.fresh:
            await self._switch.flush_zones(settled.fresh)
        return delta.then(self._compiler.change(local=settled.changes)) if settled.changes else delta

    def _compile(
        self, deltas: list[Delta], interfaces: list[InterfaceChange], local: Iterable[LocalChange]
    ) -> FlowDelta:
        records = [change for delta in deltas for change in delta.changes]
        guests = [change for change in interfaces if change.name != TUNNEL_PORT]
        tunnels = [change.new for change in interfaces if change.name == TUNNEL_PORT]
        tunnel_port = (tunnels[-1].ofport if tunnels[-1] else 0) if tunnels else None
        return self._compiler.change(records, guests, tunnel_port, local)

    async def _send(self, delta: FlowDelta, starts: bool) -> None:
        if delta.peers or not self.started:
            await self._switch.warm({str(address) for address in self._compiler.peers.values()})
        if self.started:
            self._name_refusals(await self._switch.apply(delta.puts, delta.drops))
            if delta.attachments:
                await self._attach()
        elif starts:
            await self._start()

    def _may_start(self) -> bool:
        """Whether all is known; attachments and a direct exit may also have been waited for long enough."""
        if not (self._known_records and self._known_interfaces):
            return False
        known = self._known_attachments and self._gateways.direct.settled
        if not known and not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_later(PATIENCE, self._wait_no_more)
        return known or self._waited

    def _wait_no_more(self) -> None:
        self._waited = True
        self.learn(())

    async def _start(self) -> None:
        flows = self._compiler.flows
        self._name_refusals(await self._switch.start(flows.values()))
        await self._attach()
        self._compiler.warm()
        garbage.serving()
        self.started = True
        self.on_started()
        log.info("started", flows=len(flows), peers=len(self._compiler.peers))

    async def _attach(self) -> None:
        await self._switch.attach(self._compiler.uplinks, self._compiler.watched)

    def _follow(self, delta: FlowDelta, loaded: bool) -> None:
        """What follows once the flows are in the switch."""
        self._gateways.note(delta, loaded)
        if self.started and self._switch.connected:
            if not loaded or self._back:
                self._gateways.announcer.again()
            self._back = False
            ready, self._then = self._then, []
            for then in ready:
                then()

    def _name_refusals(self, refusals: Iterable[Refusal]) -> None:
        for refusal in refusals:
            self.tally.count(metrics.REFUSALS)
            log.error("flow refused", table=refusal.key.table, error=refusal.error.what)

    def _account(self, deltas: list[Delta], delta: FlowDelta, seconds: float) -> None:
        """Of what changed flows after the load. What came while the switch is away is not confirmed, so not timed."""
        put, dropped = len(delta.puts), len(delta.drops)
        self.tally.count(metrics.FLOW_CHANGES, put, "put")
        self.tally.count(metrics.FLOW_CHANGES, dropped, "delete")
        for one in deltas if self._switch.connected else ():
            if one.came:
                self.tally.since(metrics.CHANGE, one.came)
            if one.asked:
                self.tally.since(metrics.WANT, one.asked)
        log.debug("flows", put=put, dropped=dropped, ms=round(1e3 * seconds, 2), revision=self.revision)

    def _hand_over(self, deltas: list[Delta], delta: FlowDelta) -> None:
        changes = [change for one in deltas for change in one.changes]
        self._duties.note(changes, delta, self.revision, self.started)
        self._tracer.note(changes, delta)
