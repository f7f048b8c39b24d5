"""The OpenFlow connection against a scripted peer: one that is too old, one that hangs, one that goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from retia.errors import SwitchAway, Unsupported
from retia.switch import connection
from retia.switch.connection import HEADER, Kind


@contextlib.asynccontextmanager
async def peer(path: Path, version: int = 6, deaf_to: int = -1) -> AsyncIterator[list[int]]:
    """Answers HELLO, barriers and echoes; hears, but never answers `deaf_to`."""
    heard: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER.pack(version, Kind.HELLO, 8, 77))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                _, kind, size, xid = HEADER.unpack(await reader.readexactly(8))
                await reader.readexactly(size - 8)
                heard.append(kind)
                answers = {Kind.BARRIER_REQUEST: Kind.BARRIER_REPLY, Kind.ECHO_REQUEST: Kind.ECHO_REPLY}
                if kind in answers and kind != deaf_to:
                    writer.write(HEADER.pack(6, answers[Kind(kind)], 8, xid))
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield heard
    finally:
        server.close()


async def test_a_switch_without_openflow_1_5_is_too_old(tmp_path: Path) -> None:
    async with peer(tmp_path / "m", version=4):
        with pytest.raises(Unsupported, match=r"OpenFlow 1\.5") as raised:
            await connection.connect(tmp_path / "m")
    assert "2.17" in raised.value.advice


async def test_the_greeting_sets_what_punts_need(tmp_path: Path) -> None:
    async with peer(tmp_path / "m") as heard:
        made = await connection.connect(tmp_path / "m")
        await made.close()
    assert heard[:2] == [Kind.HELLO, Kind.SET_CONFIG] and heard.count(Kind.EXPERIMENTER) == 2


async def test_a_switch_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ECHO_EVERY", 0.02)
    monkeypatch.setattr(connection, "TIMEOUT", 0.1)
    async with peer(tmp_path / "m", deaf_to=Kind.ECHO_REQUEST) as heard:
        made = await connection.connect(tmp_path / "m")
        async with asyncio.timeout(2):
            await made.keep()
        await made.close()
    assert Kind.ECHO_REQUEST in heard


async def test_echoes_keep_a_living_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ECHO_EVERY", 0.01)
    async with peer(tmp_path / "m") as heard:
        made = await connection.connect(tmp_path / "m")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await made.keep()
        await made.close()
    assert heard.count(Kind.ECHO_REQUEST) > 3


async def test_who_waits_when_it_is_given_up_hears_of_it(tmp_path: Path) -> None:
    async with peer(tmp_path / "m", deaf_to=Kind.ECHO_REQUEST):
        made = await connection.connect(tmp_path / "m")
        waiting = asyncio.create_task(made.request(Kind.ECHO_REQUEST))
        await asyncio.sleep(0.02)
        made.abort()
        with pytest.raises(SwitchAway):
            await waiting
        with pytest.raises(SwitchAway, match="closed"):
            made.send(Kind.BARRIER_REQUEST)
        await made.close()


async def test_no_socket_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(SwitchAway) as raised:
        await connection.connect(tmp_path / "none.mgmt")
    assert raised.value.where.endswith("none.mgmt") and "start ovs-vswitchd" in raised.value.advice
