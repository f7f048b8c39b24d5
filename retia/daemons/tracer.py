"""Traces: what comes of traced packets on this host, told to who asks by the store; packets injected, and let go on.

    Trace (go) ─► injected ─► stages report ─► `take` ─┬─► points ─► TraceReport in the store, under the trace's lease
                                                      └─► held where packets leave or enter routers: let go on, or not

The flows that report are of the rules (`compile.tracing`), there as long as any trace is. A packet that would leave by
a port ends here, unless its trace says `deliver`. Never waits for the store: what cannot be told is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from retia.compile.compiler import Compiler, FlowDelta, RecordChange
from retia.compile.facts import fault
from retia.compile.hits import Hits
from retia.compile.local import UplinkPort, uplink_name
from retia.compile.outputs import FlowRow
from retia.compile.presence import LiveSwitch, Plugged
from retia.compile.tracing import HELD, told
from retia.compile.uplinks import UplinkOf
from retia.errors import RetiaError, SwitchAway
from retia.flows.actions import Actions, Ct, Load, Output, Resubmit
from retia.flows.carrying import Punted
from retia.flows.packet import parse
from retia.flows.walk import NO_PORTS
from retia.log import logger
from retia.model.state import Trace, TracePoint, TraceReport
from retia.pipeline.check import STAGE_OF
from retia.pipeline.fields import COMMAND, TRACED
from retia.pipeline.stages import ADMIT
from retia.store.contract import Store, Transaction
from retia.store.records import encode, key_of
from retia.switch.contract import Switch

TOGETHER = 0.002
"""Seconds for which points are gathered before they are told: a packet's way through a host is one write."""

log = logger("tracer")


@dataclass
class _Followed:
    """A trace, the points not told yet, and how many reports were."""

    trace: Trace
    points: list[TracePoint] = field(default_factory=list)
    told: int = 0
    due: bool = False


class Tracer:
    """`note` after each batch of the loop; `take` a traced packet's punt; `run` tells."""

    def __init__(self, compiler: Compiler, switch: Switch, store: Store) -> None:
        self._compiler, self._switch, self._store = compiler, switch, store
        self._hits = Hits(compiler)
        self._followed: dict[int, _Followed] = {}
        self._news = asyncio.Event()

    def note(self, changes: Iterable[RecordChange], delta: FlowDelta) -> None:
        """Traces that came, go, or end; their flows are in the switch by now."""
        if delta.rows:
            self._hits.forget()
        for old, new in changes:
            if isinstance(new, Trace) and not fault(new):
                one = self._followed.setdefault(new.id, _Followed(new))
                one.trace = new
                if new.host == self._compiler.host and isinstance(old, Trace) and new.go and not old.go:
                    self._inject(one)
            elif isinstance(old, Trace):
                self._followed.pop(old.id, None)

    def _inject(self, one: _Followed) -> None:
        """Where its place is gone, or its frame is none, that is told: a report of nothing."""
        trace, ofports = one.trace, list(self._ofports(one.trace.place))
        try:
            frame = bytes.fromhex(trace.frame)
            parse(frame)
        except ValueError:
            ofports = []
        if not ofports:
            self._tell(one)
            return
        marks = (Load(TRACED, 1), Load(COMMAND, trace.id), Resubmit(int(ADMIT)))
        self._send(frame, marks, ofports[0])

    def _ofports(self, place: str) -> Iterator[int]:
        """Of a port that is plugged in here or an uplink that is there, whether anything is let in by it or not."""
        find = self._compiler.program.find
        yield from (one.ofport for one in find(Plugged, port=place))
        for one in find(UplinkOf, uplink=place):
            names = [uplink_name(switch.key) for switch in find(LiveSwitch, switch=one.switch)]
            yield from (port.ofport for name in names for port in find(UplinkPort, name=name))

    def take(self, punt: Punted) -> None:
        """A traced packet has come to a stage."""
        one = self._followed.get(punt.read(COMMAND))
        if one is None or punt.table not in STAGE_OF:
            return
        row = self._hit(punt)
        out = _leaves_by(row) if row is not None and punt.table in HELD else 0
        rule, origin = (row.rule, row.origin) if row is not None else ("", "")
        fields = dict(punt.fields)
        again = row is not None and any(isinstance(action, Ct) for action in row.actions)
        stage = STAGE_OF[punt.table].name
        one.points.append(TracePoint(stage, punt.frame.hex(), fields, rule, origin, out, again))
        self._tell(one)
        back = out == punt.fields.get("in_port", 0)  # where a switch never sends it; let go on, it forgets the port
        if punt.table in HELD and (not out or (one.trace.deliver and not back)):
            self._let_go_on(punt)

    def _hit(self, punt: Punted) -> FlowRow | None:
        packet = parse(punt.frame)
        ports = NO_PORTS if packet.is_fragment else {}
        return self._hits.find(punt.table, {**packet.fields, **ports, **punt.fields})

    def _let_go_on(self, punt: Punted) -> None:
        """The port it came by is forgotten: no flow after these stages looks."""
        self._send(punt.frame, (*punt.restored, told(punt.table), Resubmit(punt.table)))

    def _send(self, frame: bytes, actions: Actions, *by: int) -> None:
        try:
            self._switch.send(frame, actions, *by)
        except SwitchAway as away:
            log.debug("traced packet lost", why=away.what)

    def _tell(self, one: _Followed) -> None:
        one.due = True
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(TOGETHER)
            self._news.clear()
            for one in [one for one in self._followed.values() if one.due]:
                await self._report(one)

    async def _report(self, one: _Followed) -> None:
        points, one.points, one.due = tuple(one.points), [], False
        one.told += 1
        report = TraceReport(host=self._compiler.host, trace=one.trace.id, number=one.told, points=points)
        try:
            await self._store.commit(Transaction(puts={key_of(report): encode(report)}, lease=one.trace.lease))
        except RetiaError as error:  # the trace is over, or the store is away: nobody waits for it
            log.debug("trace not told", why=error.what)


def _leaves_by(row: FlowRow) -> int:
    """The port that a flow sends out of; 0 for none."""
    return next((action.port for action in row.actions if isinstance(action, Output)), 0)
