"""How hosts and ports stand: who lives, what is bound where, what is wrong with what. From the states beside objects.

Of a document alone nothing of this is known (`known`), and nothing is said.
"""

from __future__ import annotations

import re

from retia.compile.explain import Labels, Things
from retia.graph.picture import Tone, worst
from retia.model.kinds import Edge, Host, Object, Port
from retia.model.state import Binding, HostProblem, HostState, alive_hosts, host_standing

_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TONES = {"alive": Tone.GOOD, "dead": Tone.BAD, "out of service": Tone.OFF}
State = tuple[str, Tone]
UNSAID: State = "", Tone.PLAIN


class Standing:
    """`hosts`: what is said of each, declared or registered; `homes`: the host of each bound port, by its id;
    `troubled`: what is wrong with an object, by its id; `problems`: of each host."""

    def __init__(self, things: Things, known: bool = True) -> None:
        self.known = known
        states = {one.host: one for one in things.values() if isinstance(one, HostState)}
        declared = {one.name: one for one in things.values() if isinstance(one, Host)}
        alive = alive_hosts(things.values())
        self.hosts = {
            host: host_standing(host, alive, states, declared) if known else "" for host in {*states, *declared}
        }
        self.tunnels = {host: str(state.tunnel) for host, state in states.items()}
        self.homes = {one.port: one.host for one in things.values() if isinstance(one, Binding)}
        self.ports: dict[str, list[str]] = {}
        for port, host in self.homes.items():
            if (Port.kind, port) in things:
                self.ports.setdefault(host, []).append(port)
        self.problems: dict[str, list[str]] = {}
        self.troubled: dict[str, list[str]] = {}
        self._take_problems(things)

    def _take_problems(self, things: Things) -> None:
        found = [one for one in things.values() if isinstance(one, HostProblem)]
        labels = Labels(things) if found else None
        for one in sorted(found, key=lambda one: (one.host, one.about)):
            what = labels.rewrite_ids(one.what) if labels else one.what
            self.problems.setdefault(one.host, []).append(what)
            for id_ in dict.fromkeys(_IDS.findall(f"{one.about} {one.what} {one.where}")):
                self.troubled.setdefault(id_, []).append(what)

    def host(self, name: str) -> State:
        """What is said of a host: of one nobody knows, that."""
        if not self.known:
            return UNSAID
        said = self.hosts.get(name, "never registered")
        return said, _TONES.get(said, Tone.WAITING)

    def port(self, port: Port) -> State:
        home = self.homes.get(port.id)
        if home is None:
            place = ("unbound", Tone.WAITING) if self.known else UNSAID
        else:
            said, tone = self.host(home)
            place = f"on {home}" if tone is Tone.GOOD else f"on {home}, {said}", tone
        return self.object(port, place if port.admin_state else _down(place))

    def edge(self, edge: Edge, host: str, holds: bool) -> State:
        said, tone = self.host(host)
        if not edge.admin_state:
            said, tone = "drained", worst(tone, Tone.OFF) if tone is Tone.BAD else Tone.OFF
        return self.object(edge, (f"{said}, holds addresses" if holds else said, tone))

    def object(self, item: Object, state: State = UNSAID) -> State:
        """What is said of any object, with what is wrong with it."""
        said, tone = state
        if not getattr(item, "admin_state", True) and state == UNSAID:
            said, tone = "down", Tone.OFF
        if item.id in self.troubled:
            return ", ".join(filter(None, (said, "problem"))), Tone.BAD
        return said, tone


def _down(place: State) -> State:
    said, _ = place
    return f"down, {said}" if said.startswith("on ") else "down", Tone.OFF
