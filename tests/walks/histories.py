"""Random histories of a small network in which everything clashes: records come, change and go, good ones and bad.

A `World` is what the store and one host's Open vSwitch hold at a moment; `step` makes one batch of changes to it, with
records that are put twice or put and deleted in one batch. Add a state here when a feature gets one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retia.compile.compiler import RecordChange, Thing
from retia.model.kinds import Host, Port, Route, Router, RouterPort, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding, HostState
from retia.values import Cidr, Ip, Mac

ME = "me"
HOSTS = (ME, "h1", "h2")
SWITCHES, ROUTERS = ("sw-a", "sw-b", "sw-c"), ("ro-a", "ro-b")
PORTS = tuple(f"port-{n}" for n in range(6))
LINKS = {"link-0": (0, 0), "link-1": (0, 1), "link-2": (1, 1), "link-3": (1, 2)}
"""Router ports: the places of their router and switch when all is well."""
ROUTES = {
    "route-1": (0, "10.0.3.0/24", "10.0.2.2"),
    "route-2": (0, "0.0.0.0/0", "10.0.2.9"),
    "route-3": (1, "0.0.0.0/0", "10.0.2.1"),
}
MACS = tuple(Mac(0x02 << 40 | n) for n in (1, 2, 3, 17, 18))
BAD_MACS = (Mac(0), Mac(1 << 40 | 5))
ADDRESSES = tuple(map(Ip.parse, ("10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2", "10.0.2.9", "fd00::1")))
PREFIXES = tuple(map(Cidr.parse, ("10.0.1.1/24", "10.0.2.1/24", "10.0.1.2/16", "10.0.2.2/25", "fd00::1/64")))
WAYS = tuple(map(Cidr.parse, ("0.0.0.0/0", "10.0.0.0/8", "10.0.2.0/24", "224.0.0.0/4", "10.9.9.9/32")))
KEYS = (1, 2, 3, 11, 12, 21, 0, -1, 1 << 24)
TUNNELS = (0, 60000, 60001)

Batch = tuple[list[RecordChange], list[InterfaceChange], int | None]


@dataclass
class World:
    """What there is: records by their place in the store, interfaces by name, the Geneve port."""

    source: random.Random
    calm: float = 0.9
    things: dict[str, Thing] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    tunnel_port: int = 0

    def start(self) -> Batch:
        """A network in which all is well, on a host with two guests."""
        calm, self.calm = self.calm, 1.0
        for name, make in PLACES.items():
            self.things[name] = make(self, name)
        self.calm = calm
        self.interfaces = {"if-1": Interface("if-1", 1, "port-0"), "if-2": Interface("if-2", 2, "port-3")}
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
        return records, interfaces, tunnel

    def whole(self) -> Batch:
        """Everything there is, in any order."""
        things = list(self.things.values())
        self.source.shuffle(things)
        interfaces = [InterfaceChange(None, one) for one in self.interfaces.values()]
        self.source.shuffle(interfaces)
        return [(None, thing) for thing in things], interfaces, self.tunnel_port

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


def _host(world: World, name: str) -> Thing:
    return Host(id=name, name=world.or_else(name.partition("-")[2], *HOSTS), admin_state=world.or_else(True, False))


def _switch(world: World, name: str) -> Thing:
    return Switch(
        id=name,
        name=world.or_else(name[-1], "a", "b"),
        project=world.or_else("default", "other"),
        key=world.or_else(SWITCHES.index(name) + 1, *KEYS),
        admin_state=world.or_else(True, False),
    )


def _port(world: World, name: str) -> Thing:
    number = int(name[-1])
    return Port(
        id=name,
        name=world.or_else(name, "port-0"),
        switch=world.or_else(SWITCHES[number % 3], *SWITCHES),
        mac=world.or_else(Mac(0x02 << 40 | number), *MACS, *BAD_MACS),
        addresses=world.several((Ip.parse(f"10.0.{number % 3 + 1}.{number + 5}"),), ADDRESSES),
        key=world.or_else(number + 1, *KEYS),
        admin_state=world.or_else(True, False),
    )


def _router(world: World, name: str) -> Thing:
    key = world.or_else(ROUTERS.index(name) + 11, *KEYS)
    return Router(id=name, name=name, key=key, admin_state=world.or_else(True, False))


def _link(world: World, name: str) -> Thing:
    router, switch = LINKS[name]
    return RouterPort(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        switch=world.or_else(SWITCHES[switch], *SWITCHES),
        mac=world.or_else(Mac(0x02 << 40 | 16 + int(name[-1])), *MACS, *BAD_MACS),
        addresses=world.several((Cidr.parse(f"10.0.{switch + 1}.{router + 1}/24"),), PREFIXES),
        key=world.or_else(switch + 1, *KEYS),
        switch_key=world.or_else(router + 21, *KEYS),
        admin_state=world.or_else(True, False),
    )


def _route(world: World, name: str) -> Thing:
    router, prefix, next_hop = ROUTES[name]
    return Route(
        id=name,
        name=name,
        router=world.or_else(ROUTERS[router], *ROUTERS),
        prefix=world.or_else(Cidr.parse(prefix), *WAYS),
        next_hop=world.or_else(Ip.parse(next_hop), *ADDRESSES),
        metric=world.or_else(0, 1),
    )


def _state(world: World, name: str) -> Thing:
    host = name.partition(" ")[2]
    number = HOSTS.index(host) + 1
    tunnel = Ip.parse(world.or_else(f"192.0.2.{number}", "192.0.2.77", "fd00::9"))
    return HostState(host=host, key=world.or_else(number, *KEYS), tunnel=tunnel)


def _binding(world: World, name: str) -> Thing:
    port = name.partition(" ")[2]
    return Binding(port=port, host=world.or_else(HOSTS[int(port[-1]) % 3], *HOSTS, "h-unknown"))


PLACES: dict[str, Callable[[World, str], Thing]] = {
    **{f"host-{name}": _host for name in HOSTS},
    **dict.fromkeys(SWITCHES, _switch),
    **dict.fromkeys(PORTS, _port),
    **dict.fromkeys(ROUTERS, _router),
    **dict.fromkeys(LINKS, _link),
    **dict.fromkeys(ROUTES, _route),
    **{f"state {name}": _state for name in HOSTS},
    **{f"binding {name}": _binding for name in (*PORTS, "port-9")},
}
"""Every record of the world and what makes a version of it."""
