"""What the lab serves and asks inside a namespace by the kernel's own sockets: TCP downloads, UDP echoes, collectors.

    serve ◄── fetch   a download: whoever connects gets what is offered    hear     datagrams that come to a port
    echo  ◄── ask     a datagram, and the same back                        scatter  one datagram from each of many ports

All on one event loop; a socket belongs to the namespace it was opened in. `wire` has frames and pings.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Self

from retia.lab.contract import Offer
from retia.lab.failure import CheckFailed
from retia.lab.netns import within
from retia.values import Ip

CHUNK = 1 << 16
FIRST_PORT = 20000
IP_PKTINFO = 8  # not in Python's socket module
BURST = 20
"""Datagrams sent at once, lest a queue overflow that is not looked at."""


def open_socket(namespace: str, kind: socket.SocketKind, port: int | None = None) -> socket.socket:
    """A socket inside a namespace, bound to a port if one is said. Raises CheckFailed when that is taken."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.setblocking(False)
        if port is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("", port))
        return made

    try:
        return within(namespace, make)
    except OSError as error:
        raise CheckFailed(f"no socket at port {port or 'any'}: {error.strerror}", where=namespace) from error


@asynccontextmanager
async def serve(namespace: str, port: int, offer: Offer) -> AsyncIterator[list[Ip]]:
    """A TCP server: whoever connects gets the offer, and then the end. The list grows by who connected."""
    peers: list[Ip] = []
    with open_socket(namespace, socket.SOCK_STREAM, port) as listener:
        listener.listen(64)
        accepting = asyncio.create_task(_accept(listener, offer, peers), name=f"server at {port}")
        try:
            yield peers
        finally:
            await _end(accepting)


async def _accept(listener: socket.socket, offer: Offer, peers: list[Ip]) -> None:
    loop = asyncio.get_running_loop()
    giving: set[asyncio.Task[None]] = set()
    try:
        while True:
            stream, peer = await loop.sock_accept(listener)
            peers.append(Ip.parse(peer[0]))
            giving.add(asyncio.create_task(_give(stream, offer), name=f"giving to {peer[0]}"))
    finally:
        await _end(*giving)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _give(stream: socket.socket, offer: Offer) -> None:
    loop = asyncio.get_running_loop()
    due, sent = loop.time(), 0
    with stream, contextlib.suppress(OSError):
        while size := offer.next(sent, CHUNK):
            await loop.sock_sendall(stream, b"r" * size)
            sent += size
            if offer.rate:
                due += size / offer.rate
                await asyncio.sleep(max(0.0, due - loop.time()))


async def fetch(namespace: str, address: Ip, port: int, news: Callable[[int], None]) -> None:
    """Connect, and take what comes until its end; `news` hears how much with each piece. Raises OSError."""
    loop = asyncio.get_running_loop()
    with open_socket(namespace, socket.SOCK_STREAM) as stream:
        await loop.sock_connect(stream, (str(address), port))
        while data := await loop.sock_recv(stream, 1 << 18):
            news(len(data))


class Datagrams:
    """A UDP socket at a port, from now on: what came and was not read yet. A context manager."""

    def __init__(self, namespace: str, port: int) -> None:
        self._socket = open_socket(namespace, socket.SOCK_DGRAM, port)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def received(self) -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._socket.recv(65536)


@asynccontextmanager
async def echo(namespace: str, port: int) -> AsyncIterator[list[Ip]]:
    """A UDP server that sends each datagram back, from the address it came to. The list grows by who sent it."""
    peers: list[Ip] = []
    loop = asyncio.get_running_loop()
    with open_socket(namespace, socket.SOCK_DGRAM, port) as server:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        loop.add_reader(server, _send_back, server, peers)
        try:
            yield peers
        finally:
            loop.remove_reader(server)


def _send_back(server: socket.socket, peers: list[Ip]) -> None:
    with contextlib.suppress(OSError):
        data, extra, _, peer = server.recvmsg(2048, socket.CMSG_SPACE(12))
        peers.append(Ip.parse(peer[0]))
        _, mine, _ = struct.unpack("=i4s4s", extra[0][2])  # struct in_pktinfo: link, the address it came to, same
        told = struct.pack("=i4s4s", 0, mine, bytes(4))
        server.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, told)], 0, peer)


async def ask(namespace: str, address: Ip, port: int, count: int, patience: float) -> int:
    """Datagrams from one port; how many came back from where they were sent to, within so many seconds."""
    loop = asyncio.get_running_loop()
    token = secrets.token_bytes(8)
    missing = {token + number.to_bytes(4, "big") for number in range(count)}
    with open_socket(namespace, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError, TimeoutError):
        await loop.sock_connect(asking, (str(address), port))  # so that the kernel takes answers from there alone
        for each in sorted(missing):
            await loop.sock_sendall(asking, each)
        async with asyncio.timeout(patience):
            while missing:
                missing.discard(await loop.sock_recv(asking, 2048))
    return count - len(missing)


async def scatter(namespace: str, address: Ip, port: int, flows: int, payload: bytes) -> None:
    """One datagram from each of so many ports."""

    def burst(first: int, last: int) -> None:
        for source in range(first, last):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):
                one.bind(("", source))
                one.sendto(payload, (str(address), port))

    ports = range(FIRST_PORT, FIRST_PORT + flows)
    for first in ports[::BURST]:
        begin = time.monotonic()
        within(namespace, lambda first=first: burst(first, min(first + BURST, ports.stop)))  # type: ignore[misc]
        await asyncio.sleep(min(0.02, time.monotonic() - begin))
