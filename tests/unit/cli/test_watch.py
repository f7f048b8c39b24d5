"""`retia status --watch` as a process: every change, a store that goes and comes back, and a quiet end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from retia.model.state import Alive, Applied
from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.host import register
from retia.store.records import encode, key_of
from retia.values import Ip
from tests.etcd import EtcdServer, free_port


class Watching:
    """The command in a pipe; `until` gives the first line that is as wanted."""

    def __init__(self, endpoint: str, *words: str) -> None:
        command = [sys.executable, "-m", "retia", "--etcd", endpoint, "status", "--watch", "-n", "0.05", *words]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.lines.put(line)

    def until(self, **wanted: Any) -> dict[str, Any]:
        end = time.monotonic() + 20
        while True:
            told = json.loads(self.lines.get(timeout=end - time.monotonic()))
            if all(told[name] == value for name, value in wanted.items()):
                return told

    def end(self) -> tuple[int, str]:
        self.child.send_signal(signal.SIGINT)
        code = self.child.wait(10)
        self._reader.join()
        with self.child.stderr as said:
            return code, said.read()


@contextlib.contextmanager
def watching(endpoint: str, *words: str) -> Iterator[Watching]:
    made = Watching(endpoint, *words)
    try:
        yield made
    finally:
        made.child.kill()
        made.child.wait()


def write(endpoint: str, name: str, applied: int | None = None) -> None:
    """A host comes, or says how far it is."""

    async def work() -> None:
        store = EtcdStore(Access((endpoint,)))
        try:
            if applied is None:
                await register(store, name, Ip.parse("192.0.2.1"), "test")
                alive = Alive(host=name)
                await store.commit(Transaction(puts={key_of(alive): encode(alive)}))
            else:
                told = Applied(host=name, revision=applied, flows=42)
                await store.commit(Transaction(puts={key_of(told): encode(told)}))
        finally:
            await store.close()

    asyncio.run(work())


def test_every_change_is_a_line_and_an_outage_is_said(own_etcd: EtcdServer) -> None:
    with watching(own_etcd.endpoint, "-o", "json") as one:
        assert one.until(store="connected")["hosts"] == []
        write(own_etcd.endpoint, "hv1")
        told = one.until(store="connected")
        while not told["hosts"] or told["hosts"][0]["state"] != "alive":
            told = one.until(store="connected")
        assert told["hosts"][0]["applied"] == "not yet"
        write(own_etcd.endpoint, "hv1", 1)
        assert one.until(store="connected")["hosts"][0]["applied"] == "1, behind"
        write(own_etcd.endpoint, "hv1", told["revision"])
        told = one.until(store="connected")
        assert told["hosts"][0]["applied"] == str(told["revision"]) and told["hosts"][0]["flows"] == 42
        own_etcd.halt()
        away = one.until(store="away")
        assert re.match(r"\d{4}-\d\d-\d\dT", away["away_since"]) and away["hosts"] == told["hosts"], "what was known"
        own_etcd.start()
        assert one.until(store="connected")["away_since"] == ""
        time.sleep(0.7)
        assert one.lines.empty(), "what did not change is not printed again"
        assert one.end() == (0, "")


def test_a_store_that_is_not_there_yet_is_waited_for() -> None:
    with watching(f"127.0.0.1:{free_port()}", "-o", "json") as one:
        assert one.until(store="away")["hosts"] == []
        assert one.end() == (0, "")


def test_pages_in_a_pipe(etcd: EtcdServer) -> None:
    with watching(etcd.endpoint) as one:
        lines = "".join(one.lines.get(timeout=20) for _ in range(4))
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", lines) and "ports live on a host" in lines
        assert one.end() == (0, "")


def test_in_a_terminal_it_is_drawn_in_place_and_ends_quietly(etcd: EtcdServer) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "retia", "--etcd", etcd.endpoint, "status", "-w"]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said = b""
    try:
        while b"store at revision" not in said:
            said += os.read(ours, 65536)
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0
        with contextlib.suppress(OSError):
            said += os.read(ours, 65536)
        assert b"\x1b[?25h" in said and b"Traceback" not in said and b"stopped" not in said
    finally:
        child.kill()
        child.wait()
        os.close(ours)


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--watch", "--local"), "do not go together"), (("--watch", "-n", "0"), "is no pause")],
)
def test_what_makes_no_sense_is_said(words: tuple[str, ...], says: str) -> None:
    command = [sys.executable, "-m", "retia", "--etcd", "127.0.0.1:1", "status", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
