"""What uplinks, edges and the routers between them must be among themselves. Pure checks; `validate` runs them.

An outside port of a router leads to a switch with an uplink. Such a router runs on edges, and each edge has an outside
port of its own: two hosts with one address would both answer for it.
"""

from __future__ import annotations

from retia.model.finding import Check, Finding, Findings
from retia.model.kinds import Edge, Router, RouterPort, Uplink
from retia.model.network import Network
from retia.model.switching import pair

LAST_VLAN = 4094
LONGEST_BRIDGE = 15
PRIORITIES = range(0, 65536)


def is_outside(network: Network, switch: str) -> bool:
    """Whether a switch has a way to the physical network."""
    return network.has(switch, Uplink)


def outside_ports(network: Network, router: str) -> list[RouterPort]:
    return [port for port in network.referrers(router, RouterPort) if is_outside(network, port.switch)]


def one_uplink_per_host(network: Network, uplink: Uplink) -> Findings:
    """A switch has one uplink on a host: two would be a loop."""
    for other in network.referrers(uplink.switch, Uplink):
        if other.id != uplink.id and other.host == uplink.host:
            what = "{0} and {1} of one switch are on the same host, which would be a loop"
            yield pair(uplink, other, "host", what, "delete one, or move it to another host")


def bridge_is_a_name(network: Network, uplink: Uplink) -> Findings:
    bridge = uplink.bridge
    if not 0 < len(bridge) <= LONGEST_BRIDGE or "/" in bridge:
        what = f"{bridge!r} is no name of a bridge"
        yield Finding(uplink.id, "bridge", what, f"use up to {LONGEST_BRIDGE} characters, as in br-ex")


def vlan_in_range(network: Network, uplink: Uplink) -> Findings:
    if not 0 <= uplink.vlan <= LAST_VLAN:
        what = f"VLAN {uplink.vlan} is outside 1 to {LAST_VLAN}"
        yield Finding(uplink.id, "vlan", what, "leave it out where frames bear no tag")


def one_edge_per_host(network: Network, edge: Edge) -> Findings:
    """A host is an edge of a router once."""
    for other in network.referrers(edge.router, Edge):
        if other.id != edge.id and other.host == edge.host:
            yield pair(edge, other, "host", "{0} and {1} of one router are the same host", "delete one of them")


def priority_in_range(network: Network, edge: Edge) -> Findings:
    if edge.priority not in PRIORITIES:
        what = f"a priority of {edge.priority} is outside 0 to {PRIORITIES[-1]}"
        yield Finding(edge.id, "priority", what, "the highest that lives counts; 0 is the default")


def host_is_an_edge(network: Network, port: RouterPort) -> Findings:
    """A router port of one host is on an edge of its router."""
    hosts = {edge.host for edge in network.referrers(port.router, Edge)}
    if port.host and port.host not in hosts:
        host = network.label(network.objects[port.host])
        yield Finding(port.id, "host", f"its router does not run on {host}", "make that host an edge of the router")


def outside_is_on_edges(network: Network, port: RouterPort) -> Findings:
    """A router that meets the physical network runs on edges, each with an outside port of its own."""
    if not is_outside(network, port.switch):
        return
    edges = network.referrers(port.router, Edge)
    router, switch = network.get(Router, port.router), network.objects[port.switch]
    if not edges:
        what = f"it meets the physical network on {network.label(switch)}, and its router runs on every host"
        advice = f"give {network.label(router)} an edge" if router else ""
        yield Finding(port.id, "switch", what, advice)
    elif len(edges) > 1 and not port.host:
        what = f"it meets the physical network on {network.label(switch)}, where every edge would answer for it"
        yield Finding(port.id, "host", what, "name its host, and give each edge such a port with an address of its own")


UPLINK_CHECKS: tuple[Check, ...] = (one_uplink_per_host, bridge_is_a_name, vlan_in_range)
EDGE_CHECKS: tuple[Check, ...] = (one_edge_per_host, priority_in_range)
OUTSIDE_PORT_CHECKS: tuple[Check, ...] = (host_is_an_edge, outside_is_on_edges)
