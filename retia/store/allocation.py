"""Choosing what a user left out: keys, MACs and addresses that are free in a network, or why there is none.

Keys and MACs are drawn at random, so that two who create at once rarely meet; the transaction's absent-compares
catch them when they do, and they plan again. Addresses are taken in order: the lowest free one of the pool.
Called by the catalog. Pure but for the random source it is given.
"""

from __future__ import annotations

import random
import uuid
from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator

from retia.errors import InvalidInput
from retia.model.gateways import SLOTS
from retia.model.kinds import Edge, Object, Router, Subnet, Switch
from retia.model.network import Network
from retia.values import Ip, Mac, same_family

DATAPATH_KEYS = range(1, 1 << 24)
PORT_KEYS = range(1, (1 << 16) - 1)
"""0 means unknown; 0xffff is kept for later."""

LOCAL = 0x02 << 40
"""A MAC's first byte: unicast, locally administered."""


class Allocator:
    """Draws from `network` as it grows: whoever draws also puts the object before the next draw."""

    def __init__(self, network: Network, source: random.Random) -> None:
        self.network, self.source = network, source
        self._datapath_keys: set[int] | None = None
        self._free: dict[str, Iterator[Ip]] = {}

    def new_id(self) -> str:
        while (id_ := str(uuid.UUID(int=self.source.getrandbits(128), version=4))) in self.network.objects:
            pass
        return id_

    def datapath_key(self) -> int:
        if self._datapath_keys is None:
            self._datapath_keys = {
                *(switch.key for switch in self.network.of(Switch)),
                *(router.key for router in self.network.of(Router)),
            }
        key = self._draw(DATAPATH_KEYS, self._datapath_keys, "datapath keys of this network")
        self._datapath_keys.add(key)
        return key

    def port_key(self, datapath: Object) -> int:
        return self._draw(
            PORT_KEYS, self.network.held(datapath.id).keys, f"port keys of {self.network.label(datapath)}"
        )

    def slot(self, router: Object) -> int:
        """The lowest that no edge of the router has."""
        used = {edge.slot for edge in self.network.referrers(router.id, Edge)}
        for slot in SLOTS:
            if slot not in used:
                return slot
        raise InvalidInput(f"{self.network.label(router)} has {len(SLOTS)} edges already", advice="delete one first")

    def _draw(self, keys: range, used: Collection[int], what: str) -> int:
        if len(used) < len(keys) // 2:
            while (key := self.source.choice(keys)) in used:
                pass
            return key
        free = [key for key in keys if key not in used]
        if not free:
            raise InvalidInput(f"the {len(keys)} {what} are all in use", advice="delete what is no longer needed")
        return self.source.choice(free)

    def mac(self, switch: str) -> Mac:
        used = self.network.held(switch).macs
        while (mac := Mac(LOCAL | self.source.getrandbits(40))) in used:
            pass
        return mac

    def address(self, switch: Object) -> tuple[Ip, ...]:
        """The next free address of the first subnet, by name, that has one; none where the switch has no subnet."""
        subnets = [subnet for subnet in self.network.subnets(switch.id) if subnet.cidr.family == 4]
        return (self.free(subnets),) if subnets else ()

    def free(self, subnets: Iterable[Subnet]) -> Ip:
        """The next free address of the first of `subnets`, by name, that has one. Raises InvalidInput."""
        ordered = sorted(subnets, key=lambda subnet: subnet.name)
        for subnet in ordered:
            held = ChainMap(self.network.held(subnet.switch).addresses, *self.network.externals(subnet.switch))
            if subnet.id not in self._free:
                self._free[subnet.id] = _candidates(subnet)
            for address in self._free[subnet.id]:
                if address not in held:
                    return address
        names = ", ".join(f"{self.network.path(subnet)} ({subnet.cidr})" for subnet in ordered)
        advice = "widen the pool, add a subnet, or delete unused ports"
        raise InvalidInput(f"no address is free in {names}", advice=advice)


def _candidates(subnet: Subnet) -> Iterator[Ip]:
    """The addresses a subnet may give to ports, in order."""
    cidr = subnet.cidr
    for first, last in subnet.pool or ((cidr.first, cidr.last),):
        for number in range(max(first, cidr.first), min(last, cidr.last) + 1):
            if number not in (cidr.first, cidr.last, subnet.gateway):
                yield same_family(cidr.address, number)
