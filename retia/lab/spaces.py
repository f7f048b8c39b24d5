"""The real lab: namespaces, links between them, one etcd, and an Open vSwitch and an agent on every host.

start: etcd ─┐
       links ─┼─► switches ─► agents ─┐
       network applied to the store ──┴─► guests configured, ports bound, flows there ─► ready

Made by `commands`. Whatever it makes its guardian takes away, however this process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from pathlib import Path

from retia.errors import Conflict
from retia.lab import netns
from retia.lab.etcd import Etcd
from retia.lab.file import LabFile
from retia.lab.guardian import Guardian
from retia.lab.guests import Guest
from retia.lab.hosts import Host
from retia.lab.lab import READY, Lab, addresses, together
from retia.lab.names import FABRIC, SEGMENT, Place, nic_of
from retia.lab.outside import Outside
from retia.lab.process import environment, execute
from retia.lab.segments import VlanSegment
from retia.lab.wire import carry
from retia.lab.words import HostName


class SpacesLab(Lab):
    """`hosts` and `guests` are there at once, what they stand for once it is up."""

    def __init__(self, file: LabFile, place: Place, mark: str = "", agents: bool = True) -> None:
        super().__init__(file, place.name)
        place = replace(place, members=file.etcd.members)
        self.place, self.agents = place, agents
        self.mark = mark or f"{place.name}.{uuid.uuid4().hex[:8]}"
        self.env = environment(self.mark)
        self._hosts = {name: self._host(name, address) for name, address in addresses(file).items()}
        self._guests = {
            name: Guest(name, self._hosts[wish.host], wish.port, place, self.mark) for name, wish in file.guests.items()
        }
        self._outside = {
            name: Outside(name, wish, number, place, self.mark)
            for number, (name, wish) in enumerate(file.outside.items(), 1)
        }
        self.up = False
        self._guardian: Guardian | None = None
        self._etcd = Etcd(place, self.env)

    def _host(self, name: str, address: str) -> Host:
        bridges, settings = self.file.physical.get(HostName(name), {}), self.file.settings.get(HostName(name), {})
        return Host(name, address, self.place, self.mark, bridges, settings)

    @property
    def hosts(self) -> dict[str, Host]:
        return self._hosts

    @property
    def guests(self) -> dict[str, Guest]:
        return self._guests

    @property
    def outside(self) -> dict[str, Outside]:
        return self._outside

    def claim(self) -> None:
        """Take the name, with a guardian that gives everything back. Raises Conflict, NotAllowed."""
        netns.check_right()
        self.place.dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.place.dir.mkdir(mode=0o700)
        except FileExistsError:
            advice = f"`retia lab down {self.name}` takes it away"
            raise Conflict(f"lab {self.name} is up already", where=str(self.place.dir), advice=advice) from None
        self._guardian = Guardian(self.place)
        self.save()

    async def start(self) -> None:
        """Everything, ready to be checked. Raises what hinders it; the caller then lets the guardian remove it."""
        self._etcd.start()
        await self._make_links()
        empty = self.place.dir / "empty.db"
        await execute(["ovsdb-tool", "create", str(empty), "/usr/share/openvswitch/vswitch.ovsschema"], self.env)
        serving = asyncio.create_task(self._start_store(), name="store")
        try:
            hosts = [self._start_host(host, empty, serving) for host in self.hosts.values()]
            outside = [node.configure() for node in self.outside.values()]
            outside += [
                VlanSegment(name, self.place, self.mark).start(empty, self._segment_ports(name))
                for name in self.file.segments
                if self._knows_vlans(name)
            ]
            await together(serving, *hosts, *outside, *(guest.calm() for guest in self.guests.values()))
        finally:
            serving.cancel()
        await self.refresh()
        if self.agents:
            await self.settle(READY)
        self.save()

    async def _start_store(self) -> None:
        self.store = await self._etcd.wait()
        if self.file.network is not None:
            await self.apply(self.file.network)

    async def _start_host(self, host: Host, empty: Path, serving: Awaitable[None]) -> None:
        await host.start_switch(empty)
        await asyncio.shield(serving)  # an agent wants its store there when it starts
        if self.agents:
            host.start_agent()
        for guest in self.guests.values():
            if guest.host is host and self.file.guests[guest.name].plugged:
                await guest.plug()

    async def _make_links(self) -> None:
        """All namespaces and links. No link is ever in the machine's own namespace."""
        space = self.place.namespace
        nodes = [FABRIC, *self.hosts, *self.guests, *self.outside]
        spaces = [*map(space, nodes), *map(self.place.segment, self.file.segments)]
        await netns.batch([f"netns add {each}" for each in spaces], self.env)
        for each in spaces:
            netns.within(each, netns.silence)
        pairs = [(f"to-{host}", FABRIC, host) for host in self.hosts]
        pairs += [(guest.name, guest.host.name, guest.name) for guest in self.guests.values()]
        links = [f"link add name {a} netns {space(b)} type veth peer name eth0 netns {space(c)}" for a, b, c in pairs]
        await netns.batch([*links, *self._segment_links()], self.env)
        await together(*(netns.batch(lines, self.env, each) for each, lines in self._links_up().items()))

    def _segment_links(self) -> list[str]:
        links = [line for node in self.outside.values() for line in node.links()]
        for host in self.hosts.values():
            for each in host.bridges.values():
                there = f"link add name {host.name} netns {self.place.segment(each.segment)}"
                links.append(f"{there} type veth peer name {nic_of(each.segment)} netns {host.namespace}")
        return links

    def _links_up(self) -> dict[str, list[str]]:
        """Commands by namespace."""
        space = self.place.namespace
        ports = [f"link set dev to-{host} master fabric up" for host in self.hosts]
        up = {space(FABRIC): ["link add name fabric type bridge", "link set dev fabric up", *ports]}
        up |= {self.place.segment(name): self._segment_up(name) for name in self.file.segments}
        for host in self.hosts.values():
            mine = [guest.name for guest in self.guests.values() if guest.host is host]
            mine += [nic_of(each.segment) for each in host.bridges.values()]
            links_up = [f"link set dev {link} up" for link in mine]
            up[host.namespace] = ["link set dev lo up", "link set dev eth0 up arp off", *links_up]
        return up | {space(guest): ["link set dev lo up"] for guest in self.guests}

    def _segment_up(self, name: str) -> list[str]:
        ports = self._segment_ports(name)
        if self._knows_vlans(name):
            return [f"link set dev {port} up" for port in ports]
        joined = [f"link set dev {port} master {SEGMENT} up" for port in ports]
        return [f"link add name {SEGMENT} type bridge", f"link set dev {SEGMENT} up", *joined]

    def _segment_ports(self, name: str) -> dict[str, int]:
        """Links in a segment's namespace, called as who has their other end; each with its VLAN."""
        hosts = [host.name for host in self.hosts.values() if name in [one.segment for one in host.bridges.values()]]
        nodes = [node for node in self.outside.values() if name in node.wish.places]
        return dict.fromkeys(hosts, 0) | {node.name: node.wish.vlan for node in nodes}

    def _knows_vlans(self, name: str) -> bool:
        return any(self._segment_ports(name).values())

    async def leave(self) -> None:
        """Keep it up behind us."""
        self.up = True
        self.save()
        await self.close()
        if self._guardian:
            self._guardian.keep()

    async def close(self) -> None:
        """Let go of etcd, and no more."""
        if hasattr(self, "store"):
            await self.store.close()

    def remove(self) -> None:
        """Have the guardian take everything away; returns when it is gone."""
        if self._guardian:
            self._guardian.remove()

    def save(self) -> None:
        """What another process needs to find it again."""
        guests = {
            guest.name: {"host": guest.host.name, "iface_id": guest.iface_id, "plugged": guest.plugged}
            for guest in self.guests.values()
        }
        data = {
            "file": str(Path(self.file.path).resolve()),
            "mark": self.mark,
            "owner": os.getpid(),
            "guests": guests,
            "up": self.up,
        }
        new = self.place.file.with_suffix(".new")
        addresses = {host.name: host.address for host in self.hosts.values()}
        new.write_text(json.dumps(data | {"hosts": addresses}), encoding="utf-8")
        new.replace(self.place.file)

    async def find_again(self, saved: Mapping[str, Mapping[str, str]], addresses: Mapping[str, str]) -> None:
        """Take up a lab another process left up; `saved` is its guests, `addresses` its hosts'."""
        for name in self.hosts.keys() & addresses.keys():
            self.hosts[name].address = addresses[name]
        for name, state in saved.items():
            if name in self.guests:
                guest = self.guests[name]
                guest.host, guest.iface_id = self.hosts[state["host"]], state["iface_id"]
                guest.plugged = bool(state["plugged"])
        self.up = True
        self.store = await self._etcd.wait()
        await self.refresh()

    # -- etcd ------------------------------------------------------------------------------------------------------

    async def stop_store(self, member: int = 0, how: signal.Signals = signal.SIGTERM) -> None:
        await self._etcd.stop(member, how)

    async def start_store(self, member: int = 0) -> None:
        self._etcd.start(member)
        await (await self._etcd.wait()).close()

    async def compact_store(self) -> None:
        await self._etcd.compact()

    async def save_store(self) -> None:
        await self._etcd.save()

    async def put_back_store(self) -> None:
        await self._etcd.stop(how=signal.SIGKILL)
        await self._etcd.put_back()
        await self.start_store()

    async def move(self, guest: str, to: str) -> None:
        await self.guests[guest].move(self.hosts[to])

    async def carry(self, source: str, target: str, size: int, limit: float) -> float:
        here, there = self.place.namespace(source), self.place.namespace(target)
        return await carry(here, there, str(self.address_of(target)), size, limit)
