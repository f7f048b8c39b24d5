"""Packets between a switch and its agent, as OpenFlow messages: punts up, packets to send down. Pure bytes, no socket.

Sources: OpenFlow 1.5.1 section 7.3.6; nicira-ext.h for NXT_PACKET_IN2 and its properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from retia.flows.actions import CONTROLLER, Actions, Load
from retia.flows.fields import Subfield, whole
from retia.flows.match import match
from retia.flows.wire import NICIRA, NO_BUFFER, encode_bare_actions, encode_match, read_fields

_PACKET_IN2 = 30
_PACKET, _TABLE, _COOKIE, _METADATA, _USERDATA = 0, 3, 4, 6, 7


class Punted(NamedTuple):
    """A copy of a packet that a flow's `Punt` sent up: the frame as it was there, its `fields` (in_port, metadata,
    registers, tunnel; what is 0 is left out), and what the flow says of it."""

    frame: bytes
    fields: Mapping[str, int]
    userdata: bytes
    table: int
    cookie: int

    def read(self, part: Subfield) -> int:
        return self.fields.get(part.field, 0) >> part.start & (1 << part.bits) - 1

    @property
    def restored(self) -> Actions:
        """Actions that give a packet sent anew all that the pipeline knew of this one."""
        known = {name: value for name, value in self.fields.items() if name == "metadata" or name[:3] == "reg"}
        return tuple(Load(whole(name), value) for name, value in known.items())


def decode_punt(body: bytes) -> Punted | None:
    """The punt in the body of an EXPERIMENTER message, if it is one."""
    if len(body) < 8 or struct.unpack_from("!II", body) != (NICIRA, _PACKET_IN2):
        return None
    parts = dict(_properties(body))
    return Punted(
        parts.get(_PACKET, b""),
        read_fields(parts.get(_METADATA, b"")),
        parts.get(_USERDATA, b""),
        int.from_bytes(parts.get(_TABLE, b""), "big"),
        int.from_bytes(parts.get(_COOKIE, b"")[-8:], "big"),
    )


def _properties(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each: kind, length and value, padded to 8 bytes."""
    place = 8
    while place + 4 <= len(body):
        kind, size = struct.unpack_from("!HH", body, place)
        yield kind, body[place + 4 : place + size]
        place += max(8, (size + 7) // 8 * 8)


def encode_packet_out(frame: bytes, actions: Actions, in_port: int = CONTROLLER) -> bytes:
    """The body of a PACKET_OUT of a packet that came by no port, or by one. Raises TypeError for a goto, which is no
    action."""
    encoded = encode_bare_actions(actions)
    came_by = encode_match(match(in_port=in_port))
    return struct.pack("!IHxx", NO_BUFFER, len(encoded)) + came_by + encoded + frame
