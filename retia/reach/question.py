"""One question: can the guest at a port reach another guest, or an address, and does the answer come back?

    ask ─► ARP for the next hop ─► the request walks ─► it arrives ─► ARP there ─► the reply walks ─► it arrives

Each step may be where it ends: then the answer says what stopped it, on which host and stage, and for which object.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from retia.compile.explain import rule_and_origin
from retia.compile.path import why_pair
from retia.compile.reasons import Reason
from retia.flows.journey import Arrival, Journey, Leg
from retia.flows.packet import parse
from retia.flows.walk import Fate, Step
from retia.model.kinds import Port
from retia.pipeline.fields import REASON
from retia.pipeline.stages import COMPLAIN, DROP, STAGES
from retia.reach.probes import Addresses, Probe, arp_request, packet
from retia.reach.world import World
from retia.values import Ip, Ip4, Mac

_STAGES = {int(stage): name for name, stage in STAGES.items()}
_REASONS = {int(reason): reason for reason in Reason}


@dataclass(frozen=True)
class Obstacle:
    """What stopped a packet: a sentence; where the flows say so, the host, stage, counted reason, rule and object."""

    what: str
    host: str = ""
    stage: str = ""
    reason: str = ""
    rule: str = ""
    object: str = ""
    advice: str = ""

    @property
    def where(self) -> str:
        at = " on ".join(filter(None, [self.stage, self.host]))
        return f"dropped at {at}" + (f", {self.object}" if self.object else "") if at else ""


@dataclass(frozen=True)
class Answer:
    """`there` and `back` are the way as far as it went; `obstacle` is None when they can talk."""

    source: str
    target: str
    probe: str
    there: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    obstacle: Obstacle | None = None
    on_return: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        return self.obstacle is None

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {"reachable": self.reachable, **asdict(self)}

    def lines(self) -> list[str]:
        """For people."""
        found = []
        if self.obstacle is None:
            found.append(f"yes: {self.source} reaches {self.target} ({self.probe})")
        else:
            direction = "the reply: " if self.on_return else ""
            found.append(f"no: {direction}{self.obstacle.what}")
            found += [f"  {self.obstacle.advice}"] if self.obstacle.advice else []
        found += [f"  there: {' > '.join(self.there)}"] if self.there else []
        found += [f"  back:  {' > '.join(self.back)}"] if self.back else []
        if self.obstacle is not None and self.obstacle.where:
            found.append(f"  {self.obstacle.where} ({self.obstacle.reason}, rule {self.obstacle.rule})")
        return [*found, *(f"note: {note}" for note in self.notes)]


class _Stopped(Exception):
    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.what)
        self.obstacle = obstacle


class Way(NamedTuple):
    """A packet that arrived: at which port (None: at nobody's), having gone how."""

    port: Port | None
    way: tuple[str, ...]


@dataclass
class Asker:
    """Asks questions of one world; what ARP answered is asked once. Unless it `explains`, an obstacle is as the flows
    say it, without a look at the declared objects, and nothing is told of the way."""

    world: World
    explains: bool = True
    _macs: dict[tuple[str, Ip], Mac | Obstacle] = field(default_factory=dict)

    def ask(self, source: Port, target: Port | Ip, probe: Probe) -> Answer:
        asked = Answer(self.world.name(source), self._name(target), str(probe))
        there: tuple[str, ...] = ()
        try:
            self._check_ends(source, target)
            at, there = self._go(source, target if isinstance(target, Ip) else self._address(target), probe)
            end = self._arrived(at, source, target)
        except _Stopped as stop:
            return self._explained(asked, source, target, stop.obstacle, there)
        if end is None:  # a router has answered: the reply is back already
            return Answer(asked.source, asked.target, asked.probe, there)
        try:
            here, back = self._go(end, self._address(source), probe, reply=True)
            if here != source:
                raise _Stopped(Obstacle(f"it ends at {self._name(here) if here else 'nobody'}, not at {asked.source}"))
        except _Stopped as stop:
            return self._explained(asked, source, target, stop.obstacle, there, on_return=True)
        return Answer(asked.source, asked.target, asked.probe, there, back)

    def _name(self, end: Port | Ip) -> str:
        return str(end) if isinstance(end, Ip) else self.world.name(end)

    def _check_ends(self, source: Port, target: Port | Ip) -> None:
        for port in (source, *([] if isinstance(target, Ip) else [target])):
            if port.id not in self.world.places:
                what = f"port {self.world.name(port)} lives on no registered host"
                advice = "give the guest's interface external_ids:iface-id = SWITCH/PORT, on a host whose agent runs"
                raise _Stopped(Obstacle(what, advice=advice))

    def _address(self, port: Port) -> Ip:
        setup = self.world.setup(port)
        if setup.address is None or setup.address.family != 4:
            what = f"port {self.world.name(port)} has no IPv4 address"
            raise _Stopped(Obstacle(what, advice="give it one, or its switch a subnet"))
        return setup.address.address

    def _arrived(self, at: Port | None, source: Port, target: Port | Ip) -> Port | None:
        """The port whose guest has to answer; None when the answer is here already."""
        if isinstance(target, Port):
            if at != target:
                raise _Stopped(Obstacle(f"it ends at {self._name(at) if at else 'nobody'}, which is another port"))
            return target
        if at == source:
            return None
        if at is None or target not in at.addresses:
            raise _Stopped(Obstacle(f"it ends at {self._name(at) if at else 'nobody'}, which has not {target}"))
        return at

    # -- one direction ---------------------------------------------------------------------------------------------

    def _go(self, port: Port, to: Ip, probe: Probe, reply: bool = False) -> Way:
        """Where a packet of the guest at `port` arrives. Raises _Stopped."""
        source = self._address(port)
        mac = self._next_mac(port, to)
        ends = Addresses(self.world.setup(port).mac, mac, source, to)
        journey = self.world.send(port, packet(ends, probe, reply))
        if not journey.arrivals:
            raise _Stopped(self._obstacle(journey))
        arrival = journey.arrivals[0]
        way = self._way(port, journey, arrival) if self.explains else ()
        return Way(self.world.port_at(arrival.host, arrival.port), way)

    def _next_mac(self, port: Port, to: Ip) -> Mac:
        """By ARP, of `to` or of the guest's gateway."""
        setup = self.world.setup(port)
        assert setup.address is not None
        hop = to if to in setup.address.network else setup.gateway
        if hop is None:
            what = f"the guest at {self.world.name(port)} has no gateway"
            raise _Stopped(Obstacle(what, advice="give its subnet a gateway, or its switch a router port"))
        known = self._macs.get((port.id, hop))
        if known is None:
            known = self._macs[port.id, hop] = self._arp(port, hop)
        if isinstance(known, Obstacle):
            raise _Stopped(known)
        return known

    def _arp(self, port: Port, hop: Ip) -> Mac | Obstacle:
        setup = self.world.setup(port)
        journey = self.world.send(port, arp_request(setup.mac, self._address(port), hop))
        for arrival in journey.arrivals:
            fields = parse(arrival.frame).fields
            if fields.get("arp_op") == 2 and fields["arp_spa"] == hop and self._is_at(arrival, port):
                return Mac(fields["arp_sha"])
        return self._obstacle(journey)

    def _is_at(self, arrival: Arrival, port: Port) -> bool:
        return self.world.places[port.id] == (arrival.host, arrival.port)

    def _way(self, port: Port, journey: Journey, arrival: Arrival) -> tuple[str, ...]:
        """The hosts and routers that the packet came through, and where it came out."""
        legs = self._legs(journey, arrival)
        way = [f"{self.world.name(port)} on {legs[0].host}"]
        for number, leg in enumerate(legs):
            way += [f"host {leg.host}"] if number else []
            keys = [step.changed["metadata"][1] for step in leg.walk.steps if "metadata" in step.changed]
            way += [self.world.routers[key] for key in keys if key in self.world.routers]
        end = self.world.port_at(arrival.host, arrival.port)
        return (*way, self.world.name(end) if end else f"port {arrival.port} of {arrival.host}")

    def _legs(self, journey: Journey, arrival: Arrival) -> list[Leg]:
        last = next(leg for leg in reversed(journey.legs) if self._sent(leg, arrival))
        legs = [last]
        while legs[0].cause is not None:
            legs.insert(0, journey.legs[legs[0].cause])
        return legs

    def _sent(self, leg: Leg, arrival: Arrival) -> bool:
        return leg.host == arrival.host and any(one.port == arrival.port for one in leg.walk.sent)

    # -- what stopped it -------------------------------------------------------------------------------------------

    def _obstacle(self, journey: Journey) -> Obstacle:
        if journey.endless:
            return Obstacle("it goes round in circles between hosts", host=journey.legs[-1].host)
        if journey.lost:
            host, sent = journey.lost[0]
            what = f"host {host} sends it to tunnel address {Ip4(sent.tunnel['tun_dst'])}, which no host has"
            return Obstacle(what, host=host)
        leg = journey.legs[-1]
        step = _decisive(leg)
        reason = _REASONS.get(leg.walk.read(REASON)) if leg.walk.fate in (Fate.DROPPED, Fate.PUNTED) else None
        what = reason.doc if reason else f"the packet is {leg.walk.fate.replace('-', ' ')} in the switch of {leg.host}"
        rule, origin = ("", "")
        if step.flow is not None:
            rule, origin = rule_and_origin(self.world.compilers[leg.host], self.world.labels, step.flow)
        if not origin or origin in self.world.hosts:  # a rule for all: what counts is where the packet was
            key = leg.walk.fields["metadata"]
            origin = self.world.routers.get(key) or self.world.switches.get(key, "")
        label = reason.label if reason else str(leg.walk.fate)
        return Obstacle(what, leg.host, _STAGES.get(step.table, str(step.table)), label, rule, origin)

    def _explained(
        self, asked: Answer, source: Port, target: Port | Ip, obstacle: Obstacle, there: tuple[str, ...],
        on_return: bool = False,
    ) -> Answer:  # fmt: skip
        """With what is missing among the declared objects, where that says more than the flow that dropped it."""
        notes: tuple[str, ...] = ()
        if self.explains and isinstance(target, Port):
            verdict = why_pair(self.world.facts(source), self.world.things, source.id, target.id)
            notes = verdict.notes
            if verdict.missing:
                obstacle = Obstacle(**{**asdict(obstacle), "what": verdict.missing, "advice": verdict.advice})
        return Answer(asked.source, asked.target, asked.probe, there, (), obstacle, on_return, notes)


def _decisive(leg: Leg) -> Step:
    """The step that sent the packet to its end: the last one before those that tell of it and count it."""
    steps = [step for step in leg.walk.steps if step.table not in (COMPLAIN, DROP)]
    return steps[-1] if steps else leg.walk.last
