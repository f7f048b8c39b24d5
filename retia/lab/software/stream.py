"""A TCP stream between two software nodes: handshake, a window of segments, acknowledgements, what is lost sent again.

    upload      Sender  SYN ─► ... ◄─ SYN+ACK ─► data, at most WINDOW segments ahead ◄─ ACK ─► ... FIN     Receiver
    download    Fetcher SYN ─► ... ◄─ SYN+ACK ─► ACK ◄─ data ... ◄─ FIN                                Sender, passive

Enough for a lab to see that streams pass; no congestion control, no options.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from retia.lab.software.packets import ACK, FIN, SYN, Segment

WINDOW = 32
PATIENCE = 0.2
"""Seconds without an acknowledgement until what is not acknowledged is sent again."""

PACE = 0.05
"""Seconds between two pieces where a rate is said."""

MODULUS = 1 << 32

Send = Callable[[Segment], None]


class Receiver:
    """`received` are the bytes that came in order; `heard` hears of each piece; `ended`: and of no more."""

    def __init__(self, send: Send, heard: Callable[[int], None] = lambda size: None) -> None:
        self._send, self._heard = send, heard
        self._next: int | None = None
        self.received = 0
        self.ended = False
        self._news = asyncio.Event()

    def take(self, segment: Segment) -> None:
        if segment.flags & SYN:
            self._next = (segment.sequence + 1) % MODULUS
            self._reply(segment, ACK if segment.flags & ACK else SYN | ACK)
        elif self._next is not None:
            self._take_data(segment)
        self._news.set()

    def _take_data(self, segment: Segment) -> None:
        if segment.sequence == self._next:
            self._next = (self._next + len(segment.data)) % MODULUS
            self.received += len(segment.data)
            self.ended = self.ended or bool(segment.flags & FIN)
            self._heard(len(segment.data))
        if segment.data or segment.flags & FIN:
            self._reply(segment, ACK)

    def _reply(self, segment: Segment, flags: int) -> None:
        mine = 0 if flags & SYN else 1
        self._send(Segment(segment.destination_port, segment.source_port, mine, self._next or 0, flags))


class Fetcher(Receiver):
    """A receiver that opens the stream itself; `run` returns at its end, and never when nobody is there."""

    async def run(self, ports: tuple[int, int]) -> None:
        while not self.ended:
            if self._next is None:
                self._send(Segment(*ports, 0, 0, SYN))
            await _soon(self._news, PATIENCE)


class Sender:
    """Sends `size` bytes, `rate` a second (0: all it can); `run` returns when all are acknowledged, and never when
    nobody is there. `passive`: the other opened the stream."""

    def __init__(
        self, send: Send, size: int, largest: int, ports: tuple[int, int], *, passive: bool = False, rate: float = 0
    ) -> None:
        self._send, self._size, self._largest, self._ports = send, size, largest, ports
        self._opening, self._rate = SYN | ACK if passive else SYN, rate
        self._established = False
        self._acknowledged = 0
        self._news = asyncio.Event()

    def take(self, segment: Segment) -> None:
        """Who opened the stream waits for the other's SYN, who did not for the answer to its own."""
        opened = segment.flags & SYN if self._opening == SYN else not segment.flags & SYN
        if segment.flags & ACK and opened:
            self._established = True
        if segment.flags & ACK and self._established and not segment.flags & SYN:
            self._acknowledged = max(self._acknowledged, segment.acknowledged - 1)
        self._news.set()

    async def run(self) -> None:
        while not self._established:
            self._put(self._opening, 0, b"")
            await _soon(self._news, PATIENCE)
        if self._opening == SYN:
            self._put(ACK, 1, b"")
        begin = heard = time.monotonic()
        sent = 0
        while self._acknowledged < self._size:
            sent = self._fill(max(sent, self._acknowledged), time.monotonic() - begin)
            if await _soon(self._news, PACE if self._rate else PATIENCE):
                heard = time.monotonic()
            elif time.monotonic() - heard >= PATIENCE:
                sent = self._acknowledged  # from the first that is missing on, once more
        self._put(FIN | ACK, 1 + self._size, b"")

    def _fill(self, sent: int, passed: float) -> int:
        """Send on, as far as the window and the rate go; how far that is."""
        end = min(self._size, self._acknowledged + WINDOW * self._largest)
        if self._rate:
            end = min(end, int(self._rate * passed))
        while sent < end:
            data = b"r" * min(self._largest, end - sent)
            self._put(ACK, 1 + sent, data)
            sent += len(data)
        return sent

    def _put(self, flags: int, sequence: int, data: bytes) -> None:
        self._send(Segment(*self._ports, sequence % MODULUS, 1 if flags & ACK else 0, flags, data))


async def _soon(news: asyncio.Event, patience: float) -> bool:
    """Whether anything came before patience was over."""
    try:
        async with asyncio.timeout(patience):
            await news.wait()
    except TimeoutError:
        return False
    news.clear()
    return True
