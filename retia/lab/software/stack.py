"""The little of a kernel that the nodes of a software lab need. They answer ARP and pings, ping themselves, carry TCP
streams and datagrams, say that nobody listens at a UDP port, and hear any frame through their taps.

    wire ──hear──► Link: taps, ARP ──► Stack: ICMP, UDP, TCP ──send──► route ──► Link: ARP ──put──► wire
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, Self

from retia.lab.contract import Datagrams, Done, Offer
from retia.lab.frames import BROADCAST, IPV4, UDP, Arp, ethernet, parse_arp
from retia.lab.pings import Pings
from retia.lab.software.failure import NotForSoftware
from retia.lab.software.packets import (
    ACK,
    ECHO_REPLY,
    ECHO_REQUEST,
    ICMP,
    PORT_UNREACHABLE,
    SYN,
    TCP,
    UNREACHABLE,
    Datagram,
    Segment,
    icmp,
    parse_datagram,
    parse_segment,
    udp,
)
from retia.lab.software.stream import Fetcher, Receiver, Send, Sender
from retia.values import Cidr, Ip, Mac

NEIGHBOUR, PATIENCE = 1.0, 3.0
"""Seconds that a neighbour's MAC is believed, and that packets wait for it."""

HEADERS = 40
MTU = 1400
ENDLESS = 1 << 60
UPLOAD = 45678
FIRST_PORT, BURST = 20000, 20
_numbers = itertools.count(1)


class SoftwareTap:
    """Frames of a link, from now on."""

    def __init__(self, taps: list[SoftwareTap], put: Callable[[bytes], None] = lambda frame: None) -> None:
        self._taps, self._put = taps, put
        self.frames: deque[bytes] = deque()

    def __enter__(self) -> Self:
        self._taps.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._taps.remove(self)

    def send(self, frame: bytes) -> None:
        self._put(frame)

    def received(self) -> Iterator[bytes]:
        while self.frames:
            yield self.frames.popleft()


class Link:
    """A node's end of one wire: `put` is how frames leave by it, `addresses` what it answers ARP for."""

    def __init__(self, stack: Stack, put: Callable[[bytes], None]) -> None:
        self._stack, self.put = stack, put
        self.mac: Mac | None = None
        self.addresses: tuple[Cidr, ...] = ()
        self.taps: list[SoftwareTap] = []
        self._neighbours: dict[Ip, tuple[Mac, float]] = {}
        self._waiting: dict[Ip, list[tuple[float, bytes]]] = {}

    def configure(self, mac: Mac, addresses: tuple[Cidr, ...]) -> None:
        self.mac, self.addresses = mac, addresses
        self._neighbours.clear()
        self._waiting.clear()

    def has(self, address: Ip) -> bool:
        return any(address == each.address for each in self.addresses)

    def reaches(self, address: Ip) -> bool:
        return any(address in each.network for each in self.addresses)

    def source_to(self, hop: Ip) -> Ip:
        """The address in the network of the next hop; else the first."""
        return next((each.address for each in self.addresses if hop in each.network), self.addresses[0].address)

    def emit(self, packet: bytes, hop: Ip) -> None:
        """A packet to a neighbour, once its MAC is known."""
        assert self.mac is not None
        mac, until = self._neighbours.get(hop, (None, 0.0))
        if mac is not None and time.monotonic() < until:
            self.put(ethernet(mac, self.mac, IPV4, packet))
            return
        now = time.monotonic()
        waiting = [one for one in self._waiting.get(hop, []) if one[0] > now]
        self._waiting[hop] = [*waiting, (now + PATIENCE, packet)]
        self.put(Arp(1, self.mac, self.source_to(hop), Mac(0), hop).pack(BROADCAST))

    def hear(self, frame: bytes) -> None:
        """A frame comes in."""
        for tap in self.taps:
            tap.frames.append(frame)
        if self.mac is None or not self.addresses or len(frame) < 14:
            return
        destination = int.from_bytes(frame[:6], "big")
        arp = parse_arp(frame)
        if arp is not None and destination in (self.mac, BROADCAST):
            self._take_arp(arp)
        elif destination == self.mac:
            packet = parse_datagram(frame)
            if packet is not None:
                self._stack.take(packet)

    def _take_arp(self, arp: Arp) -> None:
        """A neighbour that is known already is believed whatever it says of itself (gratuitous ARP)."""
        assert self.mac is not None
        if arp.operation == 1 and self.has(arp.target):
            self.put(Arp(2, self.mac, arp.target, arp.sender_mac, arp.sender).pack(arp.sender_mac))
        if arp.sender in self._neighbours or (arp.operation == 2 and self.has(arp.target)):
            now = time.monotonic()
            self._neighbours[arp.sender] = (arp.sender_mac, now + NEIGHBOUR)
            for until, packet in self._waiting.pop(arp.sender, []):
                if until > now:
                    self.put(ethernet(arp.sender_mac, self.mac, IPV4, packet))


