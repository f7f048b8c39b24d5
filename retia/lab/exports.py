"""Flow records and packet samples as collectors read them, by the standards: IPFIX (RFC 7011), sFlow version 5."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from retia.errors import InvalidInput

IPFIX_VERSION, SFLOW_VERSION = 10, 5
TEMPLATES, OPTION_TEMPLATES, FIRST_DATA = 2, 3, 256
VARIABLE = 0xFFFF
ENTERPRISE = 0x8000
FLOW_SAMPLES = (1, 3)


@dataclass
class IpfixReader:
    """`templates` by domain and number: the lengths of a record's fields. Those of options are not flows: None. Who
    begins to listen late may not hear a template for long: a set of an unknown one counts as one record."""

    templates: dict[tuple[int, int], tuple[int, ...] | None] = field(default_factory=dict)

    def records(self, message: bytes) -> int:
        """Data records in a message. Raises InvalidInput for what is no IPFIX."""
        if len(message) < 16:
            raise InvalidInput("a message of less than a header")
        version, length, _, _, domain = struct.unpack_from("!HHIII", message)
        if version != IPFIX_VERSION or length != len(message):
            raise InvalidInput(f"version {version}, {length} of {len(message)} bytes: this is no IPFIX")
        place, found = 16, 0
        while place + 4 <= length:
            number, size = struct.unpack_from("!HH", message, place)
            if size < 4 or place + size > length:
                raise InvalidInput(f"a set of {size} bytes")
            found += self._set(domain, number, message[place + 4 : place + size])
            place += size
        return found

    def _set(self, domain: int, number: int, body: bytes) -> int:
        if number in (TEMPLATES, OPTION_TEMPLATES):
            self._learn(domain, body, number == OPTION_TEMPLATES)
            return 0
        lengths = self.templates.get((domain, number), ())
        if number < FIRST_DATA or lengths is None:
            return 0
        return _count(lengths, body) if lengths else 1

    def _learn(self, domain: int, body: bytes, options: bool) -> None:
        place = 0
        while place + 4 <= len(body):
            number, count = struct.unpack_from("!HH", body, place)
            place += 6 if options and count else 4
            lengths = []
            for _ in range(count):
                kind, length = struct.unpack_from("!HH", body, place)
                place += 8 if kind & ENTERPRISE else 4
                lengths.append(length)
            self.templates[domain, number] = None if options else tuple(lengths)


def _count(lengths: tuple[int, ...], body: bytes) -> int:
    """Records of a set; what is left behind the last is padding."""
    shortest = sum(1 if length == VARIABLE else length for length in lengths)
    place = found = 0
    while place + shortest <= len(body):
        for length in lengths:
            place += _size(body, place) if length == VARIABLE else length
        found += place <= len(body)
    return found


def _size(body: bytes, place: int) -> int:
    """Of a field of variable length, with its length before it. Behind the end there is none."""
    if place >= len(body):
        return len(body)
    if body[place] < 255:
        return 1 + body[place]
    return 3 + int.from_bytes(body[place + 1 : place + 3], "big")


def sflow_samples(message: bytes) -> int:
    """Flow samples in a datagram; counters are none. Raises InvalidInput for what is no sFlow."""
    try:
        version, family = struct.unpack_from("!II", message)
        place = 8 + (4 if family == 1 else 16) + 12
        (samples,) = struct.unpack_from("!I", message, place)
        if version != SFLOW_VERSION:
            raise InvalidInput(f"version {version}: this is no sFlow")
        place += 4
        found = 0
        for _ in range(samples):
            kind, length = struct.unpack_from("!II", message, place)
            found += kind in FLOW_SAMPLES
            place += 8 + length
    except struct.error:
        raise InvalidInput("a datagram that ends too early") from None
    return found
