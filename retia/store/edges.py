"""Edges of routers, step by step: which transaction each step of `retia edge add | drain | remove` is.

    add:     prepare (uplinks, the edge drained, its ports) ─► serve (packets are sent to it)
    drain:   drain (no packets are sent to it any more)
    remove:  drain ─► the edge and what only it had is deleted

Each is decided on a fresh view, so that two who drain the last two edges at once don't both succeed. What is so already
changes nothing. Between two steps the caller waits until every switch has the first. Pure; called by the CLI.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retia.errors import Conflict, NotFound
from retia.model.document import Wanted
from retia.model.gateways import outside_ports, outside_ports_of
from retia.model.kinds import DEFAULT_PROJECT, Edge, Host, Object, Router, RouterPort, Switch, Uplink
from retia.model.network import Network
from retia.store import catalog
from retia.store.changes import Changes
from retia.store.draft import Draft
from retia.store.view import View
from retia.values import Cidr


class LastEdge(Conflict):
    """Nothing would carry what the router does: asked about, or forced."""


@dataclass(frozen=True)
class Place:
    """Which edge: a router and a host, as the user names them."""

    router: str
    host: str
    project: str = DEFAULT_PROJECT

    def find(self, network: Network) -> tuple[Router, Host, Edge | None]:
        """Raises NotFound, InvalidInput."""
        router = network.find(Router, self.router, self.project)
        host = network.find(Host, self.host)
        edges = network.referrers(router.id, Edge)
        return router, host, next((edge for edge in edges if edge.host == host.id), None)

    def edge(self, network: Network) -> Edge:
        """Raises NotFound for a host that is no edge, with those that are."""
        router, host, edge = self.find(network)
        if edge is None:
            hosts = hosts_of(network, network.referrers(router.id, Edge))
            advice = f"its edges are {', '.join(hosts)}" if hosts else "it has no edges: it runs on every host"
            raise NotFound(f"host {host.name} is no edge of {network.label(router)}", advice=advice)
        return edge


@dataclass(frozen=True)
class Wish:
    """What a new edge is to be: router ports by switch, uplinks by switch as (bridge, VLAN)."""

    priority: int | None = None
    ports: Mapping[str, tuple[Cidr, ...]] = field(default_factory=dict)
    uplinks: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def hosts_of(network: Network, edges: Sequence[Edge]) -> list[str]:
    return sorted(network.objects[edge.host].name for edge in edges)


def prepare(view: View, place: Place, wish: Wish) -> Changes:
    """All that the edge needs, and itself, drained; a router's first edge serves at once. Raises Conflict, NotFound."""
    router, host, edge = place.find(view.network)
    draft = Draft(view.network, "", place.project)
    for switch, (bridge, vlan) in wish.uplinks.items():
        _want_uplink(draft, view.find(Switch, switch, place.project), host, {"bridge": bridge, "vlan": vlan})
    if edge is None:
        first = not view.network.has(router.id, Edge)
        values = {"host": host.name, "priority": wish.priority or 0, "admin_state": first}
        _want(draft, Edge, (router.name, host.name), values)
    elif wish.priority is not None:
        draft.change(edge, {"priority": wish.priority})
    for switch, addresses in wish.ports.items():
        _want_port(draft, router, view.find(Switch, switch, place.project), host, addresses)
    changes = draft.finish()
    catalog.raise_problems(draft.problems)
    _raise_no_way(draft.after, router, host)
    return changes


def _want(draft: Draft, kind: type[Object], names: tuple[str, str], values: Mapping[str, Any]) -> None:
    existing = draft.after.named(kind, draft.project, names)
    if existing is not None:
        advice = f"rename or delete it: see `retia get {kind.kind} {'/'.join(names)}`"
        raise Conflict(f"there is another {draft.after.label(existing)}", advice=advice)
    draft.want(Wanted(kind, names, values))


