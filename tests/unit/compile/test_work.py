"""What one change costs: as much in a network of a hundred switches and routers as in one of ten.

Work is counted in lines of the code that rules are turned into, so that also joins which find nothing count.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest

from retia.compile.assumed import assumed
from retia.compile.compiler import Compiler, FlowDelta, RecordChange, Thing
from retia.model.kinds import Edge, Host, Nat, NatType, Object, Port, Route, Router, RouterPort, Switch, Uplink
from retia.model.local import Interface, InterfaceChange
from retia.model.state import FULL, ON_DEMAND, Binding, HostState
from retia.rules.engine import SOURCE
from retia.values import Cidr, Ip, Ip4, Prefix
from tests.unit.compile.base import mac

HOSTS = ("me", "h1", "h2", "h3")
OUTSIDE = "outside"
SMALL, LARGE = 10, 100


def inside(number: int, last: int) -> Ip:
    return Ip4(10 << 24 | number << 8 | last)


def outside(number: int) -> Ip:
    return Ip4(172 << 24 | 16 << 16 | number)


def hosts() -> list[Thing]:
    found: list[Thing] = [Switch(id=OUTSIDE, name=OUTSIDE, key=1 << 20)]
    for number, name in enumerate(HOSTS, 1):
        found.append(Host(id=name, name=name))
        found.append(HostState(host=name, key=number, tunnel=Ip.parse(f"192.0.2.{number}")))
        found.append(Uplink(id=f"up-{name}", name=name, switch=OUTSIDE, host=name, bridge="br-ex", key=60000 + number))
    return found


def switch(number: int, router: str) -> list[Thing]:
    """With three guests, one of them elsewhere, and a router's port."""
    name = f"s{number}"
    found: list[Thing] = [Switch(id=name, name=name, key=number + 1), link(router, name, number, inside(number, 1))]
    for place, host in enumerate(("me", "h1", "me"), 1):
        one = port(number, place)
        found += [one, Binding(port=one.id, host=host)]
    return found


def port(number: int, place: int, **fields: Any) -> Port:
    name = f"p{number}-{place}"
    last = {"mac": mac(number << 8 | place), "addresses": (inside(number, place + 10),), "key": place, **fields}
    return Port(id=name, name=name, switch=f"s{number}", **last)


def link(router: str, to: str, number: int, address: Ip, host: str = "") -> RouterPort:
    name = f"{router}-{to}{host}"
    keys: dict[str, Any] = {
        "mac": mac(1 << 30 | len(host) << 24 | number),
        "key": number + 2,
        "switch_key": number + 1000,
    }
    return RouterPort(
        id=name,
        name=name,
        router=router,
        switch=to,
        addresses=(Cidr(address, 24 if to != OUTSIDE else 16),),
        host=host,
        **keys,
    )


def edges(router: str, number: int, hosts: tuple[str, ...]) -> list[Thing]:
    found: list[Thing] = []
    for place, host in enumerate(hosts, 1):
        found.append(edge(router, host, place))
        address, shown = outside(number * 4 + place), 200 * place + number
        found.append(link(router, OUTSIDE, shown, address, host))
    return found


def edge(router: str, host: str, place: int, **fields: Any) -> Edge:
    return Edge(id=f"{router}-{host}", name=host, router=router, host=host, priority=-place, slot=place, **fields)


def one_router(size: int, hosts: tuple[str, ...]) -> list[Thing]:
    """Of many switches."""
    found: list[Thing] = [Router(id="r0", name="r0", key=1 << 21), *edges("r0", 0, hosts)]
    for number in range(size):
        found += switch(number, "r0")
    return found


def many_routers(size: int, hosts: tuple[str, ...]) -> list[Thing]:
    """Each with a switch of its own."""
    found: list[Thing] = []
    for number in range(size):
        router = f"r{number}"
        found.append(Router(id=router, name=router, key=1 << 21 | number))
        found += [*edges(router, number, hosts), *switch(number, router)]
    return found


def nat(name: str, what: NatType, within: str, external: Ip | None, **fields: Any) -> Nat:
    return Nat(id=name, name=name, router="r0", type=what, internal=Prefix.parse(within), external=external, **fields)


