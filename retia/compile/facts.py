"""From records to facts: the base relations, and which rows each record makes.

Every row of a record is keyed by the record's id, so a changed record is a put and a vanished one a drop. Addresses
are IPv4: validation refuses IPv6, and a record that has it anyway makes no row for it. Other programs may write to
etcd too: what no register could hold becomes an `Unusable` row and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from retia.compile.reasons import SPOKEN_OF, Reason
from retia.flows.complaint import ICMP_ERRORS
from retia.flows.fields import TCP, UDP, Subfield
from retia.model.gateways import LAST_VLAN, SLOTS
from retia.model.kinds import (
    Edge,
    Host,
    Nat,
    NatType,
    Object,
    Port,
    Protocol,
    Route,
    Router,
    RouterPort,
    Switch,
    Uplink,
)
from retia.model.local import Interface
from retia.model.state import FULL, LAST_TRACE, ON_DEMAND, Binding, HostState, State, Trace
from retia.pipeline.fields import DATAPATH, DESTINATION_HOST, SOURCE_PORT
from retia.pipeline.stages import BESIDE, STAGES
from retia.rules import COL, KEY, Relation
from retia.values import HIGHEST_PORT, Cidr, Ip, Ip4, Mac


class ThisHost(Relation):
    "The host these flows are for."

    host: str = KEY


class TunnelPort(Relation):
    "The OpenFlow port of a host's one Geneve port."

    host: str = KEY
    ofport: int = COL


class DropReason(Relation):
    "A reason that drops are counted by."

    host: str = KEY
    number: int = KEY


class TracedStage(Relation):
    "A stage that reports traced packets."

    host: str = KEY
    number: int = KEY


class TraceFact(Relation):
    "A trace that somebody runs, in a cluster."

    id: int = KEY
    cluster: str = COL


class NeverRouted(Relation):
    "A prefix that no router carries packets to."

    host: str = KEY
    prefix: Ip = KEY
    length: int = KEY


class Complaint(Relation):
    "A reason for which a dropped packet is answered, and the kind of punt that tells the agent."

    host: str = KEY
    reason: int = KEY
    kind: int = COL


class SilentAbout(Relation):
    "A type of ICMP error, which no router answers."

    host: str = KEY
    icmp_type: int = KEY


class SilentSource(Relation):
    "A prefix that no router answers to."

    host: str = KEY
    prefix: Ip = KEY
    length: int = KEY


class HostTunnel(Relation):
    "Where a host's tunnels end."

    host: str = KEY
    key: int = COL
    address: Ip = COL


class Cluster(Relation):
    "The cluster that this host is of: there is one."

    host: str = KEY
    cluster: str = COL


class HostMode(Relation):
    "A host of a cluster, and the mode that its agent says it is in."

    host: str = KEY
    mode: str = COL
    cluster: str = COL


class HostFact(Relation):
    "A host as the operator declared it."

    id: str = KEY
    name: str = COL
    up: bool = COL


class Unusable(Relation):
    "A record that is well-formed and that no switch could carry out: another program wrote it."

    id: str = KEY
    what: str = COL


class SwitchFact(Relation):
    "A switch."

    id: str = KEY
    name: str = COL
    project: str = COL
    key: int = COL
    up: bool = COL


class SwitchMtu(Relation):
    "The largest IP packet of a switch."

    switch: str = KEY
    mtu: int = COL


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
    name: str = COL
    key: int = COL
    up: bool = COL


class RouterPortFact(Relation):
    "A link between a router and a switch."

    id: str = KEY
    name: str = COL
    router: str = COL
    switch: str = COL
    key: int = COL
    switch_key: int = COL
    mac: Mac = COL
    up: bool = COL
    on: str = COL
    """The id of the one host that has it, "" for every host that runs the router."""


class RouterAddress(Relation):
    "An address of a router on a switch, with the prefix it is connected to."

    port: str = KEY
    address: Ip = KEY
    length: int = COL


class RouteFact(Relation):
    "A static route. With a source prefix (`source_length` > 0) it is for packets from there."

    id: str = KEY
    router: str = COL
    prefix: Ip = COL
    length: int = COL
    source: Ip = COL
    source_length: int = COL
    next_hop: Ip = COL
    metric: int = COL


class BlackholeFact(Relation):
    "A static route that drops."

    id: str = KEY
    router: str = COL
    prefix: Ip = COL
    length: int = COL
    source: Ip = COL
    source_length: int = COL
    metric: int = COL


class EdgeFact(Relation):
    "A host (its id) that runs a router."

    id: str = KEY
    router: str = COL
    host: str = COL
    priority: int = COL
    slot: int = COL
    up: bool = COL


class UplinkFact(Relation):
    "A switch's way to a physical bridge on a host (its id)."

    id: str = KEY
    switch: str = COL
    host: str = COL
    bridge: str = COL
    vlan: int = COL
    key: int = COL


class SnatFact(Relation):
    "Sources in a prefix become `external`, the edge's own address where that is 0. `on`: on one host (its id) alone."

    id: str = KEY
    router: str = COL
    prefix: Ip = COL
    length: int = COL
    external: Ip = COL
    ports: tuple[int, int] = COL
    on: str = COL


class DnatFact(Relation):
    """A destination becomes one inside: of the whole address where `protocol` is 0. `both`: sources the other way too;
    `distributed`: on the guest's own host."""

    id: str = KEY
    router: str = COL
    external: Ip = COL
    internal: Ip = COL
    protocol: int = COL
    external_port: int = COL
    internal_port: int = COL
    both: bool = COL
    distributed: bool = COL


