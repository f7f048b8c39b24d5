"""What `reach` sends: an ARP request, an echo, the first packets of a TCP or UDP conversation; and what answers them.

Checksums are right: connections of packets with wrong ones are not tracked.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.flows.complaint import checksum
from retia.flows.fields import ARP, ICMP, IPV4, TCP, UDP
from retia.flows.packet import adjusted, build, parse
from retia.values import Ip, Mac

BROADCAST = (1 << 48) - 1
CLIENT = 40000
REQUEST, REPLY = 1, 2
TTL = 64
_SYN, _SYN_ACK, _FLAGS = 0x02, 0x12, 13
_SWAPPED = (("eth_src", "eth_dst"), ("ip_src", "ip_dst"), ("tcp_src", "tcp_dst"), ("udp_src", "udp_dst"))
_CHECKSUMS = {ICMP: 2, TCP: 16, UDP: 6}
_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}


class Probe(NamedTuple):
    """`port` is the server's, for TCP and UDP."""

    protocol: int = ICMP
    port: int = 0

    def __str__(self) -> str:
        return _NAMES[self.protocol] + (f" {self.port}" if self.port else "")

    def body(self) -> bytes:
        """The transport header of the request; its checksum is 0."""
        if self.protocol == TCP:
            return struct.pack("!HHIIBBHHH", CLIENT, self.port, 1, 0, 5 << 4, _SYN, 0xFFFF, 0, 0)
        if self.protocol == UDP:
            return struct.pack("!HHHH", CLIENT, self.port, 8, 0)
        return struct.pack("!BBHHH", 8, 0, 0, 1, 1)


class Addresses(NamedTuple):
    """Of one packet."""

    source_mac: Mac
    destination_mac: Mac
    source: Ip
    destination: Ip


def packet(ends: Addresses, probe: Probe) -> bytes:
    body = probe.body()
    addresses = struct.pack("!II", ends.source, ends.destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, TTL, probe.protocol, 0) + addresses
    covered = b"" if probe.protocol == ICMP else addresses + struct.pack("!HH", probe.protocol, len(body))
    body = _summed(body, _CHECKSUMS[probe.protocol], covered)
    return _ethernet(ends.destination_mac, ends.source_mac, IPV4) + _summed(head, 10) + body


def _summed(data: bytes, place: int, covered: bytes = b"") -> bytes:
    """With its checksum, over itself and what it covers besides."""
    return data[:place] + struct.pack("!H", checksum(covered + data)) + data[place + 2 :]


def answer(frame: bytes) -> bytes:
    """What whoever got a request says, to the MAC that it came from."""
    got = parse(frame)
    for one, other in _SWAPPED:
        if one in got.fields:
            got.fields[one], got.fields[other] = got.fields[other], got.fields[one]
    if "icmp" in got.headers:
        got.fields["icmp_type"] = 0
    if "tcp" in got.headers:
        old = got.headers["tcp"]
        new = old[:_FLAGS] + bytes([_SYN_ACK]) + old[_FLAGS + 1 :]
        got.headers["tcp"] = new[:16] + adjusted(old[16:18], old, new) + new[18:]
    got.fields["nw_ttl"] = TTL
    return build(got)


def arp_request(mac: Mac, address: Ip, asked: Ip) -> bytes:
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, REQUEST)
    sender = struct.pack("!Q", mac)[2:] + struct.pack("!I", address)
    return _ethernet(BROADCAST, mac, ARP) + head + sender + bytes(6) + struct.pack("!I", asked)


def _ethernet(destination: int, source: int, kind: int) -> bytes:
    return struct.pack("!Q", destination)[2:] + struct.pack("!Q", source)[2:] + struct.pack("!H", kind)
