"""A software guest: a stack on one link, which is in the bridge of its host or not.

SoftwareHost ──link.hear──► Stack ──link.put──► SoftwareHost
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retia.lab.software.stack import MTU, Link, Stack
from retia.model.setup import Setup
from retia.values import Ip

if TYPE_CHECKING:
    from retia.lab.software.host import SoftwareHost


class SoftwareGuest(Stack):
    """`host` is where it is now; `plugged` whether its link is in the bridge there."""

    def __init__(self, name: str, host: SoftwareHost, iface_id: str) -> None:
        super().__init__(name)
        self.host, self.iface_id = host, iface_id
        self.setup: Setup | None = None
        self.plugged = False
        self.link = Link(self, self._put)
        self.links = [self.link]

    def _put(self, frame: bytes) -> None:
        self.host.send(self, frame)

    async def configure(self, setup: Setup) -> None:
        if setup != self.setup:
            self.setup, self.mtu = setup, setup.mtu or MTU
            self.link.configure(setup.mac, (setup.address,) if setup.address else ())

    def route(self, to: Ip) -> tuple[Link, Ip] | None:
        if self.setup is None or self.setup.address is None:
            return None
        hop = to if self.link.reaches(to) else self.setup.gateway
        return (self.link, hop) if hop is not None else None

    async def plug(self) -> None:
        self.host.plug(self)
        self.plugged = True

    async def unplug(self) -> None:
        self.host.unplug(self)
        self.plugged = False
