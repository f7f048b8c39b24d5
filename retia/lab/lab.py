"""A lab that is up, or comes up: etcd, the fabric, hosts, guests, and what its network says of them.

start: etcd ─┐
       links ─┼─► switches ─► agents ─┐
       network applied to the store ──┴─► guests configured, ports bound, flows there ─► ready
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Awaitable, Mapping
from pathlib import Path

from retia.errors import Conflict, Fatal, InvalidInput, NotFound
from retia.lab import etcd, netns
from retia.lab.failure import CheckFailed
from retia.lab.file import LabFile
from retia.lab.frames import BROADCAST
from retia.lab.guardian import Guardian
from retia.lab.guests import Guest, Setup
from retia.lab.hosts import Host
from retia.lab.names import FABRIC, Place
from retia.lab.process import environment, execute, tail
from retia.model.document import Document
from retia.model.kinds import Port, RouterPort, Subnet, Switch
from retia.model.names import is_id
from retia.model.network import Network
from retia.model.state import Alive, Binding
from retia.store import barrier, catalog
from retia.store.changes import Changes
from retia.store.etcd import EtcdStore
from retia.store.records import STATES, decode
from retia.store.view import View
from retia.values import Cidr, Ip, Mac

READY = 30.0
"""Seconds a lab may take until all it declares is there; what a check waits for is the check's to say."""

UNDERLAY = "192.168"


