"""The rows of boxes: what is said of each thing that lives in a switch or a router, and of a host."""

from __future__ import annotations

from collections.abc import Callable

from retia.graph.picture import Row, Tone
from retia.graph.standing import Standing, State
from retia.model.kinds import (
    DEFAULT_MTU,
    Edge,
    Host,
    Nat,
    NatType,
    Object,
    Port,
    Route,
    Router,
    RouterPort,
    Subnet,
    Switch,
    Uplink,
)
from retia.model.network import Network

ARROWS = {NatType.SNAT: "→", NatType.DNAT: "←", NatType.FLOATING: "↔"}
"""From the address inside to the one outside."""


def joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".replace("-", " ")


class Rows:
    def __init__(self, network: Network, standing: Standing) -> None:
        self.network, self.standing = network, standing
        self._holders: dict[str, str] = {}
        self._makers: dict[type[Object], Callable[..., Row]] = {
            Switch: self._switch,
            Router: self._router,
            Subnet: self._subnet,
            Uplink: self._uplink,
            Port: self._port,
            RouterPort: self._router_port,
            Edge: self._edge,
            Nat: self._nat,
            Route: self._route,
        }

    def of(self, item: Object) -> Row:
        return self._makers[type(item)](item)

    def host(self, name: str) -> Row:
        said, tone = self.standing.host(name)
        problems = self.standing.problems.get(name, ())
        if problems:
            said, tone = joined(said, counted(len(problems), "problem", "problems")), Tone.BAD
        ports = len(self.standing.ports.get(name, ()))
        detail = joined(self.standing.tunnels.get(name, ""), counted(ports, "port", "ports") if ports else "")
        told = joined(detail, said)
        full = f"host {name}: {told}" if told else f"host {name}"
        return Row(Host.kind, name, detail, said, tone, (full, *(f"problem: {what}" for what in problems)))

    def name_of_host(self, id_: str) -> str:
        host = self.network.get(Host, id_)
        return host.name if host else id_

    def _full(self, item: Object, detail: str, state: str) -> tuple[str, ...]:
        """The whole name of an object with what is said of it, and what is wrong with it."""
        told = joined(detail, state)
        label = self.network.label(item)
        wrong = (f"problem: {what}" for what in self.standing.troubled.get(item.id, ()))
        return (f"{label}: {told}" if told else label, *wrong)

    def _row(self, item: Object, name: str, detail: str, state: State | None = None) -> Row:
        said, tone = state or self.standing.object(item)
        return Row(item.kind, name, detail, said, tone, self._full(item, detail, said))

    def _switch(self, switch: Switch) -> Row:
        return self._row(switch, switch.name, f"mtu {switch.mtu}" if switch.mtu != DEFAULT_MTU else "")

    def _router(self, router: Router) -> Row:
        return self._row(router, router.name, "")

    def _subnet(self, subnet: Subnet) -> Row:
        return self._row(
            subnet, subnet.name, joined(str(subnet.cidr), f"gateway {subnet.gateway}" if subnet.gateway else "")
        )

    def _uplink(self, uplink: Uplink) -> Row:
        host = self.name_of_host(uplink.host)
        detail = joined(uplink.bridge, f"VLAN {uplink.vlan}" if uplink.vlan else "")
        return self._row(uplink, _at(uplink, host), detail, self.standing.object(uplink, self.standing.host(host)))

    def _port(self, port: Port) -> Row:
        return self._row(port, port.name, ", ".join(map(str, port.addresses)), self.standing.port(port))

    def _router_port(self, port: RouterPort) -> Row:
        only = f"on {self.name_of_host(port.host)} only" if port.host else ""
        return self._row(port, port.name, joined(*map(str, port.addresses), only))

    def _edge(self, edge: Edge) -> Row:
        host = self.name_of_host(edge.host)
        state = self.standing.edge(edge, host, self._holder(edge.router) == edge.id)
        return self._row(edge, _at(edge, host), f"priority {edge.priority}", state)

    def _holder(self, router: str) -> str:
        """The edge that has a router's translated addresses: the first that lives, by priority."""
        if router not in self._holders:
            edges = self.network.referrers(router, Edge) if self.network.has(router, Nat) else []
            edges.sort(key=lambda edge: (-edge.priority, self.name_of_host(edge.host)))
            alive = (edge.id for edge in edges if edge.admin_state and self._lives(edge))
            self._holders[router] = next(alive, "")
        return self._holders[router]

    def _lives(self, edge: Edge) -> bool:
        return self.standing.host(self.name_of_host(edge.host))[1] is Tone.GOOD

    def _nat(self, nat: Nat) -> Row:
        inside, outside = str(nat.internal), str(nat.external or "each edge's own")
        if nat.protocol is not None:
            outside += f":{nat.external_port}/{nat.protocol}"
            inside += f":{nat.internal_port or nat.external_port}"
        only = f"on {self.name_of_host(nat.host)} only" if nat.host else "distributed" if nat.distributed else ""
        ports = f"ports {nat.ports}" if nat.ports else ""
        return self._row(nat, nat.name, joined(f"{nat.type} {inside} {ARROWS[nat.type]} {outside}", ports, only))

    def _route(self, route: Route) -> Row:
        source = f" from {route.source}" if route.source else ""
        way = "is dropped" if route.blackhole else f"via {route.next_hop}"
        return self._row(
            route, route.name, joined(f"{route.prefix}{source} {way}", f"metric {route.metric}" if route.metric else "")
        )


def _at(item: Edge | Uplink, host: str) -> str:
    return item.name if item.name == host else f"{item.name} on {host}"
