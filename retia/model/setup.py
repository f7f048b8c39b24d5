"""What a guest is told of the network it hangs on: its MAC, address, gateway and MTU, as its port and subnet say.

As DHCP would hand it out; labs configure guests by it, and `reach` asks as such a guest would. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from retia.model.kinds import Port, RouterPort, Subnet, Switch
from retia.model.network import Network
from retia.values import Cidr, Ip, Mac


@dataclass(frozen=True)
class Setup:
    """`address` has its prefix length."""

    mac: Mac
    address: Cidr | None = None
    gateway: Ip | None = None
    mtu: int = 1400


def setup_of(network: Network, port: Port) -> Setup:
    switch = network.get(Switch, port.switch)
    mtu = switch.mtu if switch else 1400
    if not port.addresses:
        return Setup(port.mac, mtu=mtu)
    address = port.addresses[0]
    subnet = next((each for each in network.subnets(port.switch) if address in each.cidr), None)
    length = subnet.cidr.length if subnet else address.bits
    return Setup(port.mac, Cidr(address, length), _gateway(network, subnet) if subnet else None, mtu)


def _gateway(network: Network, subnet: Subnet) -> Ip | None:
    """The one the subnet names; else a router's address in it."""
    links = network.referrers(subnet.switch, RouterPort)
    addresses = [cidr.address for link in links for cidr in link.addresses if cidr.address in subnet.cidr]
    return subnet.gateway or next(iter(addresses), None)