class BindingFact(Relation):
    "The host that a port lives on, as its agent says."

    port: str = KEY
    host: str = COL


class InterfaceFact(Relation):
    "An interface of a host's bridge that names a port."

    host: str = KEY
    name: str = KEY
    ofport: int = COL
    names: str = COL


EVERYWHERE = Cidr(Ip4(0), 0)
NOBODY = Ip4(0)
CLUSTER = "store"
"""All hosts of one store are of one cluster: what a rule about this host and others joins them by."""
_PROTOCOLS = {Protocol.TCP: TCP, Protocol.UDP: UDP}


NEVER_ROUTED = [
    Cidr.parse(text) for text in ("224.0.0.0/4", "127.0.0.0/8", "169.254.0.0/16", "255.255.255.255/32", "0.0.0.0/8")
]
"""Multicast (RFC 5771), loopback, link-local (RFC 3927), limited broadcast, this network (RFC 1122)."""


NO_STATION = [Cidr.parse(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
"""Sources that are no single station: unknown, loopback, multicast and broadcast."""


def constants(host: str) -> list[Relation]:
    """What holds on a host whatever is declared."""
    never = [NeverRouted(host, cidr.address, cidr.length) for cidr in NEVER_ROUTED]
    reasons = [DropReason(host, int(reason)) for reason in Reason]
    stages = [TracedStage(host, int(stage)) for stage in STAGES.values() if stage not in BESIDE]
    return [ThisHost(host), Cluster(host, CLUSTER), *never, *reasons, *stages, *_complaints(host)]


def _complaints(host: str) -> Iterator[Relation]:
    yield from (Complaint(host, int(reason), int(kind)) for reason, kind in SPOKEN_OF.items())
    yield from (SilentAbout(host, icmp_type) for icmp_type in ICMP_ERRORS)
    yield from (SilentSource(host, cidr.address, cidr.length) for cidr in NO_STATION)


def _host(host: Host) -> Iterator[Relation]:
    yield HostFact(host.id, host.name, host.admin_state)


def _switch(switch: Switch) -> Iterator[Relation]:
    yield SwitchMtu(switch.id, switch.mtu)
    yield SwitchFact(switch.id, switch.name, switch.project, switch.key, switch.admin_state)


def _port(port: Port) -> Iterator[Relation]:
    yield PortFact.of((port.id, port.name, port.switch, port.key, port.mac, port.admin_state))
    for address in port.addresses:
        if address.family == 4:
            yield PortAddress.of((port.id, address))


def _router(router: Router) -> Iterator[Relation]:
    yield RouterFact(router.id, router.name, router.key, router.admin_state)


def _router_port(port: RouterPort) -> Iterator[Relation]:
    keys = (port.key, port.switch_key)
    yield RouterPortFact(port.id, port.name, port.router, port.switch, *keys, port.mac, port.admin_state, port.host)
    for cidr in port.addresses:
        if cidr.family == 4:
            yield RouterAddress(port.id, cidr.address, cidr.length)


def _route(route: Route) -> Iterator[Relation]:
    prefix, source = route.prefix.network, route.source.network if route.source else EVERYWHERE
    if prefix.family == 4 and source.family == 4:
        prefixes = (route.router, prefix.address, prefix.length, source.address, source.length)
        if route.blackhole:
            yield BlackholeFact(route.id, *prefixes, route.metric)
        elif route.next_hop is not None and route.next_hop.family == 4:
            yield RouteFact(route.id, *prefixes, route.next_hop, route.metric)


def _edge(edge: Edge) -> Iterator[Relation]:
    yield EdgeFact(edge.id, edge.router, edge.host, edge.priority, edge.slot, edge.admin_state)


def _uplink(uplink: Uplink) -> Iterator[Relation]:
    yield UplinkFact(uplink.id, uplink.switch, uplink.host, uplink.bridge, uplink.vlan, uplink.key)


def _nat(nat: Nat) -> Iterator[Relation]:
    inside, external = nat.internal, nat.external or NOBODY
    if inside.family != 4 or external.family != 4:
        return
    if nat.type is NatType.SNAT:
        ports = (nat.ports.first, nat.ports.last) if nat.ports else (0, 0)
        network = inside.network
        yield SnatFact(nat.id, nat.router, network.address, network.length, external, ports, nat.host)
    elif nat.external is not None:
        both = nat.type is NatType.FLOATING
        what = (0, 0, 0)
        if nat.protocol and not both:
            what = (_PROTOCOLS[nat.protocol], nat.external_port, nat.internal_port or nat.external_port)
        yield DnatFact(nat.id, nat.router, external, inside.address, *what, both, nat.distributed)


def _host_state(state: HostState) -> Iterator[Relation]:
    yield HostMode(state.host, ON_DEMAND if state.mode == ON_DEMAND else FULL, CLUSTER)
    if state.tunnel.family == 4:
        yield HostTunnel(state.host, state.key, state.tunnel)


def _binding(binding: Binding) -> Iterator[Relation]:
    yield BindingFact.of((binding.port, binding.host))


def _trace(trace: Trace) -> Iterator[Relation]:
    yield TraceFact(trace.id, CLUSTER)


_ROWS: dict[type, Callable[[Any], Iterator[Relation]]] = {
    Host: _host,
    Switch: _switch,
    Port: _port,
    Router: _router,
    RouterPort: _router_port,
    Route: _route,
    Edge: _edge,
    Uplink: _uplink,
    Nat: _nat,
    HostState: _host_state,
    Binding: _binding,
    Trace: _trace,
}

_WIDTHS: dict[type, tuple[tuple[str, Subfield], ...]] = {
    Switch: (("key", DATAPATH),),
    Router: (("key", DATAPATH),),
    Port: (("key", SOURCE_PORT),),
    RouterPort: (("key", SOURCE_PORT), ("switch_key", SOURCE_PORT)),
    HostState: (("key", DESTINATION_HOST),),
    Uplink: (("key", SOURCE_PORT),),
}
"""The register that must hold each key."""

_RANGES: dict[type, tuple[tuple[str, int, int], ...]] = {
    Edge: (("slot", SLOTS[0], SLOTS[-1]),),
    Uplink: (("vlan", 0, LAST_VLAN),),
    Trace: (("id", 0, LAST_TRACE),),
    Nat: (("external_port", 0, HIGHEST_PORT), ("internal_port", 0, HIGHEST_PORT)),
}
"""The least and the most that other numbers may be."""


def fault(thing: Any) -> str:
    """What keeps a switch from carrying out a well-formed record, "" when nothing does."""
    widths = [(name, 1, (1 << field.bits) - 1) for name, field in _WIDTHS.get(type(thing), ())]
    for name, least, most in (*widths, *_RANGES.get(type(thing), ())):
        if not least <= getattr(thing, name) <= most:
            return f"its {name} {getattr(thing, name)} is outside {least} to {most}"
    mac = getattr(thing, "mac", None)
    if mac is not None and (mac == 0 or mac.is_multicast):
        return f"{mac} is no MAC of one station"
    return ""


def rows(thing: Object | State) -> list[Relation]:
    """The facts that one record is. Kinds that no rule looks at make none."""
    make = _ROWS.get(type(thing))
    if make is None:
        return []
    wrong = fault(thing)
    if not wrong:
        return list(make(thing))
    known = thing.id if isinstance(thing, Object) else thing.host if isinstance(thing, HostState) else ""
    return [Unusable(known, f"{thing.kind} {getattr(thing, 'name', known)} can't be used: {wrong}")]


def interface_rows(host: str, interface: Interface) -> list[Relation]:
    return [InterfaceFact(host, interface.name, interface.ofport, interface.iface_id)] if interface.iface_id else []
