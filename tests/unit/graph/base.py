"""A small network with gateways for tests of pictures: how it stands is each test's to change."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from retia.graph.draw import draw
from retia.graph.folding import FOLD
from retia.graph.part import Part, around, find, of_project, whole
from retia.graph.picture import Box, Picture, Row
from retia.graph.standing import Standing
from retia.model.kinds import Object, Port
from retia.model.state import Alive, Binding, HostProblem, HostState
from retia.values import Ip
from tests.network import Network
from tests.unit.store.networks import GATEWAYS

ALIVE = ("hv1", "hv2", "hv3")


def gateways(alive: Iterable[str] = ALIVE, homes: dict[str, str] | None = None) -> Network:
    """Two edges, hv1 the holder; by default web1 on hv3, web2 nowhere."""
    network = Network()
    network.apply(yaml.safe_load(GATEWAYS))
    register(network, ALIVE, alive)
    bind(network, {"web/web1": "hv3"} if homes is None else homes)
    return network


def register(network: Network, hosts: Iterable[str], alive: Iterable[str] = ()) -> None:
    for number, host in enumerate(hosts, 1):
        network.put(HostState(host=host, key=number, tunnel=Ip.parse(f"192.0.2.{number}")))
    for host in alive:
        network.put(Alive(host=host))


def bind(network: Network, homes: dict[str, str]) -> None:
    for path, host in homes.items():
        network.put(Binding(port=network.port(path).id, host=host))


def troubled(host: str, what: str, about: str = "something") -> HostProblem:
    return HostProblem(host=host, about=about, what=what, advice="mend it")


def picture(network: Network, part: Part | None = None, fold: int = FOLD, known: bool = True) -> Picture:
    standing = Standing(network.things, known)
    return draw(network.objects, standing, part or whole(network.objects, standing), fold)


def near(network: Network, text: str, steps: int, kind: type[Object] | None = None) -> Part:
    standing = Standing(network.things)
    return around(network.objects, standing, find(network.objects, standing, kind, text, "default"), steps)


def project(network: Network, name: str) -> Part:
    return of_project(network.objects, Standing(network.things), name)


def box(picture: Picture, title: str) -> Box:
    (found,) = (one for one in picture.boxes if one.id == title)
    return found


def row(picture: Picture, title: str, name: str, kind: str = "") -> Row:
    (found,) = (one for one in box(picture, title).rows if one.name == name and kind in ("", one.kind))
    return found


def texts(picture: Picture, title: str) -> list[str]:
    """The rows of a box that stand for many, or for a problem."""
    return [one.name for one in box(picture, title).rows if not one.kind]


def lines(picture: Picture) -> set[tuple[str, str, str]]:
    """What is joined, by the names of rows where lines end at rows."""
    rows = {one.id: one.rows for one in picture.boxes}

    def told(end: object) -> str:
        return end.box if end.row < 0 else f"{end.box} {rows[end.box][end.row].name}"  # type: ignore[attr-defined]

    return {(told(one.start), told(one.end), one.style.name) for one in picture.lines}


def many_ports(count: int, hosts: int = 3, unbound: int = 0) -> Network:
    """One switch with so many ports, the last of which are bound nowhere."""
    network = Network()
    ports = {f"p{number:03}": {} for number in range(count)}
    network.apply({"switches": {"big": {"subnets": {"n": {"cidr": "10.0.0.0/16"}}, "ports": ports}}})
    names = [f"hv{number}" for number in range(hosts)]
    register(network, names, names)
    paths = sorted(network.objects.path(port) for port in network.objects.of(Port))
    bind(network, {path: names[turn % hosts] for turn, path in enumerate(paths[: count - unbound])})
    return network


def like_switches(count: int) -> Network:
    network = Network()
    switches = {
        f"s{number:02}": {
            "subnets": {"n": {"cidr": f"10.0.{number}.0/24", "gateway": f"10.0.{number}.1"}},
            "ports": {"a": {}, "b": {}},
        }
        for number in range(count)
    }
    router = {"ports": {name: {"switch": name} for name in switches}}
    network.apply({"switches": switches, "routers": {"r": router}})
    return network
