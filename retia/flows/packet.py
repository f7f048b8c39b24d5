"""A frame as fields and back: Ethernet, ARP, IPv4 with ICMP, TCP, UDP. For the packet walk; small on purpose.

What it does not know it keeps as payload, byte for byte. Checksums are computed when a frame is written, so a
field that the walk changed gives the frame a switch would send. Sources: RFC 826, 791, 792, 768, 9293, 1071.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from retia.flows.fields import ARP, ICMP, IPV4, TCP, UDP


@dataclass
class Packet:
    """`fields` by Open vSwitch's names; `raw` holds the headers as they came; `payload` all behind them."""

    fields: dict[str, int] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    payload: bytes = b""

    def copy(self) -> Packet:
        return Packet(dict(self.fields), dict(self.raw), self.payload)


def parse(frame: bytes) -> Packet:
    """A frame of at least 14 bytes. Raises ValueError for a shorter one."""
    if len(frame) < 14:
        raise ValueError(f"a frame of {len(frame)} bytes has no Ethernet header")
    packet = Packet(payload=frame[14:])
    packet.fields.update(eth_dst=_int(frame[:6]), eth_src=_int(frame[6:12]), eth_type=_int(frame[12:14]))
    if packet.fields["eth_type"] == ARP and len(packet.payload) >= 28:
        _parse_arp(packet)
    elif packet.fields["eth_type"] == IPV4 and len(packet.payload) >= 20:
        _parse_ip(packet)
    return packet


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _parse_arp(packet: Packet) -> None:
    head = packet.payload[:8]
    if head[:6] != b"\0\1\x08\0\6\4":
        return
    body = packet.payload[8:28]
    packet.fields.update(arp_op=_int(head[6:8]), arp_sha=_int(body[:6]), arp_spa=_int(body[6:10]))
    packet.fields.update(arp_tha=_int(body[10:16]), arp_tpa=_int(body[16:20]))
    packet.raw["arp"] = head[:6]
    packet.payload = packet.payload[28:]


def _parse_ip(packet: Packet) -> None:
    size = (packet.payload[0] & 15) * 4
    if packet.payload[0] >> 4 != 4 or not 20 <= size <= len(packet.payload):
        return
    head = packet.payload[:size]
    packet.fields.update(nw_proto=head[9], nw_ttl=head[8], ip_src=_int(head[12:16]), ip_dst=_int(head[16:20]))
    packet.raw["ip"] = head
    packet.payload = packet.payload[size:]
    if _int(head[6:8]) & 0x1FFF == 0:
        _parse_transport(packet)


def _parse_transport(packet: Packet) -> None:
    proto, body = packet.fields["nw_proto"], packet.payload
    if proto == ICMP and len(body) >= 8:
        packet.fields.update(icmp_type=body[0], icmp_code=body[1])
        packet.raw["icmp"], packet.payload = body[4:8], body[8:]
    elif proto == UDP and len(body) >= 8:
        packet.fields.update(udp_src=_int(body[:2]), udp_dst=_int(body[2:4]))
        packet.raw["udp"], packet.payload = body[4:8], body[8:]
    elif proto == TCP and len(body) >= 20:
        packet.fields.update(tcp_src=_int(body[:2]), tcp_dst=_int(body[2:4]))
        packet.raw["tcp"], packet.payload = body[4:20], body[20:]


def build(packet: Packet) -> bytes:
    """The frame with lengths as they came and all checksums right."""
    fields, raw = packet.fields, packet.raw
    head = fields["eth_dst"].to_bytes(6, "big") + fields["eth_src"].to_bytes(6, "big")
    head += fields["eth_type"].to_bytes(2, "big")
    if "arp" in raw:
        return head + raw["arp"] + _arp_body(fields) + packet.payload
    if "ip" not in raw:
        return head + packet.payload
    ip = bytearray(raw["ip"])
    ip[8] = fields["nw_ttl"]
    ip[12:20] = struct.pack("!II", fields["ip_src"], fields["ip_dst"])
    ip[10:12] = b"\0\0"
    ip[10:12] = checksum(bytes(ip)).to_bytes(2, "big")
    return head + bytes(ip) + _transport(packet, bytes(ip))


def _arp_body(fields: dict[str, int]) -> bytes:
    sender = fields["arp_sha"].to_bytes(6, "big") + fields["arp_spa"].to_bytes(4, "big")
    target = fields["arp_tha"].to_bytes(6, "big") + fields["arp_tpa"].to_bytes(4, "big")
    return fields["arp_op"].to_bytes(2, "big") + sender + target


def _transport(packet: Packet, ip: bytes) -> bytes:
    fields, raw = packet.fields, packet.raw
    if "icmp" in raw:
        head = struct.pack("!BBH", fields["icmp_type"], fields["icmp_code"], 0)
        body = head + raw["icmp"] + packet.payload
        return body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    if "udp" in raw:
        if raw["udp"][2:4] == b"\0\0":  # a sender may leave UDP without a checksum
            return struct.pack("!HH", fields["udp_src"], fields["udp_dst"]) + raw["udp"] + packet.payload
        body = struct.pack("!HH", fields["udp_src"], fields["udp_dst"]) + raw["udp"][:2] + b"\0\0" + packet.payload
        made = checksum(_pseudo(ip, len(body)) + body) or 0xFFFF
        return body[:6] + made.to_bytes(2, "big") + body[8:]
    if "tcp" in raw:
        rest = raw["tcp"]
        body = (
            struct.pack("!HH", fields["tcp_src"], fields["tcp_dst"]) + rest[:12] + b"\0\0" + rest[14:] + packet.payload
        )
        made = checksum(_pseudo(ip, len(body)) + body)
        return body[:16] + made.to_bytes(2, "big") + body[18:]
    return packet.payload


def _pseudo(ip: bytes, size: int) -> bytes:
    return ip[12:20] + struct.pack("!BBH", 0, ip[9], size)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
