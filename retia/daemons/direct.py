"""Direct exit: a host set to it sends what is for the outside through its own kernel, by the bridge's own port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from retia.compile.local import DirectFact
from retia.daemons.neighbours import Tell
from retia.errors import SwitchAway
from retia.log import logger
from retia.model.state import HostProblem
from retia.switch.contract import Switch
from retia.values import Mac

AGAIN = 0.5
LOOKED = 5.0
"""Seconds between two looks at whether the kernel forwards."""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

log = logger("agent")


def kernel_forwards() -> bool:
    try:
        return FORWARDING.read_text(encoding="ascii").strip() != "0"
    except OSError:
        return True  # not to be seen: nothing is said of it


class Direct:
    """`settled`: the rules were told what this host is set to."""

    def __init__(self, host: str, wanted: bool, switch: Switch, forwards: Callable[[], bool]) -> None:
        self._host, self.wanted, self._switch, self._forwards = host, wanted, switch, forwards
        self.tell: Tell = lambda changes, then: None
        self.settled = not wanted
        self.problem: HostProblem | None = None

    async def run(self) -> None:
        if not self.wanted:
            await asyncio.Event().wait()
        mac = await self._open()
        self.settled = True
        self.tell([((), (DirectFact(self._host, True, mac),))], None)
        while True:
            self.look()
            await asyncio.sleep(LOOKED)

    async def _open(self) -> Mac:
        said = ""
        while True:
            try:
                return Mac.parse(await self._switch.open_local())
            except SwitchAway as error:
                if error.what != said:
                    log.warning("direct exit waits", why=error.what)
                said = error.what
                await asyncio.sleep(AGAIN)

    def look(self) -> None:
        before = self.problem
        self.problem = None if self._forwards() else self._not_forwarding()
        if self.problem != before:
            self.tell((), None)

    def _not_forwarding(self) -> HostProblem:
        return HostProblem(
            host=self._host,
            about="direct-exit",
            what="this host is set to direct exit, but its kernel forwards nothing",
            where="sysctl net.ipv4.ip_forward",
            advice="run `sysctl -w net.ipv4.ip_forward=1`, or set direct_exit to false",
        )
