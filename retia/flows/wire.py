"""The OpenFlow 1.5 view of flows: FLOW_MODs out; flow descriptions and monitor updates in. Pure bytes, no socket.

Encoded actions and decoded matches are cached, since one network repeats them. What another controller put into a flow
and Retia does not know decodes to `Foreign`: it compares unequal to all of ours and is never an error.
Sources: OpenFlow 1.5.1 sections 7.2.2-7.2.6, 7.3.4.1; nicira-ext.h for resubmit and the NXM fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from retia.flows import nicira
from retia.flows.actions import (
    CONTROLLER,
    CONTROLLER_ID,
    Action,
    Actions,
    CheckLarger,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
)
from retia.flows.fields import Subfield
from retia.flows.flow import Flow, FlowKey
from retia.flows.match import Match, match
from retia.flows.oxm import BY_OXM, CODES, field_at, header

ADD, DELETE, DELETE_STRICT = 0, 3, 4
RESET_COUNTS = 4
ANY = 0xFFFFFFFF
ALL_TABLES = 0xFF
NO_BUFFER = 0xFFFFFFFF
CONTROLLER_MAX_LENGTH = 0xFFFF

NICIRA = nicira.NICIRA
_RESUBMIT_TABLE, _CONTROLLER2, _CHECK_LARGER = 14, 37, 49
_IN_PORT_16 = 0xFFF8
_RESUBMIT = struct.pack("!IHH", NICIRA, _RESUBMIT_TABLE, _IN_PORT_16)
_PUNT = struct.pack("!IH6xHHHxx", NICIRA, _CONTROLLER2, 1, 8, CONTROLLER_ID)
_LARGER = struct.pack("!IH", NICIRA, _CHECK_LARGER)
_PUNT_USERDATA = 3
_FORGET_IN_PORT = struct.pack("!HHHBBH6x", 25, 16, 0, 0, 2, 0)
"""set_field of NXM_OF_IN_PORT, 16 bits: the OXM form of 32 bits is refused here."""
_FLOW_MOD = struct.Struct("!QQBBHHHIIIHH")
_FOREIGN = "foreign-"
_PAIR = struct.Struct("!HH")
_APPLY, _GOTO = struct.Struct("!HHI"), struct.Struct("!HHBxxx")
_PADDING = [bytes(count) for count in range(8)]


class Foreign(Action, frozen=True):
    """An action, instruction or field that Retia does not use, as its bytes."""

    data: bytes


class Observed(NamedTuple):
    """A flow as the switch has it, with its counters."""

    flow: Flow
    packets: int
    octets: int
    seconds: float


# -- out ------------------------------------------------------------------------------------------------------------


def flow_mod(flow: Flow, reset_counts: bool = False) -> bytes:
    """The body of a FLOW_MOD that adds `flow`, or puts it in place of the one with its key."""
    flags = RESET_COUNTS if reset_counts else 0
    head = _FLOW_MOD.pack(flow.cookie, 0, flow.table, ADD, 0, 0, flow.priority, NO_BUFFER, ANY, ANY, flags, 0)
    return head + encode_match(flow.match) + encode_actions(flow.actions)


def flow_delete(key: FlowKey) -> bytes:
    """The body of a FLOW_MOD that deletes exactly the flow with this key."""
    head = _FLOW_MOD.pack(0, 0, key.table, DELETE_STRICT, 0, 0, key.priority, NO_BUFFER, ANY, ANY, 0, 0)
    return head + encode_match(key.match)


def flow_delete_all() -> bytes:
    """The body of a FLOW_MOD that deletes every flow of every table."""
    return _FLOW_MOD.pack(0, 0, ALL_TABLES, DELETE, 0, 0, 0, NO_BUFFER, ANY, ANY, 0, 0) + encode_match(())


def encode_match(wanted: Match) -> bytes:
    """Not cached: nearly every flow has a match of its own, and looking it up costs more than writing it."""
    fields = b"".join([_encode_field(name, value, mask) for name, value, mask in wanted])
    size = 4 + len(fields)
    return _PAIR.pack(1, size) + fields + _PADDING[-size % 8]


def _encode_field(name: str, value: int, mask: int) -> bytes:
    if name not in CODES:
        return _encode_foreign(name, value)
    full, exact, masked, size = CODES[name]
    if mask == full:
        return exact + value.to_bytes(size, "big")
    return masked + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def _encode_foreign(name: str, value: int) -> bytes:
    """A field that came from the switch and that Retia does not know: to delete such a flow, its bytes are enough."""
    header = bytes.fromhex(name.removeprefix(_FOREIGN))
    return header + value.to_bytes(header[3], "big")


@lru_cache(maxsize=1 << 14)
def encode_actions(actions: Actions) -> bytes:
    """The instructions of a flow: apply-actions, then goto. Raises TypeError for what has no wire form, a `Goto`
    that is not last too."""
    last = actions[-1] if actions else None
    if not isinstance(last, Goto):
        return _apply(actions)
    return _apply(actions[:-1]) + _GOTO.pack(1, 8, last.table)


def _apply(actions: Actions) -> bytes:
    if not actions:
        return b""
    applied = encode_bare_actions(actions)
    return _APPLY.pack(4, 8 + len(applied), 0) + applied


def encode_bare_actions(actions: Actions) -> bytes:
    """Actions without an instruction around them. Raises TypeError for what has no wire form."""
    try:
        return b"".join([_ENCODERS[type(action)](action) for action in actions])
    except KeyError:
        raise TypeError(f"{actions!r} has no wire form") from None


def _encode_load(action: Load) -> bytes:
    name, start, bits = action.to
    mask = ((1 << bits) - 1) << start
    return _action(25, _encode_field(name, action.value << start & mask, mask))


def _encode_move(action: Move) -> bytes:
    source, to = action.source, action.to
    bits = struct.pack("!HHHxx", source.bits, source.start, to.start)
    return _action(28, bits + header(source.field) + header(to.field))


def _encode_punt(action: Punt) -> bytes:
    """Nicira's second controller action: the connection's id and the userdata, as properties padded to 8 bytes."""
    size = len(action.userdata)
    return _action(0xFFFF, _PUNT + _PAIR.pack(_PUNT_USERDATA, 4 + size) + action.userdata)


def _encode_larger(action: CheckLarger) -> bytes:
    return _action(0xFFFF, _LARGER + _PAIR.pack(action.octets, action.to.start) + header(action.to.field) + bytes(6))


def _action(kind: int, body: bytes) -> bytes:
    size = 4 + len(body)
    padding = -size % 8
    return _PAIR.pack(kind, size + padding) + body + _PADDING[padding]


_ENCODERS: dict[type[Action], Callable[[Any], bytes]] = {
    Load: _encode_load,
    Move: _encode_move,
    Output: lambda action: struct.pack("!HHIH6x", 0, 16, action.port, CONTROLLER_MAX_LENGTH),
    Resubmit: lambda action: struct.pack("!HH8sBxxx", 0xFFFF, 16, _RESUBMIT, action.table),
    DecTtl: lambda action: struct.pack("!HH4x", 24, 8),
    ForgetInPort: lambda action: _FORGET_IN_PORT,
    Metered: lambda action: struct.pack("!HHI", 29, 8, action.meter),
    Punt: _encode_punt,
    CheckLarger: _encode_larger,
    **{kind: lambda action: _action(0xFFFF, nicira.ENCODERS[type(action)](action)) for kind in nicira.ENCODERS},
}


class FlowMod(NamedTuple):
    """A FLOW_MOD as a switch reads it. Of a deletion only the flow's key counts."""

    command: int
    flow: Flow
    reset_counts: bool


