"""A shape as Retia's objects: names that Retia takes, subnets derived, one object for each thing.

An object's id is made of the key of its first record; `origins` says all records of each, so that what validation finds
wrong with an object is told of these. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from retia.model.kinds import (
    DEFAULT_PROJECT,
    Edge,
    Host,
    Nat,
    NatType,
    Object,
    Port,
    Project,
    Route,
    Router,
    RouterPort,
    Subnet,
    Switch,
    Uplink,
)
from retia.model.network import Network
from retia.tuplenet import shape as shapes
from retia.tuplenet.names import Names
from retia.tuplenet.shape import Link, Shape
from retia.tuplenet.subnets import derive
from retia.tuplenet.tree import SwitchPort
from retia.values import Prefix


@dataclass
class Objects:
    network: Network = field(default_factory=Network)
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)


def make(shape: Shape, project: str = DEFAULT_PROJECT) -> Objects:
    """Remarks of the shape grow by what is told of the way its parts are put together."""
    maker = _Maker(shape, project)
    maker.make()
    return maker.made


class _Maker:
    def __init__(self, shape: Shape, project: str) -> None:
        self.shape, self.project = shape, project
        self.made = Objects()

    def put(self, item: Object, keys: tuple[str, ...]) -> None:
        self.made.network.put(item)
        self.made.origins[item.id] = keys

    def name(self, kind: type[Object], parent: str, name: str, key: str) -> str:
        return self.made.names.give((kind.kind, parent), name, key)

    def make(self) -> None:
        if self.project != DEFAULT_PROJECT:
            self.put(Project(id=f"project/{self.project}", name=self.project), ())
        self._hosts()
        self._switches()
        self._routers()

    def _hosts(self) -> None:
        self.hosts = {}
        for name, keys in sorted(self.shape.hosts.items()):
            self.hosts[name] = f"host/{name}"
            self.put(Host(id=self.hosts[name], name=self.name(Host, "", name, f"entity_view/chassis/{name}")), keys)

    def _switches(self) -> None:
        guests, patches = _by_switch(self.shape.guests), _by_switch(self.shape.patches)
        links: dict[str, list[Link]] = defaultdict(list)
        for link in _together(self.shape):
            links[link.switch].append(link)
        self.links = links
        self.switches = {}
        for name, keys in self.shape.switches.items():
            id_ = self.switches[name] = keys[0]
            self.put(Switch(id=id_, name=self.name(Switch, "", name, keys[0]), project=self.project), keys)
            for prefix in derive(links[name], guests[name], bool(patches[name])):
                self.put(
                    Subnet(
                        id=f"{id_}/subnet/{prefix.cidr}",
                        name=str(prefix.cidr).replace("/", "-"),
                        project=self.project,
                        switch=id_,
                        cidr=prefix.cidr,
                        gateway=prefix.gateway,
                    ),
                    prefix.keys,
                )
            for patch in patches[name]:
                self._uplink(id_, patch)
            for guest in guests[name]:
                self._port(id_, guest)

    def _uplink(self, switch: str, patch: SwitchPort) -> None:
        host = self.hosts[patch.chassis]
        name = self.name(Uplink, switch, self.made.network.objects[host].name, f"{patch.key} ")
        item = Uplink(id=patch.key, name=name, project=self.project, switch=switch, host=host, bridge=patch.peer)
        self.put(item, (patch.key,))

    def _port(self, switch: str, guest: SwitchPort) -> None:
        name = self.name(Port, switch, guest.name, guest.key)
        item = Port(
            id=guest.key, name=name, project=self.project, switch=switch, mac=guest.mac, addresses=(guest.ip,)
        )  # fmt: skip
        self.put(item, (guest.key,))

    def _routers(self) -> None:
        for name, keys in self.shape.routers.items():
            self.put(Router(id=keys[0], name=self.name(Router, "", name, keys[0]), project=self.project), keys)
            for edge in self.shape.edges.get(name, ()):
                host = self.hosts[edge.host]
                item = Edge(
                    id=f"{edge.keys[0]}/edge",
                    name=self.made.network.objects[host].name,
                    project=self.project,
                    router=keys[0],
                    host=host,
                    priority=edge.priority,
                )
                self.put(item, edge.keys)
        for links in self.links.values():
            for link in links:
                self._router_port(self.shape.routers[link.router][0], link)
        for way in self.shape.ways:
            self._route(self.shape.routers[way.router][0], way)
        for nat in self.shape.nats:
            self._nat(self.shape.routers[nat.router][0], nat)

    def _router_port(self, router: str, link: Link) -> None:
        item = RouterPort(
            id=link.keys[0],
            name=self.name(RouterPort, router, link.name, link.keys[0]),
            project=self.project,
            router=router,
            switch=self.switches[link.switch],
            mac=link.mac,
            addresses=link.addresses,
            host=self.hosts[link.host] if link.host else "",
        )
        self.put(item, link.keys)

    def _route(self, router: str, way: shapes.Way) -> None:
        name = self.name(Route, router, way.name, way.keys[0])
        item = Route(
            id=way.keys[0], name=name, project=self.project, router=router, prefix=way.prefix, next_hop=way.next_hop
        )  # fmt: skip
        self.put(item, way.keys)

    def _nat(self, router: str, nat: shapes.Nat) -> None:
        item = Nat(
            id=nat.keys[0],
            name=self.name(Nat, router, nat.name, nat.keys[0]),
            project=self.project,
            router=router,
            type=NatType(nat.type),
            internal=Prefix(nat.inside.address, nat.inside.length),
            external=nat.outside,
            host=self.hosts[nat.host] if nat.host else "",
        )
        self.put(item, nat.keys)


def _by_switch(ports: Iterable[SwitchPort]) -> dict[str, list[SwitchPort]]:
    found: dict[str, list[SwitchPort]] = defaultdict(list)
    for port in ports:
        found[port.switch].append(port)
    return found


def _together(shape: Shape) -> list[Link]:
    """Links of a router to one switch are one port with several addresses."""
    made: dict[tuple[str, ...], Link] = {}
    for link in shape.links:
        place = (link.router, link.switch, link.host)
        first = made.get(place)
        if first is None:
            made[place] = link
            continue
        made[place] = replace(
            first, keys=(*first.keys, *link.keys), addresses=tuple(dict.fromkeys((*first.addresses, *link.addresses)))
        )
        what = f"{link.router} is linked to {link.switch} twice; in Retia that is one port, with both addresses"
        shape.remark(link.keys[0], what, f"its MAC is that of {first.keys[0]}, {first.mac}")
    return list(made.values())
