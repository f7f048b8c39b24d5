"""The bodies of Nicira's actions that only routers' edges need: tracking, translation, live ports, spreading. Called by
`wire`, which puts the action header before them.

Decoding is strict: what would not be encoded to the same bytes again is not ours, and reads as None.
Source: ofp-actions.c and nicira-ext.h of Open vSwitch (`nx_action_conntrack`, `nx_action_nat`, `nx_action_bundle`,
`nx_action_multipath`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from retia.flows.actions import Action, Ct, CtClear, LoadLive, Spread, Translate
from retia.flows.fields import Subfield
from retia.flows.oxm import decode_bits, encode_bits, field_at, header

NICIRA = 0x2320
MULTIPATH, BUNDLE_LOAD, CONNTRACK, NAT, CT_CLEAR = 10, 13, 35, 36, 43
_KIND = struct.Struct("!IH")
_CT = struct.Struct("!H4sHB3xH")
_BUNDLE = struct.Struct("!HHHIHH4s4x")
_MULTIPATH = struct.Struct("!HHxxHHIxxH4s")
_ETH_SRC, _SYMMETRIC_L3L4_UDP = 0, 3
_ACTIVE_BACKUP, _BUNDLE_HRW, _MULTIPATH_HRW = 0, 1, 2
_PORTS = 2
"""The kind of a bundle's members: a 16-bit NXM_OF_IN_PORT."""
_NO_TABLE = 0xFF
_COMMIT = 1
_SOURCE, _TARGET = 1, 2
_ADDRESS, _FIRST_PORT, _LAST_PORT = 1, 16, 32


def encode_ct(action: Ct) -> bytes:
    zone = action.zone
    where, bits = (bytes(4), zone) if isinstance(zone, int) else (header(zone.field), encode_bits(zone))
    table = _NO_TABLE if action.table is None else action.table
    head = _KIND.pack(NICIRA, CONNTRACK) + _CT.pack(_COMMIT * action.commit, where, bits, table, 0)
    return head if action.nat is None else head + _encode_nat(action.nat)


def encode_clear(action: CtClear) -> bytes:
    return _KIND.pack(NICIRA, CT_CLEAR)


def _encode_nat(nat: Translate) -> bytes:
    """An action within the action, with a header and padding of its own."""
    flags, present, values = 0, 0, b""
    if nat.address:
        flags, present, values = _SOURCE if nat.source else _TARGET, _ADDRESS, struct.pack("!I", nat.address)
    if nat.first_port:
        present, values = present | _FIRST_PORT, values + struct.pack("!H", nat.first_port)
    if nat.last_port > nat.first_port:
        present, values = present | _LAST_PORT, values + struct.pack("!H", nat.last_port)
    body = _KIND.pack(NICIRA, NAT) + struct.pack("!xxHH", flags, present) + values
    size = 4 + len(body)
    padding = -size % 8
    return struct.pack("!HH", 0xFFFF, size + padding) + body + bytes(padding)


def encode_live(action: LoadLive) -> bytes:
    algorithm, fields = (_BUNDLE_HRW, _SYMMETRIC_L3L4_UDP) if action.spread else (_ACTIVE_BACKUP, _ETH_SRC)
    count, to = len(action.members), action.to
    head = _BUNDLE.pack(algorithm, fields, 0, _PORTS, count, encode_bits(to), header(to.field))
    return _KIND.pack(NICIRA, BUNDLE_LOAD) + head + struct.pack(f"!{count}H", *action.members)


def encode_spread(action: Spread) -> bytes:
    to = action.to
    form = (_SYMMETRIC_L3L4_UDP, 0, _MULTIPATH_HRW, action.count - 1, 0, encode_bits(to), header(to.field))
    return _KIND.pack(NICIRA, MULTIPATH) + _MULTIPATH.pack(*form)


ENCODERS: dict[type[Action], Callable[[Any], bytes]] = {
    Ct: encode_ct,
    CtClear: encode_clear,
    LoadLive: encode_live,
    Spread: encode_spread,
}


def decode(body: bytes) -> Action | None:
    """The action with this body (what follows its header of kind and length), if it is one of these and ours."""
    reader = _DECODERS.get(body[:6])
    try:
        made = reader(body[6:]) if reader else None
    except struct.error:
        return None
    if made is None or ENCODERS[type(made)](made).ljust(len(body), b"\0") != body:
        return None
    return made


def _decode_ct(body: bytes) -> Action | None:
    flags, where, bits, table, _ = _CT.unpack_from(body)
    zone = bits if where == bytes(4) else _part(where, bits)
    if zone is None:
        return None
    nat = _decode_nat(body[_CT.size :]) if len(body) > _CT.size else None
    return Ct(zone, None if table == _NO_TABLE else table, bool(flags & _COMMIT), nat)


def _decode_nat(data: bytes) -> Translate:
    flags, present = struct.unpack_from("!HH", data, 12)
    values = iter(struct.unpack_from("!IHH", data[16:].ljust(8, b"\0")))
    address = next(values) if present & _ADDRESS else 0
    first = next(values) if present & _FIRST_PORT else 0
    last = next(values) if present & _LAST_PORT else first
    return Translate(flags == _SOURCE, address, first, last)


def _decode_live(body: bytes) -> Action | None:
    algorithm, _, _, _, count, bits, where = _BUNDLE.unpack_from(body)
    to = _part(where, bits)
    members = struct.unpack_from(f"!{count}H", body, _BUNDLE.size)
    return None if to is None else LoadLive(members, to, algorithm == _BUNDLE_HRW)


def _decode_spread(body: bytes) -> Action | None:
    _, _, _, last, _, bits, where = _MULTIPATH.unpack_from(body)
    to = _part(where, bits)
    return None if to is None else Spread(last + 1, to)


def _part(where: bytes, bits: int) -> Subfield | None:
    field = field_at(where, 0)
    return None if field is None else decode_bits(field.name, bits)


_DECODERS: dict[bytes, Callable[[bytes], Action | None]] = {
    _KIND.pack(NICIRA, CONNTRACK): _decode_ct,
    _KIND.pack(NICIRA, CT_CLEAR): lambda body: CtClear(),
    _KIND.pack(NICIRA, BUNDLE_LOAD): _decode_live,
    _KIND.pack(NICIRA, MULTIPATH): _decode_spread,
}
