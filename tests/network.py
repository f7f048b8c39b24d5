"""A whole network in this process: documents through the real catalog, one compiler a host, packets by the walk.

Random choices come from a seed, so that ids, keys and MACs are the same each time and golden files can hold flows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import yaml
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from retia.compile.assumed import WATCHED_PORTS, Assumptions, assumed
from retia.compile.compiler import Compiler
from retia.compile.local import DirectFact, NeighbourFact, PeerSeen, PeerUp, UplinkPort, uplink_name
from retia.compile.reasons import Reason
from retia.flows.actions import LOCAL
from retia.flows.conntrack import Tracker
from retia.flows.fields import Subfield
from retia.flows.journey import Journey, walk_hosts
from retia.flows.packet import Packet, parse
from retia.flows.walk import PuntedCopy
from retia.model.document import Document
from retia.model.document import parse as parse_document
from retia.model.kinds import DEFAULT_PROJECT, Object, Port, Router, RouterPort, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.network import Network as Objects
from retia.model.state import FULL, Binding, HostState, State
from retia.pipeline.fields import DATAPATH, NEIGHBOUR_DATAPATH, NEIGHBOUR_IP4, REASON
from retia.pipeline.punts import KIND_OF, PuntKind
from retia.reach.world import TUNNEL_PORT, host_flows
from retia.rules import Relation
from retia.store import catalog
from retia.store.records import Identity, identity, key_of
from retia.store.view import View
from retia.values import Ip, Ip4, Mac

OUTSIDE_MAC = "06:00:00:00:00:fe"
"""Of who sends from the physical network."""
NOT_YET = "00:00:00:00:00:00"
"""The MAC of a neighbour that was asked for and has not answered."""


UPLINKS = 50000


def who(thing: Object | State) -> Identity:
    found = identity(key_of(thing))
    assert found is not None
    return found


def part(fields: Mapping[str, int], of: Subfield) -> int:
    """A part of a field that a punt brought."""
    return fields.get(of.field, 0) >> of.start & ((1 << of.bits) - 1)


def port_of(thing: Object | State) -> str:
    """The port that a record is or says something of, by id."""
    return thing.port if isinstance(thing, Binding) else thing.id if isinstance(thing, Port) else ""


def is_large(thing: Object | State) -> bool:
    """Of a kind that there is one of for each port."""
    return bool(port_of(thing))


@dataclass
class Network:
    """`plugs`: host to {port path: ofport}."""

    seed: int = 1
    objects: Objects = field(default_factory=Objects)
    things: dict[Identity, Object | State] = field(default_factory=dict)
    compilers: dict[str, Compiler] = field(default_factory=dict)
    plugs: dict[str, dict[str, int]] = field(default_factory=dict)
    known: dict[str, list[Relation]] = field(default_factory=dict)
    dead: set[tuple[str, str]] = field(default_factory=set)
    unseen: set[tuple[str, str]] = field(default_factory=set)
    trackers: dict[str, Tracker] = field(default_factory=dict)
    uplinks: dict[str, int] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    wants: dict[str, set[str]] = field(default_factory=dict)
    held: dict[str, dict[Identity, Object | State]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    """`known`: what each host knows by itself; `dead`: of which host which other is not seen to live, `unseen`: nor
    ever was; `uplinks`: by name, their numbers on every host, which Open vSwitch would take; `modes`: of hosts that are
    not full, `wants`: which ports (by id) they asked for, `held`: the records of ports that they have; `stopped`:
    hosts whose agent is dead: what they have stays as it is."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    # -- changes ---------------------------------------------------------------------------------------------------

    def add_host(self, name: str, mode: str = FULL) -> None:
        """A host whose agent starts now: it learns everything there is, or what its mode says."""
        number = len(self.compilers) + 1
        self.compilers[name] = Compiler(name)
        self.plugs[name] = {}
        self.known[name] = []
        self.modes[name], self.wants[name], self.held[name] = mode, set(), {}
        self.compilers[name].change([(None, thing) for thing in self.things.values() if not is_large(thing)])
        self.compilers[name].change(tunnel_port=TUNNEL_PORT)
        self.put(HostState(host=name, key=number, tunnel=Ip.parse(f"192.0.2.{number}"), mode=mode))

    def apply(self, document: dict, name: str = "test") -> None:
        text = yaml.safe_dump({"retia": 1, "document": name, **document}, sort_keys=False)
        self.declare(parse_document(text, f"{name}.yaml"))

    def declare(self, document: Document) -> None:
        self._commit(catalog.plan(View(self.objects), document, source=self.random))

    def delete(self, kind: type[Object], path: str, cascade: bool = False) -> None:
        self._commit(catalog.delete(View(self.objects), self.objects.find(kind, path), cascade))

    def _commit(self, changes: catalog.Changes) -> None:
        pairs = list(changes.objects)
        objects = self.objects.copy()
        for old, new in pairs:
            if new is not None:
                objects.put(new)
            elif old is not None:
                objects.remove(old)
        self.objects = objects
        self._tell(pairs)

    def put(self, thing: Object | State) -> None:
        self._tell([(self.things.get(who(thing)), thing)])

    def drop(self, thing: Object | State) -> None:
        self._tell([(self.things.get(who(thing)), None)])

    def _tell(self, pairs: list) -> None:
        for old, new in pairs:
            if new is None:
                self.things.pop(who(old), None)
            else:
                self.things[who(new)] = new
        assumptions = assumed(self.things.values())
        small = [(old, new) for old, new in pairs if not is_large(old or new)]
        for name, compiler in self.compilers.items():
            if name in self.stopped:
                continue
            before, self.known[name] = self.known[name], [*self._rows(name, assumptions)]
            compiler.change([*small, *self._due(name)], local=[(before, self.known[name])])
            compiler.change(self._due(name))  # what made this host another one may have been among them

    def _due(self, host: str) -> list[tuple[Object | State | None, Object | State | None]]:
        """What becomes of the records of ports that a host has: all there are, or those that concern it."""
        partial = self.compilers[host].on_demand
        named = [self.objects.named(Port, DEFAULT_PROJECT, tuple(path.split("/"))) for path in self.plugs[host]]
        own = {port.id for port in named if port is not None}
        bound = {one.port for one in self.things.values() if isinstance(one, Binding) and one.host == host}
        mine = own | bound | self.wants[host]
        large = {name: one for name, one in self.things.items() if is_large(one)}
        after = {name: one for name, one in large.items() if not partial or port_of(one) in mine}
        before, self.held[host] = self.held[host], after
        names = [*before, *(name for name in after if name not in before)]
        return [(before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]

    def want(self, host: str, *paths: str) -> None:
        """A host is given ports that it asked for."""
        self.wants[host] |= {self.port(path).id for path in paths}
        self.compilers[host].change(self._due(host))

    def answer_wants(self, journey: Journey) -> int:
        """Hosts look up what a packet made them want, and get it; how many ports there were."""
        found = [(leg.host, port) for leg in journey.legs for copy in leg.walk.punted
                 if KIND_OF[copy.action.userdata] is PuntKind.WANTED for port in self._wanted(copy)]  # fmt: skip
        for host, port in found:
            self.want(host, self.objects.path(port))
        return len(found)

    def _wanted(self, copy: PuntedCopy) -> list[Port]:
        """As the agent reads it."""
        by_address = part(copy.fields, NEIGHBOUR_DATAPATH)
        key, address = by_address or part(copy.fields, DATAPATH), part(copy.fields, NEIGHBOUR_IP4)
        mac = parse(copy.frame).fields["eth_dst"]
        near = [port for port in self.objects.of(Port) if self.objects.get(Switch, port.switch).key == key]
        return [one for one in near if (Ip4(address) in one.addresses if by_address else one.mac == mac)]

    def forget(self, host: str) -> None:
        """It has not needed them for long."""
        self.wants[host].clear()
        self.compilers[host].change(self._due(host))

    def _rows(self, host: str, assumptions: Assumptions) -> Iterator[Relation]:
        unknown = [self.things.get(("host-state", other)) for one, other in self.unseen if one == host]
        unseen = {state.key for state in unknown if state}
        for row in assumptions.rows(host):
            if not (isinstance(row, PeerSeen | PeerUp) and row.peer in unseen):
                yield self._numbered(row)

    def _numbered(self, row: Relation) -> Relation:
        if not isinstance(row, UplinkPort):
            return row
        return UplinkPort(row.host, row.name, self.uplinks.setdefault(row.name, UPLINKS + len(self.uplinks)))

    def learn(self, host: str, port: str, address: str, mac: str) -> None:
        """A host learns a neighbour on the physical network."""
        fact = NeighbourFact(self.router_port(port).id, Ip.parse(address), Mac.parse(mac))
        self.compilers[host].change(local=[((), (fact,))])

    def exit_directly(self, host: str, mac: str) -> None:
        """Its own stack is the way outside."""
        self.compilers[host].change(local=[((), (DirectFact(host, True, Mac.parse(mac)),))])

    def uplink(self, host: str, path: str) -> tuple[str, int]:
        """Where frames of a switch's uplink come in."""
        return host, self.uplinks.get(uplink_name(self.objects.find(Switch, path).key), 0)

    def plug(self, host: str, path: str, ofport: int | None = None, bind: bool = True) -> None:
        number = ofport or len(self.plugs[host]) + 1
        self.plugs[host][path] = number
        interface = Interface(f"i{number}", number, path)
        self.compilers[host].change(self._due(host), [InterfaceChange(None, interface)])
        if bind:
            self.put(Binding(port=self.port(path).id, host=host))

    def unplug(self, host: str, path: str) -> None:
        number = self.plugs[host].pop(path)
        self.compilers[host].change(self._due(host), [InterfaceChange(Interface(f"i{number}", number, path), None)])
        self.drop(Binding(port=self.port(path).id, host=host))

    # -- looking ---------------------------------------------------------------------------------------------------

    def port(self, path: str) -> Port:
        return self.objects.find(Port, path)

    def router_port(self, path: str) -> RouterPort:
        return self.objects.find(RouterPort, path)

    def place(self, path: str) -> tuple[str, int]:
        return next((host, plugs[path]) for host, plugs in self.plugs.items() if path in plugs)

    def send(self, path: str, frame: bytes) -> Journey:
        return self.send_at(*self.place(path), frame)

    def send_at(self, host: str, ofport: int, frame: bytes) -> Journey:
        """Connections that earlier packets made are known."""
        states = {name: self.things["host-state", name] for name in self.compilers}
        hosts = {
            name: replace(one, tracker=self.trackers.setdefault(name, one.tracker), live=partial(self.lives, name))
            for name, one in host_flows(self.compilers, states).items()
        }
        return walk_hosts(hosts, host, frame, ofport)

    def lives(self, host: str, ofport: int) -> bool:
        """Whether a host sees the host live whose tunnel it watches at a port."""
        keys = {self.things["host-state", other].key: other for other in self.compilers}
        other = keys.get(ofport - WATCHED_PORTS)
        return other is not None and (host, other) not in self.dead

    def frame(
        self,
        source: str,
        target: str,
        *,
        via: str = "",
        ttl: int = 64,
        ping: bool = False,
        size: int = 0,
        ports: tuple[int, int] = (1000, 2000),
    ) -> bytes:
        """A packet from a port to a port's or any address; `via`: the router port that its MAC is (else the port's).
        `size`: of the IP packet."""
        here = self.port(source)
        there = self.port(target) if "/" in target else None
        address = str(there.addresses[0]) if there else target
        mac = self.router_port(via).mac if via else there.mac if there else Mac.parse("02:ff:ff:ff:ff:ff")
        layer = ICMP(id=7, seq=1) if ping else UDP(sport=ports[0], dport=ports[1])
        packet = Ether(src=str(here.mac), dst=str(mac)) / IP(src=str(here.addresses[0]), dst=address, ttl=ttl)
        return bytes(packet / layer / b"payload!".ljust(size - 28))

    def frame_outside(self, to: str, source: str, target: str, *, ttl: int = 64) -> bytes:
        """A packet from the physical network; `to`: the router port or port that its MAC is."""
        owner = self.objects.named(Router, "default", (to.partition("/")[0],))
        mac = (self.router_port if owner else self.port)(to).mac
        packet = Ether(src=OUTSIDE_MAC, dst=str(mac)) / IP(src=source, dst=target, ttl=ttl)
        return bytes(packet / UDP(sport=1000, dport=2000) / b"payload!")

    def ask_outside(self, source: str, address: str, *, op: int = 1) -> bytes:
        """ARP from the physical network: who asks for an address, or says (`op` 2) that it has its own."""
        head = Ether(src=OUTSIDE_MAC, dst="ff:ff:ff:ff:ff:ff")
        return bytes(head / ARP(op=op, hwsrc=OUTSIDE_MAC, psrc=source, pdst=address))

    def ask(self, source: str, address: str) -> bytes:
        here = self.port(source)
        head = Ether(src=str(here.mac), dst="ff:ff:ff:ff:ff:ff")
        return bytes(head / ARP(op=1, hwsrc=str(here.mac), psrc=str(here.addresses[0]), pdst=address))


def reasons(journey: Journey) -> list[str]:
    """Why packets of a journey were dropped."""
    return [Reason(leg.walk.read(REASON)).label for leg in journey.dropped if leg.walk.read(REASON)]


def arrived(network: Network, journey: Journey) -> dict[str, Packet]:
    """What came out, by port path, or HOST:SWITCH for an uplink and HOST:own for its own stack."""
    names = {(host, number): path for host, plugs in network.plugs.items() for path, number in plugs.items()}
    for host in network.compilers:
        names |= {network.uplink(host, one.name): f"{host}:{one.name}" for one in network.objects.of(Switch)}
        names[host, LOCAL] = f"{host}:own"
    return {names[one.host, one.port]: parse(one.frame) for one in journey.arrivals}


def answer_to(frame: bytes) -> bytes:
    """What its receiver sends back."""
    packet = Ether(frame)
    ip, udp = packet[IP], packet[UDP]
    back = Ether(src=packet.dst, dst=packet.src) / IP(src=ip.dst, dst=ip.src)
    return bytes(back / UDP(sport=udp.dport, dport=udp.sport) / b"answered")
