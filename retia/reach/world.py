"""The hosts of a network as `reach` walks them: each one's flows, compiled from the records, and where each port is.

    things ──► Compiler a host ──► HostFlows a host ──► walked by `physical`

A port is where its binding says. A host is compiled when the first packet comes there; what it knows by itself is
assumed (`compile.assumed`): its uplinks are there, its tunnels live. `part_for` leaves out the ports that two ends have
nothing to do with, so that one question about a large network costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from retia.compile.assumed import WATCHED_PORTS, assumed, uplink_port
from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.compile.local import NeighbourFact
from retia.flows.conntrack import Tracker
from retia.flows.flow import Flow
from retia.flows.journey import HostFlows
from retia.flows.lookup import FlowTable
from retia.model.kinds import Edge, Host, Nat, Object, Port, Route, Router, RouterPort, Switch, Uplink
from retia.model.local import Interface, InterfaceChange
from retia.model.network import Network
from retia.model.setup import Setup, setup_of
from retia.model.state import Alive, Binding, HostState, State
from retia.values import Ip, Ip4, Mac

TUNNEL_PORT = 60000
IMAGINED = ("one", "two")
"""Hosts of a network that is only a document: neighbours on one host, and neighbours apart, are both seen."""
UNDERLAY = Ip.parse("192.0.2.0")


class Place(NamedTuple):
    """Where a port is plugged in, or an uplink leaves."""

    host: str
    ofport: int


def host_flows(compilers: Mapping[str, Compiler], states: Mapping[str, HostState]) -> dict[str, HostFlows]:
    """Each host as the walk wants it."""
    return {
        name: HostFlows(FlowTable(compiler.flows.values()), int(states[name].tunnel), TUNNEL_PORT)
        for name, compiler in compilers.items()
    }


class _Later(FlowTable):
    """A host's flows, made when the first packet looks for one."""

    def __init__(self, make: Callable[[], Iterable[Flow]]) -> None:
        super().__init__()
        self._make: Callable[[], Iterable[Flow]] | None = make

    def lookup(self, table: int, fields: Mapping[str, int]) -> Flow | None:
        if self._make is not None:
            make, self._make = self._make, None
            for flow in make():
                self.put(flow)
        return super().lookup(table, fields)


class _Compilers(dict[str, Compiler]):
    """By host, each made when it is asked for."""

    def __init__(self, make: Callable[[str], Compiler]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, host: str) -> Compiler:
        made = self[host] = self._make(host)
        return made


class World:
    """`places` has the ports that live on a registered host, `uplinks` the ways out of such hosts; `routers` and
    `switches` what people call those with these keys."""

    def __init__(self, things: Things) -> None:
        self.things = things
        self.network = Network(thing for thing in things.values() if isinstance(thing, Object))
        self.labels = Labels(things)
        self.states = {thing.host: thing for thing in things.values() if isinstance(thing, HostState)}
        self.places = dict(_places(things, self.states, self.network))
        self.uplinks = dict(_uplinks(self.states, self.network))
        self._ports = {place: port for port, place in self.places.items()}
        self._watched = {WATCHED_PORTS + state.key for state in self.states.values()}
        self._assumed = assumed(things.values())
        self._translates = any(True for _ in self.network.of(Nat))
        self.compilers = _Compilers(self._compile)
        self.hosts = {host: self._host(host) for host in self._inhabited()}
        self.routers = {router.key: self.network.label(router) for router in self.network.of(Router)}
        self.switches = {switch.key: self.network.label(switch) for switch in self.network.of(Switch)}
        self._setups: dict[str, Setup] = {}

    def _inhabited(self) -> list[str]:
        """The hosts that a packet may come to."""
        edges = {host.name for edge in self.network.of(Edge) if (host := self.network.get(Host, edge.host))}
        ways = {place.host for place in (*self.places.values(), *self.uplinks)}
        return sorted(ways | edges & self.states.keys())

    def _host(self, host: str) -> HostFlows:
        def flows() -> Iterable[Flow]:
            return self.compilers[host].flows.values()

        return HostFlows(_Later(flows), int(self.states[host].tunnel), TUNNEL_PORT, live=self._watched.__contains__)

    def _compile(self, host: str) -> Compiler:
        compiler = Compiler(host)
        plugged = [
            InterfaceChange(None, Interface(f"p{place.ofport}", place.ofport, port))
            for port, place in self.places.items()
            if place.host == host
        ]
        local = [((), self._assumed.rows(host))]
        compiler.change([(None, thing) for thing in self.things.values()], plugged, TUNNEL_PORT, local)
        return compiler

    def facts(self, port: Port | None) -> Compiler:
        """A compiler that knows all there is: that of the host where the port lives, if it lives anywhere."""
        place = self.places.get(port.id) if port else None
        return self.compilers[place.host if place else next(iter(self.hosts), "")]

    def setup(self, port: Port) -> Setup:
        """What the guest at a port is told."""
        if port.id not in self._setups:
            self._setups[port.id] = setup_of(self.network, port)
        return self._setups[port.id]

    def name(self, port: Port) -> str:
        return self.network.path(port)

    def port_at(self, place: Place) -> Port | None:
        return self.network.get(Port, self._ports.get(place, ""))

    def forget(self) -> None:
        """No host knows of any connection."""
        if self._translates:
            self.hosts.update({name: replace(one, tracker=Tracker()) for name, one in self.hosts.items()})

    def learn(self, host: str, fact: NeighbourFact) -> None:
        """What the agent of a host was told by ARP."""
        delta = self.compilers[host].change(local=[((), (fact,))])
        for flow in delta.puts:
            self.hosts[host].flows.put(flow)
        for key in delta.drops:
            self.hosts[host].flows.drop(key)


