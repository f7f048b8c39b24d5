"""The real switch: Open vSwitch beside the agent, behind the contract of `contract.Switch`.

    run ─┬─ database: connect ─► ensure bridge and tunnel port ─► monitor ─► interface changes ─► report
         ├─ openflow: connect ─► TLV map ─► flow monitor ─► reconcile ─► Connected ─► repairs ─► ...
         └─ underlay: neighbours of the tunnels in use, asked again and again

Both connections come back by themselves, each ending in the difference. Fatal errors (too old, not root, someone
else's bridge) end `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from retia.errors import Retry, SwitchAway
from retia.flows.flow import Flow, FlowKey
from retia.flows.wire import Observed, Update, decode_updates
from retia.log import logger
from retia.switch import bridge, connection, ovsdb
from retia.switch.bridge import Interfaces, Wanted
from retia.switch.bundle import Refusal
from retia.switch.connection import FLOW_MONITOR, Connection, Kind, Message
from retia.switch.contract import Connected, Disconnected, InterfacesChanged, Reporter
from retia.switch.reconciler import Reconciler
from retia.switch.underlay import Underlay

AGAIN = 0.2
GATHER = 0.02
"""Seconds: between two tries, and for foreign changes to gather before they are repaired together."""

log = logger("switch")


@dataclass(frozen=True)
class Place:
    """Where Open vSwitch is, and what bridge there is ours."""

    run_dir: Path
    wanted: Wanted

    @property
    def database(self) -> Path:
        return self.run_dir / "db.sock"

    @property
    def management(self) -> Path:
        return self.run_dir / f"{self.wanted.bridge}.mgmt"


class OvsSwitch:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._reconciler = Reconciler()
        self._underlay = Underlay()
        self._interfaces = Interfaces(place.wanted.bridge)
        self._foreign: asyncio.Queue[Update] = asyncio.Queue()
        self._made = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._reconciler.agrees

    @property
    def refused(self) -> dict[FlowKey, Refusal]:
        return self._reconciler.refused

    async def start(self, flows: Iterable[Flow]) -> list[Refusal]:
        return await self._reconciler.start(flows)

    async def apply(self, puts: Iterable[Flow], drops: Iterable[FlowKey]) -> list[Refusal]:
        return await self._reconciler.apply(puts, drops)

    async def observed(self) -> list[Observed]:
        return await self._reconciler.observed()

    async def warm(self, peers: set[str]) -> None:
        await self._underlay.warm(peers)

    async def check(self) -> None:
        """Reach both ends once. Raises what is wrong: SwitchAway, Unsupported, NotAllowed, Conflict."""
        database = await ovsdb.connect(self._place.database)
        try:
            await bridge.ensure(database, self._place.wanted)
        finally:
            await database.close()
        await (await self._connect()).close()

    async def run(self, report: Reporter) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_database(report), name="ovsdb")
            tasks.create_task(self._keep_openflow(report), name="openflow")
            tasks.create_task(self._repair(), name="repair")
            tasks.create_task(self._underlay.run(), name="underlay")

    # -- OVSDB -----------------------------------------------------------------------------------------------------

    async def _keep_database(self, report: Reporter) -> None:
        while True:
            try:
                await self._watch_database(report)
            except Retry as error:
                log.warning("database away", error=error.what)
            report(Disconnected("ovsdb-server"))
            await asyncio.sleep(AGAIN)

    async def _watch_database(self, report: Reporter) -> None:
        database = await ovsdb.connect(self._place.database)
        try:
            await bridge.ensure(database, self._place.wanted)
            self._made.set()
            self._interfaces.reset()
            rows: asyncio.Queue[ovsdb.Updates] = asyncio.Queue()
            database.on_update = rows.put_nowait
            first = await database.monitor(bridge.MONITORED)
            await self._take_rows(database, first, report, whole=True)
            closed = asyncio.create_task(database.closed.wait(), name="ovsdb closed")
            while not closed.done():
                taking = asyncio.create_task(rows.get(), name="ovsdb rows")
                await asyncio.wait([taking, closed], return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    taking.cancel()
                    break
                await self._take_rows(database, taking.result(), report)
        finally:
            await database.close()

    async def _take_rows(
        self, database: ovsdb.Database, rows: ovsdb.Updates, report: Reporter, whole: bool = False
    ) -> None:
        changes = self._interfaces.update(rows, whole)
        if changes or whole:
            report(InterfacesChanged(tuple(changes), whole))
        unrequested, self._interfaces.unrequested = self._interfaces.unrequested, {}
        for name, ofport in unrequested.items():
            await bridge.request_ofport(database, name, ofport)

    # -- OpenFlow --------------------------------------------------------------------------------------------------

    async def _keep_openflow(self, report: Reporter) -> None:
        await self._made.wait()
        while True:
            try:
                made = await self._connect()
            except Retry as error:
                log.debug("switch away", error=error.what)
                await asyncio.sleep(AGAIN)
                continue
            try:
                refusals = await self._reconciler.connected(made)
                log.info("switch connected", bridge=self._place.wanted.bridge)
                report(Connected(tuple(refusals)))
                await made.closed.wait()
            except Retry as error:
                log.warning("switch lost", error=error.what)
            finally:
                self._reconciler.disconnected()
                await made.close()
            report(Disconnected("ovs-vswitchd"))

    async def _connect(self) -> Connection:
        """A connection with the TLV map in place and the flow monitor on. Waits a little for a bridge just made."""
        for attempt in range(25):
            try:
                made = await connection.connect(self._place.management)
                break
            except SwitchAway:
                if attempt == 24:
                    raise
                await asyncio.sleep(AGAIN)
        try:
            made.on_message = self._take_message
            await made.map_option()
            await made.monitor()
        except BaseException:
            await made.close()
            raise
        return made

    def _take_message(self, message: Message) -> None:
        if message.kind == Kind.MULTIPART_REPLY and message.body[:2] == FLOW_MONITOR.to_bytes(2, "big"):
            for update in decode_updates(message.body[8:]):
                if update.flow is not None:
                    self._foreign.put_nowait(update)
        elif message.kind == Kind.ERROR:
            log.warning("openflow error", error=connection.refused(message, "").what)

    async def _repair(self) -> None:
        while True:
            updates = [await self._foreign.get()]
            await asyncio.sleep(GATHER)
            while not self._foreign.empty():
                updates.append(self._foreign.get_nowait())
            log.info("foreign flow changes", count=len(updates))
            await self._reconciler.foreign(updates)
