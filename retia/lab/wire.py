"""What the lab itself sends and hears inside a namespace: frames, pings, a TCP stream. All on one event loop.

Tap      every frame a link receives (and frames sent by it)        Pinger   echo requests, each by its number
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from retia.lab.frames import checksum
from retia.lab.netns import within
from retia.lab.pings import Pings

_ALL = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING
_PORT = 45678
_identifiers = itertools.count(os.getpid())


class Tap:
    """A packet socket on one link of a namespace, from now on. A context manager."""

    def __init__(self, namespace: str, link: str = "eth0") -> None:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # else it hears all links until bound
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            made.bind((link, _ALL))
            made.setblocking(False)
            return made

        self._socket = within(namespace, make)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def received(self) -> Iterator[bytes]:
        """Frames that came in and were not read yet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self._socket.recvfrom(65536)
                if address[2] != _OUTGOING:
                    yield frame


def absorb(namespace: str, port: int) -> socket.socket:
    """A UDP socket that takes what comes to a port and says nothing."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("", port))
        return made

    return within(namespace, make)


@dataclass
class Pinger(Pings):
    """Pings `address` from a namespace."""

    namespace: str
    address: str
    ttl: int = 64

    def __enter__(self) -> Self:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.ttl)
            made.setblocking(False)
            return made

        self._identifier = next(_identifiers) & 0xFFFF
        self._socket = within(self.namespace, make)
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def emit(self, number: int) -> None:
        body = struct.pack("!HH8s", self._identifier, number & 0xFFFF, self.token).ljust(52, b".")
        packet = struct.pack("!BBH", 8, 0, checksum(b"\x08\0\0\0" + body)) + body
        with contextlib.suppress(OSError):
            self._socket.sendto(packet, (self.address, 0))

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            packet = self._socket.recv(2048)
            start = (packet[0] & 15) * 4
            kind, _, _, identifier, number = struct.unpack_from("!BBHHH", packet, start)
            if kind == 0 and identifier == self._identifier:
                self.answered(number, packet[8])


async def carry(source: str, target: str, address: str, size: int, limit: float) -> float:
    """Send `size` bytes by TCP from one namespace to another; the seconds it took. Raises OSError, TimeoutError."""
    listener = within(target, lambda: _listen(address))
    try:
        async with asyncio.timeout(limit):
            start = time.monotonic()
            receiving = asyncio.create_task(_receive(listener), name="tcp receiver")
            try:
                await _send(within(source, _stream), address, size)
                received = await receiving
            finally:
                receiving.cancel()
    finally:
        listener.close()
    if received != size:
        raise ConnectionError(f"{received} of {size} bytes arrived")
    return time.monotonic() - start


def _stream() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)
    return made


def _listen(address: str) -> socket.socket:
    made = _stream()
    made.bind((address, _PORT))
    made.listen(1)
    return made


async def _send(stream: socket.socket, address: str, size: int) -> None:
    loop = asyncio.get_running_loop()
    with stream:
        await loop.sock_connect(stream, (address, _PORT))
        chunk = b"retia" * 13107
        for start in range(0, size, len(chunk)):
            await loop.sock_sendall(stream, chunk[: size - start])


async def _receive(listener: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    stream, _ = await loop.sock_accept(listener)
    received = 0
    with stream:
        while data := await loop.sock_recv(stream, 1 << 18):
            received += len(data)
    return received


async def until(ready: Callable[[], bool], limit: float) -> bool:
    """Whether `ready` within `limit` seconds."""
    end = time.monotonic() + limit
    while not ready():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.005)
    return True
