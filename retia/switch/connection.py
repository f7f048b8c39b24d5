"""One persistent OpenFlow 1.5 connection to a bridge, over its management socket.

    connect: HELLO ─► SET_CONFIG (or no packet-in ever comes) ─► own controller id ─► TLV map ─► flow monitor

Requests are matched to replies by xid; echo requests are answered; what nobody waits for (flow monitor reports,
errors of fire-and-forget messages) goes to `on_message`. `bundle` builds on it; `ovs` opens it again when it breaks.
A switch that hangs is found by our own echo requests (`keep`), one that ends by the socket.
Sources: OpenFlow 1.5.1 sections 6 and 7; nicira-ext.h for the TLV table.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from retia.errors import SwitchAway, SwitchRefused, Unsupported
from retia.flows.actions import CONTROLLER_ID, Actions
from retia.flows.carrying import encode_packet_out
from retia.flows.flow import Flow
from retia.flows.meter import ADD, ALL, DELETE, MODIFY, Meter, decode_meters, meter_mod
from retia.flows.wire import ALL_TABLES, ANY, NICIRA, Observed, decode_descriptions, encode_match
from retia.switch.socket import open_socket

VERSION = 6
HEADER = struct.Struct("!BBHI")
TIMEOUT = 10.0
ECHO_EVERY = 5.0
TLV_CLASS, TLV_TYPE, TLV_BYTES = 0xFFE5, 1, 8
"""Retia's Geneve option: 64 bits, mapped to tun_metadata0. The class lies in RFC 8926's experimental range."""


class Kind(IntEnum):
    """OpenFlow message types."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    EXPERIMENTER = 4
    SET_CONFIG = 9
    PACKET_OUT = 13
    FLOW_MOD = 14
    MULTIPART_REQUEST = 18
    MULTIPART_REPLY = 19
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    METER_MOD = 29
    BUNDLE_CONTROL = 33
    BUNDLE_ADD = 34


FLOW_DESCRIPTIONS = 1
METER_DESCRIPTIONS = 10
TABLES = 3
TABLE_STATS = struct.Struct("!BxxxIQQ")
"""A table's number, its flows, the packets looked up in it and those that met a flow."""
FLOW_MONITOR = 16
SET_PACKET_IN_FORMAT, SET_CONTROLLER_ID, SET_TLV_TABLE, GET_TLV_TABLE, FLUSH_ZONE = 16, 20, 24, 25, 29
"""Nicira's messages, as EXPERIMENTER."""
PACKET_IN_WITH_METADATA = 2
"""NXT_PACKET_IN2: punts bring registers, metadata and userdata with them."""


@dataclass(frozen=True)
class Message:
    kind: int
    xid: int
    body: bytes


@dataclass
class _Waiting:
    """Who waits for the replies to one request; a multipart reply comes in parts."""

    done: asyncio.Future[list[Message]]
    parts: list[Message] = field(default_factory=list)


