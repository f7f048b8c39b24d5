"""The benchmark's network: 14 rules over 11 base relations, and a generator of its facts. See `bench.engine`.

100 ports a switch, 10 switches a router, every other router on a shared transit switch, 50 ports a host; one host
has 5 % of all ports. The same workload as in the comparison of engines that chose to write our own.
"""

from __future__ import annotations

from retia.rules import COL, KEY, Relation, Rule, collect, count, fn, lowest, rule


class This(Relation):
    chassis: str = KEY


class Switch(Relation):
    name: str = KEY
    datapath: int = COL


class Port(Relation):
    name: str = KEY
    switch: str = COL
    ip: str = COL
    mac: str = COL


class Disabled(Relation):
    port: str = KEY


class Binding(Relation):
    port: str = KEY
    chassis: str = COL


class Ofport(Relation):
    port: str = KEY
    number: int = COL


class Chassis(Relation):
    name: str = KEY
    tunnel_ip: str = COL


class RouterPort(Relation):
    name: str = KEY
    router: str = COL
    switch: str = COL
    mac: str = COL
    ip: str = COL


class Route(Relation):
    name: str = KEY
    router: str = COL
    prefix: str = COL
    length: int = COL
    metric: int = COL
    via: str = COL
    out: str = COL


class AddressSet(Relation):
    set: str = KEY
    ip: str = KEY


class Acl(Relation):
    name: str = KEY
    switch: str = COL
    source: str = COL
    priority: int = COL
    action: str = COL


class Enabled(Relation):
    port: str = COL
    switch: str = COL
    ip: str = COL
    mac: str = COL


class Here(Relation):
    port: str = COL
    switch: str = COL
    ofport: int = COL


class Reach(Relation):
    switch: str = COL


class Active(Relation):
    router: str = COL


class ArpFlow(Relation):
    datapath: int = COL
    ip: str = COL
    mac: str = COL


class RouterArpFlow(Relation):
    datapath: int = COL
    ip: str = COL
    mac: str = COL


class LocalFlow(Relation):
    datapath: int = COL
    mac: str = COL
    ofport: int = COL


class RemoteFlow(Relation):
    datapath: int = COL
    mac: str = COL
    tunnel_ip: str = COL


class NextHopFlow(Relation):
    router: str = COL
    port: str = COL
    ip: str = COL
    mac: str = COL


class BestMetric(Relation):
    router: str = COL
    prefix: str = COL
    length: int = COL
    metric: int = COL


class RouteFlow(Relation):
    router: str = COL
    prefix: str = COL
    length: int = COL
    priority: int = COL
    via: str = COL
    out: str = COL


class EcmpSize(Relation):
    router: str = COL
    prefix: str = COL
    length: int = COL
    hops: int = COL


class EcmpGroup(Relation):
    router: str = COL
    prefix: str = COL
    length: int = COL
    buckets: tuple[str, ...] = COL


class AclFlow(Relation):
    datapath: int = COL
    priority: int = COL
    ip: str = COL
    action: str = COL


@fn
def route_priority(length: int) -> int:
    return 2 * length + 1


@rule
def enabled(p: str, s: str, i: str, m: str) -> Rule:
    "A port takes part unless it is disabled."
    return Enabled(p, s, i, m) <= [Port(p, s, i, m), ~Disabled(p)]


@rule
def here(p: str, s: str, o: int, c: str) -> Rule:
    "A port lives here when it is bound to this chassis and OVS knows its interface."
    return Here(p, s, o) <= [Ofport(p, o), Binding(p, c), This(c), Enabled(p, s)]


@rule
def reach_local(s: str) -> Rule:
    "A switch that has a port here is reachable."
    return Reach(s) <= [Here(switch=s)]


@rule
def reach_routed(s: str, s2: str, r: str) -> Rule:
    "So is every switch that shares a router with a reachable switch."
    return Reach(s2) <= [Reach(s), RouterPort(router=r, switch=s), RouterPort(router=r, switch=s2)]


@rule
def active(r: str, s: str) -> Rule:
    "A router counts here when it joins a reachable switch."
    return Active(r) <= [Reach(s), RouterPort(router=r, switch=s)]


@rule
def arp(d: int, i: str, m: str, s: str) -> Rule:
    "Answer ARP for each port of a reachable switch."
    return ArpFlow(d, i, m) <= [Reach(s), Switch(s, d), Enabled(switch=s, ip=i, mac=m)]


@rule
def router_arp(d: int, i: str, m: str, s: str) -> Rule:
    "Answer ARP for the router's own addresses."
    return RouterArpFlow(d, i, m) <= [Reach(s), Switch(s, d), RouterPort(switch=s, mac=m, ip=i)]


@rule
def local_output(d: int, p: str, s: str, m: str, o: int) -> Rule:
    "Frames to a local port leave by its OVS interface."
    return LocalFlow(d, m, o) <= [Here(p, s, o), Enabled(p, mac=m), Switch(s, d)]


