"""The one observer of both contenders: an OpenFlow 1.5 connection that is told of every flow change, and counts.

    vswitchd ─► flow monitor ─► thread: (when, event, table, match, whole update) ─► `wait`, `last`

The same as `ovs-ofctl monitor`, without its printing. Changes nothing in the switch.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct("!BBHI")
VERSION = 6
HELLO, ECHO_REQUEST, ECHO_REPLY, MULTIPART_REQUEST, MULTIPART_REPLY = 0, 2, 3, 18, 19
AGGREGATE, FLOW_MONITOR = 2, 16
ANY = 0xFFFFFFFF
ADDED, REMOVED, MODIFIED = 1, 2, 3
NO_MATCH = struct.pack("!HHxxxx", 1, 4)


class Event(NamedTuple):
    when: float
    what: int
    table: int
    match: bytes
    whole: bytes


def field(kind: int, number: int, value: bytes) -> bytes:
    """A match field on the wire, without mask."""
    return struct.pack("!HBB", kind, number << 1, len(value)) + value


def eth_dst(mac: int) -> bytes:
    return field(0x8000, 3, mac.to_bytes(6, "big"))


def metadata(key: int) -> bytes:
    return field(0x8000, 2, key.to_bytes(8, "big"))


def in_port(number: int) -> bytes:
    return field(0x8000, 0, number.to_bytes(4, "big"))


def ip_dst(address: int) -> bytes:
    return field(0x8000, 12, address.to_bytes(4, "big"))


def ip_src(prefix: int, mask: int) -> bytes:
    return struct.pack("!HBBII", 0x8000, 11 << 1 | 1, 8, prefix, mask)


def reg15(value: int) -> bytes:
    """OpenFlow 1.5 writes two registers as one packet register: the low half of the eighth."""
    return struct.pack("!HBBQQ", 0x8001, 7 << 1 | 1, 16, value, ANY)


class Observer:
    """Open on a bridge's management socket; `watch` begins to record changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watching: socket.socket | None = None
        self._events: list[Event] = []
        self._came = threading.Condition()

    def count(self) -> int:
        """How many flows there are now. Asked on a connection of its own: one that stays open and is not read loses
        Open vSwitch's probes, and with them its other end."""
        body = struct.pack("!HHxxxxBxxxIIxxxxQQ", AGGREGATE, 0, 0xFF, ANY, ANY, 0, 0) + NO_MATCH
        with contextlib.closing(_connect(self._path)) as counting:
            counting.sendall(HEADER.pack(VERSION, MULTIPART_REQUEST, 8 + len(body), 1) + body)
            for kind, reply in _messages(counting):
                if kind == MULTIPART_REPLY:
                    return _flow_count(reply[8:])
        raise EOFError("Open vSwitch closed the connection")

    def watch(self) -> None:
        if self._watching is not None:
            return
        self._watching = _connect(self._path)
        body = struct.pack("!HHxxxxIIIHBB", FLOW_MONITOR, 0, 1, ANY, ANY, 2 | 4 | 8, 0xFF, 0) + NO_MATCH
        self._watching.sendall(HEADER.pack(VERSION, MULTIPART_REQUEST, 8 + len(body), 2) + body)
        threading.Thread(target=self._record, args=(self._watching,), daemon=True).start()
        time.sleep(0.1)

    def unwatch(self) -> None:
        if self._watching is not None:
            self._watching.shutdown(socket.SHUT_RDWR)
            self._watching.close()
            self._watching = None

    def close(self) -> None:
        self.unwatch()

    def _record(self, watching: socket.socket) -> None:
        try:
            for kind, body in _messages(watching):
                if kind == MULTIPART_REPLY and body[:2] == FLOW_MONITOR.to_bytes(2, "big"):
                    events = list(_events(body[8:], time.perf_counter()))
                    with self._came:
                        self._events += events
                        self._came.notify()
        except OSError:
            return

    def clear(self) -> None:
        with self._came:
            self._events.clear()

    def events(self) -> list[Event]:
        with self._came:
            return list(self._events)

    def wait(self, wanted: Callable[[Event], bool], seconds: float = 60.0) -> Event:
        """The first event since `clear` that is `wanted`. Raises TimeoutError."""
        end, place = time.monotonic() + seconds, 0
        with self._came:
            while True:
                for event in self._events[place:]:
                    if wanted(event):
                        return event
                place = len(self._events)
                if not self._came.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise TimeoutError(f"no such flow within {seconds:g} s")

    def last(self, wanted: Callable[[Event], bool], quiet: float = 0.1) -> Event:
        """The last flow added in the burst that begins with an event that is `wanted`; `quiet` seconds end it."""
        first = self.wait(wanted)
        while True:
            added = [event for event in self.events() if event.what == ADDED and event.when >= first.when]
            last = max(added, key=lambda event: event.when)
            rest = last.when + quiet - time.perf_counter()
            if rest <= 0:
                return last
            time.sleep(rest)


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    connection.sendall(HEADER.pack(VERSION, HELLO, 8, 0))
    return connection


def _messages(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """(kind, body) of each message; echo requests are answered on the way."""
    data = b""
    while True:
        while len(data) >= HEADER.size:
            _, kind, size, xid = HEADER.unpack_from(data)
            if len(data) < size:
                break
            body, data = data[HEADER.size : size], data[size:]
            if kind == ECHO_REQUEST:
                connection.sendall(HEADER.pack(VERSION, ECHO_REPLY, 8 + len(body), xid) + body)
            else:
                yield kind, body
        more = connection.recv(1 << 18)
        if not more:
            return
        data += more


def _flow_count(stats: bytes) -> int:
    """In OpenFlow 1.5 an aggregate is a list of statistics; number 3 is the count of flows."""
    size = struct.unpack_from("!H", stats, 2)[0]
    place = 4
    while place < size:
        _, name, length = struct.unpack_from("!HBB", stats, place)
        if name >> 1 == 3:
            return int.from_bytes(stats[place + 4 : place + 4 + length], "big")
        place += 4 + length
    raise ValueError("an aggregate without a count of flows")


def _events(data: bytes, when: float) -> Iterator[Event]:
    place = 0
    while place + 4 <= len(data):
        size, what = struct.unpack_from("!HH", data, place)
        if what in (ADDED, REMOVED, MODIFIED):
            whole = data[place : place + size]
            length = struct.unpack_from("!H", whole, 26)[0]
            yield Event(when, what, whole[4], whole[28 : 24 + length], whole)
        place += size
