"""The packet walk: what a switch with these flows does to one frame, step by step, with no switch at all.

It follows Open vSwitch: actions in order, `resubmit` returns, `goto` ends its flow, an output to the port the packet
came by is suppressed, a TTL that would reach 0 ends that flow's actions (not those of the flow that resubmitted to
it), a packet that loops is sent nowhere at all. A `Ct` forks: its copy comes again at the table it names when all
actions of the first are done, with its registers, and up to `RECIRCULATION_LIMIT` times. Unlike it: IPv6 and more than
one VLAN tag stay payload.
Sources: OpenFlow 1.5.1 section 5; ovs-actions(7); `xlate_table_action` and `compose_conntrack_action` of
ofproto-dpif-xlate; dpif-netdev for the limit of recirculations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from retia.flows.actions import (
    CONTROLLER,
    IN_PORT,
    Action,
    Actions,
    CheckLarger,
    Ct,
    CtClear,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    LoadLive,
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
    Spread,
)
from retia.flows.conntrack import UNTRACKED, Tracked, Tracker
from retia.flows.fields import FIELDS, OPTION, WIDE, Subfield
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.packet import build, parse
from retia.flows.spreading import Live, everything_lives, first_live, spread, spread_live

DEPTH_LIMIT = 64
"""Steps to the same or an earlier table, nested."""
LOOKUP_LIMIT = 4096
"""Tables looked up after the first."""

RECIRCULATION_LIMIT = 6
"""How often a packet may come again, in one switch; taking it out of a tunnel counts."""

TUNNEL = tuple(name for name in FIELDS if name.startswith("tun_"))
ALWAYS = ("metadata", *(f"reg{n}" for n in range(16)), *(name for name in TUNNEL if name != OPTION))
"""What every packet has, 0 at first."""
CONNECTION = ("ct_state", "ct_zone")
"""What only a copy that a `Ct` forked has."""
PACKET_OUT = -1
"""The table that a packet-out's actions are shown in: before the first."""
CARRIED = ("in_port", *ALWAYS, OPTION)
"""What a copy that a `Ct` forked keeps. A punt brings it with it besides the frame, and what is known of the
connection."""
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
    RECIRC_LIMIT = "recirc-limit"


@dataclass
class Walk:
    """A packet's whole way through one switch. `fields` are those it ended with; `stopped` is a limit it ran into.
    `recirculations`: how often the copy that came again most often did so, out of a tunnel once included; `states`: the
    ct_state of each copy that came again, in the order of `steps`."""

    steps: list[Step] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    punted: list[PuntedCopy] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)
    stopped: Fate | None = None
    recirculations: int = 0
    states: list[int] = field(default_factory=list)

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


class Means(NamedTuple):
    """What a switch has besides its flows: meters, known connections (None: no walk before this one left any) and ports
    that are live."""

    meters: Meters = unlimited
    tracker: Tracker | None = None
    live: Live = everything_lives


PLAIN = Means()


def walk(
    flows: FlowTable,
    frame: bytes,
    in_port: int,
    tunnel: Mapping[str, int] | None = None,
    means: Means = PLAIN,
) -> Walk:
    """Send `frame` in by `in_port`, with the tunnel fields it arrived with. Raises ValueError when it is no frame."""
    fields = {**(tunnel or {}), "in_port": in_port}
    decapsulated = bool(fields.get("tun_src") or fields.get("tun_dst"))
    return _Walker(flows, means).run(_Coming(frame, fields, came_again=int(decapsulated)))


def walk_out(flows: FlowTable, frame: bytes, actions: Actions, means: Means = PLAIN, in_port: int = CONTROLLER) -> Walk:
    """Carry out `actions` on a frame of the agent's own, as if it came by `in_port`: a packet-out."""
    return _Walker(flows, means).run(_Coming(frame, {"in_port": in_port}), Flow(PACKET_OUT, 0, (), actions))


class _Coming(NamedTuple):
    """A packet about to enter a table: what it has besides its headers, and how often it came again."""

    frame: bytes
    fields: Mapping[str, int]
    table: int = 0
    tracked: Tracked = UNTRACKED
    came_again: int = 0


class _Active(NamedTuple):
    """A flow whose actions are being carried out, and those that are left."""

    step: Step
    left: Iterator[Action]
    nested: int


