"""A software host: a `SoftwareBridge` as its Open vSwitch, the real agent as a task, on a software underlay.

    guest ──► bridge ──walk──► bridge ──► guest             on one host
                 └─► tunnel port ─► Underlay ─► the host with that tunnel address ─► its bridge ─► ...

Every hop is an event of its own on the loop, so that what happens in between happens as it would.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from retia import __version__
from retia.config import Settings
from retia.daemons.agent import attend
from retia.errors import Fatal, InvalidInput
from retia.flows.fields import OPTION
from retia.flows.journey import received_tunnel
from retia.flows.text import parse_flow, show_flow
from retia.flows.walk import Sent
from retia.flows.wire import Update
from retia.lab.contract import AGENT, DATABASE, VSWITCHD, Done, Outage
from retia.lab.failure import CheckFailed
from retia.lab.software.failure import NotForSoftware
from retia.lab.software.guest import SoftwareGuest, SoftwareTap
from retia.lab.software.packets import geneve
from retia.model.local import TUNNEL_PORT
from retia.store import schema
from retia.store.contract import Store
from retia.store.host import register
from retia.store.tether import Tether
from retia.switch.software import SoftwareSwitch
from retia.switch.software_bridge import SoftwareBridge
from retia.values import Ip, Ip4

QUIET = 0.1
"""Seconds a flow change may be late, at the very most."""


FLIGHT = 50
"""Turns of the loop that a packet and its answer take at most."""

START = 0.05
"""What a program takes to start."""


class Underlay:
    """Where each tunnel address is. It loses nothing that is sent to a host which is up."""

    def __init__(self) -> None:
        self.hosts: dict[int, SoftwareHost] = {}

    def carry(self, source: SoftwareHost, sent: Sent) -> None:
        target = self.hosts.get(sent.tunnel["tun_dst"])
        if target is not None:
            asyncio.get_running_loop().call_soon(target.arrive, sent, int(Ip.parse(source.address)))


@dataclass
class SoftwareHost:
    """`store` is the lab's; its agent reaches it over a line of its own. `run_dir` is for control sockets."""

    name: str
    address: str
    underlay: Underlay
    store: Store
    run_dir: str
    outages: list[Outage] = field(default_factory=list)
    links: dict[str, SoftwareGuest] = field(default_factory=dict)
    taps: list[SoftwareTap] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bridge = SoftwareBridge(on_sent=self._sent)
        self._agent: asyncio.Task[None] | None = None
        self._tether = Tether(self.store)
        self._registered = asyncio.Event()
        self._settle_at(self.address)

    def _settle_at(self, address: str) -> None:
        self.underlay.hosts.pop(int(Ip.parse(self.address)), None)
        self.address = address
        self.underlay.hosts[int(Ip.parse(address))] = self

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        raise NotForSoftware("a software host runs no commands", where=self.name)

    # -- packets ---------------------------------------------------------------------------------------------------

    def send(self, guest: SoftwareGuest, frame: bytes) -> None:
        """What a guest sends, if its link is in the bridge."""
        interface = self.bridge.interfaces.get(guest.name)
        if interface is not None and self.links.get(guest.name) is guest:
            asyncio.get_running_loop().call_soon(self.bridge.receive, interface.ofport, frame)

    def arrive(self, sent: Sent, source: int) -> None:
        """What another host sent through the tunnel."""
        interface = self.bridge.interfaces.get(TUNNEL_PORT)
        if interface is not None:
            self.bridge.receive(interface.ofport, sent.frame, received_tunnel(sent, source))

    def _sent(self, sent: Sent) -> None:
        name = next((one.name for one in self.bridge.interfaces.values() if one.ofport == sent.port), "")
        if name == TUNNEL_PORT:
            self._tell_taps(sent)
            self.underlay.carry(self, sent)
        elif name in self.links:
            asyncio.get_running_loop().call_soon(self.links[name].hear, sent.frame)

    def _tell_taps(self, sent: Sent) -> None:
        if self.taps:
            tunnel = sent.tunnel
            ends = Ip.parse(self.address), Ip4(tunnel["tun_dst"])
            frame = geneve(*ends, tunnel["tun_id"] & 0xFFFFFF, tunnel.get(OPTION, 0), sent.frame)
            for tap in self.taps:
                tap.frames.append(frame)

    def tunnel_tap(self) -> SoftwareTap:
        return SoftwareTap(self.taps)

    # -- its switch ------------------------------------------------------------------------------------------------

    def plug(self, guest: SoftwareGuest) -> None:
        self.links[guest.name] = guest
        self.bridge.plug(guest.name, guest.iface_id)

    def unplug(self, guest: SoftwareGuest) -> None:
        self.links.pop(guest.name, None)
        self.bridge.unplug(guest.name)

    async def set_iface_id(self, link: str, iface_id: str) -> None:
        self.bridge.plug(link, iface_id)

    async def flows(self) -> list[str]:
        return sorted(show_flow(one.flow) for one in self.bridge.observed())

    async def counts(self, table: int, field_: str) -> dict[int, int]:
        found = {}
        for one in self.bridge.observed():
            matched: Mapping[str, int] = {name: value for name, value, _ in one.flow.match}
            if one.flow.table == table and field_ in matched:
                found[matched[field_]] = one.packets
        return found

    async def remove_flows(self, match: str) -> None:
        asked = parse_flow(f"{match} actions=drop").flow
        for flow in list(self.bridge.flows):
            fits = "table=" not in match or flow.table == asked.table
            if fits and set(asked.match) <= set(flow.match):
                self.bridge.drop(flow.key)

    async def add_flow(self, flow: str) -> None:
        ports = {one.name: one.ofport for one in self.bridge.interfaces.values()}
        self.bridge.put(parse_flow(flow if "actions=" in flow else f"{flow} actions=drop", ports).flow)

    async def remove_tunnel(self) -> None:
        self.bridge.unplug(TUNNEL_PORT)

    async def remove_bridge(self) -> None:
        self.bridge.remove()

    async def has_bridge(self) -> bool:
        await asyncio.sleep(0)
        return self.bridge.reachable and TUNNEL_PORT in self.bridge.interfaces

    async def packets(self) -> dict[str, int]:
        return {show_flow(one.flow): one.packets for one in self.bridge.observed()}

    async def ports(self) -> set[str]:
        return {f"{one.name},{one.ofport},{self.bridge.made[one.name]}" for one in self.bridge.interfaces.values()}

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[list[str]]:
        """As another program that watches the flows; afterwards the list holds what it heard."""
        heard: list[Update] = []
        said: list[str] = []
        link = self.bridge.connect(heard.append)
        try:
            yield said
            await asyncio.sleep(QUIET)
            if link.closed.is_set():
                raise CheckFailed("its flows were not watched to the end: its switch was away", where=self.name)
        finally:
            link.abort()
        said += [f"event={one.event} {show_flow(one.flow)}" for one in heard if one.flow is not None]

    # -- its programs ----------------------------------------------------------------------------------------------

    def start_agent(self, later: bool = False) -> None:
        if later:
            raise NotForSoftware("another Retia's agent is a process of its own", where=self.name)
        self._tether = Tether(self.store)
        self._registered = asyncio.Event()
        self._agent = asyncio.create_task(self._attend(self._tether), name=f"agent of {self.name}")

    async def _attend(self, store: Store) -> None:
        settings = Settings(host=self.name, tunnel_address=self.address, run_dir=self.run_dir)
        await schema.check(store)
        state = await register(store, self.name, Ip.parse(self.address), __version__)
        self._registered.set()
        await attend(settings, state, store, SoftwareSwitch(self.bridge), lambda tasks, loop: None)

    def pause(self) -> None:
        """It cannot be made to stand still here: it is cut off from the store."""
        self._tether.cut()

    def resume(self) -> None:
        self._tether.mend()

    def runs(self, name: str) -> bool:
        if name == AGENT:
            return self._agent is not None and not self._agent.done()
        return self.bridge.running if name == VSWITCHD else self.bridge.database

    def check_agent(self) -> None:
        if self._agent is not None and self._agent.done() and not self._agent.cancelled():
            error = self._agent.exception()
            raise Fatal(f"its agent ended: {error!r}", where=self.name) from error

    async def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        if not self.runs(name):
            raise Fatal(f"{name} does not run", where=self.name)
        if name == AGENT:
            await self._stop_agent(how)
        elif name == VSWITCHD:
            await _landed()
            self.outages.append(Outage(self.name, time.monotonic()))
            self.bridge.stop()
        elif name == DATABASE:
            self.bridge.stop_database()
        else:
            raise InvalidInput(f"a software host has no {name}", where=self.name)

    async def _stop_agent(self, how: signal.Signals) -> None:
        """A killed one says nothing any more: what it would still write does not get through."""
        agent, self._agent = self._agent, None
        if agent is None:
            return
        if how == signal.SIGKILL:
            self._tether.cut()
        agent.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await agent

    async def start_vswitchd(self) -> float:
        self.bridge.start()
        for outage in self.outages:
            outage.end = min(outage.end, time.monotonic())
        return await _moment()

    async def start_database(self) -> float:
        self.bridge.start_database()
        return await _moment()

    async def boot(self, address: str) -> None:
        for name in (AGENT, VSWITCHD, DATABASE):
            if self.runs(name):
                await self.stop(name, signal.SIGKILL)
        self._settle_at(address)
        self.bridge.start_database()
        await self.start_vswitchd()
        self.start_agent()
        await self._registered.wait()  # else whoever waits for the others to know would not wait for this


async def _moment() -> float:
    """No program starts at once: whoever waits for it gets its turn."""
    await asyncio.sleep(START)
    return START


async def _landed() -> None:
    """What is under way arrives: a packet's flight takes no time here, but for what this process makes it wait."""
    for _ in range(FLIGHT):
        await asyncio.sleep(0)
