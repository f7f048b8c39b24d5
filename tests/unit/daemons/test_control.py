"""Questions over the control socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from retia.daemons import control
from retia.errors import Conflict, InvalidInput, NotFound, Retry


async def echo(asked: dict) -> dict:
    return {"heard": asked}


async def fail(_: dict) -> None:
    raise NotFound("there is no such flow", where="here", advice="look again")


@pytest.fixture
async def socket(tmp_path: Path):
    path = tmp_path / "agent.sock"
    server = await control.serve(path, {"echo": echo, "fail": fail})
    yield path
    server.close()


async def test_an_answer_and_an_error_cross(socket: Path) -> None:
    assert await control.ask(socket, "echo", number=7) == {"heard": {"number": 7}}
    with pytest.raises(NotFound, match="no such flow") as error:
        await control.ask(socket, "fail")
    assert (error.value.where, error.value.advice) == ("here", "look again")
    assert oct(socket.stat().st_mode & 0o777) == "0o600"


async def test_what_cannot_be_answered_is_said(socket: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot answer 'dance'"):
        await control.ask(socket, "dance")
    reader, writer = await asyncio.open_unix_connection(socket)
    for line in (b"no json\n", b"[1]\n", b"{}\n"):
        writer.write(line)
        assert b"error" in await reader.readline()
    writer.close()


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Retry, match="no agent answers"):
        await control.ask(tmp_path / "none.sock", "echo")


async def test_a_living_agents_socket_is_refused_and_a_dead_ones_taken(socket: Path, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="another agent"):
        await control.serve(socket, {})
    dead = tmp_path / "dead.sock"
    server = await asyncio.start_unix_server(lambda *_: None, dead)
    server.close()
    await server.wait_closed()
    (await control.serve(dead, {})).close()
