"""What NAT rules must be by themselves and among each other. Pure checks; `validate` runs them.

An outside address is translated by one rule of all routers on its switch. What a packet may cost bounds how many
routers with NAT it can pass on one host: see `MOST_IN_A_ROW`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from retia.model.finding import Check, Finding, Findings
from retia.model.gateways import host_is_an_edge, is_outside, outside_ports
from retia.model.kinds import Edge, Nat, NatType, Object, Port, RouterPort
from retia.model.network import Network, addresses_of
from retia.model.switching import pair
from retia.values import HIGHEST_PORT, Ip

MOST_IN_A_ROW = 2
"""Routers with NAT on one packet's way through one host. Open vSwitch recirculates a packet 6 times at most; the tunnel
costs one, a router with NAT two, and what is left is for the stages to come."""
_EXAMPLE = "name it, as in `external: 203.0.113.50`"
ENOUGH_ENDS = 5
"""More than the routers that a row already has: one at least is none of them."""
MOST_ARMS = 1000
"""Ways out of a router that are looked at: more would make a change of one slow in a network that is one large knot."""


def has_outside(network: Network, nat: Nat) -> Findings:
    """NAT is done where a router meets the physical network."""
    if not outside_ports(network, nat.router):
        router = network.label(network.objects[nat.router])
        advice = f"give {router} a port on a switch that has an uplink"
        yield Finding(nat.id, "type", f"{router} has no way to the physical network, so nothing is translated", advice)


def snat_has_its_fields(network: Network, nat: Nat) -> Findings:
    if nat.type is not NatType.SNAT:
        return
    for field in ("protocol", "external_port", "internal_port"):
        if getattr(nat, field):
            advice = "leave it out; `ports` says which ports connections get outside"
            yield Finding(nat.id, field, f"snat has no {field}", advice)
    if nat.internal != nat.internal.network:
        yield Finding(nat.id, "internal", f"{nat.internal} has host bits", f"write {nat.internal.network}")
    edges = network.referrers(nat.router, Edge)
    if nat.external is not None and len(edges) > 1 and not nat.host:
        what = f"its router has {len(edges)} edges, and {nat.external} can be on one of them only"
        advice = "leave `external` out: each edge then uses its own address; or name the edge with `host`"
        yield Finding(nat.id, "external", what, advice)
    yield from host_is_an_edge(network, nat)


def dnat_has_its_fields(network: Network, nat: Nat) -> Findings:
    if nat.type is NatType.SNAT:
        return
    if nat.external is None:
        yield Finding(nat.id, "external", f"external is missing: {nat.type} needs an address outside", _EXAMPLE)
    if not nat.internal.is_address:
        yield Finding(nat.id, "internal", f"{nat.internal} is no single address", "name one guest's address")
    for field in ("ports", "host"):
        if getattr(nat, field):
            yield Finding(nat.id, field, f"{nat.type} has no {field}", "leave it out")
    yield from _ports_fit(nat)


def _ports_fit(nat: Nat) -> Findings:
    if nat.type is NatType.FLOATING and (nat.protocol or nat.external_port or nat.internal_port):
        yield Finding(nat.id, "protocol", "a floating IP has all ports", "use `type: dnat` for one port")
    elif nat.external_port and not nat.protocol:
        yield Finding(nat.id, "external_port", "a port needs its protocol", "write `protocol: tcp` or `protocol: udp`")
    elif nat.protocol and not nat.external_port:
        advice = "give external_port, or leave protocol out to translate the whole address"
        yield Finding(nat.id, "protocol", f"{nat.protocol} of which port?", advice)
    elif nat.internal_port and not nat.external_port:
        advice = "give protocol and external_port too, or leave it out to translate the whole address"
        yield Finding(nat.id, "internal_port", "there is an internal_port and no external_port", advice)
    for field in ("external_port", "internal_port"):
        if not 0 <= getattr(nat, field) <= HIGHEST_PORT:
            what = f"port {getattr(nat, field)} is outside 1 to {HIGHEST_PORT}"
            yield Finding(nat.id, field, what, "write a port in that range, as in 443")


def distributed_is_floating(network: Network, nat: Nat) -> Findings:
    """Only a floating IP is translated where its guest lives; then no other rule has all of that guest's answers."""
    if not nat.distributed:
        return
    if nat.type is not NatType.FLOATING:
        advice = "leave it out, or use `type: floating`"
        yield Finding(nat.id, "distributed", f"{nat.type} is never distributed", advice)
        return
    for id_ in network.held(nat.router).internals.get(nat.internal, ()):
        other = network.get(Nat, id_)
        if other is not None and other.type is NatType.DNAT and other.protocol is None:
            what = f"{nat.internal} is behind {{0}} on its own host and behind {{1}} on an edge; its answers go one way"
            yield pair(nat, other, "distributed", what, "leave distributed out, or delete the other")


