"""How fields are numbered on the wire: OXM and NXM headers, and back. Shared by the encoders; pure bytes.

Sources: OpenFlow 1.5.1 section 7.2.3; nicira-ext.h for `nx_ofs_nbits`.
"""

from __future__ import annotations

import struct

from retia.flows.fields import FIELDS, Field, Subfield

_HEADER = struct.Struct("!HBB")


def _codes(field: Field) -> tuple[int, bytes, bytes, int]:
    """The full mask, the OXM headers of an exact and of a masked match, and the bytes of a value."""
    size = field.octets
    exact = _HEADER.pack(field.oxm_class, field.oxm_field << 1, size)
    return field.full, exact, _HEADER.pack(field.oxm_class, field.oxm_field << 1 | 1, 2 * size), size


CODES = {name: _codes(field) for name, field in FIELDS.items()}
BY_OXM = {(field.oxm_class, field.oxm_field): field for field in FIELDS.values()}


def header(name: str) -> bytes:
    """The header of a field without a mask, which names it in an action."""
    return CODES[name][1]


def field_at(data: bytes, place: int) -> Field | None:
    """The field whose header stands there, if it is one of ours."""
    oxm_class, flagged = struct.unpack_from("!HB", data, place)
    return BY_OXM.get((oxm_class, flagged >> 1))


def encode_bits(part: Subfield) -> int:
    """Where a part of a field begins and how long it is, in 16 bits."""
    return part.start << 6 | part.bits - 1


def decode_bits(name: str, bits: int) -> Subfield:
    return Subfield(name, bits >> 6, (bits & 63) + 1)
