"""The software switch: an agent's end of a `SoftwareBridge`, behind the contract of `contract.Switch`.

    run ─┬─ database: ensure bridge, tunnel port and attachments ─► their changes ─► report
         ├─ openflow: link ─► reconcile ─► Connected ─► repairs ─► ...
         └─ repair: what others change of the flows is put right

The reconciler, the repairs and the bytes of every flow are those of the real switch; what differs is that no program
runs and no socket is opened. Wired by the software lab; held against the real one by `tests/contract/switch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

from retia.errors import RetiaError, SwitchAway
from retia.flows.actions import CONTROLLER, Actions
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import Observed, Update
from retia.model.local import (
    Attachment,
    AttachmentChange,
    Interface,
    InterfaceChange,
    WantedPeer,
    WantedUplink,
)
from retia.switch.bundle import Refusal
from retia.switch.contract import (
    DATABASE,
    VSWITCHD,
    AttachmentsChanged,
    Connected,
    Disconnected,
    InterfacesChanged,
    Reporter,
)
from retia.switch.reconciler import Reconciler
from retia.switch.repair import Pause, keep_repaired
from retia.switch.software_bridge import Link, SoftwareBridge

LOCAL_MAC = "0a:00:00:00:00:fe"


def _itself(link: Link) -> Link:
    """A software link sends bundles itself."""
    return link


class SoftwareSwitch:
    def __init__(self, bridge: SoftwareBridge, hooks: frozenset[int] = frozenset()) -> None:
        """`hooks`: tables where flows of others are left alone."""
        self._bridge = bridge
        self._reconciler = Reconciler(_itself, hooks)
        self._foreign: asyncio.Queue[Update] = asyncio.Queue()
        self._known: dict[str, Interface] = {}
        self._attached: dict[str, Attachment] = {}
        self._wanted: tuple[tuple[WantedUplink, ...], tuple[WantedPeer, ...]] | None = None
        self._problems: dict[str, str] = {}
        self.local_mac = ""
        self._link: Link | None = None

    @property
    def hindrance(self) -> RetiaError | None:
        """Nobody else has a hand in a software bridge."""
        return None

    @property
    def connected(self) -> bool:
        """A link that was closed a moment ago is known to be closed, though its end is not yet dealt with."""
        return self._reconciler.agrees and self._link is not None and not self._link.closed.is_set()

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
        """A software underlay knows all its neighbours."""
        return set()

    async def attach(self, uplinks: Collection[WantedUplink], peers: Collection[WantedPeer]) -> None:
        self._wanted = tuple(uplinks), tuple(peers)
        if self._bridge.database:
            self._make_right()
            self._bridge.look_again()

    @property
    def attachment_problems(self) -> Mapping[str, str]:
        return self._problems

    async def flush_zones(self, zones: Iterable[int]) -> None:
        await self._reconciler.flush_zones(zones)

    async def open_local(self) -> str:
        if not self._bridge.database or not self._bridge.exists:
            raise SwitchAway("the software switch is stopped", where=self._bridge.name)
        self._bridge.local_up = True
        self.local_mac = LOCAL_MAC
        return self.local_mac

    async def run(self, report: Reporter) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_database(report), name="ovsdb")
            tasks.create_task(self._keep_openflow(report), name="openflow")
            tasks.create_task(keep_repaired(self._foreign, self._reconciler, report), name="repair")

    # -- interfaces ------------------------------------------------------------------------------------------------

    async def _keep_database(self, report: Reporter) -> None:
        while True:
            await self._until(lambda: self._bridge.database)
            whole = True
            while self._bridge.database:
                self._make_right()
                changed = self._bridge.changed
                changes = self._differences()
                if changes or whole:
                    report(InterfacesChanged(changes, whole))
                self._tell_attachments(report, whole)
                whole = False
                await changed.wait()
            report(Disconnected(DATABASE))

    def _differences(self) -> tuple[InterfaceChange, ...]:
        """What is another interface than before, net, by name."""
        now = dict(self._bridge.interfaces)
        pairs = [(self._known.get(name), now.get(name)) for name in {**self._known, **now}]
        self._known = now
        return tuple(InterfaceChange(old, new) for old, new in pairs if old != new)

    def _make_right(self) -> None:
        self._bridge.ensure()
        if self._wanted is not None:
            self._bridge.attach(*self._wanted)

    def _tell_attachments(self, report: Reporter, whole: bool) -> None:
        """Those that are others than before, and when there are other problems."""
        now = self._bridge.attachments
        pairs = [(self._attached.get(name), now.get(name)) for name in {**self._attached, **now}]
        changes = tuple(AttachmentChange(old, new) for old, new in pairs if old != new)
        self._attached = now
        before, self._problems = self._problems, self._lacking()
        if changes or whole or self._problems != before:
            report(AttachmentsChanged(changes, whole))

    def _lacking(self) -> dict[str, str]:
        uplinks = self._wanted[0] if self._wanted is not None else ()
        return {
            one.name: f"bridge {one.bridge} is not there" for one in uplinks if one.bridge not in self._bridge.bridges
        }

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            await self._bridge.changed.wait()

    # -- flows -----------------------------------------------------------------------------------------------------

    async def _keep_openflow(self, report: Reporter) -> None:
        pause = Pause()
        while True:
            await self._until(lambda: self._bridge.reachable)
            link = self._link = self._bridge.connect(self._foreign.put_nowait, report)
            try:
                await self._serve(link, report)
            except SwitchAway:
                pass
            finally:
                self._reconciler.disconnected()
                link.abort()
            report(Disconnected(VSWITCHD))
            await pause.sleep()

    async def _serve(self, link: Link, report: Reporter) -> None:
        """From a link just made to its end."""
        while not self._foreign.empty():
            self._foreign.get_nowait()  # what an earlier link said is in the difference now
        refusals = await self._reconciler.connected(link)
        if not link.closed.is_set():
            report(Connected(tuple(refusals)))
        await link.closed.wait()
