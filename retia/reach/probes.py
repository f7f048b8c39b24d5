"""What `reach` sends: an ARP request, an echo, the first packets of a TCP or UDP conversation; and what answers them.

Checksums are left 0: flows do not look at them, and the walk changes them by the difference.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.flows.fields import ARP, ICMP, IPV4, TCP, UDP
from retia.values import Ip, Mac

BROADCAST = (1 << 48) - 1
CLIENT = 40000
_SYN, _SYN_ACK = 0x02, 0x12
_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}


class Probe(NamedTuple):
    """`port` is the server's, for TCP and UDP."""

    protocol: int = ICMP
    port: int = 0

    def __str__(self) -> str:
        return _NAMES[self.protocol] + (f" {self.port}" if self.port else "")

    def body(self, reply: bool) -> bytes:
        """The transport header of the request, or of its answer."""
        ports = (self.port, CLIENT) if reply else (CLIENT, self.port)
        if self.protocol == TCP:
            return struct.pack("!HHIIBBHHH", *ports, 1, 1, 5 << 4, _SYN_ACK if reply else _SYN, 0xFFFF, 0, 0)
        if self.protocol == UDP:
            return struct.pack("!HHHH", *ports, 8, 0)
        return struct.pack("!BBHHH", 0 if reply else 8, 0, 0, 1, 1)


class Addresses(NamedTuple):
    """Of one packet."""

    source_mac: Mac
    destination_mac: Mac
    source: Ip
    destination: Ip


def packet(ends: Addresses, probe: Probe, reply: bool) -> bytes:
    body = probe.body(reply)
    addresses = struct.pack("!II", ends.source, ends.destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, probe.protocol, 0)
    return _ethernet(ends.destination_mac, ends.source_mac, IPV4) + head + addresses + body


def arp_request(mac: Mac, address: Ip, asked: Ip) -> bytes:
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1)
    sender = struct.pack("!Q", mac)[2:] + struct.pack("!I", address)
    return _ethernet(BROADCAST, mac, ARP) + head + sender + bytes(6) + struct.pack("!I", asked)


def _ethernet(destination: int, source: int, kind: int) -> bytes:
    return struct.pack("!Q", destination)[2:] + struct.pack("!Q", source)[2:] + struct.pack("!H", kind)
