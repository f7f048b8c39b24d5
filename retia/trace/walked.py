"""A walk over compiled flows as a story: the same one that hosts would report."""

from __future__ import annotations

from collections.abc import Iterator

from retia.compile.explain import made_by
from retia.compile.reasons import REASON_OF
from retia.flows.actions import Output
from retia.flows.fields import Subfield
from retia.flows.journey import Journey, Leg
from retia.flows.walk import Fate, Step
from retia.pipeline.check import STAGE_OF
from retia.pipeline.fields import DATAPATH, DESTINATION_PORT, EDGE_ROUTER, REASON, SOURCE_PORT
from retia.pipeline.stages import BESIDE
from retia.reach.physical import Physical
from retia.reach.world import Place, World
from retia.trace.story import Change, End, Ending, Passage, Point, Story
from retia.values import Ip4

LIMITS = {
    Fate.TOO_DEEP: "it goes back more often than Open vSwitch follows",
    Fate.TOO_LONG: "it passes more tables than Open vSwitch follows",
    Fate.RECIRC_LIMIT: "it is translated more often than Open vSwitch allows in one host (recirc-limit)",
}


def walked(world: World, place: Place, frame: bytes) -> Story:
    """What becomes of a frame that comes in there, by the flows that every host would have."""
    journey = Physical(world).send(place, frame)
    passages = tuple(Passage(leg.host, tuple(_points(world, leg))) for leg in journey.legs)
    return Story(passages, _end(world, journey))


def _points(world: World, leg: Leg) -> Iterator[Point]:
    """Each where it was when it came there; of the first stage, what that has found out."""
    held: dict[str, int] = {}
    for number, step in enumerate(leg.walk.steps):
        before = dict(held)
        held.update({name: new for name, (_, new) in step.changed.items()})
        where = before if number else held
        datapath, source, destination = (_read(where, part) for part in (DATAPATH, SOURCE_PORT, DESTINATION_PORT))
        rule, origin = made_by(world.compilers[leg.host], step.flow) if step.flow is not None else ("", "")
        if step.table not in BESIDE:
            yield Point(STAGE_OF[step.table].name, datapath, source, destination, rule, origin, dict(_headers(step)))


def _read(held: dict[str, int], part: Subfield) -> int:
    return held.get(part.field, 0) >> part.start & (1 << part.bits) - 1


def _headers(step: Step) -> Iterator[tuple[str, Change]]:
    return ((name, change) for name, change in step.changed.items() if is_header(name))


def is_header(name: str) -> bool:
    """Whether a field is the packet's own, not what a switch notes of it."""
    return not name.startswith(("reg", "metadata", "tun_", "ct_", "in_port"))


def _end(world: World, journey: Journey) -> End:
    leg = journey.legs[-1]
    if journey.endless:
        return End(Ending.endless, leg.host)
    if journey.lost:
        host, sent = journey.lost[0]
        return End(Ending.lost, host, detail=str(Ip4(sent.tunnel["tun_dst"])))
    if journey.arrivals:
        arrival = journey.arrivals[0]
        place = Place(arrival.host, arrival.port)
        port, uplink = world.port_at(place), world.uplinks.get(place)
        out = port.id if port else uplink.id if uplink else ""
        ending = Ending.delivered if port else Ending.left
        return End(ending, arrival.host, out, arrival.port, arrival.frame)
    return _stopped(leg)


def _stopped(leg: Leg) -> End:
    walk = leg.walk
    if walk.fate in LIMITS:
        return End(Ending.limit, leg.host, detail=LIMITS[walk.fate])
    if walk.fate is Fate.MISSED:
        return End(Ending.missed, leg.host)
    reason = REASON_OF.get(walk.read(REASON))
    if reason is None and walk.last.flow is not None and any(isinstance(a, Output) for a in walk.last.flow.actions):
        return End(Ending.suppressed, leg.host)
    return End(Ending.dropped, leg.host, reason=reason, router=walk.read(EDGE_ROUTER))