def external_is_free(network: Network, nat: Nat) -> Findings:
    """An outside address is a host address of its subnet, and nobody else's on its switch."""
    if nat.external is None:
        return
    for port in outside_ports(network, nat.router):
        for cidr in port.addresses:
            if nat.external in cidr and nat.external in (cidr.first, cidr.last):
                word = "network" if nat.external == cidr.first else "broadcast"
                what = f"{nat.external} is the {word} address of {cidr.network}"
                yield Finding(nat.id, "external", what, "choose one between")
        for subnet in network.subnets(port.switch):
            if subnet.gateway == nat.external:
                what = f"{{0}} translates {nat.external}, the gateway of {{1}}"
                yield pair(nat, subnet, "external", what, "leave it to the physical router")
        for holder in network.held(port.switch).addresses.get(nat.external, ()):
            other = network.objects[holder]
            if not _may_share(nat, other):
                yield _both_have(nat, other, "external", nat.external)


def address_is_not_translated(network: Network, item: Port | RouterPort) -> Findings:
    """Nor does a port, or another router, get an address that a router on its switch translates."""
    if not is_outside(network, item.switch):
        return
    translated = _translated(network, item.switch)
    for address in dict.fromkeys(addresses_of(item)):
        for nat in translated.get(address, ()):
            if not _may_share(nat, item):
                yield _both_have(item, nat, "addresses", address)


def _both_have(one: Object, other: Object, field: str, address: Ip) -> Finding:
    what = f"{{0}} and {{1}} both have the address {address}"
    return pair(one, other, field, what, "give each an address of its own")


def _may_share(nat: Nat, holder: Object) -> bool:
    """The router's own address may be what sources become, and single ports of it may lead inside."""
    own = isinstance(holder, RouterPort) and holder.router == nat.router
    return own and (nat.type is NatType.SNAT or nat.protocol is not None)


def external_is_translated_once(network: Network, nat: Nat) -> Findings:
    """No two rules on one outside switch translate the same destination, nor is a source address two routers'."""
    if nat.external is None:
        return
    for other in _rivals(network, nat, nat.external):
        if nat.type is NatType.FLOATING and other.type is NatType.FLOATING:
            what = f"the floating IP {nat.external} is taken twice, by {{0}} and {{1}}"
            yield pair(nat, other, "external", what, "give each its own")
        elif NatType.SNAT not in (nat.type, other.type) and _overlap(nat, other):
            what = f"{{0}} and {{1}} both translate what is for {_target(nat, other)}"
            yield pair(nat, other, "external", what, "give each an address or a port of its own")
        elif NatType.SNAT in (nat.type, other.type) and other.router != nat.router:
            what = f"{nat.external} is an address of {{0}} and of {{1}}, at two routers of one switch"
            yield pair(nat, other, "external", what, "give each router addresses of its own")


def _rivals(network: Network, nat: Nat, external: Ip) -> Iterator[Nat]:
    """Other rules with that address, of all the routers that meet one of this one's outside switches."""
    switches = sorted({port.switch for port in outside_ports(network, nat.router)})
    found = {other.id: other for switch in switches for other in _translated(network, switch).get(external, ())}
    own = (network.get(Nat, id_) for id_ in network.held(nat.router).externals.get(external, ()))
    found |= {other.id: other for other in own if other is not None}
    yield from (other for other in found.values() if other.id != nat.id)


def _translated(network: Network, switch: str) -> dict[Ip, list[Nat]]:
    """The addresses that routers on a switch translate."""
    key = ("translated", switch)
    if key not in network.memo:
        routers = dict.fromkeys(port.router for port in network.referrers(switch, RouterPort))
        found = network.memo[key] = {}
        for nat in (nat for router in routers for nat in network.referrers(router, Nat)):
            if nat.external is not None:
                found.setdefault(nat.external, []).append(nat)
    return cast(dict[Ip, list[Nat]], network.memo[key])


def _overlap(one: Nat, other: Nat) -> bool:
    if one.protocol is None or other.protocol is None:
        return True
    return (one.protocol, one.external_port) == (other.protocol, other.external_port)


def _target(one: Nat, other: Nat) -> str:
    narrow = one if one.protocol is not None else other
    return f"{narrow.external}:{narrow.external_port}/{narrow.protocol}" if narrow.protocol else str(narrow.external)


def internal_is_translated_once(network: Network, nat: Nat) -> Findings:
    """A guest has one floating IP at a router, and a prefix is translated by one rule on each edge."""
    for id_ in network.held(nat.router).internals.get(nat.internal, ()):
        other = network.get(Nat, id_)
        if other is None or other.id == nat.id or other.type is not nat.type:
            continue
        if nat.type is NatType.FLOATING:
            yield pair(nat, other, "internal", f"{nat.internal} has two floating IPs, {{0}} and {{1}}", "delete one")
        elif nat.type is NatType.SNAT and (nat.host == other.host or not nat.host or not other.host):
            yield pair(nat, other, "internal", f"{{0}} and {{1}} both translate {nat.internal}", "delete one of them")


