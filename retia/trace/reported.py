"""What hosts report of a traced packet, put together: from where it came in, through each tunnel, to its end.

A packet is in one place at a time, so its way is a chain: a host's reports are cut where it arrives anew (ADMIT), and
what leaves one host for a tunnel address comes in as the next piece of the host that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retia.compile.reasons import REASON_OF, Reason
from retia.flows.actions import LOCAL
from retia.flows.fields import Subfield
from retia.flows.packet import parse
from retia.flows.walk import DEPTH_LIMIT, LOOKUP_LIMIT, RECIRCULATION_LIMIT, Fate
from retia.model.state import Trace, TracePoint
from retia.pipeline.fields import DATAPATH, DESTINATION_PORT, EDGE_ROUTER, REASON, SOURCE_PORT
from retia.pipeline.stages import ADMIT, DROP, ENCAP, STAGES
from retia.trace.story import Change, End, Ending, Passage, Point, Story
from retia.trace.walked import LIMITS
from retia.values import Ip4

PIECES = 64
"""A packet that came to hosts so often goes round in circles."""

ASKED = frozenset(name for stage in STAGES.values() for name in stage.asks)
"""Stages that a packet goes to for an answer: without one it goes on, too."""

Reports = Mapping[str, Sequence[TracePoint]]
"""Points in the order they were told, by host."""


@dataclass(frozen=True)
class Heard:
    """`complete`: there is nothing more to wait for."""

    story: Story
    complete: bool


def reported(trace: Trace, reports: Reports, tunnels: Mapping[int, str]) -> Heard:
    """`tunnels`: hosts by their tunnel addresses."""
    pieces = {host: list(_pieces(points)) for host, points in reports.items()}
    host, passages = trace.host, list[Passage]()
    while len(passages) < PIECES:
        waiting = pieces.get(host)
        if not waiting:
            gone = host in reports and not passages
            detail = "nothing is plugged in there any more, or this is no frame" if gone else ""
            return Heard(Story(tuple(passages), End(Ending.unreported, host, detail=detail)), gone)
        points = waiting.pop(0)
        limit = _limit(points, tunnelled=bool(passages))
        number, fate = limit or (len(points), None)
        passages.append(Passage(host, tuple(_told(points[:number]))))
        if fate is not None:
            over = End(Ending.limit, host, detail=LIMITS[fate])
            return Heard(Story(tuple(passages), over), True)
        last = points[-1]
        if last.stage != ENCAP.name:
            return _ended(host, points, tuple(passages))
        target = tunnels.get(last.fields.get("tun_dst", 0))
        if target is None:
            lost = End(Ending.lost, host, detail=str(Ip4(last.fields.get("tun_dst", 0))))
            return Heard(Story(tuple(passages), lost), True)
        host = target
    return Heard(Story(tuple(passages), End(Ending.endless, host)), True)


def _pieces(points: Sequence[TracePoint]) -> Iterator[list[TracePoint]]:
    begins = [place for place, point in enumerate(points) if point.stage == ADMIT.name] or [0]
    for begin, end in zip(begins, [*begins[1:], len(points)], strict=True):
        if end > begin:
            yield list(points[begin:end])


def _limit(points: Sequence[TracePoint], tunnelled: bool) -> tuple[int, Fate] | None:
    """How many points a packet has that is not traced, where that is fewer, and why: a traced one is let go on by its
    agent now and then, and for Open vSwitch, which counts, that is another packet."""
    came_again, back, since, before = int(tunnelled), 0, 0, -1
    for number, point in enumerate(points, 1):
        stage, since = int(STAGES[point.stage]), since + 1
        back += point.stage not in ASKED and stage <= before
        if number < len(points) and (back >= DEPTH_LIMIT or since > LOOKUP_LIMIT):
            return number, Fate.TOO_DEEP if back >= DEPTH_LIMIT else Fate.TOO_LONG
        came_again += point.again
        if came_again > RECIRCULATION_LIMIT:
            return number, Fate.RECIRC_LIMIT
        if point.again or point.stage == DROP.name:  # a new beginning: out of connection tracking, or after a wait
            back, since, before = 0, 0, -1
        elif point.stage not in ASKED:
            before = stage
    return None


def _told(points: Sequence[TracePoint]) -> Iterator[Point]:
    for number, point in enumerate(points):
        after = points[number + 1] if number + 1 < len(points) else None
        where = point if number else after or point
        datapath, source, destination = (_read(where, part) for part in (DATAPATH, SOURCE_PORT, DESTINATION_PORT))
        yield Point(point.stage, datapath, source, destination, point.rule, point.origin, _changed(point, after))


def _read(point: TracePoint, part: Subfield) -> int:
    return point.fields.get(part.field, 0) >> part.start & (1 << part.bits) - 1


def _changed(before: TracePoint, after: TracePoint | None) -> dict[str, Change]:
    if after is None or before.frame == after.frame:
        return {}
    old, new = parse(bytes.fromhex(before.frame)).fields, parse(bytes.fromhex(after.frame)).fields
    return {name: (old.get(name, 0), new[name]) for name in new if old.get(name, 0) != new[name]}


def _ended(host: str, points: Sequence[TracePoint], passages: tuple[Passage, ...]) -> Heard:
    """Whether the last point of all is an end; else more is to come, from the same host."""
    last = points[-1]
    end = End(Ending.unreported, host)
    complete = True
    if last.out and last.out == last.fields.get("in_port", 0):
        end = End(Ending.suppressed, host)
    elif last.out:
        out, ending = ("", Ending.left) if last.out == LOCAL else (last.origin, Ending.delivered)
        ending = Ending.left if last.rule == "deliver_uplink" else ending
        end = End(ending, host, out, last.out, bytes.fromhex(last.frame))
    elif last.stage == DROP.name:
        reason = REASON_OF.get(_read(last, REASON))
        end = End(Ending.dropped, host, reason=reason, router=_read(last, EDGE_ROUTER))
        complete = reason is not Reason.NEIGHBOUR_ASKED  # it may wait for an answer
    elif not last.rule and last.stage not in ASKED:
        end = End(Ending.missed, host)
    else:
        complete = False
    return Heard(Story(passages, end), complete)
