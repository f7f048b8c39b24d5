"""The packet walk: what a switch with these flows does to one frame, step by step, with no switch at all.

It follows Open vSwitch: actions in order, `resubmit` returns, `goto` does not, an output to the port the packet
came by is suppressed, a TTL that would reach 0 stops the packet. Lookups are by tuple space search (one dict for
each priority and set of masks), so a walk over 30,000 flows costs some dozens of lookups.
Sources: OpenFlow 1.5.1 section 5; ovs-actions(7); the limits of ofproto-dpif-xlate (64 deep, 4,096 resubmits).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from retia.flows.actions import IN_PORT, Action, DecTtl, ForgetInPort, Goto, Load, Move, Output, Resubmit
from retia.flows.fields import FIELDS, WIDE, Subfield
from retia.flows.flow import Flow, FlowKey
from retia.flows.match import Match
from retia.flows.packet import Packet, build, parse

DEPTH_LIMIT = 64
RESUBMIT_LIMIT = 4096


class Sent(NamedTuple):
    """A frame that left by a port, with the tunnel fields it had."""

    port: int
    frame: bytes
    tunnel: dict[str, int]


class Step(NamedTuple):
    """One table looked up: the flow that matched (None: a miss), and the fields it changed, old to new."""

    table: int
    flow: Flow | None
    changed: dict[str, tuple[int, int]]


@dataclass
class Walk:
    """A packet's whole way through one switch."""

    steps: list[Step] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    stopped: str = ""

    @property
    def last(self) -> Step:
        return self.steps[-1]


class FlowTable:
    """Flows by table, ready for lookup. `put` and `drop` keep it current."""

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self._spaces: dict[int, dict[tuple[int, tuple[tuple[str, int], ...]], dict[tuple[int, ...], Flow]]] = {}
        for flow in flows:
            self.put(flow)

    @staticmethod
    def _place(wanted: Match) -> tuple[tuple[tuple[str, int], ...], tuple[int, ...]]:
        return tuple((name, mask) for name, _, mask in wanted), tuple(value for _, value, _ in wanted)

    def put(self, flow: Flow) -> None:
        shape, values = self._place(flow.match)
        self._spaces.setdefault(flow.table, {}).setdefault((flow.priority, shape), {})[values] = flow

    def drop(self, key: FlowKey) -> None:
        shape, values = self._place(key.match)
        space = self._spaces.get(key.table, {})
        found = space.get((key.priority, shape), {})
        found.pop(values, None)
        if not found:
            space.pop((key.priority, shape), None)

    def lookup(self, table: int, fields: dict[str, int]) -> Flow | None:
        """The flow of highest priority that matches; among equals, one of them."""
        best: Flow | None = None
        for (priority, shape), flows in self._spaces.get(table, {}).items():
            if best is not None and priority <= best.priority:
                continue
            if any(name not in fields for name, _ in shape):
                continue
            flow = flows.get(tuple(fields[name] & mask for name, mask in shape))
            if flow is not None:
                best = flow
        return best


def walk(flows: FlowTable, frame: bytes, in_port: int, tunnel: dict[str, int] | None = None) -> Walk:
    """Send `frame` in by `in_port` (with the tunnel fields it arrived with). Raises ValueError for no frame."""
    return _Walker(flows, parse(frame), in_port, tunnel or {}).run()


class _Walker:
    def __init__(self, flows: FlowTable, packet: Packet, in_port: int, tunnel: dict[str, int]) -> None:
        self.flows, self.packet = flows, packet
        self.fields = packet.fields
        metadata = dict.fromkeys((name for name in FIELDS if name.startswith(("reg", "tun_")) or name == "metadata"), 0)
        self.fields.update({**metadata, **tunnel, "in_port": in_port})
        self.story = Walk()
        self.resubmits = 0

    def run(self) -> Walk:
        self._table(0, 0)
        return self.story

    def _table(self, table: int, depth: int) -> None:
        while not self.story.stopped:
            flow = self.flows.lookup(table, self.fields)
            changed: dict[str, tuple[int, int]] = {}
            self.story.steps.append(Step(table, flow, changed))
            following = None
            for action in flow.actions if flow else ():
                if isinstance(action, Goto):
                    following = action.table
                else:
                    self._act(action, depth, changed)
                if self.story.stopped:
                    return
            if following is None:
                return
            table = following

    def _act(self, action: Action, depth: int, changed: dict[str, tuple[int, int]]) -> None:
        match action:
            case Load(to, value):
                self._write(to, value, changed)
            case Move(source, to):
                self._write(to, self._read(source), changed)
            case Output(port):
                self._output(port)
            case Resubmit(table):
                self._resubmit(table, depth)
            case DecTtl():
                self._dec_ttl(changed)
            case ForgetInPort():
                self._set("in_port", 0, changed)
            case _:
                raise TypeError(f"{action!r} is no action the walk knows")

    def _read(self, part: Subfield) -> int:
        return self._whole(part.field) >> part.start & (1 << part.bits) - 1

    def _whole(self, name: str) -> int:
        if name not in WIDE:
            return self.fields.get(name, 0)
        return sum(self.fields[narrow] << 32 * place for place, narrow in enumerate(reversed(WIDE[name])))

    def _write(self, part: Subfield, value: int, changed: dict[str, tuple[int, int]]) -> None:
        new = self._whole(part.field) & ~part.mask | value << part.start & part.mask
        if part.field not in WIDE:
            self._set(part.field, new, changed)
            return
        for place, narrow in enumerate(reversed(WIDE[part.field])):
            self._set(narrow, new >> 32 * place & 0xFFFFFFFF, changed)

    def _set(self, name: str, value: int, changed: dict[str, tuple[int, int]]) -> None:
        old = self.fields.get(name, 0)
        if name in self.fields and old != value:
            self.fields[name] = value
            changed[name] = (changed.get(name, (old, 0))[0], value)

    def _output(self, port: int) -> None:
        if port == self.fields["in_port"]:
            return  # Open vSwitch never sends a packet back by its own port unless told IN_PORT
        target = self.fields["in_port"] if port == IN_PORT else port
        tunnel = {name: value for name, value in self.fields.items() if name.startswith("tun_")}
        self.story.sent.append(Sent(target, build(self.packet), tunnel))

    def _resubmit(self, table: int, depth: int) -> None:
        self.resubmits += 1
        if depth + 1 >= DEPTH_LIMIT:
            self.story.stopped = "resubmit-depth"
        elif self.resubmits > RESUBMIT_LIMIT:
            self.story.stopped = "resubmit-count"
        else:
            self._table(table, depth + 1)

    def _dec_ttl(self, changed: dict[str, tuple[int, int]]) -> None:
        if "nw_ttl" not in self.fields:
            return
        if self.fields["nw_ttl"] <= 1:
            self.story.stopped = "ttl"
        else:
            self._set("nw_ttl", self.fields["nw_ttl"] - 1, changed)
