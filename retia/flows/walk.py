"""The packet walk: what a switch with these flows does to one frame, step by step, with no switch at all.

It follows Open vSwitch: actions in order, `resubmit` returns, `goto` ends its flow, an output to the port the packet
came by is suppressed, a TTL that would reach 0 ends that flow's actions (not those of the flow that resubmitted to
it), a packet that loops is sent nowhere at all. Unlike it: IPv6 and more than one VLAN tag stay payload.
Sources: OpenFlow 1.5.1 section 5; ovs-actions(7); `xlate_table_action` of ofproto-dpif-xlate for the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from retia.flows.actions import (
    CONTROLLER,
    IN_PORT,
    Action,
    Actions,
    CheckLarger,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
)
from retia.flows.fields import FIELDS, OPTION, WIDE, Subfield
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.packet import build, parse

DEPTH_LIMIT = 64
"""Steps to the same or an earlier table, nested."""
LOOKUP_LIMIT = 4096
"""Tables looked up after the first."""

TUNNEL = tuple(name for name in FIELDS if name.startswith("tun_"))
ALWAYS = ("metadata", *(f"reg{n}" for n in range(16)), *(name for name in TUNNEL if name != OPTION))
"""What every packet has, 0 at first."""
PACKET_OUT = -1
"""The table that a packet-out's actions are shown in: before the first."""
CARRIED = ("in_port", *ALWAYS, OPTION)
"""What a punt brings with it besides the frame."""
NO_PORTS = {name: 0 for name in FIELDS if name.startswith(("tcp_", "udp_", "icmp_"))}
"""What no fragment is matched by, not even the first: so it is in Open vSwitch's normal fragment mode."""


class Sent(NamedTuple):
    """A frame that left by a port, with the tunnel fields it had (the option only when it had one)."""

    port: int
    frame: bytes
    tunnel: dict[str, int]


class PuntedCopy(NamedTuple):
    """A copy that went up to the agent: the frame, the registers, metadata and tunnel fields it had then (what is 0
    is left out), and what its flow says about it."""

    frame: bytes
    fields: dict[str, int]
    action: Punt
    step: Step


@dataclass(slots=True)
class Step:
    """One table looked up, `depth` resubmits deep: the flow that matched (None: a miss), the fields it changed (old,
    new), and whether its DecTtl ended it."""

    table: int
    flow: Flow | None
    depth: int = 0
    changed: dict[str, tuple[int, int]] = field(default_factory=dict)
    expired: bool = False


class Fate(StrEnum):
    """What became of a packet in one switch."""

    SENT = "sent"
    PUNTED = "punted"
    DROPPED = "dropped"
    MISSED = "missed"
    EXPIRED = "expired"
    TOO_DEEP = "too-deep"
    TOO_LONG = "too-long"


@dataclass
class Walk:
    """A packet's whole way through one switch. `fields` are those it ended with; `stopped` is a limit it ran into."""

    steps: list[Step] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    punted: list[PuntedCopy] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)
    stopped: Fate | None = None

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def fate(self) -> Fate:
        """SENT if it left by a port, PUNTED if only the agent got it; else why not. `last` is the step that decided."""
        if self.stopped or self.sent:
            return self.stopped or Fate.SENT
        if self.punted:
            return Fate.PUNTED
        if self.last.flow is None:
            return Fate.MISSED
        return Fate.EXPIRED if self.last.expired else Fate.DROPPED

    def read(self, part: Subfield) -> int:
        """What (part of) a field held at the end, say the drop reason."""
        return _read(self.fields, part)


Meters = Callable[[int], bool]
"""Whether a meter lets one more packet pass."""


def unlimited(meter: int) -> bool:
    return True


def walk(
    flows: FlowTable,
    frame: bytes,
    in_port: int,
    tunnel: Mapping[str, int] | None = None,
    meters: Meters = unlimited,
) -> Walk:
    """Send `frame` in by `in_port`, with the tunnel fields it arrived with. Raises ValueError when it is no frame."""
    return _Walker(flows, frame, {**(tunnel or {}), "in_port": in_port}, meters).run()


def walk_out(flows: FlowTable, frame: bytes, actions: Actions, meters: Meters = unlimited) -> Walk:
    """Carry out `actions` on a frame of the agent's own, which came by no port: a packet-out."""
    return _Walker(flows, frame, {"in_port": CONTROLLER}, meters).run(Flow(PACKET_OUT, 0, (), actions))


class _Active(NamedTuple):
    """A flow whose actions are being carried out, and those that are left."""

    step: Step
    left: Iterator[Action]
    nested: int


