"""A connection tracker, as the one of Open vSwitch's userspace datapath: what `Ct` asks in the packet walk.

    packet ──► key of its connection ──► known? ── yes ──► its state, and its translation done or undone
                                             └── no ───► new, and with `commit` kept, translated

Connections are told apart by zone, addresses, protocol and ports (ICMP queries: identifier and type); ICMP errors
belong to the connection of the packet they quote. Unlike Open vSwitch: nothing grows old, TCP's sequence numbers are
not looked at, fragments are not put together but invalid, and the port of a range is the packet's own where it can be.
Pure: no clock. Source: lib/conntrack.c, conntrack-tcp.c, -icmp.c and -other.c of Open vSwitch 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from retia.flows.actions import Translate
from retia.flows.fields import CT_STATES, ICMP, TCP, UDP
from retia.flows.packet import Packet
from retia.flows.translation import rewrite
from retia.flows.tuples import ICMP_QUERIES, Asked, Tuple, segment, tuple_of

NEW, ESTABLISHED, RELATED, REPLY, INVALID, TRACKED, SOURCE, TARGET = CT_STATES.values()
_TRANSLATED = SOURCE | TARGET
EPHEMERAL = (1024, 0xFFFF)
_FIN, _SYN, _RST, _PUSH, _ACK, _URGENT = 1, 2, 4, 8, 16, 32
_CLOSED, _OPENING, _OPEN, _CLOSING, _HALF_CLOSED, _OVER = range(6)
"""What each end of a TCP connection has come to."""


@dataclass(eq=False)
class Connection:
    """`forward` is the tuple of its first packet, `reverse` that of the replies as they come. `source`: its source is
    translated, else its destination; None: neither."""

    forward: Tuple
    reverse: Tuple
    source: bool | None = None
    answered: bool = False
    ends: list[int] = field(default_factory=lambda: [_OPENING, _CLOSED])


class _Found(NamedTuple):
    connection: Connection
    is_reply: bool


class _Remembered(NamedTuple):
    """The connection that a `Ct` without translation found: the next one in its zone looks no more."""

    found: _Found
    is_error: bool


class Tracked(NamedTuple):
    """What a packet carries along of its tracking."""

    state: int = 0
    zone: int = 0
    remembered: _Remembered | None = None


UNTRACKED = Tracked()


class Tracker:
    """The connections of one switch, in all zones."""

    def __init__(self) -> None:
        self._known: dict[Tuple, _Found] = {}

    def __iter__(self) -> Iterator[Connection]:
        return (found.connection for found in self._known.values() if not found.is_reply)

    def flush_zone(self, zone: int) -> None:
        """Forget the connections of a zone."""
        self._known = {key: found for key, found in self._known.items() if key.zone != zone}

    def track(self, packet: Packet, before: Tracked, zone: int, commit: bool, nat: Translate | None) -> Tracked:
        """What becomes of a packet that goes through `Ct` with what it carried `before`. Changes the packet's addresses
        and ports where they are translated."""
        if before.zone != zone:
            before = UNTRACKED
        state, known = before.state, before.remembered
        if known is None:
            asked = tuple_of(packet, zone)
            if asked is None:
                return Tracked(INVALID | TRACKED, zone)
            found = self._find(asked.tuple, bool(state & _TRANSLATED))
            updated = self._update(packet, state, found, asked.is_error)
            if updated is None:
                state = self._begin(packet, asked.tuple, commit, nat) | TRACKED
                return Tracked(state, zone, None if nat else self._remember(asked))
            state = updated | TRACKED
            known = None if found is None else _Remembered(found, asked.is_error)
        if nat is None or known is None:
            return Tracked(state, zone, known)
        if not state & _TRANSLATED:
            state |= rewrite(packet, known.found.connection, known.found.is_reply, known.is_error)
        return Tracked(state, zone)

    def _remember(self, asked: Asked) -> _Remembered | None:
        found = self._known.get(asked.tuple)
        return None if found is None else _Remembered(found, asked.is_error)

    def _find(self, key: Tuple, translated: bool) -> _Found | None:
        """A packet that was translated in this zone is known by what its replies would be."""
        if not translated:
            return self._known.get(key)
        found = self._known.get(key.reversed)
        return None if found is None else found._replace(is_reply=not found.is_reply)

    def _update(self, packet: Packet, state: int, found: _Found | None, is_error: bool) -> int | None:
        """The state of a packet; None: it begins a connection, maybe in place of the one that was found."""
        if found is None:
            return INVALID if is_error else None
        if is_error:
            return state | RELATED | REPLY * found.is_reply
        connection, is_reply = found
        if connection.forward.protocol == TCP:
            verdict = _tcp_verdict(packet, connection, is_reply)
        else:
            connection.answered = connection.answered or is_reply
            verdict = ESTABLISHED if connection.answered else NEW
        if verdict == ESTABLISHED:
            return state & ~NEW | ESTABLISHED | REPLY * is_reply
        if verdict == NEW:
            return state | NEW
        if verdict == INVALID:
            return INVALID
        self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        for key in (connection.forward, connection.reverse):
            self._known.pop(key, None)

    def _begin(self, packet: Packet, key: Tuple, commit: bool, nat: Translate | None) -> int:
        """A packet of no known connection. When no translation of it is free it stays new, as it is and unknown."""
        if not _may_begin(packet):
            return INVALID
        if not commit:
            return NEW
        connection = Connection(key, key.reversed)
        translated = 0
        if nat is not None:
            free = next((one for one in _candidates(key, nat) if one not in self._known), None)
            if free is None:
                return NEW
            connection = Connection(key, free, nat.source if nat.address else None)
            translated = rewrite(packet, connection, False, False)
        self._known[connection.reverse] = _Found(connection, True)
        self._known[connection.forward] = _Found(connection, False)
        return NEW | translated


# -- which port -----------------------------------------------------------------------------------------------------


def _candidates(key: Tuple, nat: Translate) -> Iterator[Tuple]:
    """What replies to a translated connection may come as, best first. One that is kept with a translation to no
    address has no replies: Open vSwitch 3.1 loses the port."""
    reply = key.reversed
    if not nat.address:
        yield reply._replace(target_port=0) if key.protocol in (TCP, UDP) else reply
        return
    reply = reply._replace(target=nat.address) if nat.source else reply._replace(source=nat.address)
    if key.protocol not in (TCP, UDP):
        yield reply
        return
    if nat.source:
        own = key.source_port
        ports = (nat.first_port, nat.last_port) if nat.first_port else _port_class(own)
        yield from (reply._replace(target_port=port) for port in _from(own, *ports))
        return
    if nat.first_port:
        ways = [reply._replace(source_port=port) for port in _from(key.target_port, nat.first_port, nat.last_port)]
        yield from ways
        reply = ways[0]
    for port in _from(key.source_port, *_port_class(key.source_port)):
        yield reply._replace(target_port=port)


def _port_class(own: int) -> tuple[int, int]:
    """The ports that a source port may be replaced by when it is taken: those as privileged as it."""
    if own < 512:
        return 1, 511
    return (600, 1023) if own < 1024 else EPHEMERAL


def _from(own: int, first: int, last: int) -> Iterator[int]:
    """The ports of a range, beginning with one's own or one that depends on it, and round."""
    count = last - first + 1
    start = own - first if first <= own <= last else own % count
    return (first + (start + step) % count for step in range(count))


