"""A random network over the guests of a lab: who shares a switch, what routers join, what is missing or disabled."""

from __future__ import annotations

import random
from typing import Any

import yaml

from retia.lab import file as lab_file
from retia.lab.file import LabFile
from retia.model.document import Document, parse
from tests.agreement.outside import BRIDGE, SEGMENT, WORLD, WORLD_ADDRESSES, WORLD_MAC, add_way_out

HOSTS = ("hv1", "hv2", "hv3")
SWITCHES = 4
GUESTS = {f"g{n}": HOSTS[(n // 4 + n % 2) % 3] for n in range(9)}
"""Guest n is in switch n % 4: some share a switch, some a host, some both."""


def lab() -> LabFile:
    """Every guest's interface names its port in one switch: which networks it is in, is the port's switch to say."""
    guests = {name: {"host": host, "port": f"s{number % SWITCHES}/{name}"} for number, (name, host) in
              enumerate(GUESTS.items())}  # fmt: skip
    text: dict[str, Any] = {"lab": "agreement", "hosts": list(HOSTS), "guests": guests}
    first, *more = (f"{address}/24" for address in WORLD_ADDRESSES)
    text["outside"] = {WORLD: {"segment": SEGMENT, "address": first, "addresses": more, "mac": str(WORLD_MAC)}}
    text["settings"] = {host: {"bfd_interval": 500} for host in HOSTS}  # who lives is not to depend on the machine
    text["physical"] = {host: {BRIDGE: SEGMENT} for host in HOSTS}
    return lab_file.parse(yaml.safe_dump(text), "agreement")


def some_network(rnd: random.Random) -> Document:
    """Valid, and often lacking something: a port, a link, a route, an admin_state. More than half have a way out."""
    switches = {f"s{n}": _switch(rnd, n) for n in range(SWITCHES)}
    routers: dict[str, Any] = {f"r{n}": {"ports": {}, "routes": {}} for n in range(2)}
    for n in range(SWITCHES):
        if rnd.random() < 0.9:
            router = routers[f"r{0 if rnd.random() < 0.6 else 1}"]
            router["ports"][f"to-s{n}"] = {"switch": f"s{n}"} | _maybe_down(rnd)
    if rnd.random() < 0.7:
        _join(rnd, switches, routers)
    document = {"retia": 1, "document": "lab", "switches": switches, "routers": routers}
    if rnd.random() < 0.6:
        add_way_out(rnd, document, HOSTS)
    return parse(yaml.safe_dump(document), "agreement")


def _switch(rnd: random.Random, number: int) -> dict[str, Any]:
    base = f"10.{number}.0"
    ports: dict[str, Any] = {}
    for place, guest in enumerate(GUESTS):
        if place % SWITCHES == number and rnd.random() < 0.9:
            ports[guest] = {"addresses": f"{base}.{10 + place}", "mac": _mac(number, place)} | _maybe_down(rnd)
    if rnd.random() < 0.4:
        ports["nobody"] = {"addresses": f"{base}.77", "mac": _mac(number, 77)}
    return {"subnets": {"n": {"cidr": f"{base}.0/24", "gateway": f"{base}.1"}}, "ports": ports} | _maybe_down(rnd)


def _mac(switch: int, port: int) -> str:
    return f"02:00:00:00:{switch:02x}:{port:02x}"


def _maybe_down(rnd: random.Random) -> dict[str, Any]:
    return {"admin_state": False} if rnd.random() < 0.05 else {}


def _join(rnd: random.Random, switches: dict[str, Any], routers: dict[str, Any]) -> None:
    """A transit switch between the routers, and static routes over it, not always to where they should lead."""
    switches["transit"] = {"subnets": {"n": {"cidr": "10.99.0.0/24"}}}
    for number, router in enumerate(routers.values()):
        router["ports"]["to-transit"] = {"switch": "transit", "addresses": f"10.99.0.{number + 1}/24"}
        for n in range(SWITCHES):
            if rnd.random() < 0.6 and f"to-s{n}" not in router["ports"]:
                router["routes"][f"s{n}"] = {"prefix": f"10.{n}.0.0/24", "next_hop": f"10.99.0.{2 - number}"}
        if rnd.random() < 0.3:
            router["routes"]["rest"] = {"prefix": "0.0.0.0/0", "next_hop": f"10.99.0.{rnd.choice([2 - number, 9])}"}
