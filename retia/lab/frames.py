"""Frames as bytes, built from scratch with their checksums, so that a lab judges by the RFCs, not by our own code.

Sources: IEEE 802.3 (0x88b5 is its ethertype for trials), RFC 826 (ARP), 791 (IPv4), 768 (UDP), 1071 (checksum).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from retia.values import Ip, Ip4, Mac

IPV4, ARP, TRIAL = 0x0800, 0x0806, 0x88B5
BROADCAST = Mac((1 << 48) - 1)
ICMP, UDP = 1, 17
GENEVE, BFD = 6081, 3784
PORTS = (40000, 40009)
ARP_LENGTH, SHORTEST = 42, 60
"""Bytes of an ARP frame, and of the shortest frame that Ethernet carries."""


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Frame:
    """Ethernet with `payload` in it: in UDP in IPv4 when there are addresses, else bare with the trial ethertype."""

    destination_mac: Mac
    source_mac: Mac
    payload: bytes
    source: Ip | None = None
    destination: Ip | None = None
    ttl: int = 64

    def pack(self) -> bytes:
        if self.source is None or self.destination is None:
            return ethernet(self.destination_mac, self.source_mac, TRIAL, self.payload)
        return ethernet(self.destination_mac, self.source_mac, IPV4, self._packet(self.source, self.destination))

    def _packet(self, source: Ip, destination: Ip) -> bytes:
        addresses = struct.pack("!II", source, destination)
        udp = struct.pack("!HHHH", *PORTS, 8 + len(self.payload), 0) + self.payload
        pseudo = addresses + struct.pack("!HH", UDP, len(udp))
        udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, self.ttl, UDP, 0) + addresses
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def ethernet(destination: Mac, source: Mac, kind: int, payload: bytes) -> bytes:
    """Padded to Ethernet's shortest frame."""
    head = struct.pack("!Q", destination)[2:] + struct.pack("!Q", source)[2:] + struct.pack("!H", kind)
    return (head + payload).ljust(SHORTEST, b"\0")


class Arp(NamedTuple):
    """An ARP packet: who says what to whom."""

    operation: int
    sender_mac: Mac
    sender: Ip
    target_mac: Mac
    target: Ip

    def pack(self, destination: Mac) -> bytes:
        head = struct.pack("!HHBBH", 1, IPV4, 6, 4, self.operation)
        sender = struct.pack("!Q", self.sender_mac)[2:] + struct.pack("!I", self.sender)
        target = struct.pack("!Q", self.target_mac)[2:] + struct.pack("!I", self.target)
        return ethernet(destination, self.sender_mac, ARP, head + sender + target)


def parse_arp(frame: bytes) -> Arp | None:
    """The ARP packet in a frame, if there is one."""
    if len(frame) < ARP_LENGTH or frame[12:14] != struct.pack("!H", ARP):
        return None
    (operation,) = struct.unpack("!H", frame[20:22])
    macs = [Mac(int.from_bytes(frame[place : place + 6], "big")) for place in (22, 32)]
    addresses = [Ip4(int.from_bytes(frame[place : place + 4], "big")) for place in (28, 38)]
    return Arp(operation, macs[0], addresses[0], macs[1], addresses[1])


def is_geneve(frame: bytes) -> bool:
    """Whether a frame of the underlay is a tunnel packet."""
    if len(frame) < 38 or frame[12:14] != b"\x08\x00" or frame[23] != UDP:
        return False
    start = 14 + (frame[14] & 15) * 4
    return frame[start + 2 : start + 4] == struct.pack("!H", GENEVE)


def carried(frame: bytes) -> bytes | None:
    """The guest's frame in a frame of the underlay, if that is a tunnel packet with one in it: not BFD (RFC 5881)."""
    if not is_geneve(frame):
        return None
    geneve = 14 + (frame[14] & 15) * 4 + 8
    inner = frame[geneve + 8 + (frame[geneve] & 63) * 4 :]
    ports = 14 + (inner[14] & 15) * 4 if len(inner) > 14 else 0
    is_udp = len(inner) >= 38 and inner[12:14] == struct.pack("!H", IPV4) and inner[23] == UDP
    return None if is_udp and inner[ports + 2 : ports + 4] == struct.pack("!H", BFD) else inner


def echo_source(frame: bytes, token: bytes) -> Ip | None:
    """Who sent it, when it is an ICMP echo request that begins with `token`."""
    if len(frame) < 42 or frame[12:14] != struct.pack("!H", IPV4) or frame[23] != ICMP:
        return None
    start = 14 + (frame[14] & 15) * 4
    if frame[start] != 8 or frame[start + 8 : start + 8 + len(token)] != token:
        return None
    return Ip4(int.from_bytes(frame[26:30], "big"))


def is_icmp_error(frame: bytes) -> bool:
    """Whether a frame is an ICMP error (RFC 792), which quotes another packet."""
    if len(frame) < 35 or frame[12:14] != b"\x08\x00" or frame[23] != ICMP:
        return False
    return frame[14 + (frame[14] & 15) * 4] in (3, 11)


def difference(wanted: bytes, got: bytes) -> str:
    """Where two frames differ, for people."""
    if len(wanted) != len(got):
        return f"{len(got)} bytes instead of {len(wanted)}: {got[:64].hex()} instead of {wanted[:64].hex()}"
    place = next((index for index, pair in enumerate(zip(wanted, got, strict=True)) if pair[0] != pair[1]), 0)
    return f"differs from byte {place} on: {got[:64].hex()} instead of {wanted[:64].hex()}"