class Lab:
    """Made by `commands`. `store` is there once it is up."""

    def __init__(self, file: LabFile, place: Place, mark: str = "", agents: bool = True) -> None:
        self.file, self.place, self.agents = file, place, agents
        self.mark = mark or f"{place.name}.{uuid.uuid4().hex[:8]}"
        self.env = environment(self.mark)
        addresses = {name: f"{UNDERLAY}.{100 + i // 250}.{1 + i % 250}" for i, name in enumerate(file.hosts)}
        self.hosts = {name: Host(name, addresses[name], place, self.mark) for name in file.hosts}
        self.guests = {
            name: Guest(name, self.hosts[wish.host], wish.port, place, self.mark) for name, wish in file.guests.items()
        }
        self.store: EtcdStore
        self.network = Network()
        self.withdrawn: dict[str, bytes] = {}
        self.up = False
        self._guardian: Guardian | None = None

    @property
    def name(self) -> str:
        return self.place.name

    # -- up and down -----------------------------------------------------------------------------------------------

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
        child = etcd.start(self.place, self.env)
        await self._make_links()
        empty = self.place.dir / "empty.db"
        await execute(["ovsdb-tool", "create", str(empty), "/usr/share/openvswitch/vswitch.ovsschema"], self.env)
        serving = asyncio.create_task(self._start_store(child), name="store")
        try:
            hosts = [self._start_host(host, empty, serving) for host in self.hosts.values()]
            await together(serving, *hosts, *(guest.calm() for guest in self.guests.values()))
        finally:
            serving.cancel()
        await self.refresh()
        if self.agents:
            await self.settle(READY)
        self.save()

    async def _start_store(self, child: object) -> None:
        self.store = await etcd.connect(self.place, child)  # type: ignore[arg-type]
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
        nodes = [FABRIC, *self.hosts, *self.guests]
        await netns.batch([f"netns add {space(node)}" for node in nodes], self.env)
        for node in nodes:
            netns.within(space(node), netns.silence)
        pairs = [(f"to-{host}", FABRIC, host) for host in self.hosts]
        pairs += [(guest.name, guest.host.name, guest.name) for guest in self.guests.values()]
        links = [f"link add name {a} netns {space(b)} type veth peer name eth0 netns {space(c)}" for a, b, c in pairs]
        await netns.batch(links, self.env)
        await together(*(netns.batch(lines, self.env, space(node)) for node, lines in self._links_up().items()))

    def _links_up(self) -> dict[str, list[str]]:
        bridge = ["link add name fabric type bridge", "link set dev fabric up"]
        ports = [f"link set dev to-{host} master fabric up" for host in self.hosts]
        up = {FABRIC: [*bridge, *ports]}
        for name in self.hosts:
            mine = [guest.name for guest in self.guests.values() if guest.host.name == name]
            up[name] = [
                "link set dev lo up",
                "link set dev eth0 up arp off",
                *(f"link set dev {link} up" for link in mine),
            ]
        return up | {guest: ["link set dev lo up"] for guest in self.guests}

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
        self.store = await etcd.connect(self.place)
        await self.refresh()

    # -- the network -----------------------------------------------------------------------------------------------

    async def apply(self, document: Document, prune: bool = False) -> Changes:
        """As `retia apply` does. Raises what it raises."""
        changes, _ = await catalog.change(self.store, lambda view: catalog.plan(view, document, prune))
        return changes

    async def refresh(self) -> None:
        """Read the network anew, and tell each guest what its port has become."""
        self.network = (await View.load(self.store)).network
        await together(*(self._configure(guest) for guest in self.guests.values()))

    async def _configure(self, guest: Guest) -> None:
        wish, port = self.file.guests[guest.name], self.port_of(guest)
        if wish.mac is not None:
            await guest.configure(Setup(wish.mac, wish.address, wish.gateway))
        elif port is not None:
            await guest.configure(self._setup_of(port))

    def port_of(self, guest: Guest) -> Port | None:
        """The port its interface names, once it is declared."""
        try:
            name = guest.iface_id if is_id(guest.iface_id) else guest.iface_id.split("/", 2)[-2:]
            return self.network.find(Port, name if isinstance(name, str) else "/".join(name))
        except (NotFound, InvalidInput):
            return None

    def _setup_of(self, port: Port) -> Setup:
        switch = self.network.get(Switch, port.switch)
        mtu = switch.mtu if switch else 1400
        if not port.addresses:
            return Setup(port.mac, mtu=mtu)
        address = port.addresses[0]
        subnet = next((each for each in self.network.subnets(port.switch) if address in each.cidr), None)
        length = subnet.cidr.length if subnet else address.bits
        return Setup(port.mac, Cidr(address, length), self._gateway(subnet) if subnet else None, mtu)

    def _gateway(self, subnet: Subnet) -> Ip | None:
        links = self.network.referrers(subnet.switch, RouterPort)
        addresses = [cidr.address for link in links for cidr in link.addresses if cidr.address in subnet.cidr]
        return subnet.gateway or next(iter(addresses), None)

    def address_of(self, target: str) -> Ip:
        """Of a guest, a router port (ROUTER/PORT), or the address it is. Raises CheckFailed."""
        if target in self.guests:
            setup = self.guests[target].setup
            if setup is None or setup.address is None:
                raise CheckFailed(f"guest {target} has no address", advice="does its port exist, with an address?")
            return setup.address.address
        if "/" in target:
            return self.router_port(target).addresses[0].address
        return Ip.parse(target)

    def mac_of(self, target: str) -> Mac:
        """Of a guest, a router port (ROUTER/PORT), or the address it is. Raises CheckFailed."""
        if target in self.guests:
            setup = self.guests[target].setup
            if setup is None:
                raise CheckFailed(f"guest {target} has no MAC", advice="does its port exist?")
            return setup.mac
        if target == "everyone":
            return BROADCAST
        return self.router_port(target).mac if "/" in target else Mac.parse(target)

    def router_port(self, name: str) -> RouterPort:
        try:
            return self.network.find(RouterPort, name)
        except NotFound as error:
            raise CheckFailed(error.what, advice=error.advice) from None

    # -- waiting for it --------------------------------------------------------------------------------------------

    async def settle(self, limit: float) -> None:
        """Until every agent lives, plugged guests' ports are bound, and all switches have it. Raises CheckFailed."""
        end = time.monotonic() + limit
        while lacking := await self._lacking():
            self._check_agents()
            if time.monotonic() > end:
                raise CheckFailed(f"not ready within {limit:g} s: {'; '.join(lacking)}", where=self.name)
            await asyncio.sleep(0.02)
        self._check_agents()
        for answer in await barrier.wait(self.store, max(end - time.monotonic(), 1.0)):
            if answer.problems:
                raise CheckFailed(f"its switch refused: {'; '.join(answer.problems)}", where=answer.host)

    async def _lacking(self) -> list[str]:
        records = (await self.store.snapshot(STATES)).records
        things = [decode(key, record.value) for key, record in records.items()]
        alive = {thing.host for thing in things if isinstance(thing, Alive)}
        bound = {thing.port: thing.host for thing in things if isinstance(thing, Binding)}
        running = {host.name for host in self.hosts.values() if host.pid("agent")}
        lacking = [f"the agent of {name} is not there" for name in self.hosts if name in running - alive]
        plugged = [(guest, port) for guest in self.guests.values() if guest.plugged and (port := self.port_of(guest))]
        homes: dict[str, set[str]] = {}  # several when several interfaces claim one port: one of them has it
        for guest, port in plugged:
            homes.setdefault(port.id, set()).add(guest.host.name)
        for guest, port in plugged:
            if homes[port.id] <= running and bound.get(port.id) not in homes[port.id]:
                lacking.append(f"the port of {guest.name} is not bound on {guest.host.name}")
        return lacking

    def _check_agents(self) -> None:
        for host in self.hosts.values():
            child = host.children.get("agent")
            if child is not None and child.poll() is not None:
                what = f"its agent ended with {child.returncode}:\n{tail(host.log)}"
                raise Fatal(what, where=host.name, advice=f"look into {host.log}")


async def together(*work: Awaitable[None]) -> None:
    """All at once; the first error ends the others and is raised as it is."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
