"""What a router, its ports and its routes must be among themselves. Pure checks; `validate` runs them."""

from __future__ import annotations

from retia.model.finding import Check, Finding, Findings
from retia.model.kinds import Route, RouterPort
from retia.model.network import Network
from retia.model.switching import addresses_are_its_own, host_address, mac_is_its_own, mac_is_unicast, pair

LARGEST_METRIC = 65535


def has_addresses(network: Network, port: RouterPort) -> Findings:
    """A router port without an address would lead nowhere."""
    if not port.addresses:
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


def connected_prefixes_are_apart(network: Network, port: RouterPort) -> Findings:
    """No two ports of a router are connected to overlapping prefixes: a packet could go either way."""
    for other in network.referrers(port.router, RouterPort):
        if other.id == port.id or other.switch == port.switch:
            continue
        for own in port.addresses:
            for theirs in other.addresses:
                if own.overlaps(theirs):
                    prefixes = " and ".join(sorted({str(own.network), str(theirs.network)}))
                    what = f"{{0}} and {{1}} of one router connect overlapping prefixes ({prefixes})"
                    yield pair(port, other, "addresses", what, "use another router, or renumber one of the subnets")


def one_port_per_switch(network: Network, port: RouterPort) -> Findings:
    """A router meets a switch once."""
    for other in network.referrers(port.router, RouterPort):
        if other.id != port.id and other.switch == port.switch:
            what = "{0} and {1} of one router lead to the same switch"
            yield pair(port, other, "switch", what, "give one router port several addresses instead")


def prefix_is_a_network(network: Network, route: Route) -> Findings:
    """A route's prefix has no host bits."""
    if route.prefix != route.prefix.network:
        yield Finding(route.id, "prefix", f"{route.prefix} has host bits", f"write {route.prefix.network}")


def metric_in_range(network: Network, route: Route) -> Findings:
    if not 0 <= route.metric <= LARGEST_METRIC:
        what = f"a metric of {route.metric} is outside 0 to {LARGEST_METRIC}"
        yield Finding(route.id, "metric", what, "lower wins; 0 is the default")


def next_hop_is_a_neighbour(network: Network, route: Route) -> Findings:
    """A route's next hop lies on a connected prefix of its router and is not the router itself."""
    connected = [cidr for port in network.referrers(route.router, RouterPort) for cidr in port.addresses]
    home = next((cidr for cidr in connected if route.next_hop in cidr), None)
    if home is None:
        prefixes = ", ".join(sorted(str(cidr.network) for cidr in connected))
        advice = f"its router is connected to {prefixes}" if prefixes else "its router has no ports yet: add one"
        yield Finding(route.id, "next_hop", f"{route.next_hop} is on no connected prefix of its router", advice)
    elif any(route.next_hop == cidr.address for cidr in connected):
        yield Finding(route.id, "next_hop", f"{route.next_hop} is the router itself", "name a neighbour")
    elif route.next_hop in (home.first, home.last):
        word = "network" if route.next_hop == home.first else "broadcast"
        yield Finding(route.id, "next_hop", f"{route.next_hop} is the {word} address of {home.network}", "name a host")


def routes_differ(network: Network, route: Route) -> Findings:
    """Two routes of a router differ in prefix or next hop."""
    for other in network.referrers(route.router, Route):
        if other.id != route.id and (other.prefix, other.next_hop) == (route.prefix, route.next_hop):
            what = f"{{0}} and {{1}} both lead {route.prefix} to {route.next_hop}"
            yield pair(route, other, "next_hop", what, "delete one, or give it another next hop")


ROUTER_PORT_CHECKS: tuple[Check, ...] = (
    one_port_per_switch,
    mac_is_unicast,
    mac_is_its_own,
    has_addresses,
    addresses_are_its_own,
    router_addresses_fit,
    connected_prefixes_are_apart,
)
ROUTE_CHECKS: tuple[Check, ...] = (prefix_is_a_network, metric_in_range, next_hop_is_a_neighbour, routes_differ)
