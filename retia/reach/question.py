"""One question: can a guest, or somebody outside, reach a guest or an address, and does the answer come back?

    ask ─► ARP for the next hop ─► the request walks ─► it arrives ─► what answers it walks back ─► it arrives

Each step may be where it ends: then the answer says what stopped it, on which host and stage, and for which object.
What leaves by an uplink has arrived: whoever it is for is taken to answer what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from retia.compile.explain import rule_and_origin
from retia.compile.path import why_pair
from retia.compile.reasons import REASON_OF, Reason
from retia.flows.journey import Arrival, Journey, Leg
from retia.flows.packet import build, parse
from retia.flows.walk import Fate, Step
from retia.model.kinds import Nat, Port, Uplink
from retia.pipeline.fields import EDGE_ROUTER, REASON
from retia.pipeline.stages import COMPLAIN, DROP, STAGES
from retia.reach.answers import Answer, Obstacle, Stopped, stopped
from retia.reach.physical import Physical, stranger
from retia.reach.probes import REPLY, Addresses, Probe, answer, arp_request, packet
from retia.reach.world import Place, World
from retia.values import Ip, Ip4, Mac

_STAGES = {int(stage): name for name, stage in STAGES.items()}

End = Port | Ip
"""A guest's port, or an address: as a source, of somebody outside."""


class _Start(NamedTuple):
    """A frame, and where it comes in."""

    place: Place
    frame: bytes


class _Arrived(NamedTuple):
    """A frame, where it came out, and by which way."""

    place: Place
    frame: bytes
    way: tuple[str, ...]