def _places(things: Things, states: Mapping[str, HostState], network: Network) -> Iterator[tuple[str, Place]]:
    numbers = dict.fromkeys(states, 0)
    for thing in things.values():
        if isinstance(thing, Binding) and thing.host in states and network.get(Port, thing.port):
            numbers[thing.host] += 1
            yield thing.port, Place(thing.host, numbers[thing.host])


def _uplinks(states: Mapping[str, HostState], network: Network) -> Iterator[tuple[Place, Uplink]]:
    for uplink in network.of(Uplink):
        host, switch = network.get(Host, uplink.host), network.get(Switch, uplink.switch)
        if host is not None and switch is not None and host.name in states:
            yield Place(host.name, uplink_port(switch)), uplink


def part_for(things: Things, ends: Iterable[str | Ip | Mac]) -> Things:
    """What matters to packets between ports (by id), addresses or MACs: all but the ports they have nothing to do with.

    A port stays when it is an end, has an address that is asked for on the way or translated to, or the MAC, key or an
    address of one that stays or of a router: it may be whom the packet is for, or be in the way of who is.
    """
    wanted = set(ends)
    marks: set[object] = {end for end in wanted if isinstance(end, Ip | Mac)}
    inside: dict[object, set[Ip]] = {}
    for thing in things.values():
        if isinstance(thing, Route):
            marks.add(thing.next_hop)
        elif isinstance(thing, RouterPort):
            marks |= {thing.mac, (thing.switch, thing.switch_key), *(cidr.address for cidr in thing.addresses)}
        elif isinstance(thing, Uplink):
            marks.add((thing.switch, thing.key))
        elif isinstance(thing, Nat) and thing.external is not None and thing.internal.is_address:
            inside.setdefault(thing.external, set()).add(thing.internal.address)
    others = {thing.id: thing for thing in things.values() if isinstance(thing, Port)}
    kept: set[str] = set()
    while True:
        marks |= {address for external in inside.keys() & marks for address in inside.pop(external)}
        found = [port for port in others.values() if port.id in wanted or not marks.isdisjoint(_marks(port))]
        if not found and not inside.keys() & marks:
            break
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
    """A document as if it were applied alone: its edges and hosts with uplinks run, and every port is plugged in, in
    turn on one of two hosts."""
    things: dict[tuple[str, str], Object | State] = {(item.kind, item.id): item for item in objects}
    needed = {item.host for item in things.values() if isinstance(item, Edge | Uplink)}
    declared = [item.name for item in things.values() if isinstance(item, Host) and item.id in needed]
    for number, host in enumerate(dict.fromkeys((*IMAGINED, *declared)), 1):
        state = HostState(host=host, key=number, tunnel=Ip4(UNDERLAY + number))
        things[state.kind, host] = state
        things[Alive.kind, host] = Alive(host=host)
    ports = sorted((item for item in things.values() if isinstance(item, Port)), key=lambda port: port.name)
    by_switch: dict[str, int] = {}
    for port in ports:
        turn = by_switch[port.switch] = by_switch.get(port.switch, -1) + 1
        things[Binding.kind, port.id] = Binding(port=port.id, host=IMAGINED[turn % len(IMAGINED)])
    return things
