"""Whether two ports can talk: the way there and back over the facts, or the first thing that is missing.

It asks what the rules ask (a port works, lives somewhere, a router joins, a route leads on), hop by hop, and stops at
the first gap. It needs no switch: any host's compiler has all the facts.
"""

from __future__ import annotations

from dataclasses import dataclass

from retia.compile.clashes import Displaced, Outranked, PortClaim
from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.compile.facts import (
    NEVER_ROUTED,
    BindingFact,
    HostTunnel,
    InterfaceFact,
    PortAddress,
    PortFact,
    RouteFact,
    RouterAddress,
    RouterFact,
    RouterPortFact,
    SwitchFact,
    Unusable,
)
from retia.compile.presence import HostDown, Link, Named, Tunnel, port_part, project_part, switch_part
from retia.compile.routes import ActiveRoute, BestHop
from retia.compile.routing import Connected
from retia.model.kinds import Subnet
from retia.model.state import Alive
from retia.values import Cidr, Ip

HOPS = 32
UP = "set its admin_state to true"


@dataclass(frozen=True)
class Verdict:
    """`missing` is "" when the two can talk; `way` says how, in steps; `notes` are worth knowing anyway."""

    way: tuple[str, ...]
    missing: str = ""
    advice: str = ""
    notes: tuple[str, ...] = ()

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
    """Two ports, by id or as an iface-id names them ([PROJECT/]SWITCH/PORT): the way from one to the other and back."""
    search = _Search(compiler, things)
    try:
        start, end = search.resolve(first), search.resolve(second)
        search.check_port(start)
        search.check_port(end)
        search.go(start, end)
        search.step("and back:")
        search.go(end, start)
    except _Missing as gap:
        return Verdict(tuple(search.way), gap.what, gap.advice, tuple(search.notes))
    return Verdict(tuple(search.way), notes=tuple(search.notes))


