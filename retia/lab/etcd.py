"""The lab's etcd: the real server, of one or more members, on unix sockets in the lab's directory: it needs no network.

Made and used by `spaces`. Members are processes of the lab like all others, so that its guardian ends them.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import grpc
from aetcd import rpc

from retia.errors import Fatal, Retry
from retia.lab.names import Place
from retia.lab.process import execute, spawn, tail
from retia.store import schema, serve
from retia.store.etcd import Access, EtcdStore

PATIENCE = 20.0


class Etcd:
    """`children` are the members that run, by number."""

    def __init__(self, place: Place, env: Mapping[str, str]) -> None:
        self._place, self._env = place, env
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def _numbers(self) -> range:
        return range(1, self._place.members + 1)

    def _url(self, number: int, of: int) -> str:
        """etcd wants a host and port; together they name a file."""
        return f"unix://{self._place.etcd(number)}:{of}"

    def _data(self, number: int) -> Path:
        return self._place.dir / f"{self._place.etcd(number)}.data"

    def start(self, number: int = 0) -> None:
        """One member, or (0) all that do not run, with the data they had: the flags of `retia store run`, but for
        where it listens (the last of two equal flags counts). What a killed one left of its sockets is removed."""
        for one in [number] if number else self._numbers:
            if self.runs(one):
                continue
            clients, peers = self._url(one, 1), self._url(one, 2)
            for url in (clients, peers):
                (self._place.dir / url.removeprefix("unix://")).unlink(missing_ok=True)
            command = [
                *serve.command(serve.Place(self._data(one))),
                f"--name={self._place.etcd(one)}",
                f"--listen-client-urls={clients}",
                f"--advertise-client-urls={clients}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster={self._cluster}",
            ]
            log = self._place.dir / f"{self._place.etcd(one)}.log"
            self.children[one] = spawn(command, self._env, log, cwd=self._place.dir)

    @property
    def _cluster(self) -> str:
        return ",".join(f"{self._place.etcd(one)}={self._url(one, 2)}" for one in self._numbers)

    def runs(self, number: int) -> bool:
        child = self.children.get(number)
        return child is not None and child.poll() is None

    async def stop(self, number: int = 0, how: signal.Signals = signal.SIGTERM) -> None:
        """One member, or (0) all. Returns when they have ended. Raises Fatal for what another process started."""
        ending = [one for one in ([number] if number else self._numbers) if self.runs(one)]
        if not ending:
            raise Fatal("its etcd does not run, or is another process's", where=self._place.name)
        for one in ending:
            self.children[one].send_signal(how)
        for one in ending:
            await asyncio.to_thread(self.children.pop(one).wait, PATIENCE)

    async def compact(self) -> None:
        """Forget the history before now: who watches from an earlier revision is told that it is gone."""
        async with grpc.aio.insecure_channel(self._place.endpoints[0]) as channel:
            store = rpc.KVStub(channel)
            now = await store.Range(rpc.RangeRequest(key=b"/"), timeout=PATIENCE)
            await store.Compact(rpc.CompactionRequest(revision=now.header.revision, physical=True), timeout=PATIENCE)

    async def save(self) -> None:
        """Keep a copy of all it holds, as `etcdctl snapshot save` does."""
        await self._tool("snapshot", "save", str(self._copy))

    async def put_back(self) -> None:
        """Make every member's data that copy: all written since is forgotten, and the revision goes back."""
        for one in self._numbers:
            shutil.rmtree(self._data(one), ignore_errors=True)
            name, peers = self._place.etcd(one), self._url(one, 2)
            await self._tool(
                "snapshot", "restore", str(self._copy), f"--name={name}", f"--data-dir={self._data(one)}",
                f"--initial-cluster={self._cluster}", f"--initial-advertise-peer-urls={peers}",
            )  # fmt: skip

    @property
    def _copy(self) -> Path:
        return self._place.dir / "etcd.copy"

    async def _tool(self, *words: str) -> None:
        command = ["etcdctl", f"--endpoints={self._place.endpoints[0].replace('unix:', 'unix://')}", *words]
        await execute(command, {**self._env, "ETCDCTL_API": "3"})

    async def wait(self) -> EtcdStore:
        """A client, once it serves. Raises Fatal with the end of its log."""
        store = EtcdStore(Access(self._place.endpoints))
        end = time.monotonic() + PATIENCE
        while True:
            try:
                await schema.check(store)
                return store
            except Retry:
                dead = [child for child in self.children.values() if child.poll() is not None]
                if time.monotonic() > end or dead:
                    await store.close()
                    log = self._place.dir / f"{self._place.etcd(1)}.log"
                    raise Fatal(f"etcd does not serve:\n{tail(log)}", where=str(log)) from None
            await asyncio.sleep(0.02)
