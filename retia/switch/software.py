"""The software switch: an agent's end of a `SoftwareBridge`, behind the contract of `contract.Switch`.

    run ─┬─ database: ensure bridge and tunnel port ─► interface changes ─► report
         ├─ openflow: link ─► reconcile ─► Connected ─► repairs ─► ...
         └─ repair: what others change of the flows is put right

The reconciler, the repairs and the bytes of every flow are those of the real switch; what differs is that no program
runs and no socket is opened. Wired by the software lab; held against the real one by `tests/contract/switch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from retia.errors import RetiaError, SwitchAway
from retia.flows.actions import Actions
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import Observed, Update
from retia.model.local import Interface, InterfaceChange
from retia.switch.bundle import Refusal
from retia.switch.contract import DATABASE, VSWITCHD, Connected, Disconnected, InterfacesChanged, Reporter
from retia.switch.reconciler import Reconciler
from retia.switch.repair import Pause, keep_repaired
from retia.switch.software_bridge import Link, SoftwareBridge


def _itself(link: Link) -> Link:
    """A software link sends bundles itself."""
    return link


class SoftwareSwitch:
    def __init__(self, bridge: SoftwareBridge) -> None:
        self._bridge = bridge
        self._reconciler = Reconciler(_itself)
        self._foreign: asyncio.Queue[Update] = asyncio.Queue()
        self._known: dict[str, Interface] = {}
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

    def send(self, frame: bytes, actions: Actions) -> None:
        self._reconciler.send(frame, actions)

    async def observed(self, table: int | None = None) -> list[Observed]:
        return await self._reconciler.channel.dump(table)

    async def sizes(self) -> dict[int, int]:
        return await self._reconciler.channel.sizes()

    async def warm(self, peers: set[str]) -> set[str]:
        """A software underlay knows all its neighbours."""
        return set()

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
                self._bridge.ensure()
                changed = self._bridge.changed
                changes = self._differences()
                if changes or whole:
                    report(InterfacesChanged(changes, whole))
                whole = False
                await changed.wait()
            report(Disconnected(DATABASE))

    def _differences(self) -> tuple[InterfaceChange, ...]:
        """What is another interface than before, net, by name."""
        now = dict(self._bridge.interfaces)
        pairs = [(self._known.get(name), now.get(name)) for name in {**self._known, **now}]
        self._known = now
        return tuple(InterfaceChange(old, new) for old, new in pairs if old != new)

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
