"""One random thing after the other, each told in a line: changes, moves of guests, kills, breaks by hand.

What comes next depends on the seed and on the wish alone, never on the clock, so that a seed can be played again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from retia.errors import Fatal
from retia.lab.hosts import AGENT, DATABASE, VSWITCHD, Host
from retia.lab.spaces import SpacesLab
from retia.pipeline.stages import STAGES
from tests.chaos.model import EDGES, HOSTS, MOVERS, Wish

PAUSE = 0.2
"""Seconds between two things, on average."""

WATCHED = "hv3"
"""Its agent is never killed, so that its memory can be followed."""


@dataclass
class Harm:
    """What took packets, for as long as it may have: by `time.monotonic()`."""

    cause: str
    host: str
    begin: float
    end: float = float("inf")
    recovery: float = 2.0
    """Seconds after its end in which a loss is still laid to it."""


@dataclass
class Chaos:
    """`counts` says how often each thing was done, `history` in which order."""

    lab: SpacesLab
    wish: Wish
    random: random.Random
    harms: list[Harm] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    acknowledged: int = 0
    begin: float = field(default_factory=time.monotonic)
    mending: set[asyncio.Task[None]] = field(default_factory=set)

    async def once(self) -> None:
        kind = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        at = time.monotonic() - self.begin
        self.history.append(f"{at:7.2f} {kind}")
        said = await DEEDS[kind](self)
        self.history[-1] = f"{at:7.2f} {kind}: {said}"
        await asyncio.sleep(self.random.expovariate(1 / PAUSE))

    # -- changes ---------------------------------------------------------------------------------------------------

    async def change(self) -> str:
        """One thing of the wish, applied as `retia apply --prune` does."""
        what, change = self.random.choice(CHANGES)
        said = f"{what} {change(self)}".strip()
        changes = await self.lab.apply(self.wish.document(), prune=True)
        self.acknowledged += len(changes.objects)
        return said

    def toggle(self, names: set[str]) -> str:
        name = self.random.choice(sorted(MOVERS))
        names ^= {name}
        return f"{name} {'on' if name in names else 'off'}"

    def extra_port(self) -> str:
        one = (self.random.choice(["web", "db", "far"]), self.random.randrange(8))
        self.wish.extra_ports ^= {one}
        return f"{one[0]}/e{one[1]}"

    def extra_switch(self) -> str:
        number = self.random.randrange(4)
        self.wish.extra_switches ^= {number}
        return f"x{number}"

    def route(self) -> str:
        self.wish.no_way_out = not self.wish.no_way_out
        return "gone" if self.wish.no_way_out else "back"

    def edge(self) -> str:
        """Into service or out of it."""
        host = self.random.choice(EDGES)
        self.wish.drained ^= {host}
        return f"{host} {'drained' if host in self.wish.drained else 'back'}"

    async def storm(self) -> str:
        """Several changes as fast as they go: put and deleted again before agents have looked."""
        number = self.random.randint(3, 8)
        for _ in range(number):
            await self.change()
        return f"{number} changes"

    # -- guests ----------------------------------------------------------------------------------------------------

    async def plug(self) -> str:
        guest = self.random.choice(sorted(MOVERS))
        self.wish.unplugged ^= {guest}
        with self._replugging(self.lab.guests[guest].host):
            if guest in self.wish.unplugged:
                await self.lab.guests[guest].unplug()
                return f"{guest} out"
            await self.lab.guests[guest].plug()
            return f"{guest} in"

    async def move(self) -> str:
        guest, host = self.random.choice(sorted(MOVERS)), self.random.choice(HOSTS)
        if self.lab.guests[guest].host.name != host:
            with self._replugging(self.lab.guests[guest].host), self._replugging(self.lab.hosts[host]):
                await self.lab.move(guest, host)
        return f"{guest} to {host}"

    @contextlib.contextmanager
    def _replugging(self, host: Host) -> Iterator[None]:
        """Open vSwitch's userspace datapath loses a packet now and then while a port comes or goes: 3 of 3,000 over 30
        such changes at 200 pings a second, measured with no agent anywhere."""
        harm = self._harm("port of Open vSwitch came or went", host)
        harm.recovery = 0.3
        try:
            yield
        finally:
            harm.end = time.monotonic()

    # -- kills -----------------------------------------------------------------------------------------------------

    async def kill_agent(self) -> str:
        host = self._host([name for name in HOSTS if name != WATCHED])
        await host.stop(AGENT, signal.SIGKILL)
        said = await self._meanwhile()
        host.start_agent()
        return f"{host.name}, {said}"

    async def kill_switch(self) -> str:
        host = self._host()
        harm = self._harm("ovs-vswitchd killed", host)
        await host.stop(VSWITCHD, signal.SIGKILL)
        said = await self._meanwhile()
        await host.start_vswitchd()
        self._mend(harm, host)
        return f"{host.name}, {said}"

    async def kill_database(self) -> str:
        """ovs-vswitchd is not itself meanwhile: it serves no OpenFlow until it has found its database again."""
        host = self._host()
        harm = self._harm("ovsdb-server killed", host)
        await host.stop(DATABASE, signal.SIGKILL)
        said = await self._meanwhile()
        await host.start_database()
        self._mend(harm, host)
        return f"{host.name}, {said}"

    async def kill_etcd(self) -> str:
        pause = self.random.uniform(0.1, 3.0)
        agent = self.random.random() < 0.3
        await self.lab.stop_store(how=signal.SIGKILL)
        await asyncio.sleep(pause)
        host = self.lab.hosts["hv1"]
        if agent:
            await host.stop(AGENT, signal.SIGKILL)
        await self.lab.start_store()
        if agent:
            host.start_agent()
        return f"for {pause:.1f} s" + (", and the agent of hv1" if agent else "")

    async def compact(self) -> str:
        """While an agent is away, so that it finds the history gone."""
        host = self._host([name for name in HOSTS if name != WATCHED])
        await host.stop(AGENT, signal.SIGKILL)
        await self.change()
        await self.lab.compact_store()
        host.start_agent()
        return f"without {host.name}"

    async def boot(self) -> str:
        host = self._host([name for name in HOSTS if name != WATCHED])
        harm = self._harm("host booted", host)
        await host.boot(host.address)
        self._mend(harm, host)
        return host.name

    # -- breaks by hand --------------------------------------------------------------------------------------------

    async def remove_flows(self) -> str:
        host = self._host()
        harm = self._harm("flows removed by hand", host)
        match = self.random.choice(["", f"table={self.random.randrange(len(STAGES))}"])
        await host.remove_flows(match)
        self._mend(harm, host)
        return f"{match or 'all'} of {host.name}"

    async def remove_tunnel(self) -> str:
        host = self._host()
        harm = self._harm("tunnel removed by hand", host)
        await host.remove_tunnel()
        self._mend(harm, host)
        return host.name

    def _host(self, names: list[str] | tuple[str, ...] = HOSTS) -> Host:
        return self.lab.hosts[self.random.choice(names)]

    def _harm(self, cause: str, host: Host) -> Harm:
        self.harms.append(Harm(cause, host.name, time.monotonic()))
        return self.harms[-1]

    def _mend(self, harm: Harm, host: Host) -> None:
        """Note when the host is whole again, whatever else happens to it until then."""

        async def mended() -> None:
            while not (await _configured(host) and await host.has_bridge() and await _filled(host)):
                await asyncio.sleep(0.1)
            harm.end = time.monotonic()

        task = asyncio.create_task(mended(), name=f"mending {host.name}")
        self.mending.add(task)
        task.add_done_callback(self.mending.discard)

    async def _meanwhile(self) -> str:
        """A while, in which the network may change."""
        pause, changing = self.random.uniform(0.0, 1.0), self.random.random() < 0.5
        await asyncio.sleep(pause)
        return f"for {pause:.1f} s" + (f", meanwhile {await self.change()}" if changing else "")


async def _configured(host: Host) -> bool:
    """Whether ovs-vswitchd has done what its database says: waits for it to answer a change."""
    try:
        mark = f"external_ids:asked={time.monotonic_ns()}"
        await host.tool("ovs-vsctl", "--timeout=10", "set", "Open_vSwitch", ".", mark)
    except Fatal:
        return False
    return True


async def _filled(host: Host) -> bool:
    """Whether its flows are there: a small network's come in one bundle, all at once."""
    try:
        tables = {line.partition("table=")[2].partition(",")[0] for line in await host.flows()}
    except Fatal:
        return False  # ovs-vswitchd is away again
    return len(tables) > len(STAGES) // 2


