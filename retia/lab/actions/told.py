"""A step that sends what a router will not carry, and hears what the sender is told: ICMP errors, resets, or nothing.

Packets are built from scratch and what is heard is judged by the RFCs (791, 792, 1191, 9293), byte for byte where they
say so. Used by `step`; never looks at flows.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from retia.lab.failure import CheckFailed
from retia.lab.frames import IPV4, PORTS, checksum, ethernet
from retia.lab.words import MacTarget, StationName, Target

if TYPE_CHECKING:
    from retia.lab.contract import Tap
    from retia.lab.lab import Lab

PATIENCE, SILENCE = 1.0, 0.4
"""Seconds: until an answer counts as missing, and how long nothing is listened to."""

Protocol = Literal["udp", "tcp", "sctp", "icmp-error"]
_NUMBERS = {"icmp-error": 1, "tcp": 6, "udp": 17, "sctp": 132}
_SAYINGS = {
    "time-exceeded": (11, 0),
    "net-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "fragmentation-needed": (3, 4),
}
What = Literal[
    "time-exceeded",
    "net-unreachable",
    "host-unreachable",
    "protocol-unreachable",
    "port-unreachable",
    "fragmentation-needed",
    "reset",
    "nothing",
]


class _Heard(NamedTuple):
    """An IPv4 packet that came to the guest."""

    source: int
    protocol: int
    head: bytes
    body: bytes


@dataclass(frozen=True)
class Told:
    """`count` packets from a guest: `what` its router at `by` says of each, or of as many as `at_most` allows."""

    from_: StationName
    to_mac: MacTarget
    ip: Target
    what: What
    by: Target | None = None
    ttl: int = 64
    size: int = 60
    protocol: Protocol = "udp"
    mtu: int = 0
    count: int = 1
    at_most: int | None = None

    async def run(self, lab: Lab) -> str:
        packet = self._packet(lab)
        frame = ethernet(lab.mac_of(self.to_mac), lab.mac_of(self.from_), IPV4, packet)
        with lab.station(self.from_).tap() as tap:
            heard = await self._send(tap, frame, packet)
        if self.what == "nothing":
            if heard:
                raise CheckFailed(f"{self.from_} is told {_show(heard[0])}")
            return "nothing is said"
        most = self.count if self.at_most is None else self.at_most
        if not 0 < len(heard) <= most or (self.at_most is None and len(heard) < self.count):
            raise CheckFailed(f"{self.from_} is told {len(heard)} times of {self.count} packets, expected {most}")
        for one in heard:
            self._judge(lab, one, packet)
        return f"{self.what}" + (f", {len(heard)} times for {self.count} packets" if self.count > 1 else "")

    def _packet(self, lab: Lab) -> bytes:
        token = secrets.token_bytes(8)
        bodies = {
            "udp": struct.pack("!HHHH", *PORTS, self.size - 20, 0),
            "tcp": struct.pack("!HHIIBBHHH", *PORTS, 1000, 0, 5 << 4, 2, 100, 0, 0),
            "icmp-error": struct.pack("!BBHI", 3, 1, 0, 0),
            "sctp": struct.pack("!HHI", *PORTS, 0),
        }
        body = (bodies[self.protocol] + (b"" if self.protocol == "tcp" else token)).ljust(self.size - 20, b".")
        body = body[:20] if self.protocol == "tcp" else body
        addresses = struct.pack("!II", lab.address_of(self.from_), lab.address_of(self.ip))
        number = _NUMBERS[self.protocol]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, self.ttl, number, 0) + addresses
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body

    async def _send(self, tap: Tap, frame: bytes, packet: bytes) -> list[_Heard]:
        heard: list[_Heard] = []
        for number in range(self.count):
            tap.send(frame)
            if number % 50 == 49:
                await asyncio.sleep(0.002)
                heard += [one for one in _packets(tap) if _is_about(one, packet)]
        end = time.monotonic() + (SILENCE if self.what == "nothing" or self.at_most else PATIENCE)
        while time.monotonic() < end and (self.what == "nothing" or len(heard) < self.count):
            heard += [one for one in _packets(tap) if _is_about(one, packet)]
            await asyncio.sleep(0.005)
        return heard

    def _judge(self, lab: Lab, one: _Heard, packet: bytes) -> None:
        if self.by is not None and one.source != int(lab.address_of(self.by)):
            raise CheckFailed(f"{self.from_} is told by {_dotted(one.source)}, expected {self.by}")
        if checksum(one.head):
            raise CheckFailed("the answer's IP checksum is wrong")
        if self.what == "reset":
            _judge_reset(one, packet)
            return
        kind, code, _, _, mtu = struct.unpack_from("!BBHHH", one.body)
        if (kind, code, mtu) != (*_SAYINGS[self.what], self.mtu):
            raise CheckFailed(f"{self.from_} is told {_show(one)}, expected {self.what} {self.mtu or ''}")
        if checksum(one.body):
            raise CheckFailed("the answer's ICMP checksum is wrong")
        quote = one.body[8:]
        same = quote[:8] == packet[:8] and quote[9:10] == packet[9:10] and quote[12:] == packet[12 : len(quote)]
        if not same or len(quote) < 28:
            raise CheckFailed(f"the answer quotes another packet: {quote.hex()} instead of {packet.hex()}")


def _judge_reset(one: _Heard, packet: bytes) -> None:
    source, target, sequence, acknowledged, _, flags = struct.unpack_from("!HHIIBB", one.body)
    (sent,) = struct.unpack_from("!I", packet, 24)
    if (source, target, sequence, acknowledged, flags) != (PORTS[1], PORTS[0], 0, sent + 1, 0x14):
        raise CheckFailed(f"the reset does not fit the request: {one.body.hex()}")
    pseudo = one.head[12:20] + struct.pack("!HH", 6, len(one.body))
    if checksum(pseudo + one.body):
        raise CheckFailed("the reset's checksum is wrong")


def _packets(tap: Tap) -> Iterator[_Heard]:
    for frame in tap.received():
        if len(frame) >= 34 and frame[12:14] == struct.pack("!H", IPV4):
            size, (total,) = (frame[14] & 15) * 4, struct.unpack_from("!H", frame, 16)
            (source,) = struct.unpack_from("!I", frame, 26)
            yield _Heard(source, frame[23], frame[14 : 14 + size], frame[14 + size : 14 + total])


def _is_about(one: _Heard, packet: bytes) -> bool:
    """An ICMP error that quotes the packet, or a TCP segment back."""
    if one.protocol == 1:
        return one.body[0] in (3, 11) and one.body[20:28] == packet[12:20] and one.body[17:18] == packet[9:10]
    return one.protocol == 6 and packet[9] == 6 and one.head[12:16] == packet[16:20]


def _show(one: _Heard) -> str:
    said = {pair: name for name, pair in _SAYINGS.items()}
    what = said.get((one.body[0], one.body[1]), f"type {one.body[0]}") if one.protocol == 1 else "by TCP"
    return f"{what} by {_dotted(one.source)}"


def _dotted(address: int) -> str:
    return ".".join(map(str, address.to_bytes(4, "big")))


ACTIONS: dict[str, type] = {"told": Told}
