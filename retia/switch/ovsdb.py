"""A small OVSDB client on asyncio: transactions, and a monitor that shows rows as they change.

RFC 7047 over the unix socket of ovsdb-server. Messages are JSON without framing; they are cut where the outermost
brace closes, however many reads that takes (a reply for thousands of interfaces comes in many). `bridge` says what
Retia reads and writes with it. Why not the `ovs` package: docs/decisions/0003-ovsdb-client.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from retia.errors import SwitchAway, SwitchRefused
from retia.switch.socket import open_socket

DATABASE = "Open_vSwitch"
TIMEOUT = 10.0
_MARKS = re.compile(rb'["{}\\]')

Row = dict[str, Any]
Updates = dict[str, dict[str, dict[str, Row]]]


class Framer:
    """Cuts a stream of bytes into JSON texts. Linear in what it is fed, whatever the pieces."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._scanned = 0
        self._depth = 0
        self._quoted = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self._data += piece
        while (end := self._scan()) is not None:
            yield bytes(self._data[:end])
            del self._data[:end]
            self._scanned = 0

    def _scan(self) -> int | None:
        """Where the first whole text ends; None when it goes on."""
        place = self._scanned
        while (mark := _MARKS.search(self._data, place)) is not None:
            place = mark.end()
            sign = self._data[mark.start()]
            if sign == ord("\\"):
                if place == len(self._data):
                    self._scanned = mark.start()
                    return None
                place += 1
            elif sign == ord('"'):
                self._quoted = not self._quoted
            elif not self._quoted:
                self._depth += 1 if sign == ord("{") else -1
                if self._depth == 0:
                    return place
        self._scanned = len(self._data)
        return None


class Database:
    """One connection. `closed` is set and `on_closed` called when it ends; `on_update` gets a monitor's changes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str) -> None:
        self._reader, self._writer, self.where = reader, writer, where
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.closed = asyncio.Event()
        self.on_update: Callable[[Updates], None] = lambda _: None
        self.on_closed: Callable[[], None] = lambda: None
        self._task = asyncio.create_task(self._read(), name=f"ovsdb {where}")

    async def _read(self) -> None:
        framer = Framer()
        try:
            while piece := await self._reader.read(1 << 16):
                for text in framer.feed(piece):
                    self._take(json.loads(text))
        except OSError:
            pass
        finally:
            self.closed.set()
            self.on_closed()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(SwitchAway("the connection to ovsdb-server broke", where=self.where))
            self._writer.close()

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})
        elif method == "update":
            self.on_update(message["params"][1])
        else:
            future = self._waiting.pop(message.get("id", -1), None)
            if future is not None and not future.done():
                future.set_result(message)

    def _send(self, message: dict[str, Any]) -> None:
        if self.closed.is_set():
            raise SwitchAway("the connection to ovsdb-server is closed", where=self.where)
        self._writer.write(json.dumps(message).encode())

    async def call(self, method: str, params: list[Any]) -> Any:
        """Raises SwitchAway, or SwitchRefused with ovsdb-server's words."""
        self._number += 1
        number = self._number
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send({"method": method, "params": params, "id": number})
        try:
            async with asyncio.timeout(TIMEOUT):
                reply = await future
        except TimeoutError:
            raise SwitchAway("ovsdb-server does not answer", where=self.where) from None
        finally:
            self._waiting.pop(number, None)
        if reply.get("error"):
            raise SwitchRefused(f"ovsdb-server refuses {method}: {reply['error']}", where=self.where)
        return reply["result"]

    async def transact(self, *operations: Row) -> list[Row]:
        """All operations or none. Raises SwitchRefused for the first that fails."""
        results: list[Row] = await self.call("transact", [DATABASE, *operations])
        for result in results:
            if result and result.get("error"):
                what = f"{result['error']}: {result.get('details', '')}"
                raise SwitchRefused(f"ovsdb-server refuses a change: {what}", where=self.where)
        return results

    async def select(self, table: str, where: list[Any], columns: list[str]) -> list[Row]:
        (result,) = await self.transact({"op": "select", "table": table, "where": where, "columns": columns})
        return list(result["rows"])

    async def monitor(self, tables: dict[str, list[str]]) -> Updates:
        """The rows as they are; from now on `on_update` gets every change, in order."""
        wanted = {table: [{"columns": columns}] for table, columns in tables.items()}
        updates: Updates = await self.call("monitor", [DATABASE, None, wanted])
        return updates

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def connect(socket: Path) -> Database:
    """Raises SwitchAway or NotAllowed, with what to do."""
    return Database(*await open_socket(socket, "Open vSwitch's database", "ovsdb-server"), str(socket))


def many(value: Any) -> list[Any]:
    """An OVSDB value as a list: a set's members, or the one value."""
    return list(value[1]) if isinstance(value, list) and value and value[0] == "set" else [value]


def mapping(value: Any) -> dict[str, str]:
    return dict(value[1]) if isinstance(value, list) and value and value[0] == "map" else {}


def as_map(value: dict[str, str]) -> list[Any]:
    """What `mapping` reads."""
    return ["map", [list(pair) for pair in value.items()]]


def identifiers(value: Any) -> list[str]:
    """The UUIDs of a reference column."""
    return [one[1] for one in many(value)]
