"""Networks for benchmarks and walks, as model objects: routed switches, some ports here, the rest on other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retia.model.kinds import Object, Port, Router, RouterPort, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding, HostState, State
from retia.switch.bridge import TUNNEL_OFPORT
from retia.values import Cidr, Ip4, Mac

PER_SWITCH, LOCAL, PER_HOST = 100, 10, 50


@dataclass(frozen=True)
class Size:
    """`ports` on `ports / per_switch` switches, all joined by one router; `local` of them on host "me"."""

    ports: int
    per_switch: int = PER_SWITCH
    local: int = LOCAL

    @property
    def switches(self) -> int:
        return max(1, self.ports // self.per_switch)

    @property
    def hosts(self) -> int:
        return max(2, self.ports // PER_HOST)


def address(switch: int, number: int) -> Ip4:
    return Ip4(10 << 24 | switch << 14 | number + 10)


def port(size: Size, n: int) -> Port:
    switch = n // size.per_switch
    mac, own = Mac(0x02 << 40 | n + 1), address(switch, n % size.per_switch)
    return Port(id=f"p{n}", name=f"p{n}", switch=f"s{switch}", mac=mac, addresses=(own,), key=n % size.per_switch + 2)


def host_of(size: Size, n: int) -> str:
    step = max(1, size.ports // size.local)
    return "me" if n % step == 0 and n // step < size.local else f"h{n % size.hosts}"


def records(size: Size) -> Iterator[Object | State]:
    yield HostState(host="me", key=1, tunnel=Ip4(0xC0000201))
    for n in range(size.hosts):
        yield HostState(host=f"h{n}", key=n + 2, tunnel=Ip4(0xC6330000 + n))
    yield Router(id="r", name="r", key=1)
    for n in range(size.switches):
        yield Switch(id=f"s{n}", name=f"s{n}", key=n + 2)
        gateway = Cidr(Ip4(10 << 24 | n << 14 | 1), 18)
        mac = Mac(0x0A << 40 | n)
        yield RouterPort(
            id=f"r-s{n}",
            name=f"s{n}",
            router="r",
            switch=f"s{n}",
            mac=mac,
            addresses=(gateway,),
            key=n + 1,
            switch_key=1,
        )
    for n in range(size.ports):
        yield port(size, n)
        yield Binding(port=f"p{n}", host=host_of(size, n))


def interfaces(size: Size) -> list[InterfaceChange]:
    local = [n for n in range(size.ports) if host_of(size, n) == "me"]
    return [InterfaceChange(None, Interface(f"g{n}", place + 1, f"p{n}")) for place, n in enumerate(local)]


TUNNEL = TUNNEL_OFPORT
