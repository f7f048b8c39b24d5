"""Open vSwitch as a thing of this process: a bridge with ports and flows that carries frames by the packet walk.

    SoftwareSwitch ──link──► SoftwareBridge ──walk──► what left, by which port ──► `on_sent`
    (the agent's end)        ports, flows, counters    (guests, the tunnel port)

It outlives agents as Open vSwitch does: whoever runs the host plugs interfaces in, takes flows out by hand, stops and
starts it; a link is an agent's connection, told of what others change. Used by software labs and contract tests.
Never sends a frame by itself, and knows no clock but that of its flows' ages.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from retia.errors import SwitchAway, SwitchRefused
from retia.flows.actions import CONTROLLER, Actions, Ct, Goto, Metered
from retia.flows.carrying import Punted
from retia.flows.conntrack import Tracker
from retia.flows.fields import CT_STATES
from retia.flows.flow import Flow, FlowKey
from retia.flows.lookup import FlowTable
from retia.flows.match import meets_needs
from retia.flows.meter import Meter
from retia.flows.walk import PACKET_OUT, Means, PuntedCopy, Sent, Walk, walk, walk_out
from retia.flows.wire import ADD, ADDED, DELETE, MODIFIED, REMOVED, Observed, Update, decode_flow_mod
from retia.model.local import TUNNEL_PORT, Attachment, Interface, WantedPeer, WantedUplink
from retia.switch.bundle import Change, Refusal
from retia.switch.connection import Kind, Message, refused
from retia.switch.reconciler import NO_SUCH_METER

BAD_TABLE = (3, 2)
BAD_PREREQUISITE = (4, 9)
BAD_ARGUMENT = (2, 5)
INCONSISTENT_MATCH = (2, 10)
"""OpenFlow's error type and code: an instruction goes to no later table; a match lacks what it needs; an action has a
part that cannot be, or is none for what is matched."""


_makings = itertools.count(1)


@dataclass
class Counter:
    packets: int = 0
    octets: int = 0
    since: float = field(default_factory=time.monotonic)


@dataclass
class Bucket:
    """A meter at work: full at first, filled by its rate, emptied by what it lets pass."""

    meter: Meter
    left: float = field(init=False)
    filled: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = self.meter.burst

    def takes(self) -> bool:
        """Whether one more packet passes now."""
        now = time.monotonic()
        self.left = min(self.meter.burst, self.left + (now - self.filled) * self.meter.rate)
        self.filled = now
        passes = self.left >= 1
        self.left -= passes
        return passes


class SoftwareBridge:
    """`running` and `database` say which of the two programs are up. `on_sent` gets each frame that left by a port.
    `made` tells an interface from one of its name that was there before; `bridges` are the physical ones that uplinks
    may lead to."""

    def __init__(self, name: str = "br-int", on_sent: Callable[[Sent], None] | None = None) -> None:
        self.name = name
        self.on_sent = on_sent or (lambda sent: None)
        self.running = self.database = True
        self.exists = False
        self.interfaces: dict[str, Interface] = {}
        self.made: dict[str, int] = {}
        self.bridges: set[str] = set()
        self.attached: dict[str, WantedUplink | WantedPeer] = {}
        self.local_up = False
        self.flows = FlowTable()
        self.meters: dict[int, Bucket] = {}
        self.tracker = Tracker()
        self.changed = asyncio.Event()
        self._counters: dict[FlowKey, Counter] = {}
        self._numbers: dict[str, int] = {}
        self._live: set[str] = set()
        self._seen: set[str] = set()
        self._links: list[Link] = []

    # -- what its agent asks of it ---------------------------------------------------------------------------------

    def ensure(self) -> None:
        """The bridge and its tunnel port, made where they are missing."""
        if not self.exists or TUNNEL_PORT not in self.interfaces:
            self.exists = True
            self.plug(TUNNEL_PORT)

    def attach(self, uplinks: Iterable[WantedUplink], peers: Iterable[WantedPeer]) -> None:
        """Exactly these ports besides the interfaces; no news when it is so already."""
        wanted: dict[str, WantedUplink | WantedPeer] = {one.name: one for one in uplinks}
        wanted |= {one.name: one for one in peers}
        if self.exists and self.attached != wanted:
            self.attached = wanted
            self.look_again()

    @property
    def attachments(self) -> dict[str, Attachment]:
        """Those that are there: an uplink while its bridge is."""
        every = [self._attachment(one) for one in self.attached.values()]
        return {one.name: one for one in every if one is not None}

    def _attachment(self, one: WantedUplink | WantedPeer) -> Attachment | None:
        number = self._number(one.name)
        if isinstance(one, WantedUplink):
            return Attachment(one.name, number) if one.bridge in self.bridges else None
        return Attachment(one.name, number, "up" if one.name in self._live else "down", one.name in self._seen)

    def is_live(self, number: int) -> bool:
        """Whether Open vSwitch would choose this port in `LoadLive`."""
        live = {one.ofport for one in self.attachments.values() if one.bfd != "down"}
        return number in live or any(one.ofport == number for one in self.interfaces.values())

    @property
    def reachable(self) -> bool:
        return self.running and self.exists

    def connect(
        self, on_update: Callable[[Update], None], on_punt: Callable[[Punted], None] = lambda punt: None
    ) -> Link:
        """Raises SwitchAway."""
        if not self.reachable:
            raise SwitchAway("the software switch is stopped", where=self.name)
        link = Link(self, on_update, on_punt)
        self._links.append(link)
        return link

    def leave(self, link: Link) -> None:
        if link in self._links:
            self._links.remove(link)

    def observed(self) -> list[Observed]:
        now = time.monotonic()
        return [
            Observed(flow, counter.packets, counter.octets, now - counter.since)
            for flow in self.flows
            for counter in (self._counters[flow.key],)
        ]

    # -- what is done to it from outside ---------------------------------------------------------------------------

    def plug(self, name: str, iface_id: str = "") -> int:
        """An interface, new or named anew; its number, which it keeps for life."""
        number = self._number(name)
        if name not in self.interfaces:
            self.made[name] = next(_makings)
        self.interfaces[name] = Interface(name, number, iface_id)
        self.look_again()
        return number

    def unplug(self, name: str) -> None:
        if self.interfaces.pop(name, None) is not None:
            self.look_again()

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers) + 1)

    def detach(self, name: str) -> None:
        """An uplink's or peer's port goes."""
        if self.attached.pop(name, None) is not None:
            self.look_again()

    def add_bridge(self, name: str) -> None:
        self.bridges.add(name)
        self.look_again()

    def remove_bridge(self, name: str) -> None:
        self.bridges.discard(name)
        self.look_again()

    def set_live(self, name: str, live: bool) -> None:
        """What BFD finds of a peer, there or to come."""
        (self._live.add if live else self._live.discard)(name)
        self._seen |= {name} & self._live
        self.look_again()

    def remove(self) -> None:
        """The bridge, with all its ports and flows."""
        self.exists = False
        self.interfaces.clear()
        self.attached.clear()
        self._forget()

    def stop(self) -> None:
        """The switch program ends: nothing is carried, and no flow is left."""
        self.running = False
        self._seen = set(self._live)
        self._forget()

    def start(self) -> None:
        self.running = True
        self.look_again()

    def stop_database(self) -> None:
        """Interfaces may change meanwhile, and nobody hears of it."""
        self.database = False
        self.look_again()

    def start_database(self) -> None:
        self.database = True
        self.look_again()

    def _forget(self) -> None:
        self.flows = FlowTable()
        self.meters.clear()
        self.tracker = Tracker()
        self._counters.clear()
        for link in list(self._links):
            link.abort()
        self.look_again()

    def look_again(self) -> None:
        """Wakes those who wait for changes."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    # -- flows -----------------------------------------------------------------------------------------------------

    def put(self, flow: Flow, reset_counts: bool = False, by: Link | None = None) -> None:
        """Add a flow, or put it in place of the one with its key, whose counters it keeps. Raises SwitchRefused."""
        check(flow, self.name)
        if any(isinstance(action, Metered) and action.meter not in self.meters for action in flow.actions):
            raise _refused(NO_SUCH_METER, self.name, flow)
        old = self.flows.get(flow.key)
        if old is None or reset_counts:
            self._counters[flow.key] = Counter()
        self.flows.put(flow)
        self._report(Update(ADDED if old is None else MODIFIED, flow), by)

    def drop(self, key: FlowKey, by: Link | None = None) -> None:
        old = self.flows.get(key)
        if old is not None:
            self.flows.drop(key)
            del self._counters[key]
            self._report(Update(REMOVED, old), by)

    def drop_all(self, by: Link | None = None) -> None:
        for flow in list(self.flows):
            self.drop(flow.key, by)

    def _report(self, update: Update, by: Link | None) -> None:
        for link in self._links:
            if link is not by:
                link.on_update(update)

    def add_meter(self, meter: Meter) -> None:
        if meter.number not in self.meters or self.meters[meter.number].meter != meter:
            self.meters[meter.number] = Bucket(meter)

    def drop_meter(self, number: int, by: Link | None = None) -> None:
        """Every flow that names it goes with it."""
        del self.meters[number]
        for flow in list(self.flows):
            if any(isinstance(action, Metered) and action.meter == number for action in flow.actions):
                self.drop(flow.key, by)

    def flush_zone(self, zone: int) -> None:
        """Forget the connections tracked in a zone."""
        self.tracker.flush_zone(zone)

    # -- packets ---------------------------------------------------------------------------------------------------

    def receive(self, port: int, frame: bytes, tunnel: dict[str, int] | None = None) -> Walk | None:
        """A frame comes in by a port; what leaves goes to `on_sent`. None while the switch carries nothing."""
        if not self.reachable:
            return None
        return self._carry(walk(self.flows, frame, port, tunnel, self._means), len(frame))

    def send(self, frame: bytes, actions: Actions, in_port: int = CONTROLLER) -> Walk:
        """A packet-out: what leaves goes to `on_sent`."""
        return self._carry(walk_out(self.flows, frame, actions, self._means, in_port), len(frame))

    def _carry(self, story: Walk, octets: int) -> Walk:
        for step in story.steps:
            if step.flow is not None and step.table != PACKET_OUT:
                counter = self._counters[step.flow.key]
                counter.packets += 1
                counter.octets += octets
        for copy in story.punted:
            self._punt(copy)
        for sent in story.sent:
            self.on_sent(sent)
        return story

    @property
    def _means(self) -> Means:
        return Means(self._passes, self.tracker, self.is_live)

    def _passes(self, meter: int) -> bool:
        return self.meters[meter].takes()

    def _punt(self, copy: PuntedCopy) -> None:
        flow = copy.step.flow
        for link in self._links:
            if flow is not None:
                link.on_punt(Punted(copy.frame, copy.fields, copy.action.userdata, flow.table, flow.cookie))