def route(name: str, within: str, next_hop: Ip) -> Route:
    return Route(id=name, name=name, router="r0", prefix=Cidr.parse(within), next_hop=next_hop)


def compiler(things: list[Thing], size: int) -> Compiler:
    made = Compiler("me")
    plugs = [
        InterfaceChange(None, Interface(f"i{number}-{place}", number * 2 + place, f"p{number}-{place}"))
        for number in range(size)
        for place in (1, 3)
    ]
    made.change([(None, thing) for thing in things], plugs, 60000, [((), assumed(things).rows("me"))])
    made.warm()
    return made


def work(made: Compiler, records: list[RecordChange]) -> tuple[int, FlowDelta]:
    """Lines of the rules' code that a change runs."""
    lines = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != SOURCE:
            return None
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        delta = made.change(records)
    finally:
        sys.settrace(None)
    return lines, delta


def another(one: Object, name: str, **fields: Any) -> Object:
    return type(one)(**{**{field: getattr(one, field) for field in one.__struct_fields__}, "id": name, **fields})


FIRST = [
    nat("first", NatType.FLOATING, "10.0.0.99", outside(4000)),
    nat("first-distributed", NatType.FLOATING, "10.0.0.13", outside(4001), distributed=True),
    route("first-route", "0.0.0.0/0", outside(4002)),
]
"""Of each there is one already: the first brings its router here, or has packets go by the stages of edges."""

FLOATING = nat("floating", NatType.FLOATING, "10.0.0.11", outside(5000))
CHANGES: dict[str, list[RecordChange]] = {
    "port": [(port(0, 1), port(0, 1, mac=mac(1 << 20)))],
    "port gone": [(port(0, 2), None)],
    "floating": [(None, FLOATING)],
    "distributed": [(None, nat("floating", NatType.FLOATING, "10.0.0.11", outside(5000), distributed=True))],
    "snat": [(None, nat("snat", NatType.SNAT, "10.0.0.0/24", None))],
    "edge": [(None, edge("r0", "h3", 3))],
    "edge drained": [(edge("r0", "h2", 2), edge("r0", "h2", 2, admin_state=False))],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("here", [False, True], ids=["a host", "an edge"])
@pytest.mark.parametrize("network", [one_router, many_routers])
def test_a_change_costs_the_same_in_a_large_network(
    network: Callable[[int, tuple[str, ...]], list[Thing]], here: bool, change: str
) -> None:
    where = ("me", "h2") if here else ("h1", "h2")
    compare(lambda size: [*hosts(), *network(size, where), *FIRST], CHANGES[change])


ON_DEMAND_CHANGES: dict[str, list[RecordChange]] = {
    "port": CHANGES["port"],
    "port elsewhere": [(port(0, 2), port(0, 2, mac=mac(1 << 20)))],
    "moved": [(Binding(port="p0-2", host="h1"), Binding(port="p0-2", host="h3"))],
}


@pytest.mark.parametrize("change", ON_DEMAND_CHANGES)
@pytest.mark.parametrize("mode", [FULL, ON_DEMAND])
def test_so_it_does_beside_hosts_on_demand(mode: str, change: str) -> None:
    """Without gateways, which are full. h1, which has a third of the ports, and h3 are on demand."""

    def things(size: int) -> list[Thing]:
        modes = {"me": mode, "h1": ON_DEMAND, "h3": ON_DEMAND}
        some = [one for one in hosts() if not isinstance(one, Uplink)]
        lazy = [
            msgspec.structs.replace(one, mode=modes.get(one.host, FULL)) if isinstance(one, HostState) else one
            for one in some
        ]
        return [*lazy, *one_router(size, ())]

    compare(things, ON_DEMAND_CHANGES[change])


def compare(things: Callable[[int], list[Thing]], change: list[RecordChange]) -> None:
    told = []
    for size in (SMALL, LARGE):
        made = compiler(things(size), size)
        before = len(made.flows)
        lines, delta = work(made, change)
        told.append((lines, len(delta.puts), len(delta.drops)))
        assert lines > 0 and before > size
    assert told[0][1:] == told[1][1:], "flows"
    assert told[1][0] <= told[0][0] * 1.1 + 20, f"lines of rules: {told}"
