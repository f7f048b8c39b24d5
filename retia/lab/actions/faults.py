"""Steps that break a host as operators, accidents and reboots do, and see Retia mend it.

A step that removes something by hand waits until the host is as it was, and tells how long that took: what must be
mended within `mended` seconds is counted from the moment it was broken.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retia.lab.actions.node import SETTLE, AtHost, EndProcess
from retia.lab.contract import DATABASE, VSWITCHD, Host
from retia.lab.failure import CheckFailed
from retia.lab.words import HostName, StageName
from retia.pipeline.stages import STAGES
from retia.values import Ip

if TYPE_CHECKING:
    from retia.lab.lab import Lab

BOOT = 20.0


class StopSwitch(EndProcess):
    """End ovs-vswitchd, politely or (`how: kill`) at once. The userspace datapath ends with it."""

    async def run(self, lab: Lab) -> str:
        await lab.hosts[self.host].stop(VSWITCHD, self.signal)
        return f"ovs-vswitchd of {self.host} has ended"


class StartSwitch(AtHost):
    """Start it again; then until it has everything."""

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        if host.runs(VSWITCHD):
            raise CheckFailed("its ovs-vswitchd runs already", where=self.host)
        took = await host.start_vswitchd()
        begin = time.monotonic()
        await lab.settle(SETTLE)
        return f"ovs-vswitchd is back after {took:.2f} s, its flows {time.monotonic() - begin:.2f} s later"


class StopDatabase(EndProcess):
    """End ovsdb-server, politely or (`how: kill`) at once."""

    async def run(self, lab: Lab) -> str:
        await lab.hosts[self.host].stop(DATABASE, self.signal)
        return f"ovsdb-server of {self.host} has ended"


class StartDatabase(AtHost):
    """Start it again, with what it had on disk; then until ovs-vswitchd has found it."""

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        if host.runs(DATABASE):
            raise CheckFailed("its ovsdb-server runs already", where=self.host)
        took = await host.start_database()
        return f"ovsdb-server of {self.host} is back, ovs-vswitchd found it after {took:.2f} s"


async def mended(host: Host, breaking: Awaitable[None], limit: float) -> float:
    """Seconds from the break until the host's flows are as before it. Raises CheckFailed after `limit`."""
    before = await host.flows()
    begin = time.monotonic()
    await breaking

    async def whole() -> bool:
        return await host.has_bridge() and await host.flows() == before

    return await _counted(host, whole, begin, limit)


async def _counted(host: Host, whole: Callable[[], Awaitable[bool]], begin: float, limit: float) -> float:
    while True:
        asked = time.monotonic()
        if await whole():
            return asked - begin
        if asked - begin > limit:
            raise CheckFailed(f"is not mended after {limit:g} s", where=host.name)


@dataclass(frozen=True)
class RemoveFlows:
    """Delete flows by hand: all of a host, of one stage, or those that `match`. They must come back; with `lasting`
    that is not waited for."""

    host: HostName
    stage: StageName | None = None
    match: str = ""
    mended: float = 1.0
    lasting: bool = False

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        table = f"table={int(STAGES[self.stage])}" if self.stage else ""
        wanted = ",".join(filter(None, [table, self.match]))
        removing = host.remove_flows(wanted)
        if self.lasting:
            await removing
            await host.caught_up()
            return f"flows of {self.host} are taken out"
        took = await mended(host, removing, self.mended)
        return f"flows of {self.host} are back within {took:.2f} s"


@dataclass(frozen=True)
class AddFlow:
    """Add a flow by hand, as Open vSwitch writes it; in the table of a stage. It must go, and nothing else;
    with `lasting` that is not waited for."""

    host: HostName
    flow: str
    stage: StageName
    mended: float = 1.0
    lasting: bool = False

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        adding = host.add_flow(f"table={int(STAGES[self.stage])},{self.flow}")
        if self.lasting:
            await adding
            await host.caught_up()
            return f"a flow more in {self.stage} of {self.host}"
        took = await mended(host, adding, self.mended)
        return f"the flow is gone within {took:.2f} s"


@dataclass(frozen=True)
class RemoveTunnel(AtHost):
    """Delete the tunnel port by hand."""

    mended: float = 1.0

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        took = await mended(host, host.remove_tunnel(), self.mended)
        return f"the tunnel port of {self.host} is back within {took:.2f} s"


@dataclass(frozen=True)
class RemoveBridge(AtHost):
    """Delete the bridge by hand. Once it is back, guests are plugged in again, as whoever runs them would."""

    mended: float = 1.0

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        begin = time.monotonic()
        await host.remove_bridge()
        took = await _counted(host, host.has_bridge, begin, self.mended)
        for guest in lab.guests.values():
            if guest.host is host and guest.plugged:
                await guest.plug()
        await lab.settle(SETTLE)
        return f"the bridge of {self.host} is back within {took:.2f} s"


@dataclass(frozen=True)
class Boot(AtHost):
    """A host is cut off and comes up again, perhaps with another tunnel address; then until all is as it should be."""

    address: Ip | None = None

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        await host.boot(str(self.address or host.address))
        lab.save()
        await lab.settle(BOOT)
        return f"{self.host} is up again at {host.address}"


ACTIONS: dict[str, type] = {
    "stop-switch": StopSwitch,
    "start-switch": StartSwitch,
    "stop-database": StopDatabase,
    "start-database": StartDatabase,
    "remove-flows": RemoveFlows,
    "add-flow": AddFlow,
    "remove-tunnel": RemoveTunnel,
    "remove-bridge": RemoveBridge,
    "boot": Boot,
}
