"""A software guest: a link and the little of a kernel that labs need. It answers ARP and pings, pings itself, carries a
TCP stream, says that nobody listens at a UDP port, and hears any frame through its taps.

    SoftwareHost ──hear──► taps, then the stack ──send_frame──► SoftwareHost
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from retia.lab.contract import Done
from retia.lab.frames import BROADCAST, IPV4, UDP, Arp, ethernet, parse_arp
from retia.lab.pings import Pings
from retia.lab.software.failure import NotForSoftware
from retia.lab.software.packets import (
    ECHO_REPLY,
    ECHO_REQUEST,
    ICMP,
    PORT_UNREACHABLE,
    TCP,
    UNREACHABLE,
    Datagram,
    Segment,
    icmp,
    parse_datagram,
    parse_segment,
)
from retia.lab.software.stream import Receiver, Sender
from retia.model.setup import Setup
from retia.values import Ip, Mac

if TYPE_CHECKING:
    from retia.lab.software.host import SoftwareHost

NEIGHBOUR, PATIENCE = 1.0, 3.0
"""Seconds that a neighbour's MAC is believed, and that packets wait for it."""

HEADERS = 40
_identifiers = itertools.count(1)


class SoftwareTap:
    """Frames of a link, from now on."""

    def __init__(self, taps: list[SoftwareTap], guest: SoftwareGuest | None = None) -> None:
        self._taps, self._guest = taps, guest
        self.frames: deque[bytes] = deque()

    def __enter__(self) -> Self:
        self._taps.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._taps.remove(self)

    def send(self, frame: bytes) -> None:
        if self._guest is not None:
            self._guest.send_frame(frame)

    def received(self) -> Iterator[bytes]:
        while self.frames:
            yield self.frames.popleft()


@dataclass
class SoftwarePinger(Pings):
    guest: SoftwareGuest
    address: Ip
    ttl: int
    identifier: int = field(default_factory=lambda: next(_identifiers) & 0xFFFF)

    def __enter__(self) -> Self:
        self.guest.pingers[self.identifier] = self
        return self

    def __exit__(self, *_: object) -> None:
        del self.guest.pingers[self.identifier]

    def emit(self, number: int) -> None:
        body = struct.pack("!HH", self.identifier, number & 0xFFFF) + b"." * 48
        self.guest.send(self.address, ICMP, icmp(ECHO_REQUEST, 0, body), self.ttl)