class _Walker:
    def __init__(self, flows: FlowTable, frame: bytes, came: Mapping[str, int], meters: Meters) -> None:
        self.flows, self.packet, self.meters, self.muted = flows, parse(frame), meters, False
        self.fields = self.packet.fields
        self.fields.update({**dict.fromkeys(ALWAYS, 0), **came})
        self.story = Walk(fields=self.fields)
        self.active: list[_Active] = []

    def run(self, first: Flow | None = None) -> Walk:
        if first is None:
            self._enter(0, 0, 0)
        else:
            self._begin(Step(first.table, first), 0)
        while self.active and not self.story.stopped:
            now = self.active[-1]
            action = next(now.left, None)
            if action is None:
                self.active.pop()
            elif isinstance(action, Goto | Resubmit):
                self._go(action, now)
            else:
                self._act(action, now)
        if self.story.stopped:
            self.story.sent.clear()
            self.story.punted.clear()
        return self.story

    def _enter(self, table: int, depth: int, nested: int) -> None:
        flow = self.flows.lookup(table, {**self.fields, **NO_PORTS} if self.packet.is_fragment else self.fields)
        self._begin(Step(table, flow, depth), nested)

    def _begin(self, step: Step, nested: int) -> None:
        self.story.steps.append(step)
        self.active.append(_Active(step, iter(step.flow.actions if step.flow else ()), nested))

    def _go(self, action: Goto | Resubmit, now: _Active) -> None:
        if now.nested >= DEPTH_LIMIT:
            self.story.stopped = Fate.TOO_DEEP
        elif len(self.story.steps) > LOOKUP_LIMIT:
            self.story.stopped = Fate.TOO_LONG
        else:
            depth = now.step.depth + isinstance(action, Resubmit)
            self._enter(action.table, depth, now.nested + (action.table <= now.step.table))

    def _act(self, action: Action, now: _Active) -> None:
        match action:
            case Load(to, value):
                self._write(to, value, now.step)
            case Move(source, to):
                self._write(to, _read(self.fields, source), now.step)
            case Output(port):
                self._output(port)
            case DecTtl():
                self._dec_ttl(now)
            case ForgetInPort():
                self._set("in_port", 0, now.step)
            case Metered(meter):
                self.muted = self.muted or not self.meters(meter)
            case Punt():
                self._punt(action, now.step)
            case CheckLarger(octets, to):
                self._write(to, int(len(build(self.packet)) > octets), now.step)
            case _:
                raise TypeError(f"{action!r} is no action the walk knows")

    def _write(self, part: Subfield, value: int, step: Step) -> None:
        new = _whole(self.fields, part.field) & ~part.mask | value << part.start & part.mask
        if part.field not in WIDE:
            self._set(part.field, new, step)
            return
        for place, narrow in enumerate(reversed(WIDE[part.field])):
            self._set(narrow, new >> 32 * place & 0xFFFFFFFF, step)

    def _set(self, name: str, value: int, step: Step) -> None:
        """A field that the packet does not have stays absent, but for the option."""
        if name in self.fields or name == OPTION:
            old = self.fields.get(name, 0)
            self.fields[name] = value
            if old != value:
                step.changed[name] = (step.changed.get(name, (old, 0))[0], value)

    def _output(self, port: int) -> None:
        came_by = self.fields["in_port"]
        target = came_by if port == IN_PORT else port
        if self.muted:
            return
        if target and port != came_by:  # there is no port 0, and none sends back what came by it unless told IN_PORT
            tunnel = {name: self.fields[name] for name in TUNNEL if name in self.fields}
            self.story.sent.append(Sent(target, build(self.packet), tunnel))

    def _punt(self, action: Punt, step: Step) -> None:
        if self.muted:
            return
        fields = {name: self.fields[name] for name in CARRIED if self.fields.get(name)}
        self.story.punted.append(PuntedCopy(build(self.packet), fields, action, step))

    def _dec_ttl(self, now: _Active) -> None:
        ttl = self.fields.get("nw_ttl")
        if ttl is None:
            return
        if ttl > 1:
            self._set("nw_ttl", ttl - 1, now.step)
        else:
            now.step.expired = True
            self.active.pop()


def _read(fields: Mapping[str, int], part: Subfield) -> int:
    return _whole(fields, part.field) >> part.start & (1 << part.bits) - 1


def _whole(fields: Mapping[str, int], name: str) -> int:
    if name not in WIDE:
        return fields.get(name, 0)
    return sum(fields[narrow] << 32 * place for place, narrow in enumerate(reversed(WIDE[name])))
