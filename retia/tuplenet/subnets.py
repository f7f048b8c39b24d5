"""Subnets for a switch that was declared without any: TupleNet has prefixes at router ports alone.

Each router port's prefix is one; its address is the gateway where it is the only router there and nothing physical is
(there the physical router is it). Guests' addresses in none of these get the smallest prefix that holds them, one for
each /16 they are in. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from retia.tuplenet.shape import Link
from retia.tuplenet.tree import SwitchPort
from retia.values import Cidr, Ip

WIDEST, NARROWEST = 16, 29


@dataclass(frozen=True)
class Prefix:
    """`keys` are the records it was derived from."""

    keys: tuple[str, ...]
    cidr: Cidr
    gateway: Ip | None = None


def derive(links: Iterable[Link], guests: Iterable[SwitchPort], physical: bool) -> list[Prefix]:
    """The subnets of a switch with these routers and guests."""
    routers: dict[Cidr, list[tuple[Ip, Link]]] = defaultdict(list)
    for link in links:
        for cidr in link.addresses:
            routers[cidr.network].append((cidr.address, link))
    found = []
    for network, there in routers.items():
        alone = len(there) == 1 and not physical
        keys = tuple(key for _, link in there for key in link.keys)
        found.append(Prefix(keys, network, there[0][0] if alone else None))
    homeless: dict[Cidr, list[SwitchPort]] = defaultdict(list)
    for guest in guests:
        if not any(guest.ip in network for network in routers):
            homeless[Cidr(guest.ip, WIDEST).network].append(guest)
    for ports in homeless.values():
        found.append(Prefix(tuple(port.key for port in ports), _around([port.ip for port in ports])))
    return sorted(found, key=lambda prefix: prefix.cidr)


def _around(addresses: list[Ip]) -> Cidr:
    """The smallest prefix in which none of these is the first or the last."""
    for length in range(NARROWEST, WIDEST, -1):
        cidr = Cidr(addresses[0], length).network
        if all(address in cidr and address not in (cidr.first, cidr.last) for address in addresses):
            return cidr
    return Cidr(addresses[0], WIDEST).network