class _Search:
    def __init__(self, compiler: Compiler, things: Things) -> None:
        self._find = compiler.program.find
        self._host = compiler.host
        self._things = things
        labels = Labels(things)
        self._name, self._short = labels.full, labels.label
        self.way: list[str] = []
        self.notes: list[str] = []

    def step(self, text: str) -> None:
        self.way.append(text)

    # -- the ends --------------------------------------------------------------------------------------------------

    def resolve(self, text: str) -> str:
        """The id of the port that `text` names."""
        if bool(self._find(PortFact, id=text)) or bool(self._find(Unusable, id=text)):
            return text
        for switch in self._find(SwitchFact, name=switch_part(text), project=project_part(text)):
            ids = [port.id for port in self._find(PortFact, switch=switch.id, name=port_part(text))]
            if ids:
                return min(ids)
        raise _Missing(
            f"there is no port {text}", "declare it, or correct the name: SWITCH/PORT or PROJECT/SWITCH/PORT"
        )

    def check_port(self, port: str) -> None:
        """A port that is up, holds what it claims, and lives on a host that can be reached."""
        for unusable in self._find(Unusable, id=port):
            raise _Missing(unusable.what, "delete it and create it again")
        found = self._find(PortFact, id=port)[0]
        self._check_up(port, found.up)
        self._check_switch(found.switch)
        self._check_displaced(port)
        self._check_host(port)

    def _check_up(self, thing: str, up: bool) -> None:
        if not up:
            raise _Missing(f"{self._name(thing)} is down (admin_state: false)", UP)

    def _check_displaced(self, thing: str) -> None:
        for one in self._find(Displaced, id=thing):
            raise _Missing(f"{self._name(thing)} has the {one.what}", "delete it and create it again")

    def _check_switch(self, switch: str) -> None:
        found = self._find(SwitchFact, id=switch)
        if not found:
            raise _Missing(f"there is no switch {switch}", "declare it")
        self._check_up(switch, found[0].up)
        self._check_displaced(switch)

    def _check_host(self, port: str) -> None:
        binding = self._find(BindingFact, port=port)
        if not binding:
            raise _Missing(
                f"{self._name(port)} lives on no host: no interface names it",
                "give the guest's interface external_ids:iface-id = SWITCH/PORT, on a host whose agent runs",
            )
        host = binding[0].host
        if self._find(HostDown, host=host):
            raise _Missing(f"host {host}, where {self._short(port)} lives, is out of service", UP)
        if host == self._host:
            self._check_plugged(port)
        elif not self._find(HostTunnel, host=host):
            raise _Missing(f"host {host}, where {self._short(port)} lives, is not registered", "start its agent")
        elif not self._find(Tunnel, host=host):
            self._check_displaced(host)
        if not any(isinstance(thing, Alive) and thing.host == host for thing in self._things.values()):
            note = f"the agent of host {host} is not alive: packets flow, changes do not reach it"
            self.notes += [] if note in self.notes else [note]
        self.step(f"{self._name(port)} lives on host {host}")

    def _check_plugged(self, port: str) -> None:
        named = self._find(Named, port=port)
        if not any(self._find(InterfaceFact, host=one.host, name=one.interface) for one in named):
            what = f"no interface of host {self._host} names {self._name(port)} any more"
            raise _Missing(what, "plug the guest in: external_ids:iface-id = SWITCH/PORT")

    # -- the way ---------------------------------------------------------------------------------------------------

    def go(self, start: str, end: str) -> None:
        here, there = self._find(PortFact, id=start)[0], self._find(PortFact, id=end)[0]
        if here.switch == there.switch:
            self.step(f"both are ports of {self._name(here.switch)}")
            return
        target = self._address(end)
        router = self._first_router(here.switch, self._address(start), target)
        for _ in range(HOPS):
            switch, hop = self._route(router, target)
            if hop == target:
                if switch != there.switch:
                    what = f"{self._name(router)} looks for {target} in {self._name(switch)}"
                    raise _Missing(f"{what}, and {self._short(end)} is not on it", "mind overlapping prefixes")
                return
            router = self._router_with(switch, hop)
        raise _Missing(f"routers pass packets for {target} on for ever", "look at their static routes for a loop")

    def _address(self, port: str) -> Ip:
        found = sorted(one.address for one in self._find(PortAddress, port=port))
        held = [address for address in found if not self._find(Outranked, port=port, address=address)]
        if held:
            return held[0]
        if found:
            raise _Missing(f"address {found[0]} of {self._name(port)} belongs to another port", "give it another")
        raise _Missing(f"{self._name(port)} has no address, so no router finds it", "give it one")

    def _first_router(self, switch: str, source: Ip, target: Ip) -> str:
        """The router that the guest's gateway is; where no subnet names one, any that leads on."""
        links = sorted(self._find(Link, switch=switch), key=lambda link: link.router)
        if not links:
            self._explain_no_link(switch)
        gateways = {
            thing.gateway
            for thing in self._things.values()
            if isinstance(thing, Subnet) and thing.switch == switch and source in thing.cidr
        }
        for link in links:
            if any(one.address in gateways for one in self._find(RouterAddress, port=link.port)):
                return link.router
        leading = [link.router for link in links if self._leads(link.router, target)]
        return (leading or [link.router for link in links])[0]

    def _router_with(self, switch: str, hop: Ip) -> str:
        """The router that a next hop is."""
        for link in self._find(Link, switch=switch):
            if self._find(RouterAddress, port=link.port, address=hop):
                return link.router
        for claim in self._find(PortClaim, switch=switch, address=hop):
            what = f"next hop {hop} is {self._name(claim.port)}, a guest: whether it forwards is its own affair"
            raise _Missing(what, "ask the guest, or name a router's address as next_hop")
        what = f"nobody has next hop {hop} in {self._name(switch)}"
        raise _Missing(what, "correct the route's next_hop, or give a router port that address")

    def _explain_no_link(self, switch: str) -> None:
        for port in self._find(RouterPortFact, switch=switch):
            self._check_up(port.id, port.up)
            self._check_displaced(port.id)
            for router in self._find(RouterFact, id=port.router):
                self._check_up(router.id, router.up)
                self._check_displaced(router.id)
        raise _Missing(f"no router joins {self._name(switch)}", "give a router a port on that switch")

    def _leads(self, router: str, target: Ip) -> bool:
        return (self._connected(router, target) or self._static(router, target)) is not None

    def _route(self, router: str, target: Ip) -> tuple[str, Ip]:
        """One router on: into which switch, to which next hop."""
        if any(target in never for never in NEVER_ROUTED):
            raise _Missing(f"routers never carry packets to {target}", "give the port another address")
        connected, static = self._connected(router, target), self._static(router, target)
        found = [one for one in (connected, static) if one is not None]
        if not found:
            self.notes.append(f"{self._short(router)} says so to the sender: ICMP network unreachable")
            raise _Missing(f"{self._name(router)} has no route to {target}", self._advice(router, target))
        _, into, following, by = max(found, key=lambda one: one[0])
        self.step(f"{self._name(router)} sends {target} to {following}, into {self._short(into)}, by {by}")
        return into, following

    def _advice(self, router: str, target: Ip) -> str:
        for route in self._find(RouteFact, router=router):
            if target in Cidr(route.prefix, route.length) and not self._find(ActiveRoute, route=route.id):
                return f"{self._short(route.id)} would lead there, but its next hop is on no connected prefix"
        for port in self._find(RouterPortFact, router=router, up=False):
            return f"add a route, or a router port there ({self._short(port.id)} is down)"
        return "add a route, or a router port there"

    def _connected(self, router: str, target: Ip) -> tuple[int, str, Ip, str] | None:
        """Of a connected prefix: its rank, the switch, the next hop, and the object that says so."""
        fitting = [one for one in self._find(Connected, router=router) if target in Cidr(one.prefix, one.length)]
        if not fitting:
            return None
        best = max(fitting, key=lambda one: one.length)
        switch: str = self._find(RouterPortFact, id=best.port)[0].switch
        return 2 * best.length + 1, switch, target, self._name(best.port)

    def _static(self, router: str, target: Ip) -> tuple[int, str, Ip, str] | None:
        fitting = [one for one in self._find(BestHop, router=router) if target in Cidr(*one.target[:2])]
        if not fitting:
            return None
        best = max(fitting, key=lambda one: (one.target[1], one.target[3], -one.hop[0]))
        next_hop, port = best.hop
        switch: str = self._find(RouterPortFact, id=port)[0].switch
        return 2 * best.target[1], switch, next_hop, self._name(best.route)
