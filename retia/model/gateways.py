"""What uplinks, edges and the routers between them must be among themselves. Pure checks; `validate` runs them.

An outside port of a router leads to a switch with an uplink. Such a router runs on edges, and each edge has an outside
port of its own: two hosts with one address would both answer for it.
"""

from __future__ import annotations

import re

from retia.model.finding import Check, Finding, Findings
from retia.model.kinds import Edge, Nat, RouterPort, Uplink
from retia.model.network import Network
from retia.model.switching import pair

LAST_VLAN = 4094
SLOTS = range(1, 65)
"""Places of a router's edges: what spreads packets over them counts places, so an edge keeps its own."""
LONGEST_BRIDGE = 15
BRIDGE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_BRIDGE - 1}}}")
PRIORITIES = range(0, 65536)


def is_outside(network: Network, switch: str) -> bool:
    """Whether a switch has a way to the physical network."""
    return network.has(switch, Uplink)


def outside_ports(network: Network, router: str) -> list[RouterPort]:
    return [port for port in network.referrers(router, RouterPort) if is_outside(network, port.switch)]


def outside_ports_of(network: Network, router: str, host: str) -> list[RouterPort]:
    """Those that an edge, the host with that id, has: its own, and those that every edge has."""
    return [port for port in outside_ports(network, router) if port.host in ("", host)]


def one_uplink_per_host(network: Network, uplink: Uplink) -> Findings:
    """A switch has one uplink on a host: two would be a loop."""
    for other in network.referrers(uplink.switch, Uplink):
        if other.id != uplink.id and other.host == uplink.host:
            what = "{0} and {1} of one switch are on the same host, which would be a loop"
            yield pair(uplink, other, "host", what, "delete one, or move it to another host")


def bridge_is_a_name(network: Network, uplink: Uplink) -> Findings:
    """Open vSwitch takes what the kernel takes as the name of an interface."""
    if not BRIDGE.fullmatch(uplink.bridge):
        advice = f"use up to {LONGEST_BRIDGE} letters, digits, '-', '_' and '.', as in br-ex"
        yield Finding(uplink.id, "bridge", f"{uplink.bridge!r} is no name of a bridge", advice)


def vlan_in_range(network: Network, uplink: Uplink) -> Findings:
    if not 0 <= uplink.vlan <= LAST_VLAN:
        what = f"VLAN {uplink.vlan} is outside 1 to {LAST_VLAN}"
        yield Finding(uplink.id, "vlan", what, "write one in that range, or leave it out where frames bear no tag")


def one_edge_per_host(network: Network, edge: Edge) -> Findings:
    """A host is an edge of a router once."""
    for other in network.referrers(edge.router, Edge):
        if other.id != edge.id and other.host == edge.host:
            yield pair(edge, other, "host", "{0} and {1} of one router are the same host", "delete one of them")


def priority_in_range(network: Network, edge: Edge) -> Findings:
    if edge.priority not in PRIORITIES:
        what = f"a priority of {edge.priority} is outside 0 to {PRIORITIES[-1]}"
        yield Finding(edge.id, "priority", what, "the highest that lives counts; 0 is the default")


def host_is_an_edge(network: Network, item: RouterPort | Nat) -> Findings:
    """What a router has on one host alone is on an edge of it."""
    hosts = {edge.host: edge for edge in network.referrers(item.router, Edge)}
    if not item.host or item.host in hosts:
        return
    host, router = network.label(network.objects[item.host]), network.label(network.objects[item.router])
    if hosts:
        edges = ", ".join(sorted(network.path(network.objects[each]) for each in hosts))
        what, advice = f"{router} does not run on {host}", f"its edges are {edges}: name one, or make that host an edge"
    else:
        what, advice = f"{router} has no edges: it runs on every host", "leave host out, or give the router edges"
    yield Finding(item.id, "host", what, advice)


def outside_is_on_edges(network: Network, port: RouterPort) -> Findings:
    """A router that meets the physical network runs on edges, each with an outside port of its own."""
    if not is_outside(network, port.switch):
        return
    edges = network.referrers(port.router, Edge)
    uplink, router = network.referrers(port.switch, Uplink)[-1], network.path(network.objects[port.router])
    if not edges:
        what = "{0} meets the physical network by {1}, and its router runs on every host"
        yield pair(port, uplink, "switch", what, f"give router {router} edges, as in `edges: {{HOST: {{}}}}`")
    elif len(edges) > 1 and not port.host:
        what = "{0} meets the physical network by {1}, and every edge would answer for its addresses"
        yield pair(
            port, uplink, "host", what, "name its host, and give each edge such a port with an address of its own"
        )


def outside_has_an_uplink(network: Network, port: RouterPort) -> Findings:
    """The edge that has an outside port has an uplink of its switch."""
    hosts = {port.host} if port.host else {edge.host for edge in network.referrers(port.router, Edge)}
    uplinks = {uplink.host for uplink in network.referrers(port.switch, Uplink)}
    if len(hosts) == 1 and uplinks and not hosts <= uplinks:
        (host,) = (network.objects[id_] for id_ in hosts)
        switch = network.path(network.objects[port.switch])
        what = f"switch {switch} has no uplink on {network.label(host)}, so nothing gets out there"
        yield Finding(port.id, "host", what, f"add one: `uplinks: {{{host.name}: {{bridge: BRIDGE}}}}`")


UPLINK_CHECKS: tuple[Check, ...] = (one_uplink_per_host, bridge_is_a_name, vlan_in_range)
EDGE_CHECKS: tuple[Check, ...] = (one_edge_per_host, priority_in_range)
OUTSIDE_PORT_CHECKS: tuple[Check, ...] = (host_is_an_edge, outside_is_on_edges, outside_has_an_uplink)