class Connection(Protocol):
    def take(self, segment: Segment) -> None: ...


@dataclass
class SoftwarePinger(Pings):
    stack: Stack
    target: Ip
    ttl: int
    identifier: int = field(default_factory=lambda: next(_numbers) & 0xFFFF)

    def __enter__(self) -> Self:
        self.stack.pingers[self.identifier] = self
        return self

    def __exit__(self, *_: object) -> None:
        del self.stack.pingers[self.identifier]

    def emit(self, number: int) -> None:
        body = struct.pack("!HH8s", self.identifier, number & 0xFFFF, self.token).ljust(52, b".")
        self.stack.send(self.target, ICMP, icmp(ECHO_REQUEST, 0, body), self.ttl)


Peer = tuple[Ip, int, int]
"""Of a connection or datagram: the other's address and port, and our port."""


class Stack:
    """`route` is the subclass's. `forwards`: what is not for it goes on."""

    forwards = False
    mtu = MTU

    def __init__(self, name: str) -> None:
        self.name = name
        self.links: list[Link] = []
        self.pingers: dict[int, Pings] = {}
        self._absorbing: list[int] = []
        self._connections: dict[Peer, Connection] = {}
        self._listening: dict[int, Callable[[Peer, Ip], Connection]] = {}
        self._datagrams: dict[int, Callable[[Datagram], None]] = {}

    def route(self, to: Ip) -> tuple[Link, Ip] | None:
        """The link and the next hop. None: there is no way."""
        raise NotImplementedError

    @property
    def mac(self) -> Mac | None:
        return self.links[0].mac

    @property
    def address(self) -> Ip | None:
        return self.links[0].addresses[0].address if self.links[0].addresses else None

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        raise NotForSoftware("a software node runs no commands", where=self.name)

    def hear(self, port: int) -> Datagrams:
        raise NotForSoftware("a software node is no collector", where=self.name)

    def pinger(self, address: str, ttl: int = 64) -> SoftwarePinger:
        return SoftwarePinger(self, Ip.parse(address), ttl)

    def tap(self) -> SoftwareTap:
        return SoftwareTap(self.links[0].taps, self.links[0].put)

    @contextmanager
    def absorb(self, port: int) -> Iterator[None]:
        self._absorbing.append(port)
        try:
            yield
        finally:
            self._absorbing.remove(port)

    # -- out -------------------------------------------------------------------------------------------------------

    def send(self, to: Ip, protocol: int, body: bytes, ttl: int = 64, source: Ip | None = None) -> None:
        """An IPv4 packet. Without a route or an address nothing is sent."""
        way = self.route(to)
        if way is not None:
            link, hop = way
            link.emit(Datagram(source or link.source_to(hop), to, protocol, body, ttl).pack(), hop)

    def source_to(self, to: Ip) -> Ip:
        """Who it is for that one. Raises OSError where there is no way."""
        way = self.route(to)
        if way is None:
            raise OSError("network is unreachable")
        return way[0].source_to(way[1])

    def _segments(self, to: Ip, source: Ip) -> Send:
        return lambda segment: self.send(to, TCP, segment.pack(source, to), source=source)

    # -- in --------------------------------------------------------------------------------------------------------

    def take(self, packet: Datagram) -> None:
        if not any(link.has(packet.destination) for link in self.links):
            self._forward(packet)
        elif packet.protocol == ICMP:
            self._take_icmp(packet)
        elif packet.protocol == TCP:
            self._take_segment(packet)
        elif packet.protocol == UDP:
            self._take_datagram(packet)

    def _forward(self, packet: Datagram) -> None:
        way = self.route(packet.destination)
        if self.forwards and packet.ttl > 1 and way is not None:
            way[0].emit(packet._replace(ttl=packet.ttl - 1).pack(), way[1])

    def _take_icmp(self, packet: Datagram) -> None:
        kind, rest = packet.body[0], packet.body[4:]
        identifier, number = struct.unpack_from("!HH", rest)
        if kind == ECHO_REQUEST:
            self.send(packet.source, ICMP, icmp(ECHO_REPLY, 0, rest), source=packet.destination)
        elif kind == ECHO_REPLY and identifier in self.pingers:
            self.pingers[identifier].answered(number, packet.ttl)

    def _take_segment(self, packet: Datagram) -> None:
        segment = parse_segment(packet.body)
        peer = packet.source, segment.source_port, segment.destination_port
        opens = segment.flags & (SYN | ACK) == SYN
        if opens and peer not in self._connections and segment.destination_port in self._listening:
            self._connections[peer] = self._listening[segment.destination_port](peer, packet.destination)
        if peer in self._connections:
            self._connections[peer].take(segment)

    def _take_datagram(self, packet: Datagram) -> None:
        port = int.from_bytes(packet.body[2:4], "big")
        if port in self._datagrams:
            self._datagrams[port](packet)
        elif port not in self._absorbing:
            told = bytes(4) + packet.whole[:28]
            self.send(packet.source, ICMP, icmp(UNREACHABLE, PORT_UNREACHABLE, told), source=packet.destination)

    # -- TCP -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serve(self, port: int, offer: Offer) -> AsyncIterator[list[Ip]]:
        peers: list[Ip] = []
        giving: list[asyncio.Task[None]] = []

        def accept(peer: Peer, mine: Ip) -> Connection:
            peers.append(peer[0])
            ends, send = (peer[2], peer[1]), self._segments(peer[0], mine)
            sender = Sender(send, offer.size or ENDLESS, self.largest, ends, passive=True, rate=offer.rate)
            giving.append(asyncio.create_task(sender.run(), name=f"giving to {peer[0]}"))
            return sender

        with self._listen(port, accept):
            try:
                yield peers
            finally:
                for task in giving:
                    task.cancel()
                await asyncio.gather(*giving, return_exceptions=True)

    @contextmanager
    def _listen(self, port: int, accept: Callable[[Peer, Ip], Connection]) -> Iterator[None]:
        self._listening[port] = accept
        try:
            yield
        finally:
            del self._listening[port]
            self._connections = {peer: each for peer, each in self._connections.items() if peer[2] != port}

    @property
    def largest(self) -> int:
        return self.mtu - HEADERS

    async def fetch(self, address: Ip, port: int, news: Callable[[int], None]) -> None:
        mine = 30000 + next(_numbers) % 30000
        fetcher = Fetcher(self._segments(address, self.source_to(address)), news)
        self._connections[address, port, mine] = fetcher
        try:
            await fetcher.run((mine, port))
        finally:
            del self._connections[address, port, mine]

    async def upload(self, target: Stack, to: Ip, size: int, limit: float) -> float:
        """A TCP stream to `target` at `to`; the seconds it took. Raises TimeoutError, OSError."""
        received: list[int] = []
        ports = 30000 + next(_numbers) % 30000, UPLOAD
        sender = Sender(self._segments(to, self.source_to(to)), size, self.largest, ports)
        self._connections[to, UPLOAD, ports[0]] = sender
        begin = time.monotonic()
        with target._listen(UPLOAD, lambda peer, mine: Receiver(target._segments(peer[0], mine), received.append)):
            try:
                async with asyncio.timeout(limit):
                    await sender.run()
            finally:
                del self._connections[to, UPLOAD, ports[0]]
        if sum(received) != size:
            raise ConnectionError(f"{sum(received)} of {size} bytes arrived")
        return time.monotonic() - begin

    # -- datagrams -------------------------------------------------------------------------------------------------

    @contextmanager
    def _at_port(self, port: int, take: Callable[[Datagram], None]) -> Iterator[None]:
        self._datagrams[port] = take
        try:
            yield
        finally:
            del self._datagrams[port]

    @asynccontextmanager
    async def echo(self, port: int) -> AsyncIterator[list[Ip]]:
        peers: list[Ip] = []

        def send_back(packet: Datagram) -> None:
            peers.append(packet.source)
            theirs = int.from_bytes(packet.body[:2], "big")
            ends = packet.destination, packet.source
            self.send(ends[1], UDP, udp(*ends, (port, theirs), packet.body[8:]), source=ends[0])

        with self._at_port(port, send_back):
            yield peers

    async def ask(self, address: Ip, port: int, count: int, patience: float) -> int:
        if self.route(address) is None:
            return 0
        token, mine = secrets.token_bytes(8), 30000 + next(_numbers) % 30000
        missing = {token + number.to_bytes(4, "big") for number in range(count)}
        source, ports = self.source_to(address), (mine, port)

        def take(packet: Datagram) -> None:
            if packet.source == address and packet.body[:2] == struct.pack("!H", port):
                missing.discard(packet.body[8:])

        with self._at_port(mine, take):
            for payload in sorted(missing):
                self.send(address, UDP, udp(source, address, ports, payload))
            end = time.monotonic() + patience
            while missing and time.monotonic() < end:
                await asyncio.sleep(0.002)
        return count - len(missing)

    async def scatter(self, address: Ip, port: int, flows: int, payload: bytes) -> None:
        if self.route(address) is None:
            return
        source = self.source_to(address)
        for number in range(flows):
            self.send(address, UDP, udp(source, address, (FIRST_PORT + number, port), payload))
            if number % BURST == BURST - 1:
                await asyncio.sleep(0)
