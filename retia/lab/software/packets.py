"""IPv4, ICMP, TCP and Geneve as bytes, for software guests and the software underlay. Built and read from scratch, so
that a guest judges what it gets by the RFCs and not by the code that made it; as a kernel does, it takes no packet with
a wrong checksum. Sources: RFC 791, 792, 9293, 8926.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.lab.frames import GENEVE, IPV4, UDP, checksum, ethernet
from retia.values import Ip, Ip4, Mac

ICMP, TCP = 1, 6
ECHO_REPLY, UNREACHABLE, ECHO_REQUEST = 0, 3, 8
PORT_UNREACHABLE = 3
SYN, ACK, FIN = 0x02, 0x10, 0x01


class Datagram(NamedTuple):
    """An IPv4 packet; `body` is all behind its header, `whole` the packet itself."""

    source: Ip
    destination: Ip
    protocol: int
    body: bytes
    ttl: int = 64
    whole: bytes = b""

    def pack(self) -> bytes:
        addresses = struct.pack("!II", self.source, self.destination)
        size = 20 + len(self.body)
        head = struct.pack("!BBHHHBBH", 0x45, 0, size, 1, 0, self.ttl, self.protocol, 0) + addresses
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + self.body


def parse_datagram(frame: bytes) -> Datagram | None:
    """The IPv4 packet in a frame, when a kernel would take it: whole, no fragment, checksums right."""
    if len(frame) < 34 or frame[12:14] != struct.pack("!H", IPV4) or frame[14] >> 4 != 4:
        return None
    start = (frame[14] & 15) * 4
    total, fragment = struct.unpack_from("!H2xH", frame, 16)
    packet = frame[14 : 14 + total]
    if len(packet) < total or not 20 <= start <= total or fragment & 0x3FFF or checksum(packet[:start]):
        return None
    source, destination = struct.unpack_from("!II", packet, 12)
    found = Datagram(Ip4(source), Ip4(destination), packet[9], packet[start:], packet[8], packet)
    return found if _body_is_right(found) else None


def _body_is_right(packet: Datagram) -> bool:
    if packet.protocol == ICMP:
        return len(packet.body) >= 8 and checksum(packet.body) == 0
    if packet.protocol == UDP and packet.body[6:8] == b"\0\0":
        return len(packet.body) >= 8
    if packet.protocol in (UDP, TCP):
        return len(packet.body) >= 8 and checksum(pseudo(packet) + packet.body) == 0
    return True


def pseudo(packet: Datagram) -> bytes:
    """The pseudo header that the checksums of UDP and TCP cover."""
    return struct.pack("!IIHH", packet.source, packet.destination, packet.protocol, len(packet.body))


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    """An ICMP message; `rest` begins with its second word."""
    head = struct.pack("!BBH", kind, code, 0)
    return head[:2] + struct.pack("!H", checksum(head + rest)) + rest


class Segment(NamedTuple):
    """A TCP segment without options."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledged: int
    flags: int
    data: bytes = b""

    def pack(self, source: Ip, destination: Ip) -> bytes:
        head = struct.pack("!HHIIBBHHH", *self[:4], 5 << 4, self.flags, 0xFFFF, 0, 0)
        covered = pseudo(Datagram(source, destination, TCP, head + self.data)) + head + self.data
        return head[:16] + struct.pack("!H", checksum(covered)) + head[18:] + self.data


def parse_segment(body: bytes) -> Segment:
    source, destination, sequence, acknowledged = struct.unpack_from("!HHII", body)
    return Segment(source, destination, sequence, acknowledged, body[13], body[(body[12] >> 4) * 4 :])


def udp(source: Ip, destination: Ip, ports: tuple[int, int], payload: bytes) -> bytes:
    """A UDP datagram for between these addresses."""
    body = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    covered = pseudo(Datagram(source, destination, UDP, body)) + body
    return body[:6] + struct.pack("!H", checksum(covered) or 0xFFFF) + body[8:]


def geneve(source: Ip, destination: Ip, vni: int, option: int, frame: bytes) -> bytes:
    """A tunnel packet as the underlay carries it: one option of 64 bits, as Retia's pipeline has."""
    head = struct.pack("!BBHIHBB", 4 >> 1 | 3, 0, 0x6558, vni << 8, 0xFFFF, 0, 2) + struct.pack("!Q", option)
    body = struct.pack("!HHHH", 40000, GENEVE, 8 + len(head) + len(frame), 0) + head + frame
    return ethernet(Mac(0x02), Mac(0x03), IPV4, Datagram(source, destination, UDP, body).pack())
