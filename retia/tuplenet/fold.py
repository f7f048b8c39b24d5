"""Edges that share a router's packets, as one router with several edges.

    C ─ m1 ─ E1 (hv2) ─ out1                C ─ m1 ─ E1, with edges hv2 and hv3 ─┬─ out1, on hv2
    C ─ m2 ─ E2 (hv3) ─ out2      ──►                                            └─ out2, on hv3
    C: a route by m1 and one by m2,         C: one route
       with one prefix and next hop

That is how TupleNet spreads packets over edges: pinned routers, each behind a switch of its own, all with the address
that is the next hop. Retia's switches choose an edge that lives, as TupleNet's do; of next hops they would not know.
Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from retia.tuplenet.shape import Edge, Link, Nat, Shape, Way
from retia.values import Ip

HOLDER = 10
"""The priority of the edge that alone has translated addresses."""


@dataclass(frozen=True)
class _Path:
    """From a router by an inner switch to an edge."""

    near: Link
    far: Link

    @property
    def edge(self) -> str:
        return self.far.router


class _Index:
    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.by_switch: dict[str, list[Link]] = defaultdict(list)
        self.by_router: dict[str, list[Link]] = defaultdict(list)
        for link in shape.links:
            self.by_switch[link.switch].append(link)
            self.by_router[link.router].append(link)
        self.patched = {(patch.switch, patch.chassis) for patch in shape.patches}
        self.busy = {port.switch for port in [*shape.guests, *shape.patches]}

    def host(self, router: str) -> str:
        edges = self.shape.edges.get(router, ())
        return edges[0].host if edges else ""


def fold(shape: Shape) -> Shape:
    """The shape with all such edges as one router."""
    index = _Index(shape)
    groups = _groups(index)
    edges_of: dict[str, set[frozenset[str]]] = defaultdict(set)
    for group in groups:
        for path in group:
            edges_of[path.edge].add(frozenset(each.edge for each in group))
    together: dict[frozenset[str], list[list[_Path]]] = defaultdict(list)
    for group in groups:
        together[frozenset(path.edge for path in group)].append(group)
    for edges, paths in together.items():
        whole = {path.far.switch for group in paths for path in group}
        if all(edges_of[edge] == {edges} for edge in edges) and _can_be_one(index, edges, whole):
            shape = _Fold(shape, index, sorted(edges), paths).folded()
    return shape


def _groups(index: _Index) -> list[list[_Path]]:
    """The paths that routes to one prefix, with one next hop, take from a router."""
    found: dict[tuple[object, ...], dict[str, _Path]] = defaultdict(dict)
    links = {(link.router, link.name): link for link in index.shape.links}
    for way in index.shape.ways:
        path = _path(index, links[way.router, way.link], way.next_hop)
        if path is not None:
            found[way.router, way.prefix, way.next_hop].setdefault(path.near.name, path)
    groups: dict[tuple[str, ...], list[_Path]] = {}
    for paths in found.values():
        if len(paths) > 1:
            groups[tuple(sorted(path.near.switch for path in paths.values()))] = list(paths.values())
    return list(groups.values())


def _path(index: _Index, near: Link, next_hop: Ip) -> _Path | None:
    far = [link for link in index.by_switch[near.switch] if link is not near]
    if near.switch in index.busy or index.host(near.router) or len(far) != 1:
        return None
    one = far[0]
    alike = one.addresses[0].network == near.addresses[0].network and one.addresses[0].address == next_hop
    return _Path(near, one) if alike and index.host(one.router) else None


def _can_be_one(index: _Index, edges: frozenset[str], inner: set[str]) -> bool:
    """One host each, nothing but links to the inner switches and to their own outside, and addresses one may hold."""
    hosts = {edge: index.host(edge) for edge in edges}
    if len(set(hosts.values())) < len(edges):
        return False
    outside = [link for edge in edges for link in index.by_router[edge] if link.switch not in inner]
    if not all((link.switch, hosts[link.router]) in index.patched for link in outside):
        return False
    held = [nat for nat in index.shape.nats if nat.router in edges and nat.type != "snat"]
    reach = [any(nat.outside in link.addresses[0] for link in outside if link.router == edge)
             for nat in held for edge in edges]  # fmt: skip
    return all(reach) or len({nat.router for nat in held}) == 1


class _Fold:
    """One group of edges: the first by name gives the router its name, the first inner switch that of the switch."""

    def __init__(self, shape: Shape, index: _Index, edges: list[str], groups: list[list[_Path]]) -> None:
        self.shape, self.index, self.edges = shape, index, edges
        self.router = edges[0]
        self.places = {edge: place for place, edge in enumerate(edges, 1)}
        self.switch: dict[str, str] = {}
        for group in groups:
            first = min(group, key=lambda path: path.edge).near.switch
            self.switch |= {path.near.switch: first for path in group}

    def folded(self) -> Shape:
        shape = self.shape
        made = replace(shape, links=self._links(), nats=self._nats(), edges=self._edges(), remarks=[*shape.remarks])
        made.ways = self._ways(made.links)
        made.routers = self._merged(shape.routers, {edge: self.router for edge in self.edges})
        made.switches = self._merged(shape.switches, self.switch)
        self._tell(made)
        return made

    @staticmethod
    def _merged(keys: dict[str, tuple[str, ...]], into: dict[str, str]) -> dict[str, tuple[str, ...]]:
        merged: dict[str, tuple[str, ...]] = {}
        for name, own in keys.items():
            home = into.get(name, name)
            merged[home] = (*merged.get(home, ()), *own)
        return merged

    def _edges(self) -> dict[str, list[Edge]]:
        held = {nat.router for nat in self.shape.nats if nat.router in self.edges and nat.type != "snat"}
        kept = {name: edges for name, edges in self.shape.edges.items() if name not in self.edges}
        kept[self.router] = [
            replace(edge, priority=HOLDER if held == {name} else 0)
            for name in self.edges
            for edge in self.shape.edges[name]
        ]
        return kept

    def _links(self) -> list[Link]:
        """Ends on the inner switches are one, with the addresses of all; the rest is each edge's own."""
        made: dict[tuple[str, ...], Link] = {}
        for link in sorted(self.shape.links, key=lambda link: self.places.get(link.router, 0)):
            router = self._router(link.router)
            if link.switch in self.switch:
                place = (router, self.switch[link.switch])
                first = made.get(place, replace(link, router=router, switch=place[1], keys=(), addresses=()))
                addresses = tuple(dict.fromkeys((*first.addresses, *link.addresses)))
                made[place] = replace(first, keys=(*first.keys, *link.keys), addresses=addresses)
            else:
                host = self.index.host(link.router) if link.router in self.places else link.host
                made[link.keys] = replace(link, router=router, host=host)
        return list(made.values())

    def _router(self, name: str) -> str:
        return self.router if name in self.places else name

    def _ways(self, links: list[Link]) -> list[Way]:
        """A next hop on an inner switch is the first address of whoever has it; equal routes are one."""
        new = {key: link for link in links for key in link.keys}
        inner = [link for link in links if link.switch in self.switch.values()]
        first = {cidr.address: link.addresses[0].address for link in inner for cidr in link.addresses}
        old = {(link.router, link.name): link for link in self.shape.links}
        moved = []
        for way in self.shape.ways:
            link = old[way.router, way.link]
            hop = first.get(way.next_hop, way.next_hop) if link.switch in self.switch else way.next_hop
            moved.append(replace(way, router=self._router(way.router), next_hop=hop, link=new[link.keys[0]].name))
        ours = {(link.router, link.name) for link in inner}
        made: dict[tuple[object, ...], Way] = {}
        for way in moved:
            is_ours = way.router == self.router or (way.router, way.link) in ours
            place = (way.router, way.prefix, way.next_hop) if is_ours else way.keys
            before = made.get(place)
            made[place] = replace(before, keys=(*before.keys, *way.keys)) if before else way
        return list(made.values())

    def _nats(self) -> list[Nat]:
        made: dict[tuple[object, ...], Nat] = {}
        for nat in self.shape.nats:
            if nat.router not in self.places:
                made[nat.keys] = nat
                continue
            host = self.index.host(nat.router) if nat.type == "snat" else ""
            place = (nat.type, nat.inside, nat.outside, host)
            before = made.get(place) or replace(nat, router=self.router, host=host, keys=())
            made[place] = replace(before, keys=(*before.keys, *nat.keys))
        return list(made.values())

    def _tell(self, made: Shape) -> None:
        hosts = [edge.host for edge in made.edges[self.router]]
        inner = _list(sorted(self.switch))
        what = (
            f"routers {_list(self.edges)}, which share packets, are one router, {self.router}, "
            f"with edges on {_list(hosts)}; switches {inner} are one, {_list(sorted(set(self.switch.values())))}"
        )
        advice = "hosts choose an edge that lives, connection by connection; each keeps its own way outside"
        made.remark(self.shape.routers[self.router][0], what, advice)


def _list(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
