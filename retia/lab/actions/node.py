"""Steps that act on guests and hosts: move, unplug, rename an interface, stop an agent, run a command."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from retia.errors import InvalidInput
from retia.lab.contract import AGENT, Node
from retia.lab.failure import CheckFailed
from retia.lab.reader import Reader, Spot
from retia.lab.words import GuestName, HostName, NodeName

if TYPE_CHECKING:
    from retia.lab.lab import Lab

SETTLE = 10.0


@dataclass(frozen=True)
class Move:
    """A guest to another host: unplugged here, plugged there, as it is. Then until its port is bound there."""

    guest: GuestName
    to: HostName

    async def run(self, lab: Lab) -> str:
        source = lab.guests[self.guest].host.name
        await lab.move(self.guest, self.to)
        lab.save()
        await lab.settle(SETTLE)
        return f"{self.guest} moved from {source} to {self.to}"


@dataclass(frozen=True)
class OfGuest:
    """A step that needs no more than the guest's name."""

    guest: GuestName

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> OfGuest:
        return cls(reader.value(GuestName, spot))


class Unplug(OfGuest):
    """Take its link out of the bridge."""

    async def run(self, lab: Lab) -> str:
        await lab.guests[self.guest].unplug()
        lab.save()
        return f"{self.guest} unplugged"


class Plug(OfGuest):
    """Put its link into the bridge; then until its port, if there is one, is bound."""

    async def run(self, lab: Lab) -> str:
        await lab.guests[self.guest].plug()
        lab.save()
        await lab.settle(SETTLE)
        return f"{self.guest} plugged in"


@dataclass(frozen=True)
class IfaceId:
    """Another external_ids:iface-id for a guest's interface. Does not wait for what follows from it."""

    guest: GuestName
    to: str

    async def run(self, lab: Lab) -> str:
        guest = lab.guests[self.guest]
        guest.iface_id = self.to
        await guest.host.set_iface_id(guest.name, self.to)
        lab.save()
        return f"{self.guest} is {self.to}"


@dataclass(frozen=True)
class AtHost:
    """A step that may be written as no more than the host's name."""

    host: HostName

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Self:
        return reader.record(cls, spot) if spot.text is None else cls(reader.value(HostName, spot))


@dataclass(frozen=True)
class EndProcess(AtHost):
    """End a process of a host, politely or (`how: kill`) at once."""

    how: Literal["stop", "kill"] = "stop"

    @property
    def signal(self) -> signal.Signals:
        return signal.SIGKILL if self.how == "kill" else signal.SIGTERM


class StopAgent(EndProcess):
    """End a host's agent, politely or (`how: kill`) at once."""

    async def run(self, lab: Lab) -> str:
        await lab.hosts[self.host].stop(AGENT, self.signal)
        return f"the agent of {self.host} has ended"


@dataclass(frozen=True)
class StartAgent(AtHost):
    """Start it again; then until it lives and its switch has everything. `pipeline: later` is another Retia's."""

    pipeline: Literal["this", "later"] = "this"

    @property
    def needs(self) -> str:
        return "another Retia's agent, a process of its own" if self.pipeline == "later" else ""

    async def run(self, lab: Lab) -> str:
        host = lab.hosts[self.host]
        if host.runs(AGENT):
            raise CheckFailed("its agent runs already", where=self.host)
        host.start_agent(self.pipeline == "later")
        begin = time.monotonic()
        await lab.settle(3 * SETTLE)
        return f"the agent of {self.host} is back, its switch has everything after {time.monotonic() - begin:.1f} s"


@dataclass(frozen=True)
class Run:
    """A command inside a node, by the shell; how it ends and what it prints. `tell`: all of that is shown."""

    in_: NodeName
    command: str
    exit: int = 0
    prints: str = ""
    limit: float = 30.0
    tell: bool = False

    needs = "a shell"

    @property
    def looks(self) -> bool:
        return bool(self.prints or self.exit)

    async def run(self, lab: Lab) -> str:
        node: Node = lab.hosts.get(self.in_) or lab.station(self.in_)
        done = await node.run("sh", "-c", self.command, check=False, limit=self.limit)
        said = (done.out + done.err).strip()
        if done.code != self.exit:
            raise CheckFailed(f"{self.command!r} ended with {done.code}, expected {self.exit}: {said[-400:]}")
        if self.prints and self.prints not in said:
            raise CheckFailed(f"{self.command!r} did not print {self.prints!r} but: {said[-400:]}")
        if self.tell:
            return f"$ {self.command}\n{said}"
        return said.splitlines()[0][:100] if said else "done"


@dataclass(frozen=True)
class Wait:
    """Nothing, for so many seconds. Prefer `within` where something is waited for."""

    seconds: float

    @classmethod
    def from_text(cls, text: str) -> Wait:
        try:
            return cls(float(text))
        except ValueError:
            raise InvalidInput(f"{text!r} is no number of seconds") from None

    async def run(self, lab: Lab) -> str:
        await asyncio.sleep(self.seconds)
        return ""


ACTIONS: dict[str, type] = {
    "move": Move,
    "unplug": Unplug,
    "plug": Plug,
    "iface-id": IfaceId,
    "stop-agent": StopAgent,
    "start-agent": StartAgent,
    "run": Run,
    "wait": Wait,
}
