"""Pings, each by its number: when it was sent, and how it was answered. How a ping travels is its guest's to say."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Pings(ABC):
    """A context manager. `replies` maps a request's number to (milliseconds, TTL of the reply). Each request begins
    with `token`, which no NAT changes."""

    sent: dict[int, float] = field(default_factory=dict, init=False)
    replies: dict[int, tuple[float, int]] = field(default_factory=dict, init=False)
    token: bytes = field(default_factory=lambda: secrets.token_bytes(8), init=False)

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def emit(self, number: int) -> None:
        """Put one request on its way."""

    def send(self) -> int:
        """One request more; its number. A guest without a route or an address sends none, which is a loss too."""
        number = len(self.sent) + 1
        self.sent[number] = time.monotonic()
        self.emit(number)
        return number

    def answered(self, number: int, ttl: int) -> None:
        if number in self.sent:
            self.replies.setdefault(number, ((time.monotonic() - self.sent[number]) * 1000, ttl))

    async def settle(self, numbers: int, patience: float) -> None:
        """Wait until that many replies are there, or `patience` is over since the last request."""
        end = max(self.sent.values(), default=time.monotonic()) + patience
        while len(self.replies) < numbers and time.monotonic() < end:
            await asyncio.sleep(0.002)

    @property
    def lost(self) -> int:
        return len(self.sent) - len(self.replies)


async def send_for(pings: Pings, every: float, done: asyncio.Event) -> None:
    """Requests at a steady pace until `done`, by the clock so that none is skipped."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not done.is_set():
        pings.send()
        due += every
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await done.wait()
