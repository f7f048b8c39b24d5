"""A TCP stream between two software guests: handshake, a window of segments, acknowledgements, what is lost sent again.

    Sender  SYN ─► ... ◄─ SYN+ACK ─► data, at most WINDOW segments ahead ◄─ ACK ─► ... FIN
    Receiver takes bytes in order, acknowledges each segment, counts

Enough for a lab to see that streams pass; no congestion control, no options, one stream at a port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from retia.lab.software.packets import ACK, FIN, SYN, Segment

WINDOW = 32
PATIENCE = 0.2
"""Seconds without an acknowledgement until what is not acknowledged is sent again."""

PORTS = (45677, 45678)
MODULUS = 1 << 32

Send = Callable[[Segment], None]


class Receiver:
    """`received` are the bytes that came in order."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._next: int | None = None
        self.received = 0
        self.news = asyncio.Event()

    def take(self, segment: Segment) -> None:
        if segment.flags & SYN:
            self._next = (segment.sequence + 1) % MODULUS
            self._reply(segment, SYN | ACK)
            return
        if self._next is None:
            return
        if segment.sequence == self._next and segment.data:
            self._next = (self._next + len(segment.data)) % MODULUS
            self.received += len(segment.data)
            self.news.set()
        if segment.data or segment.flags & FIN:
            self._reply(segment, ACK)

    def _reply(self, segment: Segment, flags: int) -> None:
        mine = 0 if flags & SYN else 1
        self._send(Segment(segment.destination_port, segment.source_port, mine, self._next or 0, flags))


class Sender:
    """Sends `size` bytes; `run` returns when all are acknowledged, and never when nobody is there."""

    def __init__(self, send: Send, size: int, largest: int) -> None:
        self._send, self._size, self._largest = send, size, largest
        self._established = False
        self._acknowledged = 0
        self._news = asyncio.Event()

    def take(self, segment: Segment) -> None:
        if segment.flags & SYN and segment.flags & ACK:
            self._established = True
        elif segment.flags & ACK and self._established:
            self._acknowledged = max(self._acknowledged, segment.acknowledged - 1)
        self._news.set()

    async def run(self) -> None:
        while not self._established:
            self._put(SYN, 0, b"")
            await self._listen()
        self._put(ACK, 1, b"")
        sent = 0
        while self._acknowledged < self._size:
            sent = self._fill(max(sent, self._acknowledged))
            if not await self._listen():
                sent = self._acknowledged  # from the first that is missing on, once more
        self._put(FIN | ACK, 1 + self._size, b"")

    def _fill(self, sent: int) -> int:
        """Send on, as far as the window goes; how far that is."""
        end = min(self._size, self._acknowledged + WINDOW * self._largest)
        while sent < end:
            data = b"r" * min(self._largest, end - sent)
            self._put(ACK, 1 + sent, data)
            sent += len(data)
        return sent

    def _put(self, flags: int, sequence: int, data: bytes) -> None:
        self._send(Segment(*PORTS, sequence % MODULUS, 1 if flags & ACK else 0, flags, data))

    async def _listen(self) -> bool:
        """Whether anything came before patience was over."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True
