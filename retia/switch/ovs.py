"""The real switch: Open vSwitch beside the agent, behind the contract of `contract.Switch`.

    run ─┬─ database: connect ─► ensure bridge and tunnel port ─► monitor ─┬► interface and attachment changes ─► report
         │                                                                 └► attachments not as wanted ─► transaction
         ├─ openflow: connect ─► TLV map ─► flow monitor ─► neighbours ─► reconcile ─► Connected ─► repairs ─► ...
         └─ underlay: neighbours of the tunnels in use, asked again and again

Both connections come back by themselves, after growing pauses, each ending in the difference. What cannot be mended
by waiting (too old, not root, someone else's bridge) ends `run` before the first connection; later it is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from retia.errors import RetiaError, Retry, SwitchAway, SwitchRefused
from retia.flows.actions import CONTROLLER, Actions
from retia.flows.carrying import decode_punt
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import Observed, Update, decode_updates
from retia.log import logger
from retia.model.local import WantedPeer, WantedUplink
from retia.switch import bridge, connection, exports, link, ovsdb
from retia.switch.attachments import Attachments
from retia.switch.bridge import Wanted
from retia.switch.bundle import Refusal
from retia.switch.connection import FLOW_MONITOR, Connection, Kind, Message
from retia.switch.contract import (
    DATABASE,
    VSWITCHD,
    AttachmentsChanged,
    Connected,
    Disconnected,
    Hindered,
    InterfacesChanged,
    Reporter,
)
from retia.switch.interfaces import MONITORED, Interfaces
from retia.switch.reconciler import Reconciler
from retia.switch.repair import Pause, keep_repaired
from retia.switch.underlay import Underlay

START_TRIES = 50
"""What a bridge just made gets to open its socket, together about 5 seconds."""

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
    def __init__(self, place: Place, hooks: frozenset[int] = frozenset()) -> None:
        """`hooks`: tables where flows of others are left alone."""
        self._place = place
        self._reconciler = Reconciler(kept_tables=hooks)
        self._underlay = Underlay(place.run_dir if place.wanted.datapath == "netdev" else None)
        self._interfaces = Interfaces(place.wanted.bridge)
        self._attachments = Attachments(place.wanted)
        self._look_again: Callable[[], None] = lambda: None
        self._attached = asyncio.Event()
        self._attached.set()
        self._foreign: asyncio.Queue[Update] = asyncio.Queue()
        self._made = asyncio.Event()
        self.hindrance: RetiaError | None = None
        self.local_mac = ""
        self._report: Reporter = lambda event: None

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

    async def limit(self, meters: Iterable[Meter]) -> None:
        await self._reconciler.limit(meters)

    def send(self, frame: bytes, actions: Actions, in_port: int = CONTROLLER) -> None:
        self._reconciler.send(frame, actions, in_port)

    async def observed(self, table: int | None = None) -> list[Observed]:
        return list(await self._reconciler.channel.dump(table))

    async def sizes(self) -> dict[int, int]:
        return await self._reconciler.channel.sizes()

    async def warm(self, peers: set[str]) -> set[str]:
        return await self._underlay.warm(peers)

    async def attach(self, uplinks: Collection[WantedUplink], peers: Collection[WantedPeer]) -> None:
        self._attachments.want(uplinks, peers)
        self._look_again()
        await self._attached.wait()

    @property
    def attachment_problems(self) -> Mapping[str, str]:
        return self._attachments.problems

    async def flush_zones(self, zones: Iterable[int]) -> None:
        await self._reconciler.flush_zones(zones)

    async def open_local(self) -> str:
        database = await ovsdb.connect(self._place.database)
        try:
            self.local_mac = await bridge.keep_mac(database, self._place.wanted)
        finally:
            await database.close()
        self._open_local()
        return self.local_mac

    def _open_local(self) -> None:
        """Raises SwitchAway."""
        name = self._place.wanted.bridge
        try:
            link.up(name)
        except OSError as error:
            if self._place.wanted.has_devices:
                raise SwitchAway(f"{name} cannot be brought up: {error.strerror}", where=name) from None

    async def check(self) -> None:
        """Reach both ends once. Raises what is wrong: SwitchAway, Unsupported, NotAllowed, Conflict."""
        database = await ovsdb.connect(self._place.database)
        try:
            await bridge.ensure(database, self._place.wanted)
        finally:
            await database.close()
        await (await self._connect()).close()

    async def run(self, report: Reporter) -> None:
        self._report = report
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_database(report), name="ovsdb")
                tasks.create_task(self._keep_openflow(report), name="openflow")
                tasks.create_task(keep_repaired(self._foreign, self._reconciler, report), name="repair")
                tasks.create_task(self._underlay.run(), name="underlay")
        except ExceptionGroup as group:
            first = group.exceptions[0]
            raise first if isinstance(first, RetiaError) else group from None

    # -- OVSDB -----------------------------------------------------------------------------------------------------

    async def _keep_database(self, report: Reporter) -> None:
        pause, told = Pause(), ""
        while True:
            try:
                await self._watch_database(report)
                told = ""
            except RetiaError as error:
                if not isinstance(error, Retry) and not self._made.is_set():
                    raise
                if str(error) != told:
                    log.warning("database away", error=error.what)
                told = str(error)
            await pause.sleep()

    async def _watch_database(self, report: Reporter) -> None:
        database = await ovsdb.connect(self._place.database)
        try:
            await self._ensure(database, report)
            await self._follow(database, report)
        finally:
            await database.close()

    async def _follow(self, database: ovsdb.Database, report: Reporter) -> None:
        rows: asyncio.Queue[ovsdb.Updates | None] = asyncio.Queue()
        database.on_update = rows.put_nowait
        database.on_closed = lambda: rows.put_nowait(None)
        first = await database.monitor(MONITORED)
        self._interfaces.reset()
        self._attachments.reset()

        def look_again() -> None:
            self._attached.clear()
            rows.put_nowait({})

        self._look_again = look_again
        try:
            await self._take_rows(database, first, report, whole=True)
            await self._attach(database, report)
            while (update := await rows.get()) is not None:
                await self._take_rows(database, update, report)
                if rows.empty():  # only then is it known what our own last transaction did
                    await self._attach(database, report)
        except Retry as error:
            log.debug("database away", error=error.what)
        finally:
            self._look_again = lambda: None
            self._attached.set()
        report(Disconnected(DATABASE))

    async def _take_rows(
        self, database: ovsdb.Database, rows: ovsdb.Updates, report: Reporter, whole: bool = False
    ) -> None:
        before = dict(self._interfaces.troubles)
        changes = self._interfaces.update(rows, whole)
        for name, said in self._interfaces.troubles.items() - before.items():
            log.error("Open vSwitch cannot make an interface", interface=name, error=said)
        if changes or whole:
            report(InterfacesChanged(tuple(changes), whole))
        attached = self._attachments.update(rows, whole)
        if attached or whole:
            report(AttachmentsChanged(tuple(attached), whole))
        unrequested, self._interfaces.unrequested = self._interfaces.unrequested, {}
        if unrequested:
            await bridge.request_ofports(database, unrequested)
        disturbed, self._interfaces.disturbed = self._interfaces.disturbed, False
        if disturbed:
            log.warning("bridge or tunnel port was changed, and is put right", bridge=self._place.wanted.bridge)
            await self._ensure(database, report)

    async def _attach(self, database: ovsdb.Database, report: Reporter) -> None:
        """Make uplinks and peers right, and tell when something else keeps them from it than before."""
        if self._attachments.dirty:
            before = self._attachments.problems
            try:
                if changes := self._attachments.plan():
                    await database.transact(*changes)
            except SwitchRefused as error:
                self._attachments.refused(error.what)
            for name, said in self._attachments.problems.items() - before.items():
                log.warning("not attached", name=name, why=said)
            if self._attachments.problems != before:
                report(AttachmentsChanged(()))
        if not self._attachments.dirty:  # else others were wanted meanwhile
            self._attached.set()

    async def _ensure(self, database: ovsdb.Database, report: Reporter) -> None:
        """Make the bridge right. Once it was, what hinders it is told, and looked at again when something changes: all
        else goes on. Raises Retry; the first time whatever is wrong."""
        wrong = await self._wrong(database)
        if wrong is not None:
            log.error("the bridge cannot be put right", error=wrong.what)
        if wrong is not self.hindrance:
            self.hindrance = wrong
            report(Hindered(wrong))

    async def _wrong(self, database: ovsdb.Database) -> RetiaError | None:
        try:
            await bridge.ensure(database, self._place.wanted)
            self._made.set()
            await exports.ensure(database, self._place.wanted.bridge, self._place.wanted.exports)
        except RetiaError as error:
            if isinstance(error, Retry) or not self._made.is_set():
                raise
            return error
        return None

    # -- OpenFlow --------------------------------------------------------------------------------------------------

    async def _keep_openflow(self, report: Reporter) -> None:
        await self._made.wait()
        pause, reached = Pause(), False
        while True:
            try:
                made = await self._connect(1 if reached else START_TRIES)
                reached = True
                await self._serve(made, report)
            except RetiaError as error:
                if not isinstance(error, Retry) and not reached:
                    raise
                (log.debug if isinstance(error, Retry) else log.error)("switch away", error=error.what)
            await pause.sleep()

    async def _serve(self, made: Connection, report: Reporter) -> None:
        """From a connection just made to its end."""
        try:
            await self._underlay.again()
            refusals = await self._reconciler.connected(made)
            if not made.closed.is_set():
                log.info("switch connected", bridge=self._place.wanted.bridge)
                self._keep_local_open()
                report(Connected(tuple(refusals)))
            await made.keep()
        finally:
            self._reconciler.disconnected()
            await made.close()
        report(Disconnected(VSWITCHD))

    def _keep_local_open(self) -> None:
        """A userspace Open vSwitch that was started again has made the bridge's device anew."""
        if self.local_mac:
            try:
                self._open_local()
            except SwitchAway as error:
                log.error("direct exits are closed", error=error.what)

    async def _connect(self, tries: int = START_TRIES) -> Connection:
        """A connection with the TLV map in place and the flow monitor on."""
        pause = Pause()
        while True:
            try:
                made = await connection.connect(self._place.management)
                break
            except SwitchAway:
                tries -= 1
                if not tries:
                    raise
                await pause.sleep()
        while not self._foreign.empty():
            self._foreign.get_nowait()  # what an earlier connection said is in the difference now
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
        elif message.kind == Kind.EXPERIMENTER and (punt := decode_punt(message.body)) is not None:
            self._report(punt)
        elif message.kind == Kind.ERROR:
            log.warning("openflow error", error=connection.refused(message, "").what)