# -- in -------------------------------------------------------------------------------------------------------------


def decode_descriptions(body: bytes) -> Iterator[Observed]:
    """The entries of an OFPMP_FLOW_DESC reply."""
    place = 0
    while place < len(body):
        size, table, priority, cookie = struct.unpack_from("!HxxBxH8xQ", body, place)
        wanted, at = decode_match(body, place + 24)
        packets, octets, seconds, at = _decode_stats(body, at)
        actions = decode_instructions(body[at : place + size])
        yield Observed(Flow(table, priority, wanted, actions, cookie), packets, octets, seconds)
        place += size


def decode_flow_mod(body: bytes) -> FlowMod:
    """The body of a FLOW_MOD that Retia sends: what the software switch is told."""
    cookie, _, table, command, _, _, priority, _, _, _, flags, _ = _FLOW_MOD.unpack_from(body)
    wanted, at = decode_match(body, _FLOW_MOD.size)
    flow = Flow(table, priority, wanted, decode_instructions(body[at:]), cookie)
    return FlowMod(command, flow, bool(flags & RESET_COUNTS))


class Update(NamedTuple):
    """One entry of a flow monitor's report. `flow` is None for our own changes and for pauses."""

    event: int
    flow: Flow | None


INITIAL, ADDED, REMOVED, MODIFIED, ABBREVIATED, PAUSED, RESUMED = range(7)


def decode_updates(body: bytes) -> Iterator[Update]:
    """The entries of an OFPMP_FLOW_MONITOR reply."""
    place = 0
    while place < len(body):
        size, event = struct.unpack_from("!HH", body, place)
        if event in (INITIAL, ADDED, REMOVED, MODIFIED):
            table, priority, cookie = struct.unpack_from("!BxxxxxH4xQ", body, place + 4)
            wanted, at = decode_match(body, place + 24)
            actions = decode_instructions(body[at : place + size])
            yield Update(event, Flow(table, priority, wanted, actions, cookie))
        else:
            yield Update(event, None)
        place += size


def decode_match(body: bytes, place: int) -> tuple[Match, int]:
    """The match at `place`, and where the next thing begins."""
    (size,) = struct.unpack_from("!2xH", body, place)
    return _fields_of(body[place + 4 : place + size]), place + (size + 7) // 8 * 8


def read_fields(fields: bytes) -> dict[str, int]:
    """The fields that a punt carries, by name; wide registers as the 32-bit ones they are made of."""
    return {name: value for name, value, _ in _fields_of(fields)}


