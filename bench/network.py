"""Networks for benchmarks and walks, as model objects: routed switches, some ports here, the rest on other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retia.model.kinds import Object, Port, Route, Router, RouterPort, Subnet, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding, HostState, State
from retia.switch.bridge import TUNNEL_OFPORT
from retia.values import Cidr, Ip4, Mac

PER_SWITCH, LOCAL, PER_HOST = 100, 10, 100


@dataclass(frozen=True)
class Size:
    """`ports` on `ports / per_switch` switches, all joined by one router; `local` of them on host "me"."""

    ports: int
    per_switch: int = PER_SWITCH
    local: int = LOCAL
    per_host: int = PER_HOST

    @property
    def switches(self) -> int:
        return max(1, self.ports // self.per_switch)

    @property
    def hosts(self) -> int:
        return max(2, self.ports // self.per_host)


def address(switch: int, number: int) -> Ip4:
    return Ip4(10 << 24 | switch << 14 | number + 10)


def port(size: Size, n: int) -> Port:
    switch = n // size.per_switch
    mac, own = Mac(0x02 << 40 | n + 1), address(switch, n % size.per_switch)
    return Port(id=f"p{n}", name=f"p{n}", switch=f"s{switch}", mac=mac, addresses=(own,), key=n % size.per_switch + 2)


def host_of(size: Size, n: int) -> str:
    step = max(1, size.ports // size.local)
    return "me" if n % step == 0 and n // step < size.local else f"h{n % size.hosts}"


def extra_port(size: Size, n: int) -> Port:
    """Port `n` of those added later, one switch after the other."""
    switch = n % size.switches
    own = address(switch, size.per_switch + 50 + n)
    mac, key = Mac(0x02 << 40 | 1 << 30 | n), size.per_switch + 50 + n
    return Port(id=f"x{n}", name=f"x{n}", switch=f"s{switch}", mac=mac, addresses=(own,), key=key)


def extra_route(n: int) -> Route:
    """A static route `n` of the router, by way of the first port."""
    prefix = Cidr(Ip4(0xAC100000 | n << 8), 24)
    return Route(id=f"t{n}", name=f"t{n}", router="r", prefix=prefix, next_hop=address(0, 0))


def extra_switch(size: Size, n: int) -> tuple[Switch, RouterPort]:
    """A switch `n` of those added later, with its port of the router."""
    return _switch(size.switches + n)


def tunnel(host: str) -> Ip4:
    return Ip4(0xC0000201) if host == "me" else Ip4(0xC6330000 + int(host[1:]))


def objects(size: Size) -> Iterator[Object]:
    yield Router(id="r", name="r", key=1)
    for n in range(size.switches):
        yield from _switch(n)
    for n in range(size.ports):
        yield port(size, n)


def subnets(size: Size) -> Iterator[Subnet]:
    """The switches' subnets. OVN has none: Retia wants them of those who add a port by command."""
    for n in range(size.switches):
        yield Subnet(id=f"n{n}", name="main", switch=f"s{n}", cidr=Cidr(address(n, -10), 18), gateway=address(n, -9))


def _switch(n: int) -> tuple[Switch, RouterPort]:
    gateway, mac = Cidr(Ip4(10 << 24 | n << 14 | 1), 18), Mac(0x0A << 40 | n)
    keys = {"key": n + 1, "switch_key": 1}
    joined = RouterPort(id=f"r-s{n}", name=f"s{n}", router="r", switch=f"s{n}", mac=mac, addresses=(gateway,), **keys)
    return Switch(id=f"s{n}", name=f"s{n}", key=n + 2), joined


def records(size: Size) -> Iterator[Object | State]:
    yield HostState(host="me", key=1, tunnel=tunnel("me"))
    for n in range(size.hosts):
        yield HostState(host=f"h{n}", key=n + 2, tunnel=tunnel(f"h{n}"))
    yield from objects(size)
    for n in range(size.ports):
        yield Binding(port=f"p{n}", host=host_of(size, n))


def interfaces(size: Size) -> list[InterfaceChange]:
    local = [n for n in range(size.ports) if host_of(size, n) == "me"]
    return [InterfaceChange(None, Interface(f"g{n}", place + 1, f"p{n}")) for place, n in enumerate(local)]


TUNNEL = TUNNEL_OFPORT
