"""Bundles done right: a change of flows happens whole, and a flow the switch refuses is named and left out.

    OPEN ─► ADD ... ─► COMMIT ─► read the errors ─┬─ of ADDs: these flows are left out, the rest is in
                                                  └─ of the commit: nothing is in; again without the bad ones

All of it is written at once, so that a change costs one round trip: Open vSwitch leaves out a message it refuses at
ADD and installs the rest, which is what is wanted. An error found at commit installs nothing. A packet sees all of a
bundle or nothing of it. At most `SIZE` messages go into one, since the switch's main thread forwards no packet of the
slow path meanwhile; only what must be seen whole is sent `whole`.
Source: OpenFlow 1.5.1 section 6.9, and the contract tests of Open vSwitch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from retia.errors import SwitchAway, SwitchRefused
from retia.flows.flow import Flow, FlowKey
from retia.flows.wire import flow_delete, flow_delete_all, flow_mod
from retia.switch.connection import HEADER, VERSION, Connection, Kind, Message, refused

SIZE = 5000
_ATOMIC_ORDERED = 3
_OPEN, _COMMIT = 0, 4


class Change(NamedTuple):
    """One message of a bundle: what it puts (or the key it deletes), encoded. Groups fit in here later."""

    key: FlowKey
    flow: Flow | None
    kind: int
    body: bytes


class Refusal(NamedTuple):
    """A flow the switch does not take, and why."""

    key: FlowKey
    flow: Flow | None
    error: SwitchRefused


def put(flow: Flow, reset_counts: bool) -> Change:
    """`reset_counts` exactly when the cookie changes: else the new flow would show the old one's packets."""
    return Change(flow.key, flow, Kind.FLOW_MOD, flow_mod(flow, reset_counts))


def delete(key: FlowKey) -> Change:
    return Change(key, None, Kind.FLOW_MOD, flow_delete(key))


NOTHING = FlowKey(-1, 0, ())
"""The key of what is about no flow in particular."""


def delete_all() -> Change:
    return Change(NOTHING, None, Kind.FLOW_MOD, flow_delete_all())


class Bundler:
    """Sends changes over one connection, in order, each slice as one bundle."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0
        self._errors: dict[int, Message] = {}
        connection_others = connection.on_message

        def take(message: Message) -> None:
            if message.kind == Kind.ERROR:
                self._errors[message.xid] = message
            else:
                connection_others(message)

        connection.on_message = take

    async def send(self, changes: Sequence[Change], whole: bool = False) -> list[Refusal]:
        """All that the switch takes is in when this returns; `whole`: at one moment. Raises SwitchAway."""
        refusals: list[Refusal] = []
        size = len(changes) if whole else SIZE
        for start in range(0, len(changes), size):
            refusals += await self._send_slice(list(changes[start : start + size]))
        return refusals

    async def _send_slice(self, changes: list[Change]) -> list[Refusal]:
        """A commit that fails is tried again without what is to blame, until one installs what is left."""
        refusals: list[Refusal] = []
        while changes:
            bad, committed = await self._try(changes)
            refusals += [refusal for _, refusal in bad]
            if committed:
                break
            left_out = {id(change) for change, _ in bad}
            changes = [change for change in changes if id(change) not in left_out]
        return refusals

    async def _try(self, changes: list[Change]) -> tuple[list[tuple[Change, Refusal]], bool]:
        """Which changes are bad, and whether all the others are in (else none is, and some are bad)."""
        self._number = self._number % 0xFFFFFFFF + 1
        self._errors.clear()
        _, opening = self._connection.frame(Kind.BUNDLE_CONTROL, self._control(_OPEN))
        sent, frames = self._add_all(changes)
        try:
            await self._connection.request(Kind.BUNDLE_CONTROL, self._control(_COMMIT), opening + frames)
        except SwitchRefused as error:
            if bad := self._named(sent):
                return bad, False
            raise SwitchAway(f"a bundle was not committed: {error.what}", where=self._connection.where) from None
        return self._named(sent), True

    def _named(self, sent: dict[int, Change]) -> list[tuple[Change, Refusal]]:
        """What the errors that came speak of."""
        return [
            (change, Refusal(change.key, change.flow, refused(error, self._connection.where, change.flow)))
            for xid, error in self._errors.items()
            if (change := sent.get(xid)) is not None
        ]

    def _add_all(self, changes: Iterable[Change]) -> tuple[dict[int, Change], bytes]:
        """The changes by the xids of their messages, and these."""
        sent: dict[int, Change] = {}
        frames: list[bytes] = []
        head = struct.pack("!IHH", self._number, 0, _ATOMIC_ORDERED)
        for change in changes:
            xid, message = self._connection.frame(change.kind, change.body)
            size = HEADER.size + len(head) + len(message)
            frames.append(HEADER.pack(VERSION, Kind.BUNDLE_ADD, size, xid) + head + message)
            sent[xid] = change
        return sent, b"".join(frames)

    def _control(self, step: int) -> bytes:
        return struct.pack("!IHH", self._number, step, _ATOMIC_ORDERED)