def check(flow: Flow, where: str) -> None:
    """What Open vSwitch refuses. Raises SwitchRefused, in its words."""
    for action in flow.actions:
        if isinstance(action, Goto) and action.table <= flow.table:
            raise _refused(BAD_TABLE, where, flow)
        if isinstance(action, Ct):
            _check_tracking(action, where, flow)
    if not all(meets_needs(flow.match, name) for name, _, _ in flow.match):
        raise _refused(BAD_PREREQUISITE, where, flow)


def _check_tracking(action: Ct, where: str, flow: Flow) -> None:
    is_invalid = any(name == "ct_state" and value & CT_STATES["inv"] for name, value, _ in flow.match)
    if (is_invalid and action.commit) or not meets_needs(flow.match, "nw_proto"):
        raise _refused(INCONSISTENT_MATCH, where, flow)
    if action.nat is not None and action.nat.address and not action.commit:
        raise _refused(BAD_ARGUMENT, where, flow)


def _refused(code: tuple[int, int], where: str, flow: Flow) -> SwitchRefused:
    return refused(Message(Kind.ERROR, 0, struct.pack("!HH", *code)), where, flow)


class Link:
    """An agent's connection to the bridge: dumps and bundles go in, what others change comes out of `on_update`."""

    def __init__(
        self, bridge: SoftwareBridge, on_update: Callable[[Update], None], on_punt: Callable[[Punted], None]
    ) -> None:
        self._bridge, self.on_update, self.on_punt = bridge, on_update, on_punt
        self.closed = asyncio.Event()

    def abort(self) -> None:
        self.closed.set()
        self._bridge.leave(self)

    def _check_open(self) -> None:
        if self.closed.is_set():
            raise SwitchAway("the connection to the software switch is closed", where=self._bridge.name)

    async def dump(self, table: int | None = None) -> list[Observed]:
        """Raises SwitchAway."""
        self._check_open()
        return [one for one in self._bridge.observed() if table in (None, one.flow.table)]

    async def sizes(self) -> dict[int, int]:
        """Raises SwitchAway."""
        self._check_open()
        return dict(collections.Counter(flow.table for flow in self._bridge.flows))

    async def add_meters(self, wanted: Mapping[int, Meter]) -> None:
        """Those that are missing or different. Raises SwitchAway."""
        self._check_open()
        for meter in wanted.values():
            self._bridge.add_meter(meter)

    async def drop_meters(self, wanted: Mapping[int, Meter]) -> None:
        """All but these. Raises SwitchAway."""
        self._check_open()
        for number in self._bridge.meters.keys() - wanted.keys():
            self._bridge.drop_meter(number)

    async def flush_zones(self, zones: Iterable[int]) -> None:
        """Raises SwitchAway."""
        self._check_open()
        for zone in zones:
            self._bridge.flush_zone(zone)

    def packet_out(self, frame: bytes, actions: Actions, in_port: int) -> None:
        """Raises SwitchAway."""
        self._check_open()
        self._bridge.send(frame, actions, in_port)

    async def send(self, changes: Sequence[Change], whole: bool = False) -> list[Refusal]:
        """All that the switch takes is in when this returns, always at one moment. Raises SwitchAway."""
        self._check_open()
        return list(self._carry_out(changes))

    def _carry_out(self, changes: Iterable[Change]) -> Iterator[Refusal]:
        for change in changes:
            said = decode_flow_mod(change.body)
            try:
                if said.command == ADD:
                    self._bridge.put(said.flow, said.reset_counts, self)
                elif said.command == DELETE:
                    self._bridge.drop_all(self)
                else:
                    self._bridge.drop(said.flow.key, self)
            except SwitchRefused as error:
                yield Refusal(change.key, change.flow, error)
