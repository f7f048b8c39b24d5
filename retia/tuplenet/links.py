"""Which records belong together: ports to their switches, both ends of a link to each other, routes to their ports.

What belongs to something that is not there, or was set aside, is set aside too, and says so. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar

from retia.errors import Problem
from retia.tuplenet.shape import Edge, Link, Nat, Shape, Way
from retia.tuplenet.tree import Chassis, Router, RouterPort, StaticRoute, Switch, SwitchPort, Translation, Tree

Item = TypeVar("Item")


def join(tree: Tree, aside: Mapping[str, Problem]) -> tuple[Shape, dict[str, Problem]]:
    """The network of all records but those set `aside`, and what has to follow these."""
    joiner = _Joiner(tree, aside)
    joiner.join()
    return joiner.shape, joiner.problems


def _end(key: str) -> tuple[str, str]:
    """What a peer is looked up by: lsp or lrp, and its name."""
    return key.rsplit("/", 2)[-2], key.rsplit("/", 1)[-1]


class _Joiner:
    def __init__(self, tree: Tree, aside: Mapping[str, Problem]) -> None:
        self.tree, self.aside = tree, aside
        self.shape = Shape()
        self.problems: dict[str, Problem] = {}
        self.links: dict[tuple[str, str], Link] = {}
        self.lost = {_end(key): key for key in (*tree.problems, *aside)}

    def of(self, kind: type[Item]) -> list[Any]:
        return [
            each
            for key, each in self.tree.entities.items()
            if isinstance(each, kind) and key not in self.aside and key not in self.problems
        ]

    def wrong(self, key: str, what: str, advice: str) -> None:
        self.problems[key] = Problem(key, what, advice)
        self.lost.setdefault(_end(key), key)

    def join(self) -> None:
        shape = self.shape
        shape.hosts = {each.name: (each.key,) for each in self.of(Chassis)}
        shape.switches = {each.name: (each.key,) for each in self.of(Switch)}
        shape.routers = {each.name: (each.key,) for each in self.of(Router)}
        self._edges()
        self._ids()
        ports = [each for each in self.of(SwitchPort) if self._has(each.key, "switch", each.switch, shape.switches)]
        shape.patches = [each for each in ports if each.is_patch]
        shape.guests = [each for each in ports if not each.is_patch and not each.peer]
        self._link([each for each in ports if not each.is_patch and each.peer])
        self._ways()
        self._nats()
        for patch in shape.patches:
            self._host(patch.key, patch.chassis)

    def _edges(self) -> None:
        for router in self.of(Router):
            if router.chassis:
                self._host(router.key, router.chassis)
                self.shape.edges[router.name] = [Edge((router.key,), router.chassis)]

    def _host(self, key: str, name: str) -> None:
        if name not in self.shape.hosts:
            self.shape.hosts[name] = (key,)
            what = f"chassis {name} has no record of its own (no agent ran there, or it was deleted)"
            self.shape.remark(key, what, f"host {name} is declared all the same; it counts once its agent runs")

    def _ids(self) -> None:
        first: dict[int, str] = {}
        for each in [*self.of(Switch), *self.of(Router)]:
            if first.setdefault(each.id, each.key) != each.key:
                what = f"its id {each.id} is also that of {first[each.id]}; for TupleNet one of them does not exist"
                self.shape.remark(each.key, what, "both are translated, as Retia allots its own keys; leave one out")

    def _has(self, key: str, word: str, name: str, known: Mapping[str, object]) -> bool:
        """Whether what a record lives in is there."""
        if name in known:
            return True
        home = f"entity_view/{'LS' if word == 'switch' else 'LR'}/{name}"
        if home in self.aside or home in self.tree.problems:
            self.wrong(key, f"its {word} {home} is set aside", f"mend the {word} first")
        else:
            self.wrong(key, f"its {word} {name} has no record", f"add the {word}, or delete this")
        return False

    def _link(self, ends: list[SwitchPort]) -> None:
        """Router ports with the switch ports that name them, and are named by them."""
        waiting: dict[tuple[str, str], list[SwitchPort]] = defaultdict(list)
        for end in ends:
            waiting[end.peer, end.name].append(end)
        for port in self.of(RouterPort):
            if not self._has(port.key, "router", port.router, self.shape.routers):
                continue
            near = waiting[port.name, port.peer]
            if not near:
                self._unlinked(port)
                continue
            other = next((each for each in near if (each.ip, each.mac) == (port.address.address, port.mac)), near[0])
            near.remove(other)
            self._alike(port, other)
            link = Link((port.key, other.key), port.name, port.router, other.switch, (port.address,), port.mac)
            self.links[port.router, port.name] = link
            self.shape.links.append(link)
        for left in (each for near in waiting.values() for each in near):
            what = f"it is an end of a link, and its peer {left.peer} is no router port that names it too"
            self._followed(left.key, left.peer, RouterPort, what, "link the router anew, or delete this port")

    def _unlinked(self, port: RouterPort) -> None:
        if not port.peer:
            advice = "link it to a switch (tpctl lr link), or delete it"
            self.wrong(port.key, "it has no peer, so it leads to no switch", advice)
        else:
            what = f"its peer {port.peer} is no switch port that names it too, so it leads nowhere"
            self._followed(port.key, port.peer, SwitchPort, what, "link the router anew, or delete this port")

    def _followed(self, key: str, peer: str, kind: type[Item], what: str, advice: str) -> None:
        """A problem, or the consequence of one."""
        gone = self.lost.get(("lrp" if kind is RouterPort else "lsp", peer))
        if gone:
            self.wrong(key, f"its peer {gone} is set aside", "mend that first")
        else:
            self.wrong(key, what, advice)

    def _alike(self, port: RouterPort, end: SwitchPort) -> None:
        if (end.ip, end.mac) != (port.address.address, port.mac):
            what = f"it has {port.address.address} and {port.mac}, its peer {end.key} has {end.ip} and {end.mac}"
            self.shape.remark(port.key, what, "both ends of a link are one port in Retia: the router's values count")

    def _ways(self) -> None:
        for route in self.of(StaticRoute):
            if not self._has(route.key, "router", route.router, self.shape.routers):
                continue
            link = self.links.get((route.router, route.outport))
            key = f"entity_view/LR/{route.router}/lrp/{route.outport}"
            if link is not None:
                self._way(route, link)
            elif key in self.tree.entities or key in self.tree.problems:
                self.wrong(route.key, f"its outport {key} is set aside", "mend the port first")
            else:
                what = f"its outport {route.outport} is no port of {route.router}"
                self.wrong(route.key, what, "name a port of that router, or delete the route")

    def _way(self, route: StaticRoute, link: Link) -> None:
        if route.next_hop not in link.addresses[0]:
            what = f"its next hop {route.next_hop} is not on {link.addresses[0].network}, where its outport leads"
            self.wrong(route.key, what, "Retia finds the port by the next hop: name a neighbour on that prefix")
            return
        way = Way((route.key,), route.name, route.router, route.prefix, route.next_hop, link.name)
        self.shape.ways.append(way)

    def _nats(self) -> None:
        rules = [
            each
            for each in self.of(Translation)
            if self._has(each.key, "router", each.router, self.shape.routers)
        ]  # fmt: skip
        pairs: dict[tuple[object, ...], list[Translation]] = defaultdict(list)
        for rule in rules:
            pairs[rule.router, rule.inside, rule.outside].append(rule)
        for same in pairs.values():
            by_type = {rule.type: rule for rule in reversed(same)}
            both: tuple[Translation, ...] = ()
            if len(by_type) == 2 and same[0].inside.length == 32:
                both = (by_type["snat"], by_type["dnat"])
                self._nat(both[0], "floating", tuple(rule.key for rule in both))
            for rule in same:
                if rule not in both:
                    self._nat(rule, rule.type, (rule.key,))

    def _nat(self, rule: Translation, type_: str, keys: tuple[str, ...]) -> None:
        self.shape.nats.append(Nat(keys, rule.name, rule.router, type_, rule.inside, rule.outside))
