"""The networks whose pictures docs/graph.md shows: the demo as its lab brings it up, and one of 500 objects.

Both are made without a store and are the same each time, so that a test sees when the pictures are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from retia.compile.explain import Things
from retia.graph import dot
from retia.graph.draw import draw
from retia.graph.part import whole
from retia.graph.standing import Standing
from retia.model.document import parse
from retia.model.kinds import Object, Port
from retia.model.network import Network
from retia.model.state import Alive, Binding, HostProblem, HostState, State
from retia.store import catalog
from retia.store.view import View
from retia.values import Ip

DEMO = Path(__file__).parent.parent / "labs" / "demo.yaml"
LARGE = 500
"""Objects of the larger network."""


def demo() -> Things:
    """What the store holds once the demo is up."""
    lab = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    homes = {guest["port"]: guest["host"] for guest in lab["guests"].values()}
    return _things([lab["network"]], dict.fromkeys(lab["hosts"], True), homes)


def large() -> Things:
    """A small provider: an outside, a shop, an office with many like floors, and a workshop with a hall of guests."""
    documents = [_outside(), _shop(), _office(), _workshop()]
    short = LARGE - len(_objects(documents))
    hall = {f"hall{number:03}": {} for number in range(1, short + 1)}
    documents[-1]["switches"]["hall"]["ports"] = hall
    paths = [
        f"{document['project']}:{switch}/{port}"
        for document in documents
        for switch, body in document["switches"].items()
        for port in body.get("ports", {})
    ]
    alive = {host: host != "hv07" for host in _outside()["hosts"] if host != "hv14"}
    homes = dict(zip(paths, cycle(host for host in alive if host.startswith("hv")), strict=False))
    for path in paths[5::90]:
        del homes[path]
    problem = "interface tap3 names port shop:web/web99, which does not exist"
    trouble = HostProblem(host="hv03", about="claim-tap3", what=problem, advice="correct its iface-id")
    return _things(documents, alive, homes, [trouble])


def _outside() -> dict[str, Any]:
    return {
        "project": "outside",
        "hosts": {**{f"gw{number}": {} for number in (1, 2, 3)}, **{f"hv{number:02}": {} for number in range(1, 15)}},
        "switches": {
            "internet": {
                "subnets": {"public": {"cidr": "203.0.113.0/24", "gateway": "203.0.113.254"}},
                "uplinks": {f"gw{number}": {"bridge": "br-ex", "vlan": 100} for number in (1, 2, 3)},
            }
        },
    }


def _shop() -> dict[str, Any]:
    sizes = {"web": 10, "cart": 6, "pay": 4, "search": 30, "db": 8, "cache": 24}
    router = _router(sizes, {"gw1": 20, "gw2": 10}, 10)
    router["edges"]["gw2"]["admin_state"] = False
    router["nats"] |= {
        f"web{number}": {"type": "floating", "internal": f"10.1.0.{number + 9}", "external": f"203.0.113.{number + 50}"}
        for number in (1, 2, 3)
    }
    switches = _switches(sizes, 1)
    for number, port in enumerate(switches["web"]["ports"].values()):
        port["addresses"] = f"10.1.0.{number + 10}"
    switches["pay"]["ports"]["pay04"]["admin_state"] = False
    return {"project": "shop", "switches": switches, "routers": {"shop": router}}


def _office() -> dict[str, Any]:
    sizes = {f"floor{number:02}": 4 for number in range(1, 19)} | {"servers": 9}
    router = _router(sizes, {"gw2": 10, "gw3": 20}, 20)
    return {"project": "office", "switches": _switches(sizes, 2), "routers": {"office": router}}


def _workshop() -> dict[str, Any]:
    sizes = {"bench": 3, "hall": 0}
    switches = _switches(sizes, 3) | {"between": {"subnets": {"between4": {"cidr": "10.9.0.0/30"}}}}
    inner = {
        "ports": {name: {"switch": name} for name in sizes} | {"up": {"switch": "between", "addresses": "10.9.0.2/30"}}
    }
    outer = _router({}, {"gw3": 0}, 30)
    outer["ports"]["down"] = {"switch": "between", "addresses": "10.9.0.1/30"}
    inner["routes"] = {"out": {"prefix": "0.0.0.0/0", "next_hop": "10.9.0.1"}}
    outer["routes"]["in"] = {"prefix": "10.3.0.0/16", "next_hop": "10.9.0.2"}
    alone = {f"island{number}": {"ports": {f"island{number}": {}}} for number in (1, 2)}
    return {"project": "workshop", "switches": switches | alone, "routers": {"inner": inner, "outer": outer}}


def _switches(sizes: Mapping[str, int], net: int) -> dict[str, Any]:
    return {
        name: {
            "subnets": {f"{name}4": {"cidr": f"10.{net}.{index}.0/24", "gateway": f"10.{net}.{index}.1"}},
            "ports": {f"{name}{number:02}": {} for number in range(1, size + 1)},
        }
        for index, (name, size) in enumerate(sizes.items())
    }


def _router(inside: Iterable[str], edges: Mapping[str, int], address: int) -> dict[str, Any]:
    ports: dict[str, Any] = {name: {"switch": name} for name in inside}
    for number, host in enumerate(edges, address):
        own = f"203.0.113.{number}/24"
        ports[f"out-{host}"] = {"switch": "outside:internet", "host": host, "addresses": own}
    return {
        "edges": {host: {"priority": priority} for host, priority in edges.items()},
        "ports": ports,
        "routes": {"world": {"prefix": "0.0.0.0/0", "next_hop": "203.0.113.254"}},
        "nats": {"all": {"type": "snat", "internal": f"10.{address // 10}.0.0/16"}},
    }


def _objects(documents: Iterable[Mapping[str, Any]]) -> list[Object]:
    """The documents' objects, each applied after those before it."""
    network = Network()
    for number, document in enumerate(documents):
        text = yaml.safe_dump({"retia": 1, "document": f"document{number}", **_declared(document), **document})
        for item in catalog.plan(View(network), parse(text, "docs/pictures.py")).creates:
            network.put(item)
    return list(network.objects.values())


def _declared(document: Mapping[str, Any]) -> dict[str, Any]:
    """Its project, if it has one."""
    return {"projects": {document["project"]: {}}} if "project" in document else {}


def _things(
    documents: Iterable[Mapping[str, Any]],
    alive: Mapping[str, bool],
    homes: Mapping[str, str],
    more: Iterable[State] = (),
) -> Things:
    objects = _objects(documents)
    network = Network(objects)
    states: list[State] = [*more]
    for number, (host, lives) in enumerate(alive.items(), 1):
        states.append(HostState(host=host, key=number, tunnel=Ip.parse(f"192.168.100.{number}")))
        states += [Alive(host=host)] if lives else []
    states += [Binding(port=network.find(Port, path).id, host=host) for path, host in homes.items()]
    things: dict[tuple[str, str], Object | State] = {(item.kind, item.id): item for item in objects}
    for number, state in enumerate(states):
        things[state.kind, str(number)] = state
    return things


def picture(things: Things) -> str:
    """As `retia graph` draws all of it."""
    network, standing = Network(thing for thing in things.values() if isinstance(thing, Object)), Standing(things)
    return dot.render(draw(network, standing, whole(network, standing)))