CHANGES: list[tuple[str, Callable[[Chaos], str]]] = [
    ("declared", lambda chaos: chaos.toggle(chaos.wish.undeclared)),
    ("disabled", lambda chaos: chaos.toggle(chaos.wish.disabled)),
    ("port", Chaos.extra_port),
    ("port", Chaos.extra_port),
    ("switch", Chaos.extra_switch),
    ("route", Chaos.route),
    ("edge", Chaos.edge),
]

DEEDS: dict[str, Callable[[Chaos], Awaitable[str]]] = {
    "change": Chaos.change,
    "storm": Chaos.storm,
    "plug": Chaos.plug,
    "move": Chaos.move,
    "kill agent": Chaos.kill_agent,
    "kill ovs-vswitchd": Chaos.kill_switch,
    "kill ovsdb-server": Chaos.kill_database,
    "kill etcd": Chaos.kill_etcd,
    "compact etcd": Chaos.compact,
    "boot host": Chaos.boot,
    "remove flows": Chaos.remove_flows,
    "remove tunnel": Chaos.remove_tunnel,
}

WEIGHTS = {
    "change": 12,
    "storm": 3,
    "plug": 5,
    "move": 5,
    "kill agent": 4,
    "kill ovs-vswitchd": 2,
    "kill ovsdb-server": 2,
    "kill etcd": 2,
    "compact etcd": 1,
    "boot host": 1,
    "remove flows": 1,
    "remove tunnel": 1,
}