def _want_uplink(draft: Draft, switch: Switch, host: Host, values: dict[str, Any]) -> None:
    for uplink in draft.after.referrers(switch.id, Uplink):
        if uplink.host == host.id:
            if (uplink.bridge, uplink.vlan) != (values["bridge"], values["vlan"]):
                what = f"{draft.after.label(uplink)} leads to {uplink.bridge}, VLAN {uplink.vlan}"
                raise Conflict(what, advice=f"change it: `retia set uplink {draft.after.path(uplink)}`")
            return
    _want(draft, Uplink, (switch.name, host.name), values | {"host": host.name})


def _want_port(draft: Draft, router: Router, switch: Switch, host: Host, addresses: tuple[Cidr, ...]) -> None:
    for port in draft.after.referrers(router.id, RouterPort):
        if port.switch == switch.id and port.host in ("", host.id) and port.addresses == addresses:
            return
    names = (router.name, f"{switch.name}-{host.name}")
    _want(draft, RouterPort, names, {"switch": switch.name, "addresses": addresses, "host": host.name})


def _raise_no_way(network: Network, router: Router, host: Host) -> None:
    """An edge without an outside port would drop what it gets for the physical network."""
    ports = outside_ports(network, router.id)
    if ports and not outside_ports_of(network, router.id, host.id):
        switches = sorted({network.path(network.objects[port.switch]) for port in ports})
        what = f"edge {host.name} of {network.label(router)} would have no way to the physical network"
        advice = f"give it an address of its own there: --port {switches[0]}=ADDRESS/LENGTH"
        raise Conflict(what, advice=advice)


def serve(view: View, place: Place) -> Changes:
    return catalog.set_fields(view, place.edge(view.network), {"admin_state": True})


def drain(view: View, place: Place, alive: Collection[str], force: bool = False) -> Changes:
    """`alive`: the hosts that are. Raises LastEdge where no other edge carries on."""
    edge = place.edge(view.network)
    if edge.admin_state and not force:
        _raise_last(view.network, edge, alive)
    return catalog.set_fields(view, edge, {"admin_state": False})


def _raise_last(network: Network, edge: Edge, alive: Collection[str]) -> None:
    others = [each for each in network.referrers(edge.router, Edge) if each.id != edge.id]
    active = hosts_of(network, [each for each in others if each.admin_state])
    if any(host in alive for host in active):
        return
    router, host = network.label(network.objects[edge.router]), network.objects[edge.host].name
    why = f"the others are not alive ({', '.join(active)})" if active else "the others are drained" if others else ""
    what = f"{host} is the last edge of {router} that works" + (f": {why}" if why else "")
    advice = "nothing would pass that router any more; --force does it all the same"
    raise LastEdge(what, advice=advice)


def remove(view: View, place: Place, force: bool = False) -> Changes:
    """The edge and what only it had; nothing, if it is none. Raises LastEdge where it is the router's only one."""
    router, host, edge = place.find(view.network)
    if edge is None:
        return Changes()
    changes = catalog.delete(view, edge, cascade=True)
    if len(view.network.referrers(router.id, Edge)) == 1 and not force:
        rest = [changes.label(item) for item in changes.deletes if item.id != edge.id]
        along = f", and with it goes {', '.join(rest)}" if rest else ""
        what = f"{host.name} is the only edge of {view.network.label(router)}{along}"
        raise LastEdge(what, advice="that router would run on every host then; --force does it all the same")
    return changes


def left_uplinks(network: Network, router: str, host: str) -> list[Uplink]:
    """Uplinks on a host that an edge, being removed, had its ports on, and no other router's ports use."""
    own = [port for port in outside_ports(network, router) if port.host == host]
    found: list[Uplink] = []
    for port in own:
        used = any(each.router != router and each.host in ("", host) for each in _ports_on(network, port.switch))
        if not used:
            found += [uplink for uplink in network.referrers(port.switch, Uplink) if uplink.host == host]
    return found


def _ports_on(network: Network, switch: str) -> list[RouterPort]:
    return network.referrers(switch, RouterPort)
