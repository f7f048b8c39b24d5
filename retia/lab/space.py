"""What sends and hears in a namespace of its own: the common part of guests and outside nodes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from retia.lab import sockets
from retia.lab.contract import Offer
from retia.lab.names import Place
from retia.lab.process import Done, environment, execute
from retia.lab.wire import Pinger, Tap, absorb
from retia.values import Ip


class Space:
    """`Guest` and `Outside` say what is in it."""

    name: str
    place: Place
    mark: str

    @property
    def namespace(self) -> str:
        return self.place.namespace(self.name)

    def environment(self) -> Mapping[str, str]:
        return environment(self.mark)

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        """A command inside, to its end."""
        inside = ("ip", "netns", "exec", self.namespace, *command)
        return await execute(inside, self.environment(), check=check, limit=limit)

    async def calm(self, link: str = "eth0") -> None:
        """No checksum is left to a NIC that is not there: else TCP dies in the userspace datapath."""
        await self.run("ethtool", "-K", link, "tx", "off")

    def pinger(self, address: str, ttl: int = 64) -> Pinger:
        return Pinger(self.namespace, address, ttl)

    def tap(self) -> Tap:
        return Tap(self.namespace)

    def absorb(self, port: int) -> socket.socket:
        """A kernel would answer that nobody listens."""
        return absorb(self.namespace, port)

    def serve(self, port: int, offer: Offer) -> AbstractAsyncContextManager[list[Ip]]:
        return sockets.serve(self.namespace, port, offer)

    async def fetch(self, address: Ip, port: int, news: Callable[[int], None]) -> None:
        await sockets.fetch(self.namespace, address, port, news)

    def echo(self, port: int) -> AbstractAsyncContextManager[list[Ip]]:
        return sockets.echo(self.namespace, port)

    async def ask(self, address: Ip, port: int, count: int, patience: float) -> int:
        return await sockets.ask(self.namespace, address, port, count, patience)

    async def scatter(self, address: Ip, port: int, flows: int, payload: bytes) -> None:
        await sockets.scatter(self.namespace, address, port, flows, payload)

    def hear(self, port: int) -> sockets.Datagrams:
        return sockets.Datagrams(self.namespace, port)
