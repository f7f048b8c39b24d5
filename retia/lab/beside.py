"""What goes on beside a step and is judged after it: a download, flow records that a collector gets, tunnel packets
that go and come. Conditions like those of `conditions`, which lists them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from retia.errors import InvalidInput
from retia.lab.contract import Datagrams, Offer
from retia.lab.count import Count
from retia.lab.exports import IpfixReader, sflow_samples
from retia.lab.failure import CheckFailed
from retia.lab.frames import Arp, carried, parse_arp
from retia.lab.reader import Reader, Spot
from retia.lab.words import HostName, MacTarget, NodeName, StationName, Target
from retia.trace.packets import summary
from retia.values import Ip, Mac

if TYPE_CHECKING:
    from retia.lab.contract import Host, Tap
    from retia.lab.lab import Lab

FLIGHT = 0.1
"""Seconds a packet may take through the underlay, at the very most."""
BEGUN = 3.0
"""Seconds a download may take to begin."""


@dataclass(frozen=True)
class _Carried(ABC):
    """Tunnel packets with a frame of a guest, not BFD, at each of some hosts."""

    wanted: dict[HostName, Count]

    wrong: ClassVar[str]
    noted: ClassVar[str]

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Self:
        return cls(reader.value(dict[HostName, Count], spot))

    @staticmethod
    @abstractmethod
    def tap(host: Host) -> Tap: ...

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        with contextlib.ExitStack() as stack:
            taps = {host: stack.enter_context(self.tap(lab.hosts[host])) for host in self.wanted}
            yield
            await asyncio.sleep(FLIGHT)
            for host, count in self.wanted.items():
                frames = [frame for frame in map(carried, taps[host].received()) if frame is not None]
                if not count.allows(len(frames)):
                    told = "".join(f", {number} x {what}" for what, number in Counter(map(summary, frames)).items())
                    raise CheckFailed(self.wrong.format(len(frames), count) + told, where=host)
                notes.append(self.noted.format(len(frames), host))


class Tunnel(_Carried):
    """Those that it sends into the underlay."""

    wrong, noted = "sent {} packets into the tunnel, expected {}", "{} into the tunnel from {}"

    @staticmethod
    def tap(host: Host) -> Tap:
        return host.tunnel_tap()


class Arrived(_Carried):
    """Those that the underlay brings it."""

    wrong, noted = "{} packets arrived by the tunnel, expected {}", "{} by the tunnel to {}"

    @staticmethod
    def tap(host: Host) -> Tap:
        return host.arrival_tap()


@dataclass
class _Download:
    """One that goes on: when each piece came."""

    begin: float = field(default_factory=time.monotonic)
    received: int = 0
    last: float = 0.0
    stall: float = 0.0

    def news(self, size: int) -> None:
        self.received += size
        self.pause()
        self.last = time.monotonic()

    def pause(self) -> None:
        """The time since the last piece counts."""
        if self.last:
            self.stall = max(self.stall, time.monotonic() - self.last)


@dataclass(frozen=True)
class Downloading:
    """`from` downloads from `to` by TCP all the while, `rate` bytes a second; the longest time without any is told."""

    from_: StationName
    to: StationName
    at: Target | None = None
    port: int = 8000
    rate: float = 1_000_000
    stalled_at_most: float = 1.0
    broken: bool = False
    after: float = 0.5

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        state = _Download()
        source, address = lab.station(self.from_), lab.address_of(self.at or self.to)
        async with lab.station(self.to).serve(self.port, Offer(rate=self.rate)):
            going = asyncio.create_task(source.fetch(address, self.port, state.news), name="downloading")
            try:
                await self._begun(state, going)
                yield
                await asyncio.sleep(self.after)
                notes.append(self._judge(state, going))
            finally:
                going.cancel()
                await asyncio.gather(going, return_exceptions=True)

    async def _begun(self, state: _Download, going: asyncio.Task[None]) -> None:
        end = time.monotonic() + BEGUN
        while not state.received:
            if going.done() or time.monotonic() > end:
                raise CheckFailed(f"{self.from_} cannot download from {self.to} even before")
            await asyncio.sleep(0.01)

    def _judge(self, state: _Download, going: asyncio.Task[None]) -> str:
        state.pause()
        seen = f"{state.received / 1e6:.1f} MB downloaded from {self.to}, longest stall {state.stall:.2f} s"
        if going.done() and not self.broken:
            raise CheckFailed(f"the download broke off: {going.exception() or 'it ended'}; {seen}")
        if not going.done() and state.stall > self.stalled_at_most:
            if self.broken:
                return f"the download broke off, {seen}"
            raise CheckFailed(f"{seen}, at most {self.stalled_at_most:g} s may be")
        return f"the download broke off, {seen}" if going.done() else seen


@dataclass(frozen=True)
class Collects:
    """Flow records (`ipfix`) or packet samples (`sflow`) that come to a collector at a UDP port of a node."""

    on: NodeName
    kind: Literal["ipfix", "sflow"]
    port: int = 0
    count: Count = field(default_factory=lambda: Count(1, more=True))
    within: float = 0.0

    needs = "an Open vSwitch that exports flows"

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise InvalidInput(f"{self.port} is no port")

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        node = lab.hosts.get(self.on) or lab.station(self.on)
        reader = IpfixReader()
        with node.hear(self.port or {"ipfix": 4739, "sflow": 6343}[self.kind]) as datagrams:
            yield
            end = time.monotonic() + self.within + FLIGHT
            number = 0
            while time.monotonic() < end and not (number and self.count.more and self.count.allows(number)):
                await asyncio.sleep(0.05)
                number += self._read(datagrams, reader)
        word = "flow records" if self.kind == "ipfix" else "packet samples"
        if not self.count.allows(number):
            raise CheckFailed(f"{self.on} got {number} {word}, expected {self.count}")
        notes.append(f"{number} {word} for {self.on}")

    def _read(self, datagrams: Datagrams, reader: IpfixReader) -> int:
        count = reader.records if self.kind == "ipfix" else sflow_samples
        return sum(map(count, datagrams.received()))


@dataclass(frozen=True)
class Announced:
    """Gratuitous ARP that a node hears meanwhile: that `address` is at `mac`."""

    to: StationName
    address: Target
    mac: MacTarget
    count: Count = field(default_factory=lambda: Count(1, more=True))
    within: float = 0.0

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        with lab.station(self.to).tap() as tap:
            yield
            address, mac = lab.address_of(self.address), lab.mac_of(self.mac)
            end = time.monotonic() + self.within + FLIGHT
            number = 0
            while time.monotonic() < end and not (number and self.count.more and self.count.allows(number)):
                await asyncio.sleep(0.02)
                said = [parse_arp(frame) for frame in tap.received()]
                number += sum(arp is not None and _announces(arp) == (address, mac) for arp in said)
        if not self.count.allows(number):
            raise CheckFailed(f"{self.to} heard {number} times that {address} is at {mac}, expected {self.count}")
        notes.append(f"{self.to} heard that {address} is at {mac}")


def _announces(arp: Arp) -> tuple[Ip, Mac] | None:
    return (arp.sender, arp.sender_mac) if arp.sender == arp.target else None


CONDITIONS: dict[str, type] = {
    "arrived": Arrived,
    "downloading": Downloading,
    "collects": Collects,
    "announced": Announced,
}
