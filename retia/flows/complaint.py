"""What a router says of a packet it cannot carry: an ICMP error, or a reset for TCP. Pure bytes in, bytes out.

Nothing is ever said of ICMP errors, of resets, of later fragments, nor to or about what is no single station.
Sources: RFC 792, 1122 section 3.2.2, 1191, 1812 sections 4.3.2 and 5.2.7, 9293 section 3.10.7.1, 1071.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.flows.fields import ICMP, IPV4, TCP, UDP

QUOTE_LIMIT = 576 - 28
"""Bytes of the packet that an error quotes: with its own headers it stays within what every host takes."""
START_TTL = 64
CONTROL_TOS = 0xC0
"""Precedence 6, internetwork control (RFC 1812 section 4.3.2.5)."""
ICMP_ERRORS = (3, 4, 5, 11, 12)
"""Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 1122 section 3.2.2)."""
FIN, SYN, RST, ACK = 1, 2, 4, 16
_IP = struct.Struct("!BBHHHBBHII")
_TCP = struct.Struct("!HHIIBBHHH")


class Error(NamedTuple):
    """An ICMP error's type and code."""

    kind: int
    code: int


TIME_EXCEEDED = Error(11, 0)
NET_UNREACHABLE = Error(3, 0)
HOST_UNREACHABLE = Error(3, 1)
PROTOCOL_UNREACHABLE = Error(3, 2)
PORT_UNREACHABLE = Error(3, 3)
FRAGMENTATION_NEEDED = Error(3, 4)


class Original(NamedTuple):
    """A packet that something is said of: its IP header and all behind it, without padding."""

    source: int
    target: int
    protocol: int
    head: bytes
    payload: bytes


def original_of(frame: bytes) -> Original | None:
    """The packet in a frame, if anything may be said of it."""
    if len(frame) < 34 or frame[12:14] != IPV4.to_bytes(2, "big") or frame[14] >> 4 != 4 or frame[0] & 1:
        return None
    size, total = (frame[14] & 15) * 4, int.from_bytes(frame[16:18], "big")
    if not 20 <= size <= total <= len(frame) - 14:
        return None
    head, payload = frame[14 : 14 + size], frame[14 + size : 14 + total]
    source, target = struct.unpack_from("!II", head, 12)
    found = Original(source, target, head[9], head, payload)
    is_later_fragment = int.from_bytes(head[6:8], "big") & 0x1FFF
    speakable = _is_station(source) and _is_station(target) and not is_later_fragment and not _is_error(found)
    return found if speakable else None


def _is_station(address: int) -> bool:
    """Not this network, loopback, multicast, reserved or broadcast."""
    return address >> 24 not in (0, 127) and address >> 29 != 7


def _is_error(packet: Original) -> bool:
    """An ICMP error, or ICMP cut so short that it may be one."""
    return packet.protocol == ICMP and (not packet.payload or packet.payload[0] in ICMP_ERRORS)


def error(packet: Original, speaker: int, what: Error, mtu: int = 0) -> bytes:
    """The frame (with no MACs yet) of an ICMP error from `speaker` to the packet's source."""
    quote = (packet.head + packet.payload)[:QUOTE_LIMIT]
    body = struct.pack("!BBHHH", what.kind, what.code, 0, 0, mtu) + quote
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return _frame(speaker, packet.source, ICMP, CONTROL_TOS, body)


def refusal(packet: Original) -> bytes | None:
    """What the router, to which the packet is addressed, answers: a reset for TCP, port unreachable for UDP, protocol
    unreachable for the rest. Nothing for ICMP: a query the router does not know is dropped."""
    if packet.protocol == ICMP:
        return None
    if packet.protocol == TCP:
        return _reset(packet)
    return error(packet, packet.target, PORT_UNREACHABLE if packet.protocol == UDP else PROTOCOL_UNREACHABLE)


def _reset(packet: Original) -> bytes | None:
    if len(packet.payload) < 20:
        return None
    source, target, sequence, acknowledged, offset, flags, *_ = _TCP.unpack_from(packet.payload)
    if flags & RST:
        return None
    length = max(0, len(packet.payload) - (offset >> 4) * 4) + bool(flags & SYN) + bool(flags & FIN)
    told = (acknowledged, 0, RST) if flags & ACK else (0, (sequence + length) & 0xFFFFFFFF, RST | ACK)
    segment = _TCP.pack(target, source, told[0], told[1], 5 << 4, told[2], 0, 0, 0)
    pseudo = struct.pack("!IIHH", packet.target, packet.source, TCP, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    return _frame(packet.target, packet.source, TCP, 0, segment)


def _frame(source: int, target: int, protocol: int, tos: int, body: bytes) -> bytes:
    head = _IP.pack(0x45, tos, 20 + len(body), 0, 0, START_TTL, protocol, 0, source, target)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return bytes(12) + IPV4.to_bytes(2, "big") + head + body


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
