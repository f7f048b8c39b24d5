"""A frame as fields and back: Ethernet (one VLAN tag), ARP, IPv4 with ICMP, TCP, UDP. For the packet walk.

What it does not know it keeps as payload, byte for byte; the fields of a broken IP or ARP header are 0. A changed
field changes its checksums by the difference, as Open vSwitch does, so that first fragments stay right and wrong
checksums stay wrong.
Sources: RFC 826, 791, 792, 768, 9293, 1624; `flow_extract` of Open vSwitch for what it refuses to look into.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from retia.flows.fields import ARP, ICMP, IPV4, TCP, UDP

VLAN_TYPES = (0x8100, 0x88A8)
ETHERNET_IPV4_ARP = b"\0\1\x08\0\6\4"


@dataclass
class Packet:
    """`fields` by Open vSwitch's names; `headers` as they came, by protocol; `payload` is all behind them."""

    fields: dict[str, int] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    payload: bytes = b""
    is_fragment: bool = False


def parse(frame: bytes) -> Packet:
    """A frame of at least 14 bytes. Raises ValueError for a shorter one."""
    if len(frame) < 14:
        raise ValueError(f"a frame of {len(frame)} bytes has no Ethernet header")
    packet = Packet({"eth_dst": _int(frame[:6]), "eth_src": _int(frame[6:12]), "eth_type": _int(frame[12:14])})
    packet.payload = frame[14:]
    if packet.fields["eth_type"] in VLAN_TYPES and len(frame) >= 18:
        packet.headers["vlan"], packet.payload = frame[12:16], frame[18:]
        packet.fields["eth_type"] = _int(frame[16:18])
    if packet.fields["eth_type"] == ARP:
        _parse_arp(packet)
    elif packet.fields["eth_type"] == IPV4:
        _parse_ip(packet)
    return packet


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _take(packet: Packet, name: str, size: int) -> bytes:
    packet.headers[name], packet.payload = packet.payload[:size], packet.payload[size:]
    return packet.headers[name]


def _parse_arp(packet: Packet) -> None:
    packet.fields.update(dict.fromkeys(("arp_op", "arp_sha", "arp_spa", "arp_tha", "arp_tpa"), 0))
    if len(packet.payload) < 28 or packet.payload[:6] != ETHERNET_IPV4_ARP:
        return
    head = _take(packet, "arp", 28)
    packet.fields.update(arp_op=_int(head[6:8]), arp_sha=_int(head[8:14]), arp_spa=_int(head[14:18]))
    packet.fields.update(arp_tha=_int(head[18:24]), arp_tpa=_int(head[24:28]))


def _parse_ip(packet: Packet) -> None:
    packet.fields.update(dict.fromkeys(("nw_proto", "nw_ttl", "ip_src", "ip_dst"), 0))
    data = packet.payload
    if len(data) < 20:
        return
    size, total = (data[0] & 15) * 4, _int(data[2:4])
    if not 20 <= size <= total <= len(data):
        return
    head = _take(packet, "ip", size)
    packet.fields.update(nw_proto=head[9], nw_ttl=head[8], ip_src=_int(head[12:16]), ip_dst=_int(head[16:20]))
    packet.is_fragment = _int(head[6:8]) & 0x3FFF != 0
    if _int(head[6:8]) & 0x1FFF == 0:
        _parse_transport(packet, total - size)


def _parse_transport(packet: Packet, size: int) -> None:
    proto = packet.fields["nw_proto"]
    if proto == ICMP and size >= 8:
        head = _take(packet, "icmp", 8)
        packet.fields.update(icmp_type=head[0], icmp_code=head[1])
    elif proto == UDP and size >= 8:
        head = _take(packet, "udp", 8)
        packet.fields.update(udp_src=_int(head[:2]), udp_dst=_int(head[2:4]))
    elif proto == TCP and size >= 20:
        head = _take(packet, "tcp", 20)
        packet.fields.update(tcp_src=_int(head[:2]), tcp_dst=_int(head[2:4]))


# -- back to bytes --------------------------------------------------------------------------------------------------


def build(packet: Packet) -> bytes:
    """The frame as a switch would send it: lengths as they came, checksums following the fields."""
    fields, headers = packet.fields, packet.headers
    ethernet = struct.pack("!Q", fields["eth_dst"])[2:] + struct.pack("!Q", fields["eth_src"])[2:]
    ethernet += headers.get("vlan", b"") + struct.pack("!H", fields["eth_type"])
    if "arp" in headers:
        return ethernet + _build_arp(fields, headers["arp"]) + packet.payload
    if "ip" in headers:
        ip = _build_ip(fields, headers["ip"])
        return ethernet + ip + _build_transport(fields, headers, ip) + packet.payload
    return ethernet + packet.payload


def _build_arp(fields: dict[str, int], old: bytes) -> bytes:
    sender = fields["arp_sha"].to_bytes(6, "big") + fields["arp_spa"].to_bytes(4, "big")
    target = fields["arp_tha"].to_bytes(6, "big") + fields["arp_tpa"].to_bytes(4, "big")
    return old[:6] + fields["arp_op"].to_bytes(2, "big") + sender + target


def _build_ip(fields: dict[str, int], old: bytes) -> bytes:
    addresses = struct.pack("!II", fields["ip_src"], fields["ip_dst"])
    new = old[:8] + bytes([fields["nw_ttl"]]) + old[9:12] + addresses + old[20:]
    return new[:10] + adjusted(old[10:12], old, new) + new[12:]


_PORTS = {"udp": (6, struct.Struct("!HH")), "tcp": (16, struct.Struct("!HH")), "icmp": (2, struct.Struct("!BB"))}
"""Where a protocol keeps its checksum, and the form of its first two fields."""


def _build_transport(fields: dict[str, int], headers: dict[str, bytes], ip: bytes) -> bytes:
    name = next((name for name in _PORTS if name in headers), None)
    if name is None:
        return b""
    place, form = _PORTS[name]
    names = ("icmp_type", "icmp_code") if name == "icmp" else (f"{name}_src", f"{name}_dst")
    old = headers[name]
    new = form.pack(*(fields[part] for part in names)) + old[form.size :]
    covered = (b"", b"") if name == "icmp" else (headers["ip"][12:20], ip[12:20])
    checksum = old[place : place + 2]
    if name != "udp" or checksum != b"\0\0":  # a sender may leave UDP without a checksum
        checksum = adjusted(checksum, covered[0] + old, covered[1] + new)
        if name == "udp" and checksum == b"\0\0":
            checksum = b"\xff\xff"
    return new[:place] + checksum + new[place + 2 :]


def adjusted(checksum: bytes, old: bytes, new: bytes) -> bytes:
    """RFC 1624, equation 3: the checksum after the even number of bytes it covers changed from `old` to `new`."""
    if old == new:
        return checksum
    words = struct.Struct(f"!{len(old) // 2}H")
    total: int = ~_int(checksum) & 0xFFFF
    total += sum(~word & 0xFFFF for word in words.unpack(old)) + sum(words.unpack(new))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
