"""What a switch, its subnets and its ports must be among themselves. Pure checks; `validate` runs them."""

from __future__ import annotations

from retia.model.finding import Check, Finding, Findings
from retia.model.kinds import Object, Port, RouterPort, Subnet, Switch
from retia.model.network import Network, addresses_of
from retia.values import Cidr, Ip, Mac

LEAST_MTU, GREATEST_MTU = 576, 9000
LONGEST_PREFIX = 30
UNUSABLE = tuple(
    (Cidr.parse(text), word)
    for text, word in (
        ("0.0.0.0/8", "'this network'"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)


def mtu_in_range(network: Network, switch: Switch) -> Findings:
    """A switch's MTU is one that IPv4 guests and Geneve can live with."""
    if not LEAST_MTU <= switch.mtu <= GREATEST_MTU:
        what = f"an MTU of {switch.mtu} is outside {LEAST_MTU} to {GREATEST_MTU}"
        yield Finding(switch.id, "mtu", what, "1400 fits into Geneve over an underlay of 1500")


def cidr_is_usable(network: Network, subnet: Subnet) -> Findings:
    """A subnet's CIDR is a network, of unicast addresses, with room for guests."""
    cidr = subnet.cidr
    if cidr != cidr.network:
        yield Finding(subnet.id, "cidr", f"{cidr} has host bits", f"write {cidr.network}")
    if cidr.length > LONGEST_PREFIX:
        yield Finding(subnet.id, "cidr", f"{cidr} has no room for guests", f"take a /{LONGEST_PREFIX} or larger")
    for unusable, word in UNUSABLE:
        if cidr.overlaps(unusable):
            yield Finding(subnet.id, "cidr", f"{cidr} touches the {word} addresses {unusable}", "choose another prefix")


def gateway_is_inside(network: Network, subnet: Subnet) -> Findings:
    """A subnet's gateway is a host address of the subnet."""
    if subnet.gateway is None:
        return
    yield from host_address(subnet, "gateway", subnet.gateway, [subnet])


def pool_is_inside(network: Network, subnet: Subnet) -> Findings:
    """The ranges of a pool run upwards and lie in the subnet."""
    for first, last in subnet.pool:
        text = f"{first}-{last}"
        if first.family == last.family and first > last:
            yield Finding(subnet.id, "pool", f"the range {text} runs backwards", f"write {last}-{first}")
        elif first not in subnet.cidr or last not in subnet.cidr:
            within = f"{subnet.cidr.first} to {subnet.cidr.last}"
            yield Finding(subnet.id, "pool", f"the range {text} leaves {subnet.cidr}", f"stay within {within}")


def subnets_are_apart(network: Network, subnet: Subnet) -> Findings:
    """Two subnets of one switch share no address."""
    for other in network.subnets(subnet.switch):
        if other.id != subnet.id and other.cidr.overlaps(subnet.cidr):
            what = "the prefixes of {0} and {1} overlap"
            yield pair(subnet, other, "cidr", what, "give each subnet of a switch a prefix of its own")


def mac_is_unicast(network: Network, item: Port | RouterPort) -> Findings:
    """A port's MAC is that of one station."""
    if item.mac.is_multicast:
        yield Finding(item.id, "mac", f"{item.mac} is a multicast MAC", "make the first byte even, as in 02:...")
    elif item.mac == Mac(0):
        yield Finding(item.id, "mac", f"{item.mac} is no station's MAC", "leave it out to get one")


def mac_is_its_own(network: Network, item: Port | RouterPort) -> Findings:
    """No two ports of a switch have one MAC, router ports included."""
    for id_ in network.held(item.switch).macs.get(item.mac, ()):
        if id_ != item.id:
            what = f"{{0}} and {{1}} both have the MAC {item.mac}"
            yield pair(item, network.objects[id_], "mac", what, "leave one out to get another")


def addresses_are_its_own(network: Network, item: Port | RouterPort) -> Findings:
    """No two ports of a switch have one address, router ports included."""
    held = network.held(item.switch).addresses
    own = addresses_of(item)
    for address in dict.fromkeys(own):
        if own.count(address) > 1:
            yield Finding(item.id, "addresses", f"{address} is listed twice", "leave one out")
        for id_ in held.get(address, ()):
            if id_ != item.id:
                what = f"{{0}} and {{1}} both have the address {address}"
                yield pair(item, network.objects[id_], "addresses", what, "give each an address of its own")


def port_addresses_fit(network: Network, port: Port) -> Findings:
    """A port's addresses are host addresses of its switch's subnets, and no gateway."""
    subnets = network.subnets(port.switch)
    for address in dict.fromkeys(port.addresses):
        yield from host_address(port, "addresses", address, subnets)
        for subnet in subnets:
            if subnet.gateway == address:
                what = f"{address} is the gateway of {{1}}"
                yield pair(port, subnet, "addresses", what, "leave the gateway to routers")


def host_address(item: Object, field: str, address: Ip, subnets: list[Subnet]) -> Findings:
    """`address` lies in one of `subnets` and is neither its network nor its broadcast address."""
    home = next((subnet.cidr for subnet in subnets if address in subnet.cidr), None)
    if home is None:
        prefixes = ", ".join(str(subnet.cidr) for subnet in subnets)
        if field == "gateway":
            yield Finding(item.id, field, f"{address} is not in {prefixes}", "choose an address of the subnet")
        elif prefixes:
            yield Finding(item.id, field, f"{address} is in no subnet of its switch", f"its subnets: {prefixes}")
        else:
            what = f"{address} is in no subnet of its switch, which has none"
            yield Finding(item.id, field, what, "add a subnet to the switch, or leave the address out")
    elif address in (home.first, home.last):
        word = "network" if address == home.first else "broadcast"
        yield Finding(item.id, field, f"{address} is the {word} address of {home}", "choose one between")


def pair(item: Object, other: Object, field: str, what: str, advice: str) -> Finding:
    """A finding about two objects; the same one whichever of them is asked, but for the order of names."""
    return Finding(item.id, field, what, advice, (other.id,))


SWITCH_CHECKS: tuple[Check, ...] = (mtu_in_range,)
SUBNET_CHECKS: tuple[Check, ...] = (cidr_is_usable, gateway_is_inside, pool_is_inside, subnets_are_apart)
PORT_CHECKS: tuple[Check, ...] = (mac_is_unicast, mac_is_its_own, addresses_are_its_own, port_addresses_fit)