@dataclass
class SoftwareGuest:
    """`host` is where it is now; `plugged` whether its link is in the bridge there."""

    name: str
    host: SoftwareHost
    iface_id: str
    setup: Setup | None = None
    plugged: bool = False
    pingers: dict[int, Pings] = field(default_factory=dict)
    taps: list[SoftwareTap] = field(default_factory=list)
    absorbing: list[int] = field(default_factory=list)
    stream: Sender | Receiver | None = None
    neighbours: dict[Ip, tuple[Mac, float]] = field(default_factory=dict)
    waiting: dict[Ip, list[tuple[float, bytes]]] = field(default_factory=dict)

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        raise NotForSoftware("a software guest runs no commands", where=self.name)

    async def configure(self, setup: Setup) -> None:
        if setup != self.setup:
            self.setup = setup
            self.neighbours.clear()
            self.waiting.clear()

    async def plug(self) -> None:
        self.host.plug(self)
        self.plugged = True

    async def unplug(self) -> None:
        self.host.unplug(self)
        self.plugged = False

    def pinger(self, address: str, ttl: int = 64) -> SoftwarePinger:
        return SoftwarePinger(self, Ip.parse(address), ttl)

    def tap(self) -> SoftwareTap:
        return SoftwareTap(self.taps, self)

    @contextmanager
    def absorb(self, port: int) -> Iterator[None]:
        self.absorbing.append(port)
        try:
            yield
        finally:
            self.absorbing.remove(port)

    # -- out -------------------------------------------------------------------------------------------------------

    def send_frame(self, frame: bytes) -> None:
        self.host.send(self, frame)

    def send(self, to: Ip, protocol: int, body: bytes, ttl: int = 64) -> None:
        """An IPv4 packet, by ARP and gateway. Without a route or an address nothing is sent."""
        if self.setup is None or self.setup.address is None:
            return
        hop = to if to in self.setup.address.network else self.setup.gateway
        if hop is None:
            return
        packet = Datagram(self.setup.address.address, to, protocol, body, ttl).pack()
        mac, until = self.neighbours.get(hop, (None, 0.0))
        if mac is not None and time.monotonic() < until:
            self.send_frame(ethernet(mac, self.setup.mac, IPV4, packet))
        else:
            self._ask(hop, packet)

    def _ask(self, hop: Ip, packet: bytes) -> None:
        assert self.setup is not None and self.setup.address is not None
        now = time.monotonic()
        waiting = [one for one in self.waiting.get(hop, []) if one[0] > now]
        self.waiting[hop] = [*waiting, (now + PATIENCE, packet)]
        mine = self.setup.mac
        self.send_frame(Arp(1, mine, self.setup.address.address, Mac(0), hop).pack(BROADCAST))

    # -- in --------------------------------------------------------------------------------------------------------

    def hear(self, frame: bytes) -> None:
        """A frame comes in by the link."""
        for tap in self.taps:
            tap.frames.append(frame)
        if self.setup is None or self.setup.address is None or len(frame) < 14:
            return
        destination = int.from_bytes(frame[:6], "big")
        arp = parse_arp(frame)
        if arp is not None and destination in (self.setup.mac, BROADCAST):
            self._take_arp(arp)
        elif destination == self.setup.mac:
            packet = parse_datagram(frame)
            if packet is not None and packet.destination == self.setup.address.address:
                self._take(packet)

    def _take_arp(self, arp: Arp) -> None:
        assert self.setup is not None and self.setup.address is not None
        mine, address = self.setup.mac, self.setup.address.address
        if arp.operation == 1 and arp.target == address:
            self.send_frame(Arp(2, mine, address, arp.sender_mac, arp.sender).pack(arp.sender_mac))
        elif arp.operation == 2 and arp.target == address:
            now = time.monotonic()
            self.neighbours[arp.sender] = (arp.sender_mac, now + NEIGHBOUR)
            for until, packet in self.waiting.pop(arp.sender, []):
                if until > now:
                    self.send_frame(ethernet(arp.sender_mac, mine, IPV4, packet))

    def _take(self, packet: Datagram) -> None:
        if packet.protocol == ICMP:
            self._take_icmp(packet)
        elif packet.protocol == TCP and self.stream is not None:
            self.stream.take(parse_segment(packet.body))
        elif packet.protocol == UDP and int.from_bytes(packet.body[2:4], "big") not in self.absorbing:
            told = bytes(4) + packet.whole[:28]
            self.send(packet.source, ICMP, icmp(UNREACHABLE, PORT_UNREACHABLE, told))

    def _take_icmp(self, packet: Datagram) -> None:
        kind, rest = packet.body[0], packet.body[4:]
        identifier, number = struct.unpack_from("!HH", rest)
        if kind == ECHO_REQUEST:
            self.send(packet.source, ICMP, icmp(ECHO_REPLY, 0, rest))
        elif kind == ECHO_REPLY and identifier in self.pingers:
            self.pingers[identifier].answered(number, packet.ttl)


async def carry(source: SoftwareGuest, target: SoftwareGuest, to: Ip, size: int, limit: float) -> float:
    """A TCP stream from one to the other; the seconds it took. Raises TimeoutError, OSError."""
    back = source.setup.address.address if source.setup and source.setup.address else to
    largest = (source.setup.mtu if source.setup else 1400) - HEADERS

    def send(guest: SoftwareGuest, peer: Ip, segment: Segment) -> None:
        assert guest.setup is not None and guest.setup.address is not None
        guest.send(peer, TCP, segment.pack(guest.setup.address.address, peer))

    sender = Sender(lambda segment: send(source, to, segment), size, largest)
    receiver = Receiver(lambda segment: send(target, back, segment))
    source.stream, target.stream = sender, receiver
    begin = time.monotonic()
    try:
        async with asyncio.timeout(limit):
            await sender.run()
    finally:
        source.stream = target.stream = None
    if receiver.received != size:
        raise ConnectionError(f"{receiver.received} of {size} bytes arrived")
    return time.monotonic() - begin
