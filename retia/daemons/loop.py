"""The agent's one ordered queue: what the store and the switch say goes in, flows and duties come out.

    sync.deltas ───┐                  ┌─► switch.start / apply ─► refusals
                   ├─► inbox ─► compile
    switch events ─┘                  └─► duties: claims, releases, problems, barrier answers (`duties`)

Whatever waits in the inbox is taken as one batch. Nothing is sent to the switch before both the store's first
snapshot and the first list of interfaces are known, so that nothing right is ever removed at a start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from retia.compile.compiler import Compiler, FlowDelta
from retia.daemons import garbage, metrics
from retia.daemons.duties import Duties
from retia.daemons.metrics import Tally
from retia.log import logger
from retia.model.local import TUNNEL_PORT, InterfaceChange
from retia.store.sync import Delta
from retia.switch.bundle import Refusal
from retia.switch.contract import (
    DATABASE,
    Connected,
    Disconnected,
    ForeignChange,
    InterfacesChanged,
    Refused,
    Switch,
    SwitchEvent,
)

Input = Delta | SwitchEvent

log = logger("agent")


class Loop:
    def __init__(self, compiler: Compiler, switch: Switch, duties: Duties) -> None:
        self._compiler, self._switch, self._duties = compiler, switch, duties
        self.inbox: asyncio.Queue[Input] = asyncio.Queue()
        self.revision = 0
        self.started = False
        self.tally = Tally()
        self.on_started: Callable[[], None] = lambda: None
        self._known_records = self._known_interfaces = False

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
        delta = self._compile(deltas, [change for report in reports for change in report.changes])
        self.tally.since(metrics.COMPILE, start)
        self._known_records |= bool(deltas)
        self._known_interfaces |= any(report.whole for report in reports)
        await self._send(delta)
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
        elif isinstance(event, ForeignChange):
            tally.count(metrics.FOREIGN, event.flows)

    def _compile(self, deltas: list[Delta], interfaces: list[InterfaceChange]) -> FlowDelta:
        records = [change for delta in deltas for change in delta.changes]
        guests = [change for change in interfaces if change.name != TUNNEL_PORT]
        tunnels = [change.new for change in interfaces if change.name == TUNNEL_PORT]
        tunnel_port = (tunnels[-1].ofport if tunnels[-1] else 0) if tunnels else None
        return self._compiler.change(records, guests, tunnel_port)

    async def _send(self, delta: FlowDelta) -> None:
        if delta.peers or not self.started:
            await self._switch.warm({str(address) for address in self._compiler.peers.values()})
        if self.started:
            self._name_refusals(await self._switch.apply(delta.puts, delta.drops))
        elif self._known_records and self._known_interfaces:
            flows = self._compiler.flows
            self._name_refusals(await self._switch.start(flows.values()))
            self._compiler.warm()
            garbage.serving()
            self.started = True
            self.on_started()
            log.info("started", flows=len(flows), peers=len(self._compiler.peers))

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
            if not one.whole:
                self.tally.since(metrics.CHANGE, one.came)
        log.debug("flows", put=put, dropped=dropped, ms=round(1e3 * seconds, 2), revision=self.revision)

    def _hand_over(self, deltas: list[Delta], delta: FlowDelta) -> None:
        changes = [change for one in deltas for change in one.changes]
        self._duties.note(changes, delta, self.revision, self.started)
