"""What a router, its ports and its routes must be among themselves. Pure checks; `validate` runs them."""

from __future__ import annotations

from retia.model.finding import Check, Finding, Findings
from retia.model.gateways import OUTSIDE_PORT_CHECKS, is_outside
from retia.model.kinds import Route, RouterPort
from retia.model.network import Network
from retia.model.switching import addresses_are_its_own, host_address, mac_is_its_own, mac_is_unicast, pair

LARGEST_METRIC = 65535


def has_addresses(network: Network, port: RouterPort) -> Findings:
    """A router port without an address would lead nowhere."""
    if port.addresses:
        return
    if is_outside(network, port.switch):
        advice = "give addresses: the gateway of a subnet there is the physical router's"
        yield Finding(port.id, "addresses", "a router port to the physical network needs an address of its own", advice)
    else:
        advice = "give addresses, or give the subnets of that switch a gateway"
        yield Finding(port.id, "addresses", "a router port needs an address, and its switch has no gateway", advice)


def router_addresses_fit(network: Network, port: RouterPort) -> Findings:
    """A router port's addresses are host addresses of its switch's subnets, with the subnet's prefix length."""
    subnets = network.subnets(port.switch)
    for cidr in port.addresses:
        yield from host_address(port, "addresses", cidr.address, subnets)
        home = next((subnet.cidr for subnet in subnets if cidr.address in subnet.cidr), None)
        if home is not None and cidr.length != home.length:
            advice = f"write {cidr.address}/{home.length}"
            yield Finding(port.id, "addresses", f"{cidr} has not the prefix length of its subnet {home}", advice)


def apart(port: RouterPort, other: RouterPort) -> bool:
    """Whether no host has both."""
    return bool(port.host and other.host and port.host != other.host)


def connected_prefixes_are_apart(network: Network, port: RouterPort) -> Findings:
    """No two ports of a router are connected to overlapping prefixes: a packet could go either way."""
    for other in network.referrers(port.router, RouterPort):
        if other.id == port.id or other.switch == port.switch or apart(port, other):
            continue
        for own in port.addresses:
            for theirs in other.addresses:
                if own.overlaps(theirs):
                    prefixes = " and ".join(sorted({str(own.network), str(theirs.network)}))
                    what = f"{{0}} and {{1}} of one router connect overlapping prefixes ({prefixes})"
                    yield pair(port, other, "addresses", what, "use another router, or renumber one of the subnets")


def one_port_per_switch(network: Network, port: RouterPort) -> Findings:
    """A router meets a switch once, or once on each edge."""
    for other in network.referrers(port.router, RouterPort):
        if other.id != port.id and other.switch == port.switch and not apart(port, other):
            what = "{0} and {1} of one router lead to the same switch"
            yield pair(port, other, "switch", what, "give one router port several addresses instead")


def prefix_is_a_network(network: Network, route: Route) -> Findings:
    """A route's prefixes have no host bits."""
    for field, cidr in (("prefix", route.prefix), ("source", route.source)):
        if cidr is not None and cidr != cidr.network:
            yield Finding(route.id, field, f"{cidr} has host bits", f"write {cidr.network}")


def has_a_way(network: Network, route: Route) -> Findings:
    """A route has a next hop, or drops."""
    if route.next_hop is None and not route.blackhole:
        yield Finding(route.id, "next_hop", "next_hop is missing", "name a neighbour, or write `blackhole: true`")
    elif route.next_hop is not None and route.blackhole:
        yield Finding(route.id, "blackhole", "a route that drops packets has no next hop", "leave one of the two out")


def metric_in_range(network: Network, route: Route) -> Findings:
    if not 0 <= route.metric <= LARGEST_METRIC:
        what = f"a metric of {route.metric} is outside 0 to {LARGEST_METRIC}"
        yield Finding(route.id, "metric", what, "lower wins; 0 is the default")


def next_hop_is_a_neighbour(network: Network, route: Route) -> Findings:
    """A route's next hop lies on a connected prefix of its router and is not the router itself."""
    if route.next_hop is None:
        return
    connected = [cidr for port in network.referrers(route.router, RouterPort) for cidr in port.addresses]
    home = next((cidr for cidr in connected if route.next_hop in cidr), None)
    if home is None:
        prefixes = ", ".join(sorted({str(cidr.network) for cidr in connected}))
        advice = f"it is connected to {prefixes}" if prefixes else "it has no ports yet: add one"
        router = network.label(network.objects[route.router])
        yield Finding(route.id, "next_hop", f"{route.next_hop} is on no connected prefix of {router}", advice)
    elif any(route.next_hop == cidr.address for cidr in connected):
        yield Finding(route.id, "next_hop", f"{route.next_hop} is the router itself", "name a neighbour")
    elif route.next_hop in (home.first, home.last):
        word = "network" if route.next_hop == home.first else "broadcast"
        yield Finding(route.id, "next_hop", f"{route.next_hop} is the {word} address of {home.network}", "name a host")


def routes_differ(network: Network, route: Route) -> Findings:
    """Two routes of a router differ in prefixes or next hop; one that drops is the only one of its metric."""
    for other in network.referrers(route.router, Route):
        if other.id == route.id or (other.prefix, other.source) != (route.prefix, route.source):
            continue
        if other.next_hop == route.next_hop:
            to = f"to {route.next_hop}" if route.next_hop else "nowhere"
            what = f"{{0}} and {{1}} both lead {route.prefix} {to}"
            yield pair(route, other, "next_hop", what, "delete one, or give it another next hop")
        elif other.metric == route.metric and route.blackhole != other.blackhole:
            what = f"of {{0}} and {{1}}, with one metric, one leads {route.prefix} on and one drops it"
            yield pair(route, other, "metric", what, "give one of them another metric")


ROUTER_PORT_CHECKS: tuple[Check, ...] = (
    one_port_per_switch,
    mac_is_unicast,
    mac_is_its_own,
    has_addresses,
    addresses_are_its_own,
    router_addresses_fit,
    connected_prefixes_are_apart,
    *OUTSIDE_PORT_CHECKS,
)
ROUTE_CHECKS: tuple[Check, ...] = (
    prefix_is_a_network,
    metric_in_range,
    has_a_way,
    next_hop_is_a_neighbour,
    routes_differ,
)
