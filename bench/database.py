"""A raw OVSDB client over one open connection, so that what is timed is the daemon and not a tool's start.

Synchronous: `transact` and be told, `monitor` and `wait` for an update. Used by `openvswitch` and `ovn`.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench.processes import wait_until
from retia.switch.socket import listens

T = TypeVar("T")
Row = dict[str, Any]


class Database:
    def __init__(self, path: Path, name: str) -> None:
        wait_until(lambda: listens(path), str(path))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._name = name
        self._text = ""
        self._number = 0
        self._replies: dict[int, Row] = {}
        self.updates: list[tuple[float, Row]] = []

    def close(self) -> None:
        self._socket.close()

    def transact(self, *operations: Row) -> list[Row]:
        """Raises RuntimeError for a refused operation."""
        results: list[Row] = self._call("transact", [self._name, *operations])
        for result in results:
            if result and result.get("error"):
                raise RuntimeError(f"OVSDB: {result}")
        return results

    def select(self, table: str, where: list[Any], columns: list[str]) -> list[Row]:
        operation = {"op": "select", "table": table, "where": where, "columns": columns}
        rows: list[Row] = self.transact(operation)[0]["rows"]
        return rows

    def monitor(self, table: str, columns: list[str]) -> Row:
        """Ask for the updates of a table; what it holds now is returned."""
        answer: Row = self._call("monitor", [self._name, self._number, {table: {"columns": columns}}])
        return answer.get(table, {})

    def wait(self, found: Callable[[Row], T | None], seconds: float = 60.0) -> tuple[float, T]:
        """The first update that `found` makes something of, and when it came."""
        end = time.monotonic() + seconds
        while True:
            while self.updates:
                when, update = self.updates.pop(0)
                if (value := found(update)) is not None:
                    return when, value
            if time.monotonic() > end:
                raise TimeoutError(f"{self._name}: no such update within {seconds:g} s")
            self._read(0.5)

    def _call(self, method: str, parameters: list[Any]) -> Any:
        self._number += 1
        number, end = self._number, time.monotonic() + 300
        self._send({"method": method, "params": parameters, "id": number})
        while number not in self._replies:
            if time.monotonic() > end:
                raise TimeoutError(f"{self._name}: {method} is not answered")
            self._read(1.0)
        reply = self._replies.pop(number)
        if reply.get("error"):
            raise RuntimeError(f"OVSDB: {reply['error']}")
        return reply["result"]

    def _send(self, message: Row) -> None:
        self._socket.settimeout(None)
        self._socket.sendall(json.dumps(message, separators=(",", ":")).encode())

    def _read(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 20)
        except TimeoutError:
            return
        when = time.perf_counter()
        if not data:
            raise EOFError(f"{self._name} closed the connection")
        self._text += data.decode()
        if self._text.endswith("}"):  # or a message is not whole yet, and is not worth a try
            self._take(when)

    def _take(self, when: float) -> None:
        decoder, place = json.JSONDecoder(), 0
        while place < len(self._text):
            try:
                message, place = decoder.raw_decode(self._text, place)
            except ValueError:
                break
            if message.get("method") == "echo":
                self._send({"id": message["id"], "result": message["params"], "error": None})
            elif message.get("method") == "update":
                self.updates.append((when, message["params"][1]))
            elif "method" not in message:
                self._replies[message["id"]] = message
        self._text = self._text[place:]
