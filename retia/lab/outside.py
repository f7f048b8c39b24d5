"""A node outside, for real: a namespace with one link to each of its physical segments. It has no port of any bridge
of Retia's: it is what lies beyond the edges, a server of the world or the physical gateway before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retia.lab import netns, physical
from retia.lab.names import Place
from retia.lab.space import Space
from retia.values import Ip, Mac


@dataclass
class Outside(Space):
    """`wish` is what the lab file says of it, `number` its own among all outside nodes."""

    name: str
    wish: physical.Outside
    number: int
    place: Place
    mark: str

    @property
    def interfaces(self) -> list[physical.Interface]:
        return self.wish.interfaces(self.number)

    @property
    def mac(self) -> Mac:
        return self.interfaces[0].mac

    @property
    def address(self) -> Ip:
        return self.interfaces[0].address.address

    def links(self) -> list[str]:
        """For `ip -batch` outside of any namespace: its end of each link, and the segment's, which has its name."""
        mine, there = self.namespace, self.place.segment
        return [
            f"link add name {self.name} netns {there(each.segment)} type veth peer name {each.link} netns {mine}"
            for each in self.interfaces
        ]

    async def configure(self) -> None:
        """Addresses, routes, forwarding."""
        lines = ["link set dev lo up"]
        for each in self.interfaces:
            await self.calm(each.link)
            lines += [f"link set dev {each.link} address {each.mac} up", f"addr add {each.address} dev {each.link}"]
        lines += [f"addr add {address} dev eth0" for address in self.wish.addresses]
        lines += [f"route add {to} via {hop}" for to, hop in self.wish.routes.items()]
        await netns.batch(lines, self.environment(), self.namespace)
        if self.wish.forward:
            netns.within(self.namespace, _forward)


def _forward() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
