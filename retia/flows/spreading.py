"""Which of several a packet's connection falls to: Open vSwitch's own hash and choice, so that walk and switch agree.

The hash is that of builds for plain x86-64, Debian's: MurmurHash3 over addresses, protocol and ports, each pair xor-ed,
so that both directions of a connection get the same. Called by the walk. Pure.
Sources: lib/flow.c (`flow_hash_symmetric_l3l4`), lib/hash.h, lib/bundle.c and lib/multipath.c of Open vSwitch 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retia.flows.actions import NOBODY_LIVE
from retia.flows.fields import IPV4, TCP, UDP
from retia.flows.packet import Packet
from retia.flows.tuples import segment

Live = Callable[[int], bool]
"""Whether a port exists, is up and, if it has BFD, reaches its peer."""

MOST_WEIGHED = 64
"""Of more than so many, Open vSwitch does not weigh each."""
SCTP, SCTP_HEADER = 132, 12
_WORD = 0xFFFFFFFF


def everything_lives(port: int) -> bool:
    return port > 0


def first_live(members: Sequence[int], live: Live) -> int:
    return next((member for member in members if live(member)), NOBODY_LIVE)


def spread_live(members: Sequence[int], live: Live, packet: Packet) -> int:
    """By highest weight of a member's place: only what a dead one had moves when it dies."""
    key = connection_hash(packet)
    weighed = [(-_hash_two(place, key), place) for place, member in enumerate(members) if live(member)]
    return members[min(weighed)[1]] if weighed else NOBODY_LIVE


def spread(count: int, packet: Packet) -> int:
    """One of 0 to `count` - 1."""
    key = connection_hash(packet)
    if count <= MOST_WEIGHED:
        return min((-_hash_two(key, place), place) for place in range(count))[1]
    size, turn = 1 << (count - 1).bit_length(), 0
    while (found := _hash_two(key, turn) % size) >= count:
        turn += 1
    return found


def connection_hash(packet: Packet) -> int:
    """The same for both directions."""
    fields = packet.fields
    if fields["eth_type"] != IPV4:
        return _link_hash(packet)
    total = _add(_add(0, _swapped(fields["ip_src"] ^ fields["ip_dst"], 4)), fields["nw_proto"])
    if fields["nw_proto"] in (TCP, UDP, SCTP) and not packet.is_fragment:
        total = _add(total, _swapped(_ports(packet), 2))
    return _finish(total)


def _ports(packet: Packet) -> int:
    fields = packet.fields
    for name in ("tcp", "udp"):
        if name in packet.headers:
            return fields[f"{name}_src"] ^ fields[f"{name}_dst"]
    data = segment(packet) if fields["nw_proto"] == SCTP and "ip" in packet.headers else b""
    if len(data) < SCTP_HEADER:
        return 0
    return int.from_bytes(data[:2], "big") ^ int.from_bytes(data[2:4], "big")


def _link_hash(packet: Packet) -> int:
    """Of what is no IPv4: by type, VLAN and both MACs. (IPv6, which Open vSwitch hashes by addresses, is not read.)"""
    fields, tag = packet.fields, packet.headers.get("vlan", bytes(4))[2:]
    data = fields["eth_type"].to_bytes(2, "big") + bytes([tag[0] & 0x0F, tag[1]])
    data += (fields["eth_src"] ^ fields["eth_dst"]).to_bytes(6, "big") + bytes(2)
    total = 0
    for place in (0, 4, 8):
        total = _add(total, int.from_bytes(data[place : place + 4], "little"))
    return _finish(total)


def _swapped(value: int, size: int) -> int:
    """Numbers are hashed as they lie in a packet, read by a little-endian machine."""
    return int.from_bytes(value.to_bytes(size, "big"), "little")


def _add(total: int, word: int) -> int:
    word = word * 0xCC9E2D51 & _WORD
    total ^= _turned(word, 15) * 0x1B873593 & _WORD
    return _turned(total, 13) * 5 + 0xE6546B64 & _WORD


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _WORD


def _finish(total: int) -> int:
    total = (total ^ total >> 16) * 0x85EBCA6B & _WORD
    total = (total ^ total >> 13) * 0xC2B2AE35 & _WORD
    return total ^ total >> 16


def _hash_two(one: int, other: int) -> int:
    return _finish(_add(_add(one, 0), other) ^ 8)
