"""What the benchmark's router gets to meet the physical network, as model objects; the same for both contenders.

    switches ── r, on edges `me` and `h0` ── ext ── br-ex ── 198.18.255.254          (added: edge `h1`)

Pure. `ours`, `compile` and `null_switch` write these; `ovn_network` says the same in OVN's words.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.network import Size, address, port
from retia.compile.local import uplink_name
from retia.model.kinds import Edge, Host, Nat, NatType, Object, Route, RouterPort, Switch, Uplink
from retia.values import Cidr, Ip, Ip4, Mac, Prefix

SWITCH, BRIDGE = "ext", "br-ex"
EDGES = ("me", "h0")
"""The first holds what is translated."""
ADDED = "h1"
WORLD = Ip4(0xC612FFFE)
_KEY = 900_000
_PORT_KEY = 30_000
_HOSTS = (*EDGES, ADDED)


def uplink() -> str:
    """Retia's name of the port that leads to the physical bridge."""
    return uplink_name(_KEY)


def own(host: str) -> Cidr:
    """An edge's own address outside."""
    return Cidr(Ip4(0xC6120002 + _HOSTS.index(host)), 16)


def objects() -> Iterator[Object]:
    """Everything but the edge that is added later: with a rule for sources, as any such router has."""
    yield Switch(id=SWITCH, name=SWITCH, key=_KEY)
    for place, host in enumerate(_HOSTS):
        yield Host(id=host, name=host)
        yield Uplink(id=f"u-{host}", name=host, switch=SWITCH, host=host, bridge=BRIDGE, key=place + 1)
    for host in EDGES:
        yield from edge(host)
    yield Route(id="world", name="world", router="r", prefix=Cidr(Ip4(0), 0), next_hop=WORLD)
    yield Nat(id="all", name="all", router="r", type=NatType.SNAT, internal=Prefix(Ip4(10 << 24), 8))


def edge(host: str) -> tuple[Object, Object]:
    """A host as an edge of the router, with its port outside."""
    place = _HOSTS.index(host)
    member = Edge(id=f"e-{host}", name=host, router="r", host=host, priority=priority(host), slot=place + 1)
    keys = {"key": _PORT_KEY + place, "switch_key": 10 + place}
    mac, name = Mac(0x0A << 40 | 1 << 32 | place), f"out-{host}"
    outside = RouterPort(
        id=name, name=name, router="r", switch=SWITCH, host=host, mac=mac, addresses=(own(host),), **keys
    )
    return member, outside


def priority(host: str) -> int:
    return 10 * (len(_HOSTS) - _HOSTS.index(host))


def guest(size: Size, n: int) -> Ip:
    """The address of a guest: one of each switch, then another of each."""
    return port(size, (n * size.per_switch + n // size.switches) % size.ports).addresses[0]


def floating(size: Size, n: int) -> Nat:
    """Floating IP `n`."""
    external, internal = Ip4(0xC6120100 + n), Prefix(guest(size, n), 32)
    return Nat(id=f"f{n}", name=f"f{n}", router="r", type=NatType.FLOATING, internal=internal, external=external)


def snat(size: Size, n: int) -> Nat:
    """A rule for sources `n`: 64 addresses of a switch, which leave under the edge's own."""
    first = Ip4(address(n % size.switches, -10) + 64 * (n // size.switches))
    return Nat(id=f"q{n}", name=f"q{n}", router="r", type=NatType.SNAT, internal=Prefix(first, 26))
