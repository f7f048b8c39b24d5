"""Random histories of a small network in which everything clashes: records come, change and go, good ones and bad.

A `World` is what the store and one host's Open vSwitch hold at a moment; `step` makes one batch of changes to it, with
records that are put twice or put and deleted in one batch. Add a state here when a feature gets one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retia.compile.compiler import LocalChange, RecordChange, Thing
from retia.compile.local import (
    DirectFact,
    NeighbourFact,
    PeerPort,
    PeerSeen,
    PeerUp,
    UplinkPort,
    ZonesFact,
    uplink_name,
)
from retia.model.kinds import Edge, Host, Nat, NatType, Port, Protocol, Route, Router, RouterPort, Switch, Uplink
from retia.model.local import Interface, InterfaceChange
from retia.model.state import FULL, ON_DEMAND, Binding, HostState, Trace
from retia.rules import Relation
from retia.values import Cidr, Ip, Mac, PortRange

ME = "me"
HOSTS = (ME, "h1", "h2")
SWITCHES, ROUTERS = ("sw-a", "sw-b", "sw-c", "sw-d"), ("ro-a", "ro-b", "ro-c", "ro-d")
"""The last switch meets the physical network; the last two routers have edges: one here among others, one not."""
PORTS = tuple(f"port-{n}" for n in range(7))
LINKS = {
    "link-0": (0, 0, "10.0.1.1/24", ""),
    "link-1": (0, 1, "10.0.2.1/24", ""),
    "link-2": (1, 1, "10.0.2.2/24", ""),
    "link-3": (1, 2, "10.0.3.2/24", ""),
    "link-4": (2, 2, "10.0.3.3/24", ""),
    "link-5": (2, 3, "10.0.4.3/24", "host-me"),
    "link-6": (2, 3, "10.0.4.4/24", "host-h1"),
    "link-7": (3, 0, "10.0.1.4/24", ""),
    "link-8": (3, 3, "10.0.4.5/24", "host-h1"),
}
"""Router ports: the places of their router and switch, their address and their host, when all is well."""
ROUTES = {
    "route-1": (0, "10.0.3.0/24", "10.0.2.2", ""),
    "route-2": (0, "0.0.0.0/0", "10.0.2.9", ""),
    "route-3": (1, "0.0.0.0/0", "10.0.2.1", ""),
    "route-4": (2, "0.0.0.0/0", "10.0.4.254", ""),
    "route-5": (2, "0.0.0.0/0", "10.0.4.253", ""),
    "route-6": (2, "10.9.0.0/16", "", ""),
    "route-7": (2, "0.0.0.0/0", "10.0.3.9", "10.0.1.0/24"),
    "route-8": (0, "0.0.0.0/0", "10.0.2.8", ""),
}
"""Static routes: the place of their router, prefix, next hop ("": they drop), and source."""
EDGES = {
    "edge-0": (2, "host-me", 10, 1),
    "edge-1": (2, "host-h1", 20, 2),
    "edge-2": (2, "host-h2", 5, 4),
    "edge-3": (3, "host-h1", 0, 1),
    "edge-4": (3, "host-h2", 0, 2),
}
"""Edges: the place of their router, host, priority and slot."""
UPLINKS = {"uplink-0": "host-me", "uplink-1": "host-h1", "uplink-2": "host-h2"}
NATS = {
    "nat-0": (2, NatType.SNAT, "10.0.3.0/24", ""),
    "nat-1": (2, NatType.SNAT, "10.0.0.0/8", "10.0.4.50"),
    "nat-2": (2, NatType.DNAT, "10.0.3.7/32", "10.0.4.60"),
    "nat-3": (2, NatType.DNAT, "10.0.3.8/32", "10.0.4.61"),
    "nat-4": (2, NatType.FLOATING, "10.0.3.9/32", "10.0.4.62"),
    "nat-5": (3, NatType.FLOATING, "10.0.1.5/32", "10.0.4.70"),
    "nat-6": (3, NatType.FLOATING, "10.0.1.8/32", "10.0.4.71"),
}
"""Translations: the place of their router, type, inside, and outside ("": each edge's own)."""
ADVANCED = {"nat-1": ("", 0, PortRange(2000, 3000), "host-me"), "nat-2": (Protocol.TCP, 80, None, "")}
"""Of some: protocol, port outside, ports of sources, edge."""
MACS = tuple(Mac(0x02 << 40 | n) for n in (1, 2, 3, 17, 18))
BAD_MACS = (Mac(0), Mac(1 << 40 | 5))
ADDRESSES = tuple(
    map(Ip.parse, ("10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2", "10.0.2.9", "10.0.4.3", "10.0.4.60", "fd00::1"))
)
PREFIXES = tuple(
    map(Cidr.parse, ("10.0.1.1/24", "10.0.2.1/24", "10.0.1.2/16", "10.0.2.2/25", "10.0.4.61/24", "fd00::1/64"))
)
WAYS = tuple(map(Cidr.parse, ("0.0.0.0/0", "10.0.0.0/8", "10.0.2.0/24", "224.0.0.0/4", "10.9.9.9/32")))
KEYS = (1, 2, 3, 11, 12, 21, 0, -1, 1 << 24)
TUNNELS = (0, 60000, 60001)
HOST_IDS = ("host-me", "host-h1", "host-h2", "host-none", "")

Batch = tuple[list[RecordChange], list[InterfaceChange], int | None, list[LocalChange]]


@dataclass
class World:
    """What there is: records by their place in the store, interfaces by name, the Geneve port, what else the host knows
    by itself."""

    source: random.Random
    calm: float = 0.9
    things: dict[str, Thing] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    tunnel_port: int = 0
    local: dict[str, Relation] = field(default_factory=dict)

    def start(self) -> Batch:
        """A network in which all is well, on a host with three guests that is an edge."""
        calm, self.calm = self.calm, 1.0
        for name, make in PLACES.items():
            self.things[name] = make(self, name)
        for name, know in KNOWN.items():
            self.local[name] = know(self, name)
        self.calm = calm
        self.interfaces = {"if-1": Interface("if-1", 1, "port-0"), "if-2": Interface("if-2", 2, "port-3")}
        self.interfaces["if-3"] = Interface("if-3", 3, "port-6")
        self.tunnel_port = TUNNELS[1]
        return self.whole()

    def or_else(self, sane: Any, *others: Any) -> Any:
        """Mostly the first."""
        return sane if self.source.random() < self.calm else self.source.choice(others)

    def several(self, sane: tuple[Any, ...], others: tuple[Any, ...]) -> tuple[Any, ...]:
        return sane if self.source.random() < self.calm else tuple(self.source.sample(others, self.source.randrange(3)))

    def step(self) -> Batch:
        """One batch, already made in this world."""
        records = [self._record() for _ in range(self.source.choice((0, 1, 1, 1, 2, 5, 20)))]
        interfaces = [self._interface() for _ in range(self.source.choice((0, 0, 1, 3)))]
        tunnel = self.source.choice(TUNNELS) if self.source.random() < 0.1 else None
        self.tunnel_port = self.tunnel_port if tunnel is None else tunnel
        local = [self._known() for _ in range(self.source.choice((0, 0, 0, 1, 1, 4)))]
        return records, interfaces, tunnel, local

    def whole(self) -> Batch:
        """Everything there is, in any order."""
        things = list(self.things.values())
        self.source.shuffle(things)
        interfaces = [InterfaceChange(None, one) for one in self.interfaces.values()]
        self.source.shuffle(interfaces)
        local = list(self.local.values())
        self.source.shuffle(local)
        return [(None, thing) for thing in things], interfaces, self.tunnel_port, [((), local)]

    def gone(self) -> Batch:
        """Everything there is goes."""
        records, interfaces, _, local = self.whole()
        without = [InterfaceChange(one.new, None) for one in interfaces]
        return [(new, None) for _, new in records], without, 0, [(rows, ()) for _, rows in local]

    def _record(self) -> RecordChange:
        name = self.source.choice(list(PLACES))
        old = self.things.get(name)
        if old is not None and self.source.random() < 0.25:
            del self.things[name]
            return old, None
        self.things[name] = new = PLACES[name](self, name)
        return old, new

    def _interface(self) -> InterfaceChange:
        name = self.source.choice(("if-1", "if-2", "if-3", "if-4"))
        old = self.interfaces.pop(name, None)
        if old is not None and self.source.random() < 0.4:
            return InterfaceChange(old, None)
        number = self.source.choice(
            [n for n in range(1, 9) if all(one.ofport != n for one in self.interfaces.values())]
        )
        names = self.source.choice((*PORTS, "a/port-0", "b/port-1", "other/a/port-2", "a/none", "", "a/b/c/d"))
        self.interfaces[name] = Interface(name, number, names)
        return InterfaceChange(old, self.interfaces[name])

    def _known(self) -> LocalChange:
        name = self.source.choice(list(KNOWN))
        old = [self.local.pop(name)] if name in self.local else []
        if old and self.source.random() < 0.35:
            return old, ()
        self.local[name] = KNOWN[name](self, name)
        return old, [self.local[name]]


def _host(world: World, name: str) -> Thing:
    return Host(id=name, name=world.or_else(name.partition("-")[2], *HOSTS), admin_state=world.or_else(True, False))


def _switch(world: World, name: str) -> Thing:
    return Switch(
        id=name,
        name=world.or_else(name[-1], "a", "b"),
        project=world.or_else("default", "other"),
        key=world.or_else(SWITCHES.index(name) + 1, *KEYS),
        mtu=world.or_else(1400, 1300, 9000),
        admin_state=world.or_else(True, False),
    )


def _home(number: int) -> int:
    """The place of a port's switch."""
    return 3 if number == 6 else number % 3


def _port(world: World, name: str) -> Thing:
    number = int(name[-1])
    return Port(
        id=name,
        name=world.or_else(name, "port-0"),
        switch=world.or_else(SWITCHES[_home(number)], *SWITCHES),
        mac=world.or_else(Mac(0x02 << 40 | number), *MACS, *BAD_MACS),
        addresses=world.several((Ip.parse(f"10.0.{_home(number) + 1}.{number + 5}"),), ADDRESSES),
        key=world.or_else(number + 1, *KEYS),
        admin_state=world.or_else(True, False),
    )


def _router(world: World, name: str) -> Thing:
    key = world.or_else(ROUTERS.index(name) + 11, *KEYS)
    return Router(id=name, name=name, key=key, admin_state=world.or_else(True, False))


def _link(world: World, name: str) -> Thing:
    router, switch, address, host = LINKS[name]
    number = int(name[-1])
    return RouterPort(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        switch=world.or_else(SWITCHES[switch], *SWITCHES),
        mac=world.or_else(Mac(0x02 << 40 | 16 + number), *MACS, *BAD_MACS),
        addresses=world.several((Cidr.parse(address),), PREFIXES),
        host=world.or_else(host, *HOST_IDS),
        key=world.or_else(number + 1, *KEYS),
        switch_key=world.or_else(number + 21, *KEYS),
        admin_state=world.or_else(True, False),
    )


def _route(world: World, name: str) -> Thing:
    router, prefix, next_hop, source = ROUTES[name]
    return Route(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        prefix=world.or_else(Cidr.parse(prefix), *WAYS),
        next_hop=world.or_else(Ip.parse(next_hop) if next_hop else None, *ADDRESSES),
        blackhole=world.or_else(not next_hop, True, False),
        source=world.or_else(Cidr.parse(source) if source else None, *WAYS),
        metric=world.or_else(0, 1),
    )


def _edge(world: World, name: str) -> Thing:
    router, host, priority, slot = EDGES[name]
    return Edge(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        host=world.or_else(host, *HOST_IDS),
        priority=world.or_else(priority, 10, 30, -1),
        slot=world.or_else(slot, 1, 2, 64, 0, 1 << 40),
        admin_state=world.or_else(True, False, False),
    )


def _uplink(world: World, name: str) -> Thing:
    return Uplink(
        id=name,
        name=name,
        switch=world.or_else(SWITCHES[3], *SWITCHES),
        host=world.or_else(UPLINKS[name], *HOST_IDS),
        bridge=world.or_else("br-ex", "br-other"),
        vlan=world.or_else(0, 7, 4096),
        key=world.or_else(int(name[-1]) + 40, 7, 26, 27, *KEYS),
    )


def _nat(world: World, name: str) -> Thing:
    router, what, inside, outside = NATS[name]
    protocol, port, ports, host = ADVANCED.get(name, ("", 0, None, ""))
    return Nat(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        type=world.or_else(what, *NatType),
        internal=world.or_else(Cidr.parse(inside), *WAYS, Cidr.parse("10.0.3.7/32"), Cidr.parse("fd00::/64")),
        external=world.or_else(Ip.parse(outside) if outside else None, *ADDRESSES, None),
        protocol=world.or_else(protocol or None, *Protocol, None),
        external_port=world.or_else(port, 80, 8080, 1 << 16),
        internal_port=world.or_else(port and 8080, 80, 0, 1 << 16),
        ports=world.or_else(ports, PortRange(1024, 65535), None),
        host=world.or_else(host, *HOST_IDS),
        distributed=world.or_else(name == "nat-5", True, False),
    )


def _state(world: World, name: str) -> Thing:
    host = name.partition(" ")[2]
    number = HOSTS.index(host) + 1
    tunnel = Ip.parse(world.or_else(f"192.0.2.{number}", "192.0.2.77", "fd00::9"))
    mode = world.or_else(FULL if host == "h1" else ON_DEMAND, FULL, ON_DEMAND)
    return HostState(host=host, key=world.or_else(number, *KEYS), tunnel=tunnel, mode=mode)


def _binding(world: World, name: str) -> Thing:
    port = name.partition(" ")[2]
    return Binding(port=port, host=world.or_else(HOSTS[int(port[-1]) % 3], *HOSTS, "h-unknown"))


def _trace(world: World, name: str) -> Thing:
    return Trace(id=world.or_else(7, -1, 1 << 16), host=ME, place="port-0", frame="", lease=1)


PLACES: dict[str, Callable[[World, str], Thing]] = {
    **{f"host-{name}": _host for name in HOSTS},
    **dict.fromkeys(SWITCHES, _switch),
    **dict.fromkeys(PORTS, _port),
    **dict.fromkeys(ROUTERS, _router),
    **dict.fromkeys(LINKS, _link),
    **dict.fromkeys(ROUTES, _route),
    **dict.fromkeys(EDGES, _edge),
    **dict.fromkeys(UPLINKS, _uplink),
    **dict.fromkeys(NATS, _nat),
    **{f"state {name}": _state for name in HOSTS},
    **{f"binding {name}": _binding for name in (*PORTS, "port-9")},
    "trace 7": _trace,
}
"""Every record of the world and what makes a version of it."""

SWITCH_KEYS, PEERS = (1, 4), (2, 3)
NEIGHBOURS = (("link-5", "10.0.4.254"), ("link-5", "10.0.4.253"), ("link-4", "10.0.3.9"), ("link-8", "10.0.4.254"))


def _uplink_port(world: World, name: str) -> Relation:
    key = int(name.partition(" ")[2])
    return UplinkPort(ME, uplink_name(key), world.or_else(50000, 50010) + key)


def _peer_port(world: World, name: str) -> Relation:
    peer = int(name.partition(" ")[2])
    return PeerPort(ME, peer, world.or_else(40000, 40010) + peer)


def _zones(world: World, name: str) -> Relation:
    router = name.partition(" ")[2]
    first = 2 * ROUTERS.index(router) + world.or_else(1, 11)
    return ZonesFact(ME, router, first, first + 1)


def _neighbour(world: World, name: str) -> Relation:
    _, port, address = name.split(" ")
    return NeighbourFact(port, Ip.parse(address), world.or_else(MACS[0], MACS[1], Mac(0)))


def _direct(world: World, name: str) -> Relation:
    return DirectFact(ME, world.or_else(True, False), world.or_else(MACS[2], MACS[3]))


KNOWN: dict[str, Callable[[World, str], Relation]] = {
    **{f"uplink {key}": _uplink_port for key in SWITCH_KEYS},
    **{f"port {key}": _peer_port for key in PEERS},
    **{f"seen {key}": lambda world, name: PeerSeen(ME, int(name[-1])) for key in PEERS},
    **{f"up {key}": lambda world, name: PeerUp(ME, int(name[-1])) for key in PEERS},
    **{f"zones {router}": _zones for router in ROUTERS},
    **{f"neighbour {port} {address}": _neighbour for port, address in NEIGHBOURS},
    "direct": _direct,
}
"""What the host knows by itself, and what makes a version of it."""
