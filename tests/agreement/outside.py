"""The way out of a random network: a switch on physical bridges, one or two routers on edges, their routes and NAT."""

from __future__ import annotations

import random
from typing import Any

from retia.model.kinds import Nat, Port, RouterPort, Switch
from retia.model.network import Network
from retia.values import Ip, Mac

WORLD, BRIDGE, SEGMENT = "world", "br-ex", "phys"
WORLD_MAC = Mac.parse("06:00:00:00:00:fe")
WORLD_ADDRESSES = ("203.0.113.254", "203.0.113.253")
BEYOND, DARK, NOBODY = "198.51.100.7", "198.18.0.9", "203.0.113.9"
"""Behind the node outside, behind a blackhole route at best, and nowhere."""


def add_way_out(rnd: random.Random, document: dict[str, Any], hosts: tuple[str, ...]) -> None:
    """Packets come to its routers from the switches they are on, or from the other routers by the transit switch."""
    switches, routers = document["switches"], document["routers"]
    inside = rnd.sample(sorted(name for name in switches if name != "transit"), 4)
    near = rnd.sample(hosts, rnd.choice([1, 2, 2, 3]))
    document["hosts"] = {host: {} for host in hosts}
    switches["ext"] = {
        "subnets": {"n": {"cidr": "203.0.113.0/24"}},
        "uplinks": {host: {"bridge": BRIDGE} for host in near},
    }
    for router in list(routers.values()):
        if "transit" in switches and rnd.random() < 0.6:
            router["routes"]["rest"] = {"prefix": "0.0.0.0/0", "next_hop": "10.99.0.3"}
    places = [inside[:2]] if rnd.random() < 0.6 else _apart(inside, document)
    for number, place in enumerate(places):
        edges = rnd.sample(near, rnd.randint(1, len(near)))
        name = f"gate{number}-{rnd.randrange(1 << 30)}"  # another than before: what its hosts learned is of no use
        routers[name] = _gate(rnd, switches, number, edges, place)


def _apart(inside: list[str], document: dict[str, Any]) -> list[list[str]]:
    """Where two are: packets must not be able to pass one of them twice, or three would be in a row."""
    for router in document["routers"].values():
        router["ports"] = {name: port for name, port in router["ports"].items() if port["switch"] not in inside[2:]}
    return [[] if "transit" in document["switches"] else inside[:1], inside[2:]]


def _gate(
    rnd: random.Random, switches: dict[str, Any], number: int, edges: list[str], inside: list[str]
) -> dict[str, Any]:
    ports = {f"in-{name}": {"switch": name, "addresses": f"10.{name[1:]}.0.{number + 2}/24"} for name in inside}
    for place, host in enumerate(edges):
        mac = str(Mac(0x02_F0_00_00_00_00 | rnd.randrange(1 << 32)))  # physical bridges remember where old ones were
        ports[f"out-{host}"] = {"switch": "ext", "host": host, "addresses": f"{_own(number, place)}/24", "mac": mac}
    routes = _routes(rnd)
    if "transit" in switches and not number:
        ports["in-transit"] = {"switch": "transit", "addresses": "10.99.0.3/24"}
        behind = [name for name in switches if name not in (*inside, "transit", "ext") and rnd.random() < 0.7]
        routes |= {
            f"back-{name}": {"prefix": f"10.{name[1:]}.0.0/24", "next_hop": f"10.99.0.{rnd.choice([1, 2])}"}
            for name in behind
        }
    made = {host: {"priority": rnd.choice([0, 0, 10]), "admin_state": rnd.random() < 0.9} for host in edges}
    return {"edges": made, "ports": ports, "routes": routes, "nats": _nats(rnd, switches, number, edges)}


def _own(gate: int, edge: int) -> str:
    return f"203.0.113.{10 * gate + edge + 20}"