class Connection:
    """Open with `connect`. `closed` is set when the switch goes away; `on_message` gets what nobody asked for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str) -> None:
        self._reader, self._writer, self.where = reader, writer, where
        self._xid = 0
        self._waiting: dict[int, _Waiting] = {}
        self.closed = asyncio.Event()
        self.on_message: Callable[[Message], None] = lambda _: None
        self._task = asyncio.create_task(self._read(), name=f"openflow {where}")

    async def _read(self) -> None:
        try:
            while True:
                version, kind, size, xid = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                body = await self._reader.readexactly(size - HEADER.size)
                self._take(Message(kind, xid, body), version)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            away = SwitchAway("the connection to Open vSwitch broke", where=self.where)
            for waiting in self._waiting.values():
                if not waiting.done.done():
                    waiting.done.set_exception(away)
            self._waiting.clear()
            self._writer.close()

    async def keep(self) -> None:
        """Until the switch ends, or hangs: returns when the connection is of no more use."""
        with contextlib.suppress(SwitchAway):
            while not self.closed.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ECHO_EVERY):
                        await self.closed.wait()
                        return
                await self.request(Kind.ECHO_REQUEST)

    def abort(self) -> None:
        """Give the connection up, for `keep` to return: what the switch has is no longer known."""
        self.closed.set()
        self._writer.transport.abort()

    def _take(self, message: Message, version: int) -> None:
        if message.kind == Kind.ECHO_REQUEST:
            self.send(Kind.ECHO_REPLY, message.body, message.xid)
            return
        if message.kind == Kind.HELLO:
            message = Message(Kind.HELLO, 0, bytes([version]))
        waiting = self._waiting.get(message.xid)
        if waiting is None:
            self.on_message(message)
            return
        waiting.parts.append(message)
        more = message.kind == Kind.MULTIPART_REPLY and message.body[3] & 1
        if not more:
            del self._waiting[message.xid]
            if not waiting.done.done():
                waiting.done.set_result(waiting.parts)

    # -- sending ---------------------------------------------------------------------------------------------------

    def frame(self, kind: int, body: bytes) -> tuple[int, bytes]:
        """A message with an xid of its own, as bytes; for bundles, which carry messages."""
        self._xid = self._xid % 0x7FFFFFFF + 1
        return self._xid, HEADER.pack(VERSION, kind, HEADER.size + len(body), self._xid) + body

    def send(self, kind: int, body: bytes = b"", xid: int | None = None) -> int:
        if xid is None:
            xid, data = self.frame(kind, body)
        else:
            data = HEADER.pack(VERSION, kind, HEADER.size + len(body), xid) + body
        self.write(data)
        return xid

    def write(self, data: bytes) -> None:
        """Raises SwitchAway when the connection is closed."""
        if self.closed.is_set():
            raise SwitchAway("the connection to Open vSwitch is closed", where=self.where)
        self._writer.write(data)

    async def request(self, kind: int, body: bytes = b"", before: bytes = b"") -> list[Message]:
        """Send, in one write with the messages `before` it, and wait for all parts of the reply. Raises SwitchAway; an
        ERROR reply raises SwitchRefused."""
        xid, data = self.frame(kind, body)
        parts = await self._wait(xid, before + data)
        if parts[-1].kind == Kind.ERROR:
            raise refused(parts[-1], self.where)
        return parts

    async def _wait(self, xid: int, data: bytes = b"") -> list[Message]:
        waiting = self._waiting[xid] = _Waiting(asyncio.get_running_loop().create_future())
        try:
            if data:
                self.write(data)
            async with asyncio.timeout(TIMEOUT):
                return await waiting.done
        except TimeoutError:
            raise SwitchAway("Open vSwitch does not answer", where=self.where) from None
        finally:
            self._waiting.pop(xid, None)

    async def barrier(self) -> None:
        """Returns when the switch has done everything sent before."""
        await self.request(Kind.BARRIER_REQUEST)

    # -- what the switch is told once ------------------------------------------------------------------------------

    async def greet(self) -> None:
        """HELLO and set-up. Raises Unsupported for a switch that does not speak OpenFlow 1.5."""
        self.write(HEADER.pack(VERSION, Kind.HELLO, HEADER.size, 0))
        (hello,) = await self._wait(0)
        if hello.kind != Kind.HELLO or hello.body[0] < VERSION:
            raise Unsupported(
                "this bridge does not speak OpenFlow 1.5",
                where=self.where,
                advice="Retia needs Open vSwitch 2.17 or newer with OpenFlow15 among the bridge's protocols",
            )
        self.send(Kind.SET_CONFIG, struct.pack("!HH", 0, 0xFFFF))
        self._nicira(SET_PACKET_IN_FORMAT, struct.pack("!I", PACKET_IN_WITH_METADATA))
        self._nicira(SET_CONTROLLER_ID, struct.pack("!6xH", CONTROLLER_ID))
        await self.barrier()

    def _nicira(self, subtype: int, body: bytes) -> None:
        self.send(Kind.EXPERIMENTER, struct.pack("!II", NICIRA, subtype) + body)

    async def map_option(self) -> None:
        """Map Retia's Geneve option to tun_metadata0, unless it is so already. Raises SwitchRefused."""
        wanted = struct.pack("!HBBHxx", TLV_CLASS, TLV_TYPE, TLV_BYTES, 0)
        if wanted in await self._options():
            return
        self._nicira(SET_TLV_TABLE, struct.pack("!Hxxxxxx", 0) + wanted)
        await self.barrier()
        if wanted not in await self._options():
            advice = "another program has mapped tun_metadata0 of this bridge: `ovs-ofctl dump-tlv-map`"
            raise SwitchRefused("Retia's Geneve option cannot be mapped", where=self.where, advice=advice)

    async def _options(self) -> set[bytes]:
        """The Geneve options that are mapped: class, type, bytes, and the index of their tun_metadata field."""
        (reply,) = await self.request(Kind.EXPERIMENTER, struct.pack("!II", NICIRA, GET_TLV_TABLE))
        return {reply.body[place : place + 8] for place in range(24, len(reply.body), 8)}

    async def monitor(self) -> None:
        """Ask for reports of flows that others add, change or remove; ours come abbreviated."""
        flags = 2 | 4 | 8 | 16
        body = struct.pack("!HHxxxxIIIHBB", FLOW_MONITOR, 0, 1, ANY, ANY, flags, ALL_TABLES, 0) + encode_match(())
        await self.request(Kind.MULTIPART_REQUEST, body)

    async def dump(self, table: int | None = None) -> Iterator[Observed]:
        """Every flow of the bridge or of one table, from the wire and so with all masks."""
        which = ALL_TABLES if table is None else table
        body = struct.pack("!HHxxxxBxxxIIxxxxQQ", FLOW_DESCRIPTIONS, 0, which, ANY, ANY, 0, 0) + encode_match(())
        parts = await self.request(Kind.MULTIPART_REQUEST, body)
        return (one for part in parts for one in decode_descriptions(part.body[8:]))

    async def add_meters(self, wanted: Mapping[int, Meter]) -> None:
        """Those that are missing or different."""
        if not wanted:
            return
        seen = await self._meters()
        for meter in wanted.values():
            if seen.get(meter.number) != meter:
                self.send(Kind.METER_MOD, meter_mod(MODIFY if meter.number in seen else ADD, meter))

    async def drop_meters(self, wanted: Mapping[int, Meter]) -> None:
        """All but these, and with each the flows that name it."""
        for number in (await self._meters()).keys() - wanted.keys():
            self.send(Kind.METER_MOD, meter_mod(DELETE, Meter(number, 0, 0)))

    async def _meters(self) -> dict[int, Meter | None]:
        body = struct.pack("!HHxxxxIxxxx", METER_DESCRIPTIONS, 0, ALL)
        parts = await self.request(Kind.MULTIPART_REQUEST, body)
        return dict(one for part in parts for one in decode_meters(part.body[8:]))

    def packet_out(self, frame: bytes, actions: Actions, in_port: int) -> None:
        """Carry out actions on a packet of the agent's own."""
        self.send(Kind.PACKET_OUT, encode_packet_out(frame, actions, in_port))

    async def flush_zones(self, zones: Iterable[int]) -> None:
        """Forget the tracked connections of these zones. Raises SwitchAway."""
        for zone in zones:
            self._nicira(FLUSH_ZONE, struct.pack("!6xH", zone))
        await self.barrier()

    async def sizes(self) -> dict[int, int]:
        """How many flows each table has: the switch counts them itself, so that nothing is dumped."""
        parts = await self.request(Kind.MULTIPART_REQUEST, struct.pack("!HHxxxx", TABLES, 0))
        every = (TABLE_STATS.iter_unpack(part.body[8:]) for part in parts)
        return {table: flows for part in every for table, flows, _, _ in part if flows}

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def connect(socket: Path) -> Connection:
    """Raises SwitchAway, NotAllowed or Unsupported, each with what to do."""
    connection = Connection(*await open_socket(socket, "Open vSwitch", "ovs-vswitchd"), str(socket))
    try:
        await connection.greet()
    except BaseException:
        await connection.close()
        raise
    return connection


