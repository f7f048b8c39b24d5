"""Floating IPs: which router gives one to a guest, and which address; given and taken back as changes.

A guest's port hangs on a switch; a router with a port there and a way to the physical network translates for it. Called
by the CLI, decided on a fresh view each time, so that two who ask at once get two addresses. Pure but for the random
source.
"""

from __future__ import annotations

import random

from retia.errors import Conflict, InvalidInput, NotFound
from retia.model.gateways import is_outside, outside_ports
from retia.model.kinds import DEFAULT_PROJECT, Nat, NatType, Object, Port, Router, RouterPort
from retia.model.network import Network
from retia.store import catalog
from retia.store.allocation import Allocator
from retia.store.changes import Changes
from retia.store.view import View
from retia.values import Ip, Prefix


def give(
    view: View,
    text: str,
    address: Ip | None = None,
    router: str = "",
    project: str = DEFAULT_PROJECT,
    distributed: bool = False,
) -> tuple[Changes, Nat | None]:
    """A floating IP for the port `text`, or the one it has already. Raises NotFound, Conflict, InvalidInput."""
    network = view.network
    port = network.find(Port, text, project)
    if not port.addresses:
        advice = f"give it one: `retia set port {text} --addresses ADDRESS`"
        raise InvalidInput(f"{network.label(port)} has no address to translate", advice=advice)
    home = network.find(Router, router, project) if router else _router_of(network, port)
    existing = next(iter(given_to(network, port, home)), None)
    if existing is not None:
        if address not in (None, existing.external):
            what = f"{network.label(port)} has the floating IP {existing.external} at router {home.name} already"
            raise Conflict(what, advice=f"take it back first: `retia floating-ip remove {existing.external}`")
        if distributed and not existing.distributed:
            what = f"{network.label(port)} has the floating IP {existing.external}, which is on an edge"
            path = network.path(existing, project)
            raise Conflict(what, advice=f"to have it on the guest's host: `retia set nat {path} --distributed true`")
        return Changes(), existing
    external = address or _free(network, home)
    values = {"type": NatType.FLOATING, "internal": _internal(port), "external": external, "distributed": distributed}
    return catalog.create(view, Nat, f"{home.name}/floating-{external}", values, home.project), None


def take_back(view: View, text: str, project: str = DEFAULT_PROJECT) -> Changes:
    """By its address or its port; nothing, where the port has none. Raises NotFound."""
    try:
        address = Ip.parse(text)
    except InvalidInput:
        port = view.network.find(Port, text, project)
        found = given_to(view.network, port)
    else:
        found = [nat for nat in view.network.of(Nat) if nat.type is NatType.FLOATING and nat.external == address]
        found = [nat for nat in found if nat.project == project]
        if not found:
            known = sorted(str(nat.external) for nat in view.network.of(Nat) if nat.type is NatType.FLOATING)
            advice = f"there is {', '.join(known[:8])}" if known else "there is none: `retia floating-ip add PORT`"
            raise NotFound(f"there is no floating IP {address}", advice=advice)
    return catalog.delete(view, found) if found else Changes()


def given_to(network: Network, port: Port, router: Router | None = None) -> list[Nat]:
    """The floating IPs of a guest, at `router` or at any on its switch."""
    if not port.addresses:
        return []
    routers = [router.id] if router else [each.router for each in network.referrers(port.switch, RouterPort)]
    ids = [id_ for each in routers for id_ in network.held(each).internals.get(_internal(port), ())]
    nats = [network.get(Nat, id_) for id_ in dict.fromkeys(ids)]
    return [nat for nat in nats if nat is not None and nat.type is NatType.FLOATING]


def _internal(port: Port) -> Prefix:
    return Prefix(port.addresses[0], port.addresses[0].bits)


def _router_of(network: Network, port: Port) -> Router:
    """The one router between the port's switch and the physical network. Raises NotFound, InvalidInput."""
    switch = network.objects[port.switch]
    if is_outside(network, port.switch):
        what = f"{network.label(switch)} is on the physical network itself"
        raise InvalidInput(what, where=network.label(port), advice="give the port an address of that network")
    routers = {each.router for each in network.referrers(port.switch, RouterPort)}
    found: list[Object] = [network.objects[id_] for id_ in routers if outside_ports(network, id_)]
    paths = sorted(network.path(router) for router in found)
    if not found:
        what = f"no router leads from {network.label(switch)} to the physical network"
        advice = "a router there needs edges, and on each a port on a switch with an uplink: see docs/document.md"
        raise NotFound(what, where=network.label(port), advice=advice)
    if len(found) > 1:
        what = f"{len(found)} routers lead from {network.label(switch)} to the physical network"
        raise InvalidInput(what, where=network.label(port), advice=f"say which, with --router: {', '.join(paths)}")
    return network.find(Router, found[0].id)


def _free(network: Network, router: Router) -> Ip:
    """The lowest free address of the subnets outside that the router is in. Raises InvalidInput, NotFound."""
    ports = outside_ports(network, router.id)
    own = [cidr.address for port in ports for cidr in port.addresses]
    subnets = {subnet.id: subnet for port in ports for subnet in network.subnets(port.switch)}
    pools = [subnet for subnet in subnets.values() if any(address in subnet.cidr for address in own)]
    if not pools:
        what = f"{network.label(router)} has no address on the physical network"
        raise NotFound(what, advice="it needs edges, and on each a port on a switch with an uplink")
    return Allocator(network, random.Random(0)).free(pools)
