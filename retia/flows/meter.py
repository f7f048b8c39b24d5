"""Meters as values, and as OpenFlow messages: how many packets a second a flow's `Punt` may send up. Pure bytes.

Only what drops packets over a rate is ours; any other form of meter reads as None.
Source: OpenFlow 1.5.1 sections 7.3.4.4 and 7.3.5.14.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

ADD, MODIFY, DELETE = range(3)
ALL = 0xFFFFFFFF
_PACKETS_WITH_BURST = 2 | 4
_DROP = 1


class Meter(NamedTuple):
    """Lets `rate` packets a second pass on the average, `burst` at once."""

    number: int
    rate: int
    burst: int


def meter_mod(command: int, meter: Meter) -> bytes:
    """The body of a METER_MOD."""
    head = struct.pack("!HHI", command, _PACKETS_WITH_BURST, meter.number)
    return head if command == DELETE else head + struct.pack("!HHIIxxxx", _DROP, 16, meter.rate, meter.burst)


def decode_meters(body: bytes) -> Iterator[tuple[int, Meter | None]]:
    """The entries of an OFPMP_METER_DESC reply, by number."""
    place = 0
    while place < len(body):
        size, flags, number = struct.unpack_from("!HHI", body, place)
        ours = flags == _PACKETS_WITH_BURST and size == 24 and body[place + 8 : place + 10] == b"\0\1"
        yield number, Meter(number, *struct.unpack_from("!II", body, place + 12)) if ours else None
        place += size
