"""What tells connections apart: the tuple of a packet, or of the packet that an ICMP error quotes. Called by
`conntrack`; only what is whole and has right checksums has one.

Source: `conn_key_extract` of lib/conntrack.c of Open vSwitch 3.1.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.flows.complaint import ICMP_ERRORS, checksum
from retia.flows.fields import ICMP, TCP, UDP
from retia.flows.packet import Packet

ICMP_QUERIES = {8: 0, 13: 14, 15: 16}
"""Echo, timestamp and information: the type of a query, and that of its answer."""
_TURNED = {**ICMP_QUERIES, **{answer: query for query, answer in ICMP_QUERIES.items()}}
_LEAST = {TCP: 20, UDP: 8, ICMP: 8}
_QUOTED = 8
"""Bytes of its transport header that a quoted packet needs at least."""


class Tuple(NamedTuple):
    """Where packets of one direction come from and go to. Of an ICMP query the ports are identifier and type."""

    zone: int
    protocol: int
    source: int
    target: int
    source_port: int = 0
    target_port: int = 0

    @property
    def reversed(self) -> Tuple:
        """That of the packets that come back, if nothing is translated."""
        return Tuple(self.zone, self.protocol, self.target, self.source, self.target_port, self.source_port)


class Asked(NamedTuple):
    """`is_error`: the tuple is that of answers to the packet that an ICMP error quotes."""

    tuple: Tuple
    is_error: bool = False


def segment(packet: Packet) -> bytes:
    """All behind the IP header, without padding."""
    name = next((name for name in ("tcp", "udp", "icmp") if name in packet.headers), None)
    data = (packet.headers[name] if name else b"") + packet.payload
    head = packet.headers["ip"]
    return data[: int.from_bytes(head[2:4], "big") - len(head)]


def tuple_of(packet: Packet, zone: int) -> Asked | None:
    """None: it is invalid. `packet` is as it was parsed: its fields are those of its headers."""
    if "ip" not in packet.headers or packet.is_fragment or checksum(packet.headers["ip"]):
        return None
    fields, data = packet.fields, segment(packet)
    bare = Tuple(zone, fields["nw_proto"], fields["ip_src"], fields["ip_dst"])
    if not _is_sound(bare, data):
        return None
    if bare.protocol == ICMP and data[0] in ICMP_ERRORS:
        return _quoted(bare, data[8:])
    made = _with_ports(bare, data)
    return None if made is None else Asked(made)


def _is_sound(bare: Tuple, data: bytes) -> bool:
    """Long enough, no longer than it says, and its checksum right."""
    if len(data) < _LEAST.get(bare.protocol, 0):
        return False
    if bare.protocol == ICMP:
        return not checksum(data)
    if bare.protocol == TCP:
        return 20 <= (data[12] >> 4) * 4 <= len(data) and _sums_up(bare, data)
    if bare.protocol == UDP:
        if not 8 <= int.from_bytes(data[4:6], "big") <= len(data):
            return False
        return data[6:8] == b"\0\0" or _sums_up(bare, data)
    return True


def _sums_up(bare: Tuple, data: bytes) -> bool:
    return not checksum(struct.pack("!IIHH", bare.source, bare.target, bare.protocol, len(data)) + data)


def _with_ports(bare: Tuple, data: bytes) -> Tuple | None:
    if bare.protocol == ICMP:
        kind, code, name = data[0], data[1], int.from_bytes(data[4:6], "big")
        if kind not in _TURNED or code:
            return None
        return bare._replace(source_port=name << 8 | kind, target_port=name << 8 | _TURNED[kind])
    if bare.protocol in (TCP, UDP):
        ports = struct.unpack_from("!HH", data)
        return bare._replace(source_port=ports[0], target_port=ports[1]) if all(ports) else None
    return bare


def _quoted(outer: Tuple, quote: bytes) -> Asked | None:
    """Only the sender of what is quoted may be told of it."""
    size = (quote[0] & 15) * 4 if quote else 0
    if not 20 <= size <= len(quote) or int.from_bytes(quote[6:8], "big") & 0x3FFF:
        return None
    source, target = struct.unpack_from("!II", quote, 12)
    inner = Tuple(outer.zone, quote[9], source, target)
    if source != outer.target or (inner.protocol in _LEAST and len(quote) - size < _QUOTED):
        return None
    made = _with_ports(inner, quote[size:])
    return None if made is None else Asked(made.reversed, is_error=True)
