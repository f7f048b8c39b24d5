"""What the chaos declares: a small network that changes, written out as a document, and who reaches whom in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from retia.lab import file as lab_file
from retia.lab.file import LabFile
from retia.model.document import Document, parse

HOSTS = ("hv1", "hv2", "hv3")
EDGES = ("hv2", "hv3")
WORLD = "203.0.113.254"
"""The node outside, on the physical network that the edges are on."""
SUBNETS = {"web": "10.1.0", "db": "10.2.0", "far": "10.3.0", "transit": "10.9.0"}
STEADY = {"s1": ("hv1", "web"), "s2": ("hv2", "web"), "s3": ("hv3", "db")}
"""Guests nobody touches: the pings between them go on all the while."""
MOVERS = {"m1": ("hv1", "web"), "m2": ("hv2", "db"), "m3": ("hv3", "far")}
PAIRS = (("s1", "s2"), ("s2", "s3"), ("s3", "s1"))
NEAR = frozenset({"web", "db"})


@dataclass
class Wish:
    """The declared state, and where guests are. `document()` is all of it."""

    undeclared: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    unplugged: set[str] = field(default_factory=set)
    extra_ports: set[tuple[str, int]] = field(default_factory=set)
    extra_switches: set[int] = field(default_factory=set)
    drained: set[str] = field(default_factory=set)
    no_way_out: bool = False
    """r1 has no route to what is behind r2."""

    def document(self) -> Document:
        return parse(yaml.safe_dump({"retia": 1, "document": "chaos", **self._network()}), "chaos")

    def _network(self) -> dict[str, Any]:
        links = {f"to-{name}": {"switch": name} for name in ("web", "db")}
        links["to-transit"] = {"switch": "transit", "addresses": "10.9.0.1/24"}
        links |= {f"to-x{n}": {"switch": f"x{n}"} for n in self.extra_switches}
        out = {"world": {"prefix": "0.0.0.0/0", "next_hop": "10.9.0.3"}}
        out |= {} if self.no_way_out else {"out": {"prefix": "10.3.0.0/24", "next_hop": "10.9.0.2"}}
        back = {f"back-{n}": {"prefix": f"10.{n}.0.0/24", "next_hop": "10.9.0.1"} for n in (1, 2)}
        behind = {"to-far": {"switch": "far"}, "to-transit": {"switch": "transit", "addresses": "10.9.0.2/24"}}
        switches = {name: self._switch(name) for name in SUBNETS}
        switches |= {f"x{n}": _extra_switch(n) for n in self.extra_switches}
        switches["ext"] = {
            "subnets": {"n": {"cidr": "203.0.113.0/24"}},
            "uplinks": {host: {"bridge": "br-ex"} for host in EDGES},
        }
        routers = {"r1": {"ports": links, "routes": out}, "r2": {"ports": behind, "routes": back}, "gate": self._gate()}
        return {"hosts": {host: {} for host in HOSTS}, "switches": switches, "routers": routers}

    def _gate(self) -> dict[str, Any]:
        """The router on edges: what comes by the transit switch leaves translated."""
        ports: dict[str, Any] = {"to-transit": {"switch": "transit", "addresses": "10.9.0.3/24"}}
        for number, host in enumerate(EDGES, 2):
            ports[f"out-{host}"] = {"switch": "ext", "host": host, "addresses": f"203.0.113.{number}/24"}
        edges = {host: {"admin_state": host not in self.drained} for host in EDGES}
        back = {f"back-{n}": {"prefix": f"10.{n}.0.0/16", "next_hop": "10.9.0.1"} for n in (1, 2)}
        nats = {"all": {"type": "snat", "internal": "10.0.0.0/8"}}
        nats["s1"] = {"type": "floating", "internal": "10.1.0.11", "external": "203.0.113.11"}
        return {"ports": ports, "edges": edges, "routes": back, "nats": nats}

    def _switch(self, name: str) -> dict[str, Any]:
        base = SUBNETS[name]
        ports: dict[str, Any] = {}
        for number, (guest, (_, switch)) in enumerate((STEADY | MOVERS).items(), 11):
            if switch == name and guest not in self.undeclared:
                ports[guest] = {"addresses": f"{base}.{number}", "mac": f"02:00:00:00:00:{number:02x}"}
                ports[guest] |= {"admin_state": False} if guest in self.disabled else {}
        ports |= {f"e{n}": {"addresses": f"{base}.{100 + n}"} for switch, n in self.extra_ports if switch == name}
        return {"subnets": {name: {"cidr": f"{base}.0/24", "gateway": f"{base}.1"}}, "ports": ports}

    def live(self, guest: str) -> bool:
        return guest not in self.undeclared | self.disabled | self.unplugged

    def reaches(self, source: str, target: str) -> bool:
        """Whether a ping comes back."""
        if target == "world":
            home = STEADY[source][0]  # an edge that is drained still sends its own, where no other is in service
            return self.live(source) and (home in EDGES or not set(EDGES) <= self.drained)
        one, two = (STEADY | MOVERS)[source][1], (STEADY | MOVERS)[target][1]
        joined = one == two or {one, two} <= NEAR or not self.no_way_out
        return self.live(source) and self.live(target) and joined


def _extra_switch(number: int) -> dict[str, Any]:
    base = f"10.{100 + number}.0"
    return {"subnets": {"n": {"cidr": f"{base}.0/24", "gateway": f"{base}.1"}}, "ports": {"p": {}}}


def lab_of(wish: Wish) -> LabFile:
    """The lab that begins with this wish."""
    guests = {name: {"host": host, "port": f"{switch}/{name}"} for name, (host, switch) in (STEADY | MOVERS).items()}
    text = {"lab": "chaos", "hosts": list(HOSTS), "guests": guests, "network": {"document": "chaos", **wish._network()}}
    text["outside"] = {"world": {"segment": "ext", "address": f"{WORLD}/24"}}
    text["physical"] = {host: {"br-ex": "ext"} for host in EDGES}
    return lab_file.parse(yaml.safe_dump(text), "chaos")