# -- what a packet may do -------------------------------------------------------------------------------------------


def _may_begin(packet: Packet) -> bool:
    if packet.fields["nw_proto"] == ICMP:
        return packet.fields["icmp_type"] in ICMP_QUERIES
    if packet.fields["nw_proto"] == TCP:
        flags = segment(packet)[13]
        return not _are_odd(flags) and flags & (_SYN | _ACK) != _SYN | _ACK
    return True


def _are_odd(flags: int) -> bool:
    if flags & _SYN:
        return bool(flags & (_RST | _FIN)) or (not flags & _ACK and bool(flags & (_PUSH | _URGENT)))
    return not flags & (_ACK | _RST) or (not flags & _ACK and bool(flags & (_FIN | _PUSH | _URGENT)))


def _tcp_verdict(packet: Packet, connection: Connection, is_reply: bool) -> int:
    """ESTABLISHED, NEW, INVALID, or 0: it is over and begins anew."""
    flags, ends = segment(packet)[13], connection.ends
    sender, other = (1, 0) if is_reply else (0, 1)
    if _are_odd(flags):
        return INVALID
    if flags & (_SYN | _ACK) == _SYN:
        if min(ends) >= _HALF_CLOSED:
            return 0
        if ends[sender] <= _OPENING:
            ends[sender] = _OPENING
            return NEW
    ends[sender] = max(ends[sender], _CLOSING if flags & _FIN else _OPENING)
    if flags & _ACK and ends[other] in (_OPENING, _CLOSING):
        ends[other] = _OPEN if ends[other] == _OPENING else _HALF_CLOSED
    if flags & _RST:
        ends[:] = [_OVER, _OVER]
    return ESTABLISHED