@rule
def remote_output(d: int, p: str, s: str, m: str, c: str, t: str) -> Rule:
    "Frames to a port of another chassis go through that chassis' tunnel."
    return RemoteFlow(d, m, t) <= [Reach(s), Switch(s, d), Enabled(p, s, mac=m), Binding(p, c), ~This(c), Chassis(c, t)]


@rule
def next_hop(r: str, out: str, i: str, m: str, s: str) -> Rule:
    "A router knows the MAC of each port behind it."
    return NextHopFlow(r, out, i, m) <= [Reach(s), RouterPort(out, r, s), Enabled(switch=s, ip=i, mac=m)]


@rule
def best_metric(r: str, x: str, n: int, k: int) -> Rule:
    "Of several routes to a prefix the lowest metric counts."
    return BestMetric(r, x, n, lowest(k)) <= [Active(r), Route(router=r, prefix=x, length=n, metric=k)]


@rule
def route(r: str, x: str, n: int, k: int, h: str, out: str) -> Rule:
    "A longer prefix gets a higher priority."
    return RouteFlow(r, x, n, route_priority(n), h, out) <= [
        BestMetric(r, x, n, k),
        Route(router=r, prefix=x, length=n, metric=k, via=h, out=out),
    ]


@rule
def ecmp_size(r: str, x: str, n: int, h: str) -> Rule:
    "How many next hops share the traffic."
    return EcmpSize(r, x, n, count(h)) <= [RouteFlow(r, x, n, via=h)]


@rule
def ecmp(r: str, x: str, n: int, h: str) -> Rule:
    "The next hops that share the traffic, as one OpenFlow group."
    return EcmpGroup(r, x, n, collect(h)) <= [RouteFlow(r, x, n, via=h)]


@rule
def acl(d: int, q: int, i: str, a: str, s: str, g: str) -> Rule:
    "One flow for each address of the set that an ACL names."
    return AclFlow(d, q, i, a) <= [
        Reach(s),
        Switch(s, d),
        Acl(switch=s, source=g, priority=q, action=a),
        AddressSet(g, i),
    ]


RULES = [
    enabled,
    here,
    reach_local,
    reach_routed,
    active,
    arp,
    router_arp,
    local_output,
    remote_output,
    next_hop,
    best_metric,
    route,
    ecmp_size,
    ecmp,
    acl,
]
OUTPUTS = [ArpFlow, RouterArpFlow, LocalFlow, RemoteFlow, NextHopFlow, RouteFlow, EcmpSize, EcmpGroup, AclFlow]


PER_SWITCH, PER_ROUTER, PER_HOST = 100, 10, 50


def mac(number: int) -> str:
    return "02:" + ":".join(f"{number >> shift & 255:02x}" for shift in (32, 24, 16, 8, 0))


def port(number: int) -> Port:
    return Port(
        f"p{number}", f"s{number // PER_SWITCH}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", mac(number)
    )


def host_of(number: int, ports: int) -> str:
    """Every twentieth port lives on the host under test."""
    return "me" if number % 20 == 0 else f"h{number * 7919 % max(2, ports // PER_HOST)}"


def facts(ports: int) -> list[Relation]:
    """The base facts of a network of `ports` ports, seen from host "me"."""
    switches = max(1, ports // PER_SWITCH)
    rows: list[Relation] = [This("me"), Chassis("me", "192.0.2.1"), Switch("transit", 1)]
    rows += [Chassis(f"h{n}", f"198.51.{n >> 8}.{n & 255}") for n in range(max(2, ports // PER_HOST))]
    rows += [Switch(f"s{n}", n + 10) for n in range(switches)]
    for n in range(switches):
        rows.append(
            RouterPort(f"r{n // PER_ROUTER}-s{n}", f"r{n // PER_ROUTER}", f"s{n}", mac(1 << 20 | n), "10.255.0.1")
        )
    for r in range(0, -(-switches // PER_ROUTER)):
        rows += [Route(f"d{r}-{k}", f"r{r}", "0.0.0.0", 0, 1, f"100.64.{r}.{k}", f"r{r}-t") for k in range(2)]
        if r % 2 == 0:
            rows.append(RouterPort(f"r{r}-t", f"r{r}", "transit", mac(1 << 21 | r), f"100.64.{r}.254"))
    rows += [AddressSet("web", f"203.0.113.{n}") for n in range(20)]
    rows += [Acl(f"acl{n}", f"s{n}", "web", 100, "allow") for n in range(0, switches, 10)]
    for n in range(ports):
        rows += [port(n), Binding(f"p{n}", host_of(n, ports))]
        if host_of(n, ports) == "me":
            rows.append(Ofport(f"p{n}", n + 1))
        if n % 97 == 0:
            rows.append(Disabled(f"p{n}"))
    return rows
