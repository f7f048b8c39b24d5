"""A guest: a namespace on one veth, whose other end is a port of its host's integration bridge.

It is configured as its port says (MAC, address, the subnet's gateway, the switch's MTU), as DHCP would one day.
"""

from __future__ import annotations

from dataclasses import dataclass

from retia.lab import netns
from retia.lab.hosts import Host
from retia.lab.names import Place
from retia.lab.space import Space
from retia.model.setup import Setup
from retia.values import Ip, Mac


@dataclass
class Guest(Space):
    """`host` is where it is now; `plugged` whether its link is in the bridge there."""

    name: str
    host: Host
    iface_id: str
    place: Place
    mark: str
    setup: Setup | None = None
    plugged: bool = False

    @property
    def mac(self) -> Mac | None:
        return self.setup.mac if self.setup else None

    @property
    def address(self) -> Ip | None:
        return self.setup.address.address if self.setup and self.setup.address else None

    async def configure(self, setup: Setup) -> None:
        """Once more does nothing unless something changed."""
        if setup == self.setup:
            return
        lines = ["addr flush dev eth0", f"link set dev eth0 address {setup.mac} mtu {setup.mtu}", "link set eth0 up"]
        if setup.address is not None:
            lines.append(f"addr add {setup.address} dev eth0")
        if setup.gateway is not None:
            lines.append(f"route replace default via {setup.gateway}")
        await netns.batch(lines, self.environment(), self.namespace)
        self.setup = setup

    async def plug(self) -> None:
        await self.host.plug(self.name, self.iface_id)
        self.plugged = True

    async def unplug(self) -> None:
        await self.host.unplug(self.name)
        self.plugged = False

    async def move(self, target: Host) -> None:
        """Unplug it, carry its link over to the other host, plug it there: a move without a common memory."""
        was_plugged = self.plugged
        await self.unplug()
        carry = f"link set dev {self.name} netns {target.namespace}"
        await netns.batch([carry], self.environment(), self.host.namespace)
        self.host = target
        await netns.batch([f"link set dev {self.name} up"], self.environment(), target.namespace)
        if was_plugged:
            await self.plug()
