"""Whether two ports can talk: the way there and back over the facts, or the first thing that is missing.

It asks what the rules ask (a port works, lives somewhere, a router joins, a route leads on), hop by hop, and stops at
the first gap. It needs no switch: any host's compiler has all the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.compile.facts import (
    BindingFact,
    HostDown,
    HostTunnel,
    PortAddress,
    PortFact,
    RouterAddress,
    RouterFact,
    RouterPortFact,
    SwitchFact,
)
from retia.compile.presence import AddressHolder, Link, MacHolder
from retia.compile.routing import ActiveRoute, BestHop, BestMetric
from retia.model.state import Alive
from retia.values import Cidr, Ip

HOPS = 32


@dataclass(frozen=True)
class Verdict:
    """`missing` is "" when the two can talk; `way` says how, in steps; `note` is worth knowing anyway."""

    way: tuple[str, ...]
    missing: str = ""
    advice: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def reachable(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        lines = [f"  {number}. {step}" for number, step in enumerate(self.way, 1)]
        if self.missing:
            lines += [f"missing: {self.missing}"] + ([f"  {self.advice}"] if self.advice else [])
        else:
            lines.append("they can talk, both ways")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


class _Missing(Exception):
    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def why_pair(compiler: Compiler, things: Things, first: str, second: str) -> Verdict:
    """Ports by id. The way from `first` to `second`, and back."""
    search = _Search(compiler, things)
    try:
        search.check_port(first)
        search.check_port(second)
        search.go(first, second)
        search.step("and back:")
        search.go(second, first)
    except _Missing as gap:
        return Verdict(tuple(search.way), gap.what, gap.advice, tuple(search.notes))
    return Verdict(tuple(search.way), notes=tuple(search.notes))


class _Search:
    def __init__(self, compiler: Compiler, things: Things) -> None:
        self._find = compiler.program.find
        self._things = things
        self._name = Labels(things).full
        self._short = Labels(things).label
        self.way: list[str] = []
        self.notes: list[str] = []

    def step(self, text: str) -> None:
        self.way.append(text)

    # -- the ends --------------------------------------------------------------------------------------------------

    def check_port(self, port: str) -> None:
        """A port that is up, alone with its MAC, and lives on a host that can be reached."""
        found = self._find(PortFact, id=port)
        if not found:
            raise _Missing(f"there is no port {port}", "declare it")
        if not found[0].up:
            raise _Missing(f"{self._name(port)} is down (admin_state: false)", "set its admin_state to true")
        self._check_switch(found[0].switch)
        if not self._find(MacHolder, port=port):
            raise _Missing(f"{self._name(port)} has a MAC that another port of its switch has", "change one of them")
        self._check_host(port)

    def _check_switch(self, switch: str) -> None:
        found = self._find(SwitchFact, id=switch)
        if not found:
            raise _Missing(f"there is no switch {switch}", "declare it")
        if not found[0].up:
            raise _Missing(f"{self._name(switch)} is down (admin_state: false)", "set its admin_state to true")

    def _check_host(self, port: str) -> None:
        binding = self._find(BindingFact, port=port)
        if not binding:
            raise _Missing(
                f"{self._name(port)} lives on no host: no interface names it",
                "give the guest's interface external_ids:iface-id = SWITCH/PORT, on a host whose agent runs",
            )
        host = binding[0].host
        if self._find(HostDown, host=host):
            raise _Missing(f"host {host}, where {self._short(port)} lives, is out of service", "set its admin_state")
        if not self._find(HostTunnel, host=host):
            raise _Missing(f"host {host}, where {self._short(port)} lives, is not registered", "start its agent")
        if not any(isinstance(thing, Alive) and thing.host == host for thing in self._things.values()):
            note = f"the agent of host {host} is not alive: packets flow, changes do not reach it"
            self.notes += [] if note in self.notes else [note]
        self.step(f"{self._name(port)} lives on host {host}")

    # -- the way ---------------------------------------------------------------------------------------------------

    def go(self, start: str, end: str) -> None:
        here, there = self._find(PortFact, id=start)[0], self._find(PortFact, id=end)[0]
        if here.switch == there.switch:
            self.step(f"both are ports of {self._name(here.switch)}")
            return
        target = self._address(end)
        switch, hop = here.switch, None
        for _ in range(HOPS):
            switch, hop = self._route(switch, hop, target)
            if switch == there.switch and hop == target:
                self._check_holder(switch, target, end)
                return
        raise _Missing(f"routers pass packets for {target} on for ever", "look at their static routes for a loop")

    def _address(self, port: str) -> Ip:
        found = self._find(PortAddress, port=port)
        if not found:
            raise _Missing(f"{self._name(port)} has no address, so no router finds it", "give it one")
        return found[0].address

    def _check_holder(self, switch: str, address: Ip, port: str) -> None:
        if not self._find(AddressHolder, switch=switch, address=address, holder=port):
            raise _Missing(f"address {address} belongs to another port of {self._name(switch)}", "change one of them")

    def _route(self, switch: str, hop: Ip | None, target: Ip) -> tuple[str, Ip]:
        """One router on: into which switch, to which next hop."""
        router = self._router_at(switch, hop)
        found = self._connected(router, target) or self._static(router, target)
        if found is None:
            raise _Missing(f"{self._name(router)} has no route to {target}", "add a route, or a router port there")
        into, following, by = found
        self.step(f"{self._name(router)} sends {target} to {following}, into {self._short(into)}, by {by}")
        return into, following

    def _router_at(self, switch: str, hop: Ip | None) -> str:
        links = self._find(Link, switch=switch)
        if not links:
            self._explain_no_link(switch)
        if hop is None:
            return links[0].router
        for link in links:
            if self._find(RouterAddress, port=link.port, address=hop):
                return link.router
        raise _Missing(f"next hop {hop} is no working router in {self._name(switch)}", "correct the route's next_hop")

    def _explain_no_link(self, switch: str) -> None:
        for port in self._find(RouterPortFact, switch=switch):
            if not port.up:
                raise _Missing(f"{self._name(port.id)} is down (admin_state: false)", "set its admin_state to true")
            if not any(router.up for router in self._find(RouterFact, id=port.router)):
                raise _Missing(f"{self._name(port.router)} is down or gone", "set its admin_state to true")
        raise _Missing(f"no router joins {self._name(switch)}", "give a router a port on that switch")

    def _connected(self, router: str, target: Ip) -> tuple[str, Ip, str] | None:
        for link in self._find(Link, router=router):
            for own in self._find(RouterAddress, port=link.port):
                if target in Cidr(own.address, own.length):
                    return link.switch, target, self._name(link.port)
        return None

    def _static(self, router: str, target: Ip) -> tuple[str, Ip, str] | None:
        routes = [one for one in self._find(ActiveRoute, router=router) if self._counts(one, target)]
        if not routes:
            return None
        best = max(routes, key=lambda one: one.length)
        return self._find(RouterPortFact, id=best.port)[0].switch, best.next_hop, self._name(best.route)

    def _counts(self, one: ActiveRoute, target: Ip) -> bool:
        """Whether a static route leads to `target` and is the one that counts for its prefix."""
        if target not in Cidr(one.prefix, one.length):
            return False
        prefix = {"router": one.router, "prefix": one.prefix, "length": one.length}
        by_metric = self._find(BestMetric, metric=one.metric, **prefix)
        return bool(by_metric) and bool(self._find(BestHop, next_hop=one.next_hop, **prefix))
