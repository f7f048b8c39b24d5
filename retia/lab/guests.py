"""A guest: a namespace on one veth, whose other end is a port of its host's integration bridge.

It is configured as its port says (MAC, address, the subnet's gateway, the switch's MTU), as DHCP would one day.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from retia.lab import netns
from retia.lab.hosts import Host
from retia.lab.names import Place
from retia.lab.process import Done, environment, execute
from retia.lab.wire import Pinger, Tap, absorb
from retia.model.setup import Setup


@dataclass
class Guest:
    """`host` is where it is now; `plugged` whether its link is in the bridge there."""

    name: str
    host: Host
    iface_id: str
    place: Place
    mark: str
    setup: Setup | None = None
    plugged: bool = False

    @property
    def namespace(self) -> str:
        return self.place.namespace(self.name)

    def environment(self) -> Mapping[str, str]:
        return environment(self.mark)

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        """A command inside, to its end."""
        inside = ("ip", "netns", "exec", self.namespace, *command)
        return await execute(inside, self.environment(), check=check, limit=limit)

    async def calm(self) -> None:
        """No checksum is left to a NIC that is not there: else TCP dies in the userspace datapath."""
        await self.run("ethtool", "-K", "eth0", "tx", "off")

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

    def pinger(self, address: str, ttl: int = 64) -> Pinger:
        return Pinger(self.namespace, address, ttl)

    def tap(self) -> Tap:
        return Tap(self.namespace)

    def absorb(self, port: int) -> socket.socket:
        """A kernel would answer that nobody listens."""
        return absorb(self.namespace, port)
