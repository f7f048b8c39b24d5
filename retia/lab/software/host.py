"""A software host: a `SoftwareBridge` as its Open vSwitch, the real agent as a task, on a software underlay.

    guest ──► bridge ──walk──► bridge ──► guest             on one host
                 ├─► tunnel port ─► Underlay ─► the host with that tunnel address ─► its bridge ─► ...
                 └─► uplink ─► Segment of its physical bridge ─► outside nodes, other hosts' uplinks ─► ...

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
from functools import partial

import msgspec

from retia import __version__
from retia.config import Settings
from retia.daemons.agent import HOOKS, attend
from retia.errors import Fatal, InvalidInput
from retia.flows.actions import LOCAL
from retia.flows.fields import OPTION
from retia.flows.journey import received_tunnel
from retia.flows.text import parse_flow, show_flow
from retia.flows.walk import Sent
from retia.flows.wire import Update
from retia.lab.contract import AGENT, DATABASE, VSWITCHD, Datagrams, Done, Outage
from retia.lab.failure import CheckFailed
from retia.lab.physical import Attached, BridgeName, SettingName
from retia.lab.software.failure import NotForSoftware
from retia.lab.software.guest import SoftwareGuest
from retia.lab.software.own import OwnStack
from retia.lab.software.packets import geneve
from retia.lab.software.segment import Place, Segment
from retia.lab.software.stack import SoftwareTap
from retia.model.local import TUNNEL_PORT, WantedPeer, WantedUplink
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

WATCH = 0.05
"""Seconds between two looks at who is reached: BFD of a software lab is that quick."""

START = 0.05
"""What a program takes to start."""


class Underlay:
    """Where each tunnel address is. It loses nothing that is sent to a host which is up, but for what a lab cuts: hosts
    that are `away`, and ways from one address to another in `cuts`."""

    def __init__(self) -> None:
        self.hosts: dict[int, SoftwareHost] = {}
        self.away: set[str] = set()
        self.cuts: set[tuple[str, str]] = set()

    def leaves(self, source: SoftwareHost, sent: Sent) -> bool:
        """Whether it comes out of the host, for whatever becomes of it then."""
        cut = (source.address, str(Ip4(sent.tunnel["tun_dst"]))) in self.cuts
        return not cut and source.name not in self.away

    def passes(self, source: SoftwareHost, target: SoftwareHost) -> bool:
        cut = (source.address, target.address) in self.cuts
        return not cut and self.away.isdisjoint({source.name, target.name})

    def carry(self, source: SoftwareHost, sent: Sent) -> None:
        target = self.hosts.get(sent.tunnel["tun_dst"])
        if target is not None and self.passes(source, target):
            asyncio.get_running_loop().call_soon(target.arrive, sent, int(Ip.parse(source.address)))


@dataclass
class SoftwareHost:
    """`store` is the lab's; its agent reaches it over a line of its own. `run_dir` is for control sockets. `bridges`
    are its physical ones, `settings` its agent's."""

    name: str
    address: str
    underlay: Underlay
    store: Store
    run_dir: str
    bridges: Mapping[BridgeName, Attached] = field(default_factory=dict)
    settings: Mapping[SettingName, str] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)
    links: dict[str, SoftwareGuest] = field(default_factory=dict)
    taps: list[SoftwareTap] = field(default_factory=list)
    arrivals: list[SoftwareTap] = field(default_factory=list)
    segment_taps: dict[str, list[SoftwareTap]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bridge = SoftwareBridge(on_sent=self._sent)
        for name in self.bridges:
            self.bridge.add_bridge(name)
        self._agent: asyncio.Task[None] | None = None
        self._tether = Tether(self.store)
        self._registered = asyncio.Event()
        self._own = OwnStack(self.name, self.bridges.values(), self._put_into)
        self._settle_at(self.address)

    def attach(self, segments: Mapping[str, Segment]) -> None:
        """Its physical bridges hang on these, and so does what the host itself has there."""
        self.segments = segments
        for segment, link in self._own.segments.items():
            segments[segment].join(Place(self._own_name), link.hear)

    @property
    def _own_name(self) -> str:
        return f"{self.name} itself"

    def _put_into(self, segment: str, frame: bytes) -> None:
        """From the host itself."""
        self._tell_segment(segment, frame)
        self.segments[segment].carry(Place(self._own_name), frame)

    def _tell_segment(self, segment: str, frame: bytes) -> None:
        for tap in self.segment_taps.get(segment, []):
            tap.frames.append(frame)

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
        for tap in self.arrivals:
            tap.frames.append(_packet(Ip4(source), Ip.parse(self.address), sent))
        interface = self.bridge.interfaces.get(TUNNEL_PORT)
        if interface is not None:
            self.bridge.receive(interface.ofport, sent.frame, received_tunnel(sent, source))

    def _sent(self, sent: Sent) -> None:
        name = next((one.name for one in self.bridge.interfaces.values() if one.ofport == sent.port), "")
        if name == TUNNEL_PORT:
            if self.underlay.leaves(self, sent):
                self._tell_taps(sent)
            self.underlay.carry(self, sent)
        elif name in self.links:
            asyncio.get_running_loop().call_soon(self.links[name].link.hear, sent.frame)
        elif sent.port == LOCAL:
            asyncio.get_running_loop().call_soon(self._own.take_frame, sent.frame)
        else:
            self._send_out(sent)

    def _send_out(self, sent: Sent) -> None:
        """By an uplink, if that is what the port is."""
        uplink = next((one for one, number in self._uplinks() if number == sent.port), None)
        if uplink is not None:
            segment = self._join(uplink)
            self._tell_segment(segment, sent.frame)
            self.segments[segment].carry(Place(self.name, uplink.vlan), sent.frame)

    def _uplinks(self) -> list[tuple[WantedUplink, int]]:
        """Those that are there, each with the number of its port."""
        there = self.bridge.attachments
        wanted = [one for one in self.bridge.attached.values() if isinstance(one, WantedUplink)]
        return [(one, there[one.name].ofport) for one in wanted if one.name in there]

    def _join(self, uplink: WantedUplink) -> str:
        """Before anything is sent by it, so that the answer comes in. Its segment."""
        segment = self.bridges[BridgeName(uplink.bridge)].segment
        self.segments[segment].join(Place(self.name, uplink.vlan), partial(self._come_in, uplink.vlan, segment))
        return segment

    def _come_in(self, vlan: int, segment: str, frame: bytes) -> None:
        """A frame from a segment: into every uplink to it with that VLAN."""
        for uplink, number in self._uplinks():
            if uplink.vlan == vlan and self.bridges[BridgeName(uplink.bridge)].segment == segment:
                self.bridge.receive(number, frame)

    async def watch(self) -> None:
        """As Open vSwitch does all the while: uplinks are ports of segments, and BFD says which peers are reached."""
        while True:
            for uplink, _ in self._uplinks():
                self._join(uplink)
            for peer in [one for one in self.bridge.attached.values() if isinstance(one, WantedPeer)]:
                live = self._reaches(peer)
                if live != (self.bridge.attachments[peer.name].bfd == "up"):
                    self.bridge.set_live(peer.name, live)
            await asyncio.sleep(WATCH)

    def _reaches(self, peer: WantedPeer) -> bool:
        """BFD is up when both ends run it, and packets pass both ways."""
        other = self.underlay.hosts.get(int(Ip.parse(peer.address)))
        if other is None or not (self.bridge.reachable and other.bridge.reachable):
            return False
        back = [one.address for one in other.bridge.attached.values() if isinstance(one, WantedPeer)]
        return self.address in back and self.underlay.passes(self, other) and self.underlay.passes(other, self)

    def _tell_taps(self, sent: Sent) -> None:
        for tap in self.taps:
            tap.frames.append(_packet(Ip.parse(self.address), Ip4(sent.tunnel["tun_dst"]), sent))

    def tunnel_tap(self) -> SoftwareTap:
        return SoftwareTap(self.taps)

    def arrival_tap(self) -> SoftwareTap:
        return SoftwareTap(self.arrivals)

    def segment_tap(self, segment: str) -> SoftwareTap:
        return SoftwareTap(self.segment_taps.setdefault(segment, []))

    def hear(self, port: int) -> Datagrams:
        raise NotForSoftware("a software host is no collector", where=self.name)

    async def cut(self, address: str) -> None:
        self.underlay.cuts.add((self.address, address))

    async def mend(self, address: str) -> None:
        self.underlay.cuts.discard((self.address, address))

    async def set_underlay(self, up: bool) -> None:
        (self.underlay.away.discard if up else self.underlay.away.add)(self.name)

    async def set_segment(self, segment: str, up: bool) -> None:
        down = self.segments[segment].down
        (down.difference_update if up else down.update)({self.name, self._own_name})

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

    async def caught_up(self) -> None:
        """A software bridge caches nothing."""

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
        given = {str(name): value for name, value in self.settings.items()}
        own = {"host": self.name, "tunnel_address": self.address, "run_dir": self.run_dir}
        settings = msgspec.convert({**given, **own}, Settings, strict=False)
        await schema.check(store)
        state = await register(store, self.name, Ip.parse(self.address), __version__, settings.mode)
        self._registered.set()
        switch = SoftwareSwitch(self.bridge, HOOKS)
        await attend(settings, state, store, switch, lambda tasks, loop: None, forwards=lambda: True)

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

    async def kill(self) -> None:
        for name in (VSWITCHD, AGENT, DATABASE):
            if self.runs(name):
                await self.stop(name, signal.SIGKILL)

    async def boot(self, address: str) -> None:
        await self.kill()
        self._settle_at(address)
        self.bridge.start_database()
        await self.start_vswitchd()
        self.start_agent()
        await self._registered.wait()  # else whoever waits for the others to know would not wait for this


def _packet(source: Ip, destination: Ip, sent: Sent) -> bytes:
    return geneve(source, destination, sent.tunnel["tun_id"] & 0xFFFFFF, sent.tunnel.get(OPTION, 0), sent.frame)


async def _moment() -> float:
    """No program starts at once: whoever waits for it gets its turn."""
    await asyncio.sleep(START)
    return START


async def _landed() -> None:
    """What is under way arrives: a packet's flight takes no time here, but for what this process makes it wait."""
    for _ in range(FLIGHT):
        await asyncio.sleep(0)