def nat_not_too_often(network: Network, nat: Nat) -> Findings:
    """No packet's way leads through more routers with NAT on one host than Open vSwitch can carry it through."""
    yield from _too_many(network, nat.id, "type", nat.router)


def port_not_too_often(network: Network, port: RouterPort) -> Findings:
    """Nor does a new link between routers make such a way."""
    yield from _too_many(network, port.id, "switch", port.router)


def _too_many(network: Network, about: str, field: str, router: str) -> Findings:
    key = ("row", router)
    if key not in network.memo:
        network.memo[key] = nat_row(network, router)
    row: tuple[str, ...] = network.memo[key]
    if row:
        paths = [network.path(network.objects[one]) for one in row]
        names = ", ".join(min(paths, paths[::-1]))
        what = f"packets could pass {len(row)} routers with NAT in a row on one host: {names}"
        advice = f"Open vSwitch carries them through {MOST_IN_A_ROW}: put one on other edges, or do without its NAT"
        yield Finding(about, field, what, advice, shared=True)


@dataclass(frozen=True)
class _Arm:
    """A way out of a router: the routers with NAT on it, the switches it crosses, the hosts that can carry it all."""

    nats: tuple[str, ...]
    switches: frozenset[str]
    hosts: frozenset[str] | None

    @property
    def alike(self) -> tuple[int, frozenset[str], frozenset[str] | None]:
        """Of arms that are alike in this one is enough."""
        return len(self.nats), self.switches, self.hosts


def nat_row(network: Network, router: str) -> tuple[str, ...]:
    """Routers with NAT that a packet through `router` could pass on one host: the first row found that is too long for
    it, else (). No switch is crossed twice. None of `_Arm.hosts` means: every host."""
    own = (router,) if network.has(router, Nat) else ()
    none = _Arm((), frozenset(), None)
    arms = {none.alike: none}
    for arm in islice(_arms(network, router), MOST_ARMS):
        if not arm.nats or arm.alike in arms:
            continue
        for other in arms.values():
            row = (*reversed(other.nats), *own, *arm.nats)
            if len(row) > MOST_IN_A_ROW and not arm.switches & other.switches and _common(arm.hosts, other.hosts):
                return row
        arms[arm.alike] = arm
    return ()


def _arms(network: Network, router: str) -> Iterator[_Arm]:
    waiting = [(router, _Arm((), frozenset(), _hosts(network, router)))]
    while waiting:
        at, arm = waiting.pop()
        for switch in dict.fromkeys(port.switch for port in network.referrers(at, RouterPort)):
            if switch in arm.switches:
                continue
            for beyond in _worth_passing(network, switch):
                hosts = _meet(arm.hosts, _hosts(network, beyond))
                nats = (*arm.nats, beyond) if network.has(beyond, Nat) else arm.nats
                further = _Arm(nats, arm.switches | {switch}, hosts)
                if hosts != frozenset() and beyond not in (at, router, *arm.nats):
                    yield further
                    if len(nats) <= MOST_IN_A_ROW:
                        waiting.append((beyond, further))


def _worth_passing(network: Network, switch: str) -> tuple[str, ...]:
    """Routers on a switch that lead on to others and, of those a row can only end at, enough for each set of hosts."""
    key = ("worth passing", switch)
    if key not in network.memo:
        ends: Counter[frozenset[str] | None] = Counter()
        found: list[str] = []
        for router in dict.fromkeys(port.router for port in network.referrers(switch, RouterPort)):
            if _leads_on(network, router, switch):
                found.append(router)
            elif network.has(router, Nat) and ends[hosts := _hosts(network, router)] < ENOUGH_ENDS:
                ends[hosts] += 1
                found.append(router)
        network.memo[key] = tuple(found)
    return cast(tuple[str, ...], network.memo[key])


def _leads_on(network: Network, router: str, switch: str) -> bool:
    others = (port.switch for port in network.referrers(router, RouterPort) if port.switch != switch)
    return any(_joins(network, other) for other in others)


def _joins(network: Network, switch: str) -> bool:
    """Whether a switch has several routers."""
    key = ("joins", switch)
    if key not in network.memo:
        network.memo[key] = len({port.router for port in network.referrers(switch, RouterPort)}) > 1
    return bool(network.memo[key])


def _hosts(network: Network, router: str) -> frozenset[str] | None:
    """Those that run it; every one (None) also where a guest's own host translates for it."""
    key = ("hosts", router)
    if key not in network.memo:
        everywhere = any(nat.distributed for nat in network.referrers(router, Nat))
        edges = frozenset(edge.host for edge in network.referrers(router, Edge))
        network.memo[key] = None if everywhere else edges or None
    return cast(frozenset[str] | None, network.memo[key])


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return other if one is None else one if other is None else one & other


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return _meet(one, other) != frozenset()


NAT_CHECKS: tuple[Check, ...] = (
    has_outside,
    snat_has_its_fields,
    dnat_has_its_fields,
    distributed_is_floating,
    external_is_free,
    external_is_translated_once,
    internal_is_translated_once,
    nat_not_too_often,
)
