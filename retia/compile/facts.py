"""From records to facts: the base relations, and which rows each record makes.

Every row of a record is keyed by the record's id, so a changed record is a put and a vanished one a drop. Addresses
are IPv4: validation refuses IPv6, and a record that has it anyway makes no row for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from retia.compile.reasons import Reason
from retia.model.kinds import Host, Object, Port, Route, Router, RouterPort, Switch
from retia.model.local import Interface
from retia.model.state import Binding, HostState, State
from retia.rules import COL, KEY, Relation
from retia.values import Cidr, Ip, Mac


class ThisHost(Relation):
    "The host these flows are for."

    host: str = KEY


class TunnelPort(Relation):
    "The OpenFlow port of this host's one Geneve port."

    ofport: int = KEY


class DropReason(Relation):
    "A reason that drops are counted by."

    number: int = KEY


class NeverRouted(Relation):
    "A prefix that no router carries packets to."

    prefix: Ip = KEY
    length: int = KEY


class HostTunnel(Relation):
    "Where a host's tunnels end."

    host: str = KEY
    key: int = COL
    address: Ip = COL


class HostDown(Relation):
    "A host taken out of service by the operator."

    host: str = KEY


class SwitchFact(Relation):
    "A switch."

    id: str = KEY
    name: str = COL
    project: str = COL
    key: int = COL
    up: bool = COL


class PortFact(Relation):
    "A port of a switch."

    id: str = KEY
    name: str = COL
    switch: str = COL
    key: int = COL
    mac: Mac = COL
    up: bool = COL


class PortAddress(Relation):
    "An address of a port."

    port: str = KEY
    address: Ip = KEY


class RouterFact(Relation):
    "A router."

    id: str = KEY
    key: int = COL
    up: bool = COL


class RouterPortFact(Relation):
    "A link between a router and a switch."

    id: str = KEY
    router: str = COL
    switch: str = COL
    key: int = COL
    switch_key: int = COL
    mac: Mac = COL
    up: bool = COL


class RouterAddress(Relation):
    "An address of a router on a switch, with the prefix it is connected to."

    port: str = KEY
    address: Ip = KEY
    length: int = COL


class RouteFact(Relation):
    "A static route."

    id: str = KEY
    router: str = COL
    prefix: Ip = COL
    length: int = COL
    next_hop: Ip = COL
    metric: int = COL


class BindingFact(Relation):
    "The host that a port lives on, as its agent says."

    port: str = KEY
    host: str = COL


class InterfaceFact(Relation):
    "An interface of this host's bridge that names a port."

    name: str = KEY
    ofport: int = COL
    names: str = COL


NEVER_ROUTED = [Cidr.parse(text) for text in ("224.0.0.0/4", "127.0.0.0/8", "255.255.255.255/32", "0.0.0.0/8")]
"""Multicast (RFC 5771), loopback, limited broadcast, this network (RFC 1122)."""


def constants(host: str) -> list[Relation]:
    """What holds on a host whatever is declared."""
    never = [NeverRouted(cidr.address, cidr.length) for cidr in NEVER_ROUTED]
    return [ThisHost(host), *never, *(DropReason(int(reason)) for reason in Reason)]


def _host(host: Host) -> Iterator[Relation]:
    if not host.admin_state:
        yield HostDown(host.name)


def _switch(switch: Switch) -> Iterator[Relation]:
    yield SwitchFact(switch.id, switch.name, switch.project, switch.key, switch.admin_state)


def _port(port: Port) -> Iterator[Relation]:
    yield PortFact(port.id, port.name, port.switch, port.key, port.mac, port.admin_state)
    for address in port.addresses:
        if address.family == 4:
            yield PortAddress(port.id, address)


def _router(router: Router) -> Iterator[Relation]:
    yield RouterFact(router.id, router.key, router.admin_state)


def _router_port(port: RouterPort) -> Iterator[Relation]:
    yield RouterPortFact(port.id, port.router, port.switch, port.key, port.switch_key, port.mac, port.admin_state)
    for cidr in port.addresses:
        if cidr.family == 4:
            yield RouterAddress(port.id, cidr.address, cidr.length)


def _route(route: Route) -> Iterator[Relation]:
    prefix: Cidr = route.prefix.network
    if prefix.family == 4 and route.next_hop.family == 4:
        yield RouteFact(route.id, route.router, prefix.address, prefix.length, route.next_hop, route.metric)


def _host_state(state: HostState) -> Iterator[Relation]:
    if state.tunnel.family == 4:
        yield HostTunnel(state.host, state.key, state.tunnel)


def _binding(binding: Binding) -> Iterator[Relation]:
    yield BindingFact(binding.port, binding.host)


_ROWS: dict[type, Callable[[Any], Iterator[Relation]]] = {
    Host: _host,
    Switch: _switch,
    Port: _port,
    Router: _router,
    RouterPort: _router_port,
    Route: _route,
    HostState: _host_state,
    Binding: _binding,
}


def rows(thing: Object | State) -> list[Relation]:
    """The facts that one record is. Kinds that no rule looks at make none."""
    make = _ROWS.get(type(thing))
    return list(make(thing)) if make is not None else []


def interface_rows(interface: Interface) -> list[Relation]:
    return [InterfaceFact(interface.name, interface.ofport, interface.iface_id)] if interface.iface_id else []
