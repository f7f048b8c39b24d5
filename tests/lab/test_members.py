"""An etcd of several members that loses its leader: who asks meanwhile gets an answer, not an outage."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import grpc
import pytest
from aetcd import rpc

from retia.errors import StoreAway
from retia.lab import names
from retia.lab.etcd import Etcd
from retia.lab.names import Place
from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore


@pytest.fixture
async def members(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Etcd, Place]]:
    with tempfile.TemporaryDirectory(prefix="retia-") as base:  # a socket's path is short
        monkeypatch.setattr(names, "BASE", Path(base))
        place = Place("members", 3)
        place.dir.mkdir()
        etcd = Etcd(place, dict(os.environ))
        etcd.start()
        try:
            await (await etcd.wait()).close()
            yield etcd, place
        finally:
            await etcd.stop(how=SIGKILL)


async def leader(place: Place) -> int:
    """The member that leads, counted from 1. Asks those that answer."""
    async with asyncio.timeout(20):
        while True:
            for number, endpoint in enumerate(place.endpoints, 1):
                async with grpc.aio.insecure_channel(endpoint) as channel:
                    try:
                        answer = await rpc.MaintenanceStub(channel).Status(rpc.StatusRequest(), timeout=2)
                    except grpc.aio.AioRpcError:
                        continue
                    if answer.leader and answer.leader == answer.header.member_id:
                        return number
            await asyncio.sleep(0.1)


async def test_a_change_while_a_leader_is_chosen_is_made(members: tuple[Etcd, Place]) -> None:
    etcd, place = members
    store = EtcdStore(Access(place.endpoints))
    for number in range(3):
        killed = await leader(place)
        await etcd.stop(killed, SIGKILL)
        await store.commit(Transaction(puts={"/elected": str(number).encode()}))
        record = await store.get("/elected")
        assert record is not None and record.value == str(number).encode()
        etcd.start(killed)
    await store.close()


async def test_a_majority_that_is_silent_for_a_while_is_waited_for(
    members: tuple[Etcd, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than one round over all endpoints takes."""
    monkeypatch.setattr("retia.store.etcd.TIMEOUT", 1.0)
    etcd, place = members
    store = EtcdStore(Access(place.endpoints))
    await etcd.stop(1, SIGKILL)
    etcd.children[2].send_signal(SIGSTOP)
    asyncio.get_running_loop().call_later(2.5, etcd.children[2].send_signal, SIGCONT)
    await store.commit(Transaction(puts={"/waited": b"1"}))
    await store.close()


async def test_members_without_a_majority_are_away(members: tuple[Etcd, Place]) -> None:
    etcd, place = members
    store = EtcdStore(Access(place.endpoints))
    for number in (1, 2):
        await etcd.stop(number, SIGKILL)
    begin = time.monotonic()
    with pytest.raises(StoreAway, match="etcd does not answer"):
        await store.get("/elected")
    assert time.monotonic() - begin < 60
    await store.close()
