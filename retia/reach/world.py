"""The hosts of a network as `reach` walks them: each one's flows, compiled from the records, and where each port is.

    things ──► Compiler a host ──► HostFlows a host ──► send ──► Journey

A port is where its binding says. `part_for` leaves out the ports that two ends have nothing to do with, so that one
question about a large network costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.flows.journey import HostFlows, Journey, walk_hosts
from retia.flows.lookup import FlowTable
from retia.model.kinds import Object, Port, Route, Router, RouterPort, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.network import Network
from retia.model.setup import Setup, setup_of
from retia.model.state import Alive, Binding, HostState, State
from retia.values import Ip

TUNNEL_PORT = 60000
IMAGINED = ("one", "two")
"""Hosts of a network that is only a document: neighbours on one host, and neighbours apart, are both seen."""


class Place(NamedTuple):
    """Where a port is plugged in."""

    host: str
    ofport: int


def host_flows(compilers: Mapping[str, Compiler], states: Mapping[str, HostState]) -> dict[str, HostFlows]:
    """Each host as the walk wants it."""
    return {
        name: HostFlows(FlowTable(compiler.flows.values()), int(states[name].tunnel), TUNNEL_PORT)
        for name, compiler in compilers.items()
    }


class World:
    """`places` has the ports that live on a registered host; `routers` and `switches` what people call
    those with these keys."""

    def __init__(self, things: Things) -> None:
        self.things = things
        self.network = Network(thing for thing in things.values() if isinstance(thing, Object))
        self.labels = Labels(things)
        states = {thing.host: thing for thing in things.values() if isinstance(thing, HostState)}
        self.places = dict(_places(things, states, self.network))
        self._ports = {place: port for port, place in self.places.items()}
        hosts = sorted({place.host for place in self.places.values()})
        self.compilers = {host: self._compile(host) for host in hosts}
        self.hosts = host_flows(self.compilers, states)
        self.routers = {router.key: self.network.label(router) for router in self.network.of(Router)}
        self.switches = {switch.key: self.network.label(switch) for switch in self.network.of(Switch)}
        self._setups: dict[str, Setup] = {}

    def _compile(self, host: str) -> Compiler:
        compiler = Compiler(host)
        plugged = [
            InterfaceChange(None, Interface(f"p{place.ofport}", place.ofport, port))
            for port, place in self.places.items()
            if place.host == host
        ]
        compiler.change([(None, thing) for thing in self.things.values()], plugged, TUNNEL_PORT)
        return compiler

    def facts(self, port: Port) -> Compiler:
        """A compiler that knows all there is: that of the host where the port lives, if it lives anywhere."""
        place = self.places.get(port.id)
        return self.compilers[place.host] if place else next(iter(self.compilers.values()), None) or self._compile("")

    def setup(self, port: Port) -> Setup:
        """What the guest at a port is told."""
        if port.id not in self._setups:
            self._setups[port.id] = setup_of(self.network, port)
        return self._setups[port.id]

    def name(self, port: Port) -> str:
        return self.network.path(port)

    def port_at(self, host: str, ofport: int) -> Port | None:
        return self.network.get(Port, self._ports.get(Place(host, ofport), ""))

    def send(self, port: Port, frame: bytes) -> Journey:
        """What becomes of a frame that the guest at a port sends. Raises KeyError for a port that is nowhere."""
        place = self.places[port.id]
        return walk_hosts(self.hosts, place.host, frame, place.ofport)


def _places(things: Things, states: Mapping[str, HostState], network: Network) -> Iterator[tuple[str, Place]]:
    numbers = dict.fromkeys(states, 0)
    for thing in things.values():
        if isinstance(thing, Binding) and thing.host in states and network.get(Port, thing.port):
            numbers[thing.host] += 1
            yield thing.port, Place(thing.host, numbers[thing.host])


def part_for(things: Things, ends: Iterable[str | Ip]) -> Things:
    """What matters to packets between ports (by id) or addresses: all but the ports they have nothing to do with.

    A port stays when it is an end, has an address that is asked for on the way, or the MAC, key or an address of one
    that stays or of a router: it may be whom the packet is for, or be in the way of who is.
    """
    wanted = set(ends)
    marks: set[object] = {end for end in wanted if isinstance(end, Ip)}
    for thing in things.values():
        if isinstance(thing, Route):
            marks.add(thing.next_hop)
        elif isinstance(thing, RouterPort):
            marks |= {thing.mac, (thing.switch, thing.switch_key), *(cidr.address for cidr in thing.addresses)}
    others = {thing.id: thing for thing in things.values() if isinstance(thing, Port)}
    kept: set[str] = set()
    while found := [port for port in others.values() if port.id in wanted or not marks.isdisjoint(_marks(port))]:
        for port in found:
            del others[port.id]
            kept.add(port.id)
            marks |= _marks(port)
    return {who: thing for who, thing in things.items() if not (port_id := _port_of(thing)) or port_id in kept}


def _marks(port: Port) -> set[object]:
    """What no two ports may both have."""
    return {port.mac, (port.switch, port.key), *port.addresses}


def _port_of(thing: Object | State) -> str:
    if isinstance(thing, Binding):
        return thing.port
    return thing.id if isinstance(thing, Port) else ""


def imagine(objects: Iterable[Object]) -> Things:
    """A document as if it were applied alone, and every port plugged in: in turn on one of two hosts."""
    things: dict[tuple[str, str], Object | State] = {(item.kind, item.id): item for item in objects}
    for number, host in enumerate(IMAGINED, 1):
        state = HostState(host=host, key=number, tunnel=Ip.parse(f"192.0.2.{number}"))
        things[state.kind, host] = state
        things[Alive.kind, host] = Alive(host=host)
    ports = sorted((item for item in things.values() if isinstance(item, Port)), key=lambda port: port.name)
    by_switch: dict[str, int] = {}
    for port in ports:
        turn = by_switch[port.switch] = by_switch.get(port.switch, -1) + 1
        things[Binding.kind, port.id] = Binding(port=port.id, host=IMAGINED[turn % len(IMAGINED)])
    return things
