"""A lab that is up, or comes up, whatever it is made of: its store, its network, and what that says of its guests.

Steps and conditions are handed one and need nothing else. How hosts and guests are made and joined is for `spaces`
(namespaces and real Open vSwitch) and `software.lab` (all in this process) to say.
"""

from __future__ import annotations

import asyncio
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping

from retia.errors import InvalidInput, NotFound
from retia.lab.contract import AGENT, Guest, Host, Station
from retia.lab.failure import CheckFailed
from retia.lab.file import LabFile
from retia.lab.frames import BROADCAST
from retia.model.document import Document
from retia.model.kinds import Port, RouterPort
from retia.model.names import is_id
from retia.model.network import Network
from retia.model.setup import Setup, setup_of
from retia.model.state import Binding, alive_hosts
from retia.store import barrier, catalog
from retia.store.changes import Changes
from retia.store.contract import Store
from retia.store.records import STATES, decode
from retia.store.view import View
from retia.values import Ip, Mac

READY = 30.0
"""Seconds a lab may take until all it declares is there; what a check waits for is the check's to say."""

UNDERLAY = "192.168"


def addresses(file: LabFile) -> dict[str, str]:
    """Where each host's tunnels end."""
    return {name: f"{UNDERLAY}.{100 + i // 250}.{1 + i % 250}" for i, name in enumerate(file.hosts)}


class Lab(ABC):
    """Made by `commands`. `store` is there once it is up; `withdrawn` are records a step took out of it; `left_out`
    what the present step needs a real host for and a software lab therefore does without."""

    software = False
    file: LabFile
    name: str
    store: Store

    def __init__(self, file: LabFile, name: str) -> None:
        self.file, self.name = file, name
        self.network = Network()
        self.withdrawn: dict[str, bytes] = {}
        self.left_out: list[str] = []

    @property
    @abstractmethod
    def hosts(self) -> Mapping[str, Host]: ...

    @property
    @abstractmethod
    def guests(self) -> Mapping[str, Guest]: ...

    @property
    @abstractmethod
    def outside(self) -> Mapping[str, Station]: ...

    @property
    def stations(self) -> dict[str, Station]:
        """All that send and hear: guests, and the nodes outside."""
        return {**self.guests, **self.outside}

    def station(self, name: str) -> Station:
        return self.guests.get(name) or self.outside[name]

    @abstractmethod
    async def start(self) -> None:
        """Everything, ready to be checked. Raises what hinders it."""

    @abstractmethod
    def save(self) -> None:
        """Note where guests are now, for whoever finds this lab again."""

    @abstractmethod
    async def move(self, guest: str, to: str) -> None:
        """Unplug a guest, carry its link over to another host, plug it there."""

    @abstractmethod
    async def carry(self, source: str, target: str, size: int, limit: float) -> float:
        """A TCP stream of `size` bytes; the seconds it took. Raises OSError, TimeoutError."""

    # -- its store -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def stop_store(self, member: int = 0, how: signal.Signals = signal.SIGTERM) -> None:
        """One member of it, counted from 1, or (0) all; its data is kept."""

    @abstractmethod
    async def start_store(self, member: int = 0) -> None:
        """Again, with the data it had. Returns when it serves."""

    @abstractmethod
    async def compact_store(self) -> None:
        """Forget all history up to now."""

    @abstractmethod
    async def save_store(self) -> None:
        """Keep a copy of all it holds, for `put_back_store`."""

    @abstractmethod
    async def put_back_store(self) -> None:
        """It goes away, and comes back with what it had when `save_store` was called: its revision goes back."""

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
            await guest.configure(setup_of(self.network, port))

    def port_of(self, guest: Guest) -> Port | None:
        """The port its interface names, once it is declared."""
        try:
            name = guest.iface_id if is_id(guest.iface_id) else guest.iface_id.split("/", 2)[-2:]
            return self.network.find(Port, name if isinstance(name, str) else "/".join(name))
        except (NotFound, InvalidInput):
            return None

    def address_of(self, target: str) -> Ip:
        """Of a guest, an outside node, a router port (ROUTER/PORT), or the address it is. Raises CheckFailed."""
        if target in self.stations:
            address = self.station(target).address
            if address is None:
                raise CheckFailed(f"guest {target} has no address", advice="does its port exist, with an address?")
            return address
        if "/" in target:
            return self.router_port(target).addresses[0].address
        return Ip.parse(target)

    def mac_of(self, target: str) -> Mac:
        """Of a guest, an outside node, a router port (ROUTER/PORT), or the MAC it is. Raises CheckFailed."""
        if target in self.stations:
            mac = self.station(target).mac
            if mac is None:
                raise CheckFailed(f"guest {target} has no MAC", advice="does its port exist?")
            return mac
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
        """Until every agent that runs lives, plugged guests' ports are bound, and all switches have it, but for hosts
        whose agent has ended. Raises CheckFailed."""
        end = time.monotonic() + limit
        while lacking := await self._lacking():
            self._check_agents()
            if time.monotonic() > end:
                raise CheckFailed(f"not ready within {limit:g} s: {'; '.join(lacking)}", where=self.name)
            await asyncio.sleep(0.02)
        self._check_agents()
        ended = [host.name for host in self.hosts.values() if not host.runs(AGENT)]  # a lease outlives a kill
        for answer in await barrier.wait(self.store, max(end - time.monotonic(), 1.0), without=ended):
            if answer.problems:
                raise CheckFailed(f"its switch refused: {'; '.join(answer.problems)}", where=answer.host)

    async def _lacking(self) -> list[str]:
        records = (await self.store.snapshot(STATES)).records
        things = [decode(key, record.value) for key, record in records.items()]
        alive = alive_hosts(things)
        bound = {thing.port: thing.host for thing in things if isinstance(thing, Binding)}
        running = {host.name for host in self.hosts.values() if host.runs(AGENT)}
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
            host.check_agent()


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
