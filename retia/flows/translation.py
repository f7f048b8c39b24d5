"""Addresses and ports of a packet as a connection's translation has them, and those of a packet quoted in an ICMP
error. Called by `conntrack`.

Source: `nat_packet` and `nat_inner_packet` of lib/conntrack.c of Open vSwitch 3.1.
"""

from __future__ import annotations

import struct
from typing import Protocol

from retia.flows.complaint import checksum
from retia.flows.fields import CT_STATES, TCP, UDP
from retia.flows.packet import Packet, adjusted
from retia.flows.tuples import Tuple, segment

_CHECKSUM = {TCP: 16, UDP: 6}


class Translated(Protocol):
    """A connection, as far as it matters here."""

    forward: Tuple
    reverse: Tuple
    source: bool | None


def rewrite(packet: Packet, connection: Translated, is_reply: bool, is_error: bool) -> int:
    """Translate a packet of a connection, as far as it has a translation; which bit of ct_state that sets."""
    if connection.source is None:
        return 0
    wanted = (connection.forward if is_reply else connection.reverse).reversed
    changes_source = connection.source != is_reply
    if changes_source:
        packet.fields["ip_src"] = wanted.source
    else:
        packet.fields["ip_dst"] = wanted.target
    if is_error:
        _rewrite_quote(packet, wanted.reversed, not changes_source)
    for name in ("tcp", "udp"):
        if name in packet.headers:
            packet.fields.update({f"{name}_src": wanted.source_port, f"{name}_dst": wanted.target_port})
    return CT_STATES["snat"] if changes_source else CT_STATES["dnat"]


def _rewrite_quote(packet: Packet, wanted: Tuple, changes_source: bool) -> None:
    """The quoted packet went the other way than the error; the error's checksum is made anew."""
    data = segment(packet)
    quote, padding = data[8:], packet.payload[len(data) - 8 :]
    size = (quote[0] & 15) * 4
    head = _with_address(quote[:size], wanted, changes_source)
    quote = head + _with_ports(quote[size:], wanted, quote[12:20], head[12:20])
    error = data[:2] + bytes(2) + data[4:8]
    packet.headers["icmp"] = error[:2] + struct.pack("!H", checksum(error + quote)) + error[4:]
    packet.payload = quote + padding


def _with_address(head: bytes, wanted: Tuple, changes_source: bool) -> bytes:
    source, target = head[12:16], head[16:20]
    if changes_source:
        source = wanted.source.to_bytes(4, "big")
    else:
        target = wanted.target.to_bytes(4, "big")
    made = head[:12] + source + target + head[20:]
    return made[:10] + adjusted(head[10:12], head, made) + made[12:]


def _with_ports(data: bytes, wanted: Tuple, old: bytes, new: bytes) -> bytes:
    """`old` and `new`: the addresses, which the checksum covers as well, if it is quoted."""
    place = _CHECKSUM.get(wanted.protocol)
    if place is None:
        return data
    made = struct.pack("!HH", wanted.source_port, wanted.target_port) + data[4:]
    total = data[place : place + 2]
    if len(total) < 2 or (wanted.protocol == UDP and total == b"\0\0"):
        return made
    total = adjusted(total, old + data[:4], new + made[:4])
    if wanted.protocol == UDP and total == b"\0\0":
        total = b"\xff\xff"
    return made[:place] + total + made[place + 2 :]