_ERRORS = {
    (2, 0): "it has an action of a kind this switch does not know",
    (2, 4): "it sends to a port that cannot be",
    (2, 5): "an action has an argument that cannot be",
    (2, 9): "it names a group that does not exist",
    (2, 10): "its match lacks what one of its actions needs",
    (2, 13): "it writes a field this switch does not know or does not let be written",
    (2, 15): "it writes a value that its field cannot have",
    (2, 16): "it writes part of a field that can only be written whole",
    (3, 1): "an instruction it has is not supported",
    (3, 2): "it goes on to a table that is not a later one",
    (4, 6): "it matches a field this switch does not know",
    (4, 7): "it matches a value that its field cannot have",
    (4, 8): "it matches part of a field that can only be matched whole",
    (4, 9): "its match lacks a field that another one needs",
    (4, 10): "it matches a field twice",
    (5, 1): "the table is full",
    (5, 2): "there is no such table",
    (12, 2): "it names a meter that does not exist",
}
"""OpenFlow's error types and codes that a flow can meet, in words (OpenFlow 1.5.1 section 7.5.4)."""


def refused(message: Message, where: str, flow: Flow | None = None) -> SwitchRefused:
    """An ERROR message as an exception."""
    kind, code = struct.unpack_from("!HH", message.body)
    what = _ERRORS.get((kind, code), f"OpenFlow error type {kind}, code {code}")
    subject = f"flow {flow.cookie:#x} in table {flow.table}: " if flow else ""
    return SwitchRefused(f"{subject}refused by the switch: {what}", where=where, type_=kind, detail=code)