@dataclass
class Asker:
    """Asks questions of one world; what ARP answered is asked once. Unless it `explains`, an obstacle is as the flows
    say it, without a look at the declared objects, and nothing is told of the way."""

    world: World
    explains: bool = True
    _macs: dict[tuple[str, Ip], Mac | Obstacle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._physical = Physical(self.world)

    def ask(self, source: End, target: End, probe: Probe) -> Answer:
        asked = Answer(self._name(source), self._name(target), str(probe))
        failed: Answer | None = None
        try:
            self._check_ends(source, target)
            for start in self._starts(source, target, probe):
                found = self._talk(asked, source, target, start)
                if found.reachable:
                    return found
                failed = failed or found
        except Stopped as stop:
            return failed or self._explained(asked, source, target, stop.obstacle)
        return failed or asked

    def _talk(self, asked: Answer, source: End, target: End, start: _Start) -> Answer:
        self.world.forget()
        try:
            end = self._sent(start)
            asked = replace(asked, there=end.way)
            if self._is_answer(end, start):
                return asked  # by a router
            self._check_arrived(end, target)
        except Stopped as stop:
            return self._explained(asked, source, target, stop.obstacle)
        asked = replace(asked, notes=tuple(self._notes(end, start)))
        try:
            here = self._sent(self._reply(end))
            self._check_returned(here, start, source)
        except Stopped as stop:
            return self._explained(replace(asked, on_return=True), source, target, stop.obstacle)
        return replace(asked, back=here.way)

    def _name(self, end: End) -> str:
        return str(end) if isinstance(end, Ip) else self.world.name(end)

    # -- the ends --------------------------------------------------------------------------------------------------

    def _check_ends(self, *ends: End) -> None:
        for port in ends:
            if isinstance(port, Port) and port.id not in self.world.places:
                what = f"port {self.world.name(port)} lives on no registered host"
                advice = "give the guest's interface external_ids:iface-id = SWITCH/PORT, on a host whose agent runs"
                raise stopped(what, advice)

    def _address(self, port: Port) -> Ip:
        setup = self.world.setup(port)
        if setup.address is None or setup.address.family != 4:
            what = f"port {self.world.name(port)} has no IPv4 address"
            raise stopped(what, "give it one, or its switch a subnet")
        return setup.address.address

    def _starts(self, source: End, target: End, probe: Probe) -> Iterator[_Start]:
        """The request: from a guest in one way, from outside by each uplink that it may come in by."""
        if isinstance(source, Port):
            to = target if isinstance(target, Ip) else self._address(target)
            mac = self._next_mac(source, to)
            ends = Addresses(self.world.setup(source).mac, mac, self._address(source), to)
            yield _Start(self.world.places[source.id], packet(ends, probe))
            return
        to, probe = self._known_as(target, probe)
        doors = self._physical.doors(to, source)
        if not doors:
            raise self._no_door(to)
        for door in doors:
            ends = Addresses(stranger(source), door.mac, source, to)
            yield _Start(door.place, packet(ends, probe))

    def _known_as(self, target: End, probe: Probe) -> tuple[Ip, Probe]:
        """What a guest is called outside: as its NAT rules say, else as inside."""
        if isinstance(target, Ip):
            return target, probe
        address = self._address(target)
        rules = [one for one in self.world.network.of(Nat) if one.internal.is_address and one.external is not None]
        rules = sorted((one for one in rules if one.internal.address == address), key=lambda one: one.id)
        for one in rules:
            if one.external is not None and one.protocol is None:
                return one.external, probe
            inside = Probe(probe.protocol, one.internal_port or one.external_port)
            if one.external is not None and inside == probe and str(one.protocol) == str(probe).split()[0]:
                return one.external, Probe(probe.protocol, one.external_port)
        return address, probe

    def _no_door(self, address: Ip) -> Stopped:
        switches = self._physical.on_segment(address)
        if switches:
            names = ", ".join(self.world.labels.label(switch) for switch in switches)
            what = f"nobody answers for {address} by the uplinks of {names}"
            return stopped(what, "give it to a router port, a NAT rule or a guest there, on a host with an uplink")
        what = f"no router that meets the physical network leads to {address}"
        return stopped(what, "give such a router a port or a route there")

    # -- one direction ---------------------------------------------------------------------------------------------

    def _sent(self, start: _Start) -> _Arrived:
        journey = self._physical.send(start.place, start.frame)
        if not journey.arrivals:
            raise Stopped(self._obstacle(journey))
        arrival = journey.arrivals[0]
        way = self._way(start.place, journey, arrival) if self.explains else ()
        return _Arrived(Place(arrival.host, arrival.port), arrival.frame, way)

    def _is_answer(self, end: _Arrived, start: _Start) -> bool:
        """Whether what arrived is back at who asked: then a router has answered."""
        return end.place == start.place and parse(end.frame).fields["ip_dst"] == parse(start.frame).fields["ip_src"]

    def _check_arrived(self, end: _Arrived, target: End) -> None:
        at, address = self.world.port_at(end.place), Ip4(parse(end.frame).fields["ip_dst"])
        if at is None and end.place not in self.world.uplinks:
            raise stopped("it ends at nobody")
        if isinstance(target, Port) and at is None:
            raise stopped(f"it leaves by {self._place(end.place)}, and {self._name(target)} is not out there")
        if isinstance(target, Port) and at != target:
            raise stopped(f"it ends at {self._place(end.place)}, which is another port")
        if at is not None and address not in at.addresses:
            raise stopped(f"it ends at {self._place(end.place)}, which has not {address}")

    def _check_returned(self, here: _Arrived, start: _Start, source: End) -> None:
        came, asked = parse(here.frame).fields, parse(start.frame).fields
        outside = here.place in self.world.uplinks and start.place in self.world.uplinks
        if (here.place != start.place and not outside) or came["ip_dst"] != asked["ip_src"]:
            raise stopped(f"it ends at {self._place(here.place)}, not at {self._name(source)}")
        if came["ip_src"] != asked["ip_dst"]:
            what = f"it comes from {Ip4(came['ip_src'])}, and {self._name(source)} asked {Ip4(asked['ip_dst'])}"
            raise stopped(what, "let both directions pass the same router with NAT")

    def _reply(self, end: _Arrived) -> _Start:
        """What whoever got a request says: to the next hop of a guest; outside to who answers for the source, or back
        to where it came from."""
        said = parse(answer(end.frame))
        to, own = Ip4(said.fields["ip_dst"]), Ip4(said.fields["ip_src"])
        port, uplink, place = self.world.port_at(end.place), self.world.uplinks.get(end.place), end.place
        if port is not None:
            said.fields["eth_dst"] = self._next_mac(port, to)
        elif uplink is not None and uplink.switch in self._physical.on_segment(to):
            doors = self._physical.who_has(uplink.switch, to, own)
            if not doors:
                raise self._no_door(to)
            door = next((one for one in doors if one.place == place), doors[0])
            place, said.fields["eth_dst"] = door.place, door.mac
        return _Start(place, build(said))

    def _notes(self, end: _Arrived, start: _Start) -> Iterator[str]:
        """What is worth knowing, and what nobody here can know."""
        seen, asked = parse(end.frame).fields, parse(start.frame).fields
        source, target = Ip4(seen["ip_src"]), Ip4(seen["ip_dst"])
        for name, now in (("ip_src", source), ("ip_dst", target)):
            if now != asked[name]:
                yield f"{Ip4(asked[name])} is translated to {now}"
        if end.place in self.world.uplinks:
            yield f"{target} is taken to answer, on the physical network"
            if not self._physical.on_segment(source):
                yield f"nothing translates {source}: the physical network has to know the way back to it"
        if start.place in self.world.uplinks and not self._physical.on_segment(Ip4(asked["ip_dst"])):
            told = Ip4(asked["ip_dst"])
            yield f"the physical network is taken to send {told} to {self._place(start.place)}"

    # -- ARP -------------------------------------------------------------------------------------------------------

    def _next_mac(self, port: Port, to: Ip) -> Mac:
        """By ARP, of `to` or of the guest's gateway."""
        self._address(port)
        setup = self.world.setup(port)
        hop = to if setup.address is not None and to in setup.address.network else setup.gateway
        if hop is None:
            what = f"the guest at {self.world.name(port)} has no gateway"
            raise stopped(what, "give its subnet a gateway, or its switch a router port")
        known = self._macs.get((port.id, hop))
        if known is None:
            known = self._macs[port.id, hop] = self._arp(port, hop)
        if isinstance(known, Obstacle):
            raise Stopped(known)
        return known

    def _arp(self, port: Port, hop: Ip) -> Mac | Obstacle:
        place, own = self.world.places[port.id], self._address(port)
        journey = self._physical.send(place, arp_request(self.world.setup(port).mac, own, hop))
        for arrival in journey.arrivals:
            fields, at = parse(arrival.frame).fields, Place(arrival.host, arrival.port)
            if fields.get("arp_op") == REPLY and fields["arp_spa"] == hop and at == place:
                return Mac(fields["arp_sha"])
            if at in self.world.uplinks:
                doors = self._physical.who_has(self.world.uplinks[at].switch, hop, own)
                return doors[0].mac if doors else stranger(hop)
        return self._obstacle(journey)

    # -- telling ---------------------------------------------------------------------------------------------------

    def _place(self, place: Place) -> str:
        port, uplink = self.world.port_at(place), self.world.uplinks.get(place)
        return self.world.name(port) if port else _uplink(uplink, place.host) if uplink else f"port {place.ofport}"

    def _way(self, start: Place, journey: Journey, arrival: Arrival) -> tuple[str, ...]:
        """The hosts, routers and uplinks that the packet came through, and where it came out."""
        legs = self._legs(journey, arrival)
        way = [f"{self._place(start)} on {start.host}" if self.world.port_at(start) else self._place(start)]
        for number, leg in enumerate(legs):
            way += [f"host {leg.host}"] if number else []
            keys = [step.changed["metadata"][1] for step in leg.walk.steps if "metadata" in step.changed]
            way += [self.world.routers[key] for key in keys if key in self.world.routers]
        return (*way, self._place(Place(arrival.host, arrival.port)))

    def _legs(self, journey: Journey, arrival: Arrival) -> list[Leg]:
        last = next(leg for leg in reversed(journey.legs) if self._sent_by(leg, arrival))
        legs = [last]
        while legs[0].cause is not None:
            legs.insert(0, journey.legs[legs[0].cause])
        return legs

    def _sent_by(self, leg: Leg, arrival: Arrival) -> bool:
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
        reason = REASON_OF.get(leg.walk.read(REASON)) if leg.walk.fate in (Fate.DROPPED, Fate.PUNTED) else None
        what = reason.doc if reason else f"the packet is {leg.walk.fate.replace('-', ' ')} in the switch of {leg.host}"
        rule, origin = ("", "")
        if step.flow is not None:
            rule, origin = rule_and_origin(self.world.compilers[leg.host], self.world.labels, step.flow)
        if not origin or origin in self.world.hosts:  # a rule for all: what counts is where the packet was
            key = leg.walk.read(EDGE_ROUTER) if reason is Reason.NO_EDGE else leg.walk.fields["metadata"]
            origin = self.world.routers.get(key) or self.world.switches.get(key, "")
        label = reason.label if reason else str(leg.walk.fate)
        return Obstacle(what, leg.host, _STAGES.get(step.table, str(step.table)), label, rule, origin)

    def _explained(self, asked: Answer, source: End, target: End, obstacle: Obstacle) -> Answer:
        """With what is missing among the declared objects, where that says more than the flow that dropped it."""
        notes = asked.notes
        if self.explains and isinstance(source, Port):
            end = target.id if isinstance(target, Port) else target
            verdict = why_pair(self.world.facts(source), self.world.things, source.id, end)
            notes = tuple(dict.fromkeys((*notes, *verdict.notes)))
            if verdict.missing:
                obstacle = Obstacle(**{**asdict(obstacle), "what": verdict.missing, "advice": verdict.advice})
        return replace(asked, obstacle=obstacle, notes=notes)


def _uplink(uplink: Uplink, host: str) -> str:
    return f"uplink {uplink.bridge} of {host}" + (f", VLAN {uplink.vlan}" if uplink.vlan else "")


def _decisive(leg: Leg) -> Step:
    """The step that sent the packet to its end: the last one before those that tell of it and count it."""
    steps = [step for step in leg.walk.steps if step.table not in (COMPLAIN, DROP)]
    return steps[-1] if steps else leg.walk.last
