"""The lab's one etcd: the real server, on a unix socket in the lab's directory, so that it needs no network at all."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Mapping

import grpc
from aetcd import rpc

from retia.errors import Fatal, Retry
from retia.lab.names import Place
from retia.lab.process import spawn, tail
from retia.store import schema, serve
from retia.store.etcd import Access, EtcdStore

PATIENCE = 20.0
_CLIENTS, _PEERS = "unix://etcd:1", "unix://etcd:2"  # etcd wants a host and port; together they name a file


def start(place: Place, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The flags of `retia store run`, but for where it listens (the last of two equal flags counts). What a killed one
    left of its sockets is removed."""
    for urls in (_CLIENTS, _PEERS):
        (place.dir / urls.removeprefix("unix://")).unlink(missing_ok=True)
    command = [
        *serve.command(serve.Place(place.dir / "etcd")),
        f"--listen-client-urls={_CLIENTS}",
        f"--advertise-client-urls={_CLIENTS}",
        f"--listen-peer-urls={_PEERS}",
        f"--initial-advertise-peer-urls={_PEERS}",
        f"--initial-cluster=retia={_PEERS}",
    ]
    return spawn(command, env, place.dir / "etcd.log", cwd=place.dir)


async def compact(place: Place) -> None:
    """Forget the history before now: who watches from an earlier revision is told that it is gone."""
    async with grpc.aio.insecure_channel(place.endpoint) as channel:
        store = rpc.KVStub(channel)
        now = await store.Range(rpc.RangeRequest(key=b"/"), timeout=PATIENCE)
        await store.Compact(rpc.CompactionRequest(revision=now.header.revision, physical=True), timeout=PATIENCE)


async def connect(place: Place, child: subprocess.Popen[bytes] | None = None) -> EtcdStore:
    """A client, once the server serves. Raises Fatal with the end of its log."""
    store = EtcdStore(Access((place.endpoint,)))
    end = time.monotonic() + PATIENCE
    while True:
        try:
            await schema.check(store)
            return store
        except Retry:
            if time.monotonic() > end or (child is not None and child.poll() is not None):
                await store.close()
                log = place.dir / "etcd.log"
                raise Fatal(f"etcd does not serve:\n{tail(log)}", where=str(log)) from None
        await asyncio.sleep(0.02)
