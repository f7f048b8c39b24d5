"""Steps that take the lab's etcd away and bring it back: as it was, without its history, or as it was earlier."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retia.lab.actions.node import AtHost

if TYPE_CHECKING:
    from retia.lab.lab import Lab

SETTLE = 30.0


@dataclass(frozen=True)
class StopStore:
    """End one member of etcd, counted from 1, or all; politely or (`how: kill`) at once."""

    member: int = 0
    how: Literal["stop", "kill"] = "stop"

    @property
    def needs(self) -> str:
        return "an etcd of several members" if self.member else ""

    async def run(self, lab: Lab) -> str:
        await lab.stop_store(self.member, signal.SIGKILL if self.how == "kill" else signal.SIGTERM)
        return f"member {self.member} of etcd has ended" if self.member else "etcd has ended"


@dataclass(frozen=True)
class StartStore:
    """Start it again, with what it had. Then, unless `settled: false`, until every agent has found it."""

    member: int = 0
    settled: bool = True

    @property
    def needs(self) -> str:
        return "an etcd of several members" if self.member else ""

    async def run(self, lab: Lab) -> str:
        await lab.start_store(self.member)
        return await _found(lab) if self.settled else "etcd serves"


async def _found(lab: Lab) -> str:
    begin = time.monotonic()
    await lab.refresh()
    await lab.settle(SETTLE)
    return f"etcd serves, every agent had found it {time.monotonic() - begin:.1f} s later"


@dataclass(frozen=True)
class CompactStore:
    """Make it forget its history: who watches from an earlier revision is told that it is gone."""

    async def run(self, lab: Lab) -> str:
        await lab.compact_store()
        return "history is gone"


@dataclass(frozen=True)
class SaveStore:
    """Keep a copy of all it holds."""

    needs = "etcd's own copies"

    async def run(self, lab: Lab) -> str:
        await lab.save_store()
        return "a copy of etcd is kept"


@dataclass(frozen=True)
class PutBackStore:
    """End it, and start it with what it had when its copy was kept: its revision goes back."""

    needs = "etcd's own copies"

    async def run(self, lab: Lab) -> str:
        await lab.put_back_store()
        return await _found(lab)


class PauseAgent(AtHost):
    """Its agent hears and says nothing, and does not end."""

    async def run(self, lab: Lab) -> str:
        lab.hosts[self.host].pause()
        return f"the agent of {self.host} stands still"


@dataclass(frozen=True)
class ResumeAgent(AtHost):
    """It goes on; then, unless `settled: false`, until its switch has everything."""

    settled: bool = True

    async def run(self, lab: Lab) -> str:
        lab.hosts[self.host].resume()
        if not self.settled:
            return f"the agent of {self.host} goes on"
        begin = time.monotonic()
        await lab.settle(SETTLE)
        return f"the agent of {self.host} goes on, its switch has everything after {time.monotonic() - begin:.1f} s"


ACTIONS: dict[str, type] = {
    "stop-store": StopStore,
    "start-store": StartStore,
    "compact-store": CompactStore,
    "save-store": SaveStore,
    "put-back-store": PutBackStore,
    "pause-agent": PauseAgent,
    "resume-agent": ResumeAgent,
}
