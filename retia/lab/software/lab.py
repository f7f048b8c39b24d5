"""The software lab: the same file, steps and conditions as the real one, in this process and without root.

start: store in memory ─► network applied ─► hosts: bridge and agent ─► guests plugged in ─► ports bound, flows there

Agents, their rules, the reconciler, the store's transactions and every flow are the real ones. What is not here: an
Open vSwitch, kernels, processes. Made by `commands`; nothing of it outlives this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile

from retia.lab.contract import AGENT
from retia.lab.file import LabFile
from retia.lab.lab import READY, Lab, addresses
from retia.lab.software.failure import NotForSoftware
from retia.lab.software.guest import SoftwareGuest
from retia.lab.software.host import SoftwareHost, Underlay
from retia.lab.software.outside import SoftwareOutside
from retia.lab.software.segment import Segment
from retia.lab.software.stack import Stack
from retia.lab.words import HostName
from retia.store import schema
from retia.store.memory import MemoryStore
from retia.store.tether import Tether


class SoftwareLab(Lab):
    software = True

    def __init__(self, file: LabFile) -> None:
        super().__init__(file, file.name)
        self._run_dir = tempfile.TemporaryDirectory(prefix="retia-lab-")
        self.memory = MemoryStore()
        self.tether = Tether(self.memory)
        self.store = self.tether
        self._underlay = Underlay()
        self._segments = {name: Segment() for name in file.segments}
        self._hosts = {name: self._host(str(name), address) for name, address in addresses(file).items()}
        self._guests = {
            name: SoftwareGuest(name, self._hosts[wish.host], wish.port) for name, wish in file.guests.items()
        }

        self._outside = {
            name: SoftwareOutside(name, wish, number, self._segments)
            for number, (name, wish) in enumerate(file.outside.items(), 1)
        }
        self._watching: list[asyncio.Task[None]] = []

    def _host(self, name: str, address: str) -> SoftwareHost:
        physical, settings = self.file.physical.get(HostName(name), {}), self.file.settings.get(HostName(name), {})
        host = SoftwareHost(name, address, self._underlay, self.tether, self._run_dir.name, physical, settings)
        host.attach(self._segments)
        return host

    @property
    def hosts(self) -> dict[str, SoftwareHost]:
        return self._hosts

    @property
    def guests(self) -> dict[str, SoftwareGuest]:
        return self._guests

    @property
    def outside(self) -> dict[str, SoftwareOutside]:
        return self._outside

    async def start(self) -> None:
        await schema.check(self.store)
        if self.file.network is not None:
            await self.apply(self.file.network)
        for host in self.hosts.values():
            host.start_agent()
            self._watching.append(asyncio.create_task(host.watch(), name=f"ports of {host.name}"))
        for name, guest in self.guests.items():
            if self.file.guests[name].plugged:
                await guest.plug()
        await self.refresh()
        await self.settle(READY)

    async def close(self) -> None:
        """End every agent."""
        self.tether.mend()
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for host in self.hosts.values():
            if host.runs(AGENT):
                await host.stop(AGENT, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._run_dir.cleanup()

    def save(self) -> None:
        """Nobody finds it again."""

    async def move(self, guest: str, to: str) -> None:
        moved = self.guests[guest]
        was_plugged = moved.plugged
        await moved.unplug()
        moved.host = self.hosts[to]
        if was_plugged:
            await moved.plug()

    async def stop_store(self, member: int = 0, how: signal.Signals = signal.SIGTERM) -> None:
        self.tether.cut()

    async def start_store(self, member: int = 0) -> None:
        self.tether.mend()

    async def compact_store(self) -> None:
        self.memory.compact()

    async def save_store(self) -> None:
        raise NotForSoftware("etcd keeps no copies here")

    async def put_back_store(self) -> None:
        raise NotForSoftware("etcd keeps no copies here")

    async def carry(self, source: str, target: str, size: int, limit: float) -> float:
        here, there = self._stack(source), self._stack(target)
        return await here.upload(there, self.address_of(target), size, limit)

    def _stack(self, name: str) -> Stack:
        return self.guests.get(name) or self.outside[name]