class _Walker:
    """The limits hold for each time that the packet comes; what an earlier one sent is sent."""

    def __init__(self, flows: FlowTable, means: Means) -> None:
        self.flows, self.meters, self.live = flows, means.meters, means.live
        self.tracker = Tracker() if means.tracker is None else means.tracker
        self.story = Walk()
        self.waiting: deque[_Coming] = deque()

    def run(self, first: _Coming, flow: Flow | None = None) -> Walk:
        self._arrive(first)
        if flow is None:
            self._enter(first.table, 0, 0)
        else:
            self._begin(Step(flow.table, flow), 0)
        self._carry_out()
        while self.waiting:
            again = self.waiting.popleft()
            if again.came_again > RECIRCULATION_LIMIT:
                self.story.stopped = self.story.stopped or Fate.RECIRC_LIMIT
                continue
            self._arrive(again)
            self.story.states.append(again.tracked.state)
            self._enter(again.table, 0, 0)
            self._carry_out()
        return self.story

    def _arrive(self, now: _Coming) -> None:
        self.packet, self.tracked, self.came_again = parse(now.frame), now.tracked, now.came_again
        self.fields = self.story.fields = self.packet.fields
        self.fields.update({**dict.fromkeys(ALWAYS, 0), **now.fields})
        self.fields.update(ct_state=now.tracked.state, ct_zone=now.tracked.zone)
        self.story.recirculations = max(self.story.recirculations, now.came_again)
        self.active: list[_Active] = []
        self.muted, self.started = False, len(self.story.steps)
        self.translated: dict[str, tuple[int, int]] = {}
        self.stopped: Fate | None = None

    def _carry_out(self) -> None:
        """The actions of the flow that was hit and of those it leads to, but for copies that come again."""
        sent, punted, waiting = len(self.story.sent), len(self.story.punted), len(self.waiting)
        while self.active and not self.stopped:
            now = self.active[-1]
            action = next(now.left, None)
            if action is None:
                self.active.pop()
            elif isinstance(action, Goto | Resubmit):
                self._go(action, now)
            else:
                self._act(action, now)
        if self.stopped:
            self.story.stopped = self.stopped
            del self.story.sent[sent:], self.story.punted[punted:]
            while len(self.waiting) > waiting:
                self.waiting.pop()

    def _enter(self, table: int, depth: int, nested: int) -> None:
        flow = self.flows.lookup(table, {**self.fields, **NO_PORTS} if self.packet.is_fragment else self.fields)
        self._begin(Step(table, flow, depth), nested)

    def _begin(self, step: Step, nested: int) -> None:
        self.story.steps.append(step)
        self.active.append(_Active(step, iter(step.flow.actions if step.flow else ()), nested))

    def _go(self, action: Goto | Resubmit, now: _Active) -> None:
        if now.nested >= DEPTH_LIMIT:
            self.stopped = Fate.TOO_DEEP
        elif len(self.story.steps) - self.started > LOOKUP_LIMIT:
            self.stopped = Fate.TOO_LONG
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
                self._write(to, int(len(self._frame()) > octets), now.step)
            case Ct():
                self._track(action, now.step)
            case CtClear():
                self._forget_connection()
            case LoadLive() | Spread():
                self._write(action.to, self._chosen(action), now.step)
            case _:
                raise TypeError(f"{action!r} is no action the walk knows")

    def _chosen(self, action: LoadLive | Spread) -> int:
        if isinstance(action, Spread):
            return spread(action.count, self.packet)
        if action.spread:
            return spread_live(action.members, self.live, self.packet)
        return first_live(action.members, self.live)

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
            self.story.sent.append(Sent(target, self._frame(), tunnel))

    def _punt(self, action: Punt, step: Step) -> None:
        if self.muted:
            return
        fields = {name: self.fields[name] for name in (*CARRIED, *CONNECTION) if self.fields.get(name)}
        self.story.punted.append(PuntedCopy(self._frame(), fields, action, step))

    def _frame(self) -> bytes:
        """The packet as it is. What a `Ct` translated is so for the actions after it as well, though they do not know
        and match what was before; a field that they wrote since is what they wrote."""
        known = self.translated.items()
        hidden = {name: real for name, (believed, real) in known if self.fields[name] == believed}
        return build(replace(self.packet, fields={**self.fields, **hidden}) if hidden else self.packet)

    def _track(self, action: Ct, step: Step) -> None:
        """A packet that a meter stopped is not tracked."""
        if not self.muted:
            self._fork(action, step)
        self.fields.update(ct_state=0, ct_zone=0)

    def _forget_connection(self) -> None:
        """Only where it is known to flows: Open vSwitch leaves the action out else, and what `Ct` noted stays."""
        if self.fields["ct_state"]:
            self.tracked = UNTRACKED
            self.fields.update(ct_state=0, ct_zone=0)

    def _fork(self, action: Ct, step: Step) -> None:
        packet = parse(self._frame())
        before = dict(packet.fields)
        zone = action.zone if isinstance(action.zone, int) else _read(self.fields, action.zone)
        self.tracked = self.tracker.track(packet, self.tracked, zone, action.commit, action.nat)
        changed = {name: (old, packet.fields[name]) for name, old in before.items() if old != packet.fields[name]}
        frame = build(packet)
        step.changed.update(changed)
        if action.table is not None:
            fields = {name: self.fields[name] for name in CARRIED if name in self.fields}
            self.waiting.append(_Coming(frame, fields, action.table, self.tracked, self.came_again + 1))
        self.packet = replace(parse(frame), fields=self.fields)
        self.translated.update({name: (self.fields[name], new) for name, (_, new) in changed.items()})

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