def _routes(rnd: random.Random) -> dict[str, Any]:
    """Some lead nowhere, some count for one switch's packets only."""
    everywhere, source = {"prefix": "0.0.0.0/0"}, {"source": f"10.{rnd.randrange(4)}.0.0/24"}
    routes: dict[str, Any] = {}
    if rnd.random() < 0.9:
        routes["world"] = {**everywhere, "next_hop": WORLD_ADDRESSES[0]}
    if rnd.random() < 0.4:
        routes["shared"] = {**everywhere, "next_hop": rnd.choice([WORLD_ADDRESSES[1], NOBODY])}
    if rnd.random() < 0.4:
        routes["dark"] = {"prefix": "198.18.0.0/16", "blackhole": True}
    if rnd.random() < 0.4:
        going = rnd.choice([{"next_hop": WORLD_ADDRESSES[1]}, {"blackhole": True}])
        routes["by-source"] = {**everywhere, **source, **going}
    return routes


def _nats(rnd: random.Random, switches: dict[str, Any], number: int, edges: list[str]) -> dict[str, Any]:
    nats: dict[str, Any] = {}
    if rnd.random() < 0.7:
        where = {"external": f"203.0.113.{number + 50}", "host": rnd.choice(edges)} if rnd.random() < 0.3 else {}
        internal = rnd.choice(["10.0.0.0/8", f"10.{rnd.randrange(4)}.0.0/24"])
        nats["sources"] = {"type": "snat", "internal": internal, **where}
    inside = [port["addresses"] for one in switches.values() for port in one.get("ports", {}).values()]
    for place, address in enumerate(rnd.sample(inside, min(len(inside), rnd.randrange(6)))):
        external = f"203.0.113.{100 + 20 * number + place}"
        nats[f"to-{place}"] = {"internal": address, "external": external, **rnd.choice(_ONE_ADDRESS)}
    if inside and rnd.random() < 0.4:
        kind = rnd.choice(_ONE_PORT)
        nats["own"] = {"internal": rnd.choice(inside), "external": _own(number, rnd.randrange(len(edges))), **kind}
    return nats


_ONE_PORT = (
    {"type": "dnat", "protocol": "udp", "external_port": 53, "internal_port": 40009},
    {"type": "dnat", "protocol": "tcp", "external_port": 80, "internal_port": 8080},
)
_ONE_ADDRESS = (
    {"type": "floating"},
    {"type": "floating", "distributed": True},
    {"type": "floating", "distributed": True},
    {"type": "dnat"},
    *_ONE_PORT,
)


# -- looking at it --------------------------------------------------------------------------------------------------


def world(rnd: random.Random, network: Network) -> Port | None:
    """The node outside as if it were a port of the switch outside, by one of the addresses that it sends from."""
    ext = next((one for one in network.of(Switch) if one.name == "ext"), None)
    if ext is None:
        return None
    address = Ip.parse(rnd.choice([*WORLD_ADDRESSES, BEYOND]))
    return Port(id=WORLD, name=WORLD, switch=ext.id, mac=WORLD_MAC, addresses=(address,), key=0)


def far_addresses(network: Network) -> list[str]:
    """Those outside of a network that has such; some twice, to be chosen more often."""
    externals = sorted(str(nat.external) for nat in network.of(Nat) if nat.external is not None)
    ext = next((one.id for one in network.of(Switch) if one.name == "ext"), None)
    own = sorted(str(link.addresses[0].address) for link in network.of(RouterPort) if link.switch == ext)
    often = [*externals, *WORLD_ADDRESSES, BEYOND]
    return [*often, *often, *own, DARK, NOBODY] if ext else []


def guest_behind(network: Network, address: str) -> Port | None:
    """Whose own MAC a distributed floating IP may be found at."""
    inside = {nat.internal.address for nat in network.of(Nat) if nat.distributed and str(nat.external) == address}
    return next((port for port in network.of(Port) if inside & set(port.addresses)), None)
