"""What an agent does beside flows for gateways: zones, physical neighbours, announcements, attachments, direct exit.

The parts with their files, what they tell the rules at a start, and what they are told after each batch. The loop
drives them; none of them touches a flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from retia.compile.compiler import Compiler, FlowDelta, LocalChange
from retia.compile.facts import RouterFact, RouterPortFact, SwitchFact
from retia.compile.local import UPLINK_PREFIX, attachment_rows
from retia.compile.presence import LiveSwitch
from retia.daemons.announcer import Announcer
from retia.daemons.direct import Direct, kernel_forwards
from retia.daemons.neighbours import Neighbours, Tell
from retia.daemons.zones import Settled, Zones
from retia.flows.carrying import Punted
from retia.model.local import Attachment, AttachmentChange
from retia.model.state import HostProblem
from retia.switch.contract import Switch
from retia.values import Ip

MOST_SILENT = 20
"""Next hops that are named as silent, at most."""


class Wish(NamedTuple):
    """What the settings say: where files are kept, and whether this host has a direct exit."""

    run_dir: Path
    direct_exit: bool = False
    forwards: Callable[[], bool] = kernel_forwards


class Gateways:
    def __init__(self, compiler: Compiler, switch: Switch, wish: Wish, unreachable: Callable[[Punted], None]) -> None:
        self._compiler, self._switch = compiler, switch
        host = compiler.host
        self.zones = Zones(host, wish.run_dir / f"zones-{host}.json")
        self.neighbours = Neighbours(switch, wish.run_dir / f"neighbours-{host}.json", unreachable)
        self.announcer = Announcer(switch)
        self.direct = Direct(host, wish.direct_exit, switch, wish.forwards)
        self.attached: dict[str, Attachment] = {}
        self._named: dict[tuple[str, str], HostProblem] = {}

    def tells(self, tell: Tell) -> None:
        """From now on the parts speak to the rules by it."""
        self.neighbours.tell = self.direct.tell = tell

    @property
    def remembered(self) -> list[LocalChange]:
        """What the last agent knew."""
        return [((), [*self.zones.rows, *self.neighbours.rows])]

    def attach(self, changes: Iterable[AttachmentChange]) -> list[LocalChange]:
        """What came or went of uplinks and watched tunnels."""
        host, found = self._compiler.host, list[LocalChange]()
        for old, new in changes:
            if old is not None:
                self.attached.pop(old.name, None)
            if new is not None:
                self.attached[new.name] = new
            found.append((attachment_rows(host, old) if old else (), attachment_rows(host, new) if new else ()))
        return found

    def settle(self) -> Settled:
        """Zones for the routers that need them now."""
        return self.zones.settle(self._compiler.translating)

    def note(self, delta: FlowDelta, ready: bool) -> None:
        """After the flows of a batch."""
        self.neighbours.note(delta.asking, delta.expecting)
        self.announcer.note(delta.announcing, ready)

    @property
    def edges(self) -> dict[str, bool]:
        """The watched tunnels, by name: whether they live."""
        return {name: one.bfd == "up" for name, one in self.attached.items() if not name.startswith(UPLINK_PREFIX)}

    def problems(self) -> list[HostProblem]:
        """Attachments that cannot be, next hops that do not answer, and a direct exit that is none."""
        now = sorted(self._switch.attachment_problems.items())
        self._named = {one: self._named.get(one) or self._problem(*one) for one in now}
        silent = [self._silence(*one) for one in islice(self.neighbours.silent, MOST_SILENT)]
        return [*self._named.values(), *silent, *([self.direct.problem] if self.direct.problem is not None else [])]

    def _silence(self, port: str, address: Ip) -> HostProblem:
        program = self._compiler.program
        names = [
            f"{router.name}/{link.name}"
            for link in program.find(RouterPortFact, id=port)
            for router in program.find(RouterFact, id=link.router)
        ]
        name = names[0] if names else port
        return HostProblem(
            host=self._compiler.host,
            about=f"silent-{port}-{address}",
            what=f"next hop {address} does not answer here: what routes by {name} send there is lost",
            where=name,
            advice="look whether it runs, and at the physical network behind the uplink; or correct the routes",
        )

    def _problem(self, name: str, why: str) -> HostProblem:
        if not name.startswith(UPLINK_PREFIX):
            what = f"the tunnel port {name} is not there: {why}"
            return HostProblem(host=self._compiler.host, about=f"attachment-{name}", what=what, where=name)
        bridge = next((one.bridge for one in self._compiler.uplinks if one.name == name), "")
        key = int(name.removeprefix(UPLINK_PREFIX), 16)
        program = self._compiler.program
        live = [one.switch for one in program.find(LiveSwitch, key=key)]
        names = [one.name for switch in live for one in program.find(SwitchFact, id=switch)]
        return HostProblem(
            host=self._compiler.host,
            about=f"attachment-{name}",
            what=f"switch {names[0] if names else name} has no way out here: {why}",
            where=bridge,
            advice=f"make it (ovs-vsctl add-br {bridge}) or correct the uplink; it is joined by itself then",
        )