def _fields_of(fields: bytes) -> Match:
    parts: dict[str, tuple[int, int]] = {}
    place = 0
    foreign = []
    while place < len(fields):
        oxm_class, flagged, size = struct.unpack_from("!HBB", fields, place)
        data = fields[place + 4 : place + 4 + size]
        field = BY_OXM.get((oxm_class, flagged >> 1))
        half = size >> (flagged & 1)
        if field is None or half > field.octets:
            foreign.append((f"{_FOREIGN}{fields[place : place + 4].hex()}", int.from_bytes(data, "big"), 0))
        elif flagged & 1:
            parts[field.name] = (int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big"))
        else:
            parts[field.name] = (int.from_bytes(data, "big"), field.full)
        place += 4 + size
    return (*match(**parts), *foreign)


def _decode_stats(body: bytes, place: int) -> tuple[int, int, float, int]:
    (size,) = struct.unpack_from("!2xH", body, place)
    at, packets, octets, seconds = place + 4, 0, 0, 0.0
    while at < place + size:
        kind, length = struct.unpack_from("!2xBB", body, at)
        if kind >> 1 == 0:
            whole, nano = struct.unpack_from("!II", body, at + 4)
            seconds = whole + nano / 1e9
        elif kind >> 1 == 4:
            (packets,) = struct.unpack_from("!Q", body, at + 4)
        elif kind >> 1 == 5:
            (octets,) = struct.unpack_from("!Q", body, at + 4)
        at += 4 + length
    return packets, octets, seconds, place + (size + 7) // 8 * 8


@lru_cache(maxsize=1 << 14)
def decode_instructions(body: bytes) -> Actions:
    actions: list[Action] = []
    place = 0
    while place < len(body):
        kind, size = struct.unpack_from("!HH", body, place)
        data = body[place : place + size]
        if kind == 4:
            actions += _decode_actions(data[8:])
        elif kind == 1:
            actions.append(Goto(data[4]))
        else:
            actions.append(Foreign(data))
        place += size
    return tuple(actions)


def _decode_actions(body: bytes) -> Iterator[Action]:
    place = 0
    while place < len(body):
        kind, size = struct.unpack_from("!HH", body, place)
        yield _decode_action(kind, body[place : place + size])
        place += size


def _decode_action(kind: int, data: bytes) -> Action:
    if kind == 0:
        port, length = struct.unpack_from("!IH", data, 4)
        return Foreign(data) if port == CONTROLLER and length != CONTROLLER_MAX_LENGTH else Output(port)
    if kind == 24:
        return DecTtl()
    if kind == 29:
        return Metered(int.from_bytes(data[4:8], "big"))
    if data == _FORGET_IN_PORT:
        return ForgetInPort()
    if kind == 25:
        return _decode_load(data)
    if kind == 28:
        return _decode_move(data)
    if kind == 0xFFFF and data[4:12] == _RESUBMIT:
        return Resubmit(data[12])
    if kind == 0xFFFF and data[4 : 4 + len(_PUNT)] == _PUNT:
        return _decode_punt(data)
    if kind == 0xFFFF and data[4:10] == _LARGER:
        return _decode_larger(data)
    found = nicira.decode(data[4:]) if kind == 0xFFFF else None
    return Foreign(data) if found is None else found


def _decode_punt(data: bytes) -> Action:
    """Any other property makes it someone else's."""
    place = 4 + len(_PUNT)
    kind, size = _PAIR.unpack_from(data, place) if place < len(data) else (0, 0)
    made = Punt(data[place + 4 : place + size])
    return made if kind == _PUNT_USERDATA and _encode_punt(made) == data else Foreign(data)


def _decode_larger(data: bytes) -> Action:
    octets, start = _PAIR.unpack_from(data, 10)
    field = field_at(data, 14)
    return Foreign(data) if field is None else CheckLarger(octets, Subfield(field.name, start, 1))


def _decode_load(data: bytes) -> Action:
    oxm_class, flagged, size = struct.unpack_from("!HBB", data, 4)
    field = BY_OXM.get((oxm_class, flagged >> 1))
    if field is None or size >> (flagged & 1) > field.octets:
        return Foreign(data)
    if not flagged & 1:
        return Load(Subfield(field.name, 0, field.bits), int.from_bytes(data[8 : 8 + size], "big"))
    half = size // 2
    value = int.from_bytes(data[8 : 8 + half], "big")
    mask = int.from_bytes(data[8 + half : 8 + size], "big")
    start = max(0, (mask & -mask).bit_length() - 1)
    bits = mask.bit_length() - start
    if not mask or mask != ((1 << bits) - 1) << start:
        return Foreign(data)
    return Load(Subfield(field.name, start, bits), value >> start)


def _decode_move(data: bytes) -> Action:
    bits, source_start, start = struct.unpack_from("!HHH", data, 4)
    source, target = field_at(data, 12), field_at(data, 16)
    if source is None or target is None:
        return Foreign(data)
    return Move(Subfield(source.name, source_start, bits), Subfield(target.name, start, bits))
