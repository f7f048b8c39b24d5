"""Steps that take the network between hosts apart, and put it together again; and a host that loses its power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retia.errors import InvalidInput
from retia.lab.actions.node import AtHost
from retia.lab.words import HostName

if TYPE_CHECKING:
    from retia.lab.contract import Host
    from retia.lab.lab import Lab


@dataclass(frozen=True)
class _Between:
    """Two hosts."""

    between: tuple[HostName, ...]

    def __post_init__(self) -> None:
        if len({*self.between}) != 2 or len(self.between) != 2:
            raise InvalidInput("this is between two hosts", advice="write `{between: [hv1, hv2]}`")

    def pairs(self, lab: Lab) -> list[tuple[Host, Host]]:
        one, other = (lab.hosts[name] for name in self.between)
        return [(one, other), (other, one)]

    @property
    def words(self) -> str:
        return " and ".join(self.between)


class Cut(_Between):
    """Nothing passes between the two in the underlay, neither data nor BFD; both reach everyone else."""

    async def run(self, lab: Lab) -> str:
        for here, there in self.pairs(lab):
            await here.cut(there.address)
        return f"nothing passes between {self.words}"


class Mend(_Between):
    """It passes again."""

    async def run(self, lab: Lab) -> str:
        for here, there in self.pairs(lab):
            await here.mend(there.address)
        return f"{self.words} reach each other"


@dataclass(frozen=True)
class _Links(AtHost):
    """`what`: its link into the underlay, or those into physical segments."""

    what: Literal["underlay", "physical"] = "underlay"

    async def set(self, lab: Lab, up: bool) -> str:
        host = lab.hosts[self.host]
        if self.what == "underlay":
            await host.set_underlay(up)
            return f"{self.host}: its underlay is {'up' if up else 'down'}"
        for each in lab.file.physical.get(self.host, {}).values():
            await host.set_segment(each.segment, up)
        return f"{self.host}: its segments are {'up' if up else 'down'}"


class Isolate(_Links):
    """Take a host's links down. Its agent keeps the store."""

    async def run(self, lab: Lab) -> str:
        return await self.set(lab, up=False)


class Join(_Links):
    """And up again."""

    async def run(self, lab: Lab) -> str:
        return await self.set(lab, up=True)


class KillHost(AtHost):
    """Agent and Open vSwitch end at once, as in a machine that loses its power. `boot` brings it back."""

    async def run(self, lab: Lab) -> str:
        await lab.hosts[self.host].kill()
        return f"{self.host} is dead"


ACTIONS: dict[str, type] = {"cut": Cut, "mend": Mend, "isolate": Isolate, "join": Join, "kill-host": KillHost}
