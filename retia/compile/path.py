"""Whether two ports can talk, or a port reaches an address: the way over the facts, or the first thing that is missing.

It asks what the rules ask (a port works, lives somewhere, a router joins and runs on an edge that lives, a route leads
on, an uplink leads out), hop by hop, and stops at the first gap. It needs no switch: any host's compiler has all the
facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from retia.compile.clashes import Displaced, Outranked, PortClaim, RouterClaim
from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.compile.facts import (
    NEVER_ROUTED,
    BindingFact,
    DnatFact,
    HostFact,
    HostTunnel,
    InterfaceFact,
    PortAddress,
    PortFact,
    RouteFact,
    RouterAddress,
    RouterFact,
    RouterPortFact,
    SnatFact,
    SwitchFact,
    Unusable,
    UplinkFact,
)
from retia.compile.presence import EdgeHost, HostDown, Link, Named, Pinned, Tunnel, port_part, project_part, switch_part
from retia.compile.routes import ActiveRoute, BestHop, Sink, Target
from retia.compile.routing import Connected
from retia.model.kinds import Subnet
from retia.model.state import alive_hosts
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
    end: str = "they can talk, both ways"

    @property
    def reachable(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        lines = [f"  {number}. {step}" for number, step in enumerate(self.way, 1)]
        if self.missing:
            lines += [f"missing: {self.missing}"] + ([f"  {self.advice}"] if self.advice else [])
        else:
            lines.append(self.end)
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


class _Missing(Exception):
    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def why_pair(compiler: Compiler, things: Things, first: str, second: str | Ip) -> Verdict:
    """Two ports, by id or as an iface-id names them ([PROJECT/]SWITCH/PORT): the way from one to the other and back.
    Of a port and an address: the way there."""
    search = _Search(compiler, things)
    try:
        start = search.resolve(first)
        if isinstance(second, Ip):
            search.check_port(start)
            end = search.go_to(start, second)
            return Verdict(tuple(search.way), notes=tuple(search.notes), end=end)
        there = search.resolve(second)
        search.check_port(start)
        search.check_port(there)
        search.go(start, there)
        search.step("and back:")
        search.go(there, start)
    except _Missing as gap:
        return Verdict(tuple(search.way), gap.what, gap.advice, tuple(search.notes))
    return Verdict(tuple(search.way), notes=tuple(search.notes))


class _Way(NamedTuple):
    """One router on: how well it fits, into which switch, to which next hop (None: dropped), by which object, and how
    many next hops share it."""

    rank: tuple[int, int, int]
    switch: str
    hop: Ip | None
    by: str
    sharing: int = 1


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

    def note(self, text: str) -> None:
        self.notes += [] if text in self.notes else [text]

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
        self._note_alive(host)
        self.step(f"{self._name(port)} lives on host {host}")

    def _note_alive(self, host: str) -> None:
        if host not in alive_hosts(self._things.values()):
            self.note(f"the agent of host {host} is not alive: packets flow, changes do not reach it")

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
        router, target, switch = self._follow(start, self._address(end))
        if switch != there.switch:
            what = f"{self._name(router)} looks for {target} in {self._name(switch)}"
            raise _Missing(f"{what}, and {self._short(end)} is not on it", "mind overlapping prefixes")

    def go_to(self, start: str, target: Ip) -> str:
        """The way to an address, whosever it is; what there is to say at its end."""
        switch = self._find(PortFact, id=start)[0].switch
        if not self._is_near(switch, self._address(start), target):
            _, target, switch = self._follow(start, target)
        elif self._leaves(switch, target):
            self._leave_here(start, switch)
        if self._leaves(switch, target):
            return "it leaves for the physical network"
        self._check_owner(switch, target)
        return "it gets there"

    def _is_near(self, switch: str, source: Ip, target: Ip) -> bool:
        """Whether a guest looks for an address on its own switch."""
        nets = [thing.cidr for thing in self._things.values() if isinstance(thing, Subnet) and thing.switch == switch]
        return any(source in cidr and target in cidr for cidr in nets)

    def _check_owner(self, switch: str, target: Ip) -> None:
        """Who has an address on a switch."""
        links = self._find(RouterClaim, switch=switch, address=target)
        ports = self._find(PortClaim, switch=switch, address=target)
        if links:
            self.step(f"{target} is an address of {self._name(links[0].port)}")
        elif ports:
            self.step(f"{target} is {self._name(ports[0].port)}")
            self.check_port(ports[0].port)
        elif names := self._translators(target):
            self.step(f"{target} is an address outside, by {names[0]}")
        else:
            what = f"nobody has {target} in {self._name(switch)}"
            raise _Missing(what, "correct the address, or give it to a port")

    def _translators(self, address: Ip) -> list[str]:
        """The NAT rules that an address outside belongs to."""
        rules = [one.id for one in self._find(DnatFact, external=address)]
        rules += [one.id for one in self._find(SnatFact, external=address)]
        return [self._name(one) for one in rules]

    def _follow(self, start: str, target: Ip) -> tuple[str, Ip, str]:
        """From router to router: the last one, the address it looks for (translated on the way), and the switch."""
        source = self._address(start)
        router = self._first_router(self._find(PortFact, id=start)[0].switch, source, target)
        for _ in range(HOPS):
            beside = self._is_beside(router, start, source)
            if not beside:
                self._check_edges(router, start)
            target = self._translate_target(router, target)
            switch, hop = self._route(router, source, target)
            if self._leaves(switch, hop):
                self._translate_source(router, source)
                if beside:
                    self._leave_here(start, switch)
                else:
                    self._leave(router, switch, hop)
                return router, target, switch
            if beside:
                self._check_edges(router, start)
            if hop == target:
                return router, target, switch
            router = self._router_with(switch, hop)
        raise _Missing(f"routers pass packets for {target} on for ever", "look at their static routes for a loop")

    # -- edges and the physical network ----------------------------------------------------------------------------

    def _check_edges(self, router: str, start: str) -> None:
        """A router on edges needs one that is not drained and in service, unless the guest is on an edge."""
        if not self._find(Pinned, router=router):
            return
        edges = self._edges(router)
        names = ", ".join(one.host + ("" if one.up else " (drained)") for one in edges)
        home = {one.host for one in self._find(BindingFact, port=start)}
        if not any(one.up or one.host in home for one in edges):
            what = f"{self._name(router)} has no edge that is not drained ({names or 'none is declared'})"
            raise _Missing(what, "set the admin_state of one of its edges to true, or add an edge")
        if not any(self._serves(one.host) for one in edges if one.up or one.host in home):
            what = f"no edge of {self._name(router)} is registered and in service ({names})"
            raise _Missing(what, "start the agent of one, or set that host's admin_state to true")
        self.step(f"{self._name(router)} runs on edges: {names}")
        for one in edges:
            if not self._serves(one.host):
                self.note(f"edge {one.host} of {self._short(router)} is not registered, or out of service")
            elif one.up:
                self._note_alive(one.host)

    def _edges(self, router: str) -> list[EdgeHost]:
        return sorted(self._find(EdgeHost, router=router), key=lambda one: one.rank)

    def _serves(self, host: str) -> bool:
        return bool(self._find(Tunnel, host=host)) or (host == self._host and not self._find(HostDown, host=host))

    def _leaves(self, switch: str, address: Ip) -> bool:
        """Whether an address is looked for on the physical network."""
        if not self._find(UplinkFact, switch=switch):
            return False
        if self._translators(address) or self._find(PortClaim, switch=switch, address=address):
            return False
        return not self._find(RouterClaim, switch=switch, address=address)

    def _leave(self, router: str, switch: str, hop: Ip) -> None:
        """A router leaves by the uplinks of its edges."""
        ways, without = [], []
        for edge in self._edges(router):
            hosts = {host.id for host in self._find(HostFact, name=edge.host)}
            ports = [one for one in self._find(RouterPortFact, router=router, switch=switch) if one.on in {"", *hosts}]
            uplinks = [one for one in self._find(UplinkFact, switch=switch) if one.host in hosts]
            ways += [f"{one.bridge} of {edge.host}" for one in uplinks if ports]
            without += [] if ports and uplinks else [edge.host]
        if not ways:
            what = f"no edge of {self._name(router)} has a port and an uplink on {self._name(switch)}"
            raise _Missing(what, f"give {self._short(switch)} an uplink on {' or '.join(without) or 'an edge'}")
        for host in without:
            self.note(
                f"edge {host} of {self._short(router)} has no way out on {self._short(switch)}: packets end there"
            )
        self.step(f"it leaves by uplink {' or '.join(ways)}, to {hop} there")

    def _is_beside(self, router: str, start: str, source: Ip) -> bool:
        """Whether a guest has a distributed floating IP, and its own host a way out."""
        if not self._find(DnatFact, router=router, internal=source, distributed=True):
            return False
        hosts = {
            one.id for bound in self._find(BindingFact, port=start) for one in self._find(HostFact, name=bound.host)
        }
        switches = {one.switch for one in self._find(RouterPortFact, router=router)}
        return any(one.host in hosts for switch in switches for one in self._find(UplinkFact, switch=switch))

    def _leave_here(self, start: str, switch: str) -> None:
        """A guest of a switch with uplinks leaves by that of its own host."""
        host = self._find(BindingFact, port=start)[0].host
        ids = {one.id for one in self._find(HostFact, name=host)}
        uplinks = [one for one in self._find(UplinkFact, switch=switch) if one.host in ids]
        if not uplinks:
            what = f"host {host}, where {self._short(start)} lives, has no uplink of {self._name(switch)}"
            raise _Missing(what, f"give {self._short(switch)} an uplink on {host}")
        self.step(f"it leaves by uplink {uplinks[0].bridge} of {host}")

    # -- NAT -------------------------------------------------------------------------------------------------------

    def _translate_target(self, router: str, target: Ip) -> Ip:
        rules = sorted(self._find(DnatFact, router=router, external=target), key=lambda one: one.id)
        for one in rules:
            if not one.protocol:
                self.step(f"{self._name(one.id)} translates {target} to {one.internal}")
                return one.internal
            self.note(f"{self._short(one.id)} translates one port of {target}, to {one.internal}")
        return target

    def _translate_source(self, router: str, source: Ip) -> None:
        floating = sorted(self._find(DnatFact, router=router, internal=source, both=True), key=lambda one: one.id)
        rules = [one for one in self._find(SnatFact, router=router) if source in Cidr(one.prefix, one.length)]
        if floating:
            self.step(f"{self._name(floating[0].id)} translates {source} to {floating[0].external}")
        elif rules:
            best = max(rules, key=lambda one: one.length)
            to = str(best.external) if best.external else "the own address of the edge"
            self.step(f"{self._name(best.id)} translates {source} to {to}")
        else:
            self.note(f"nothing translates {source}: the physical network has to know the way back to it")

    # -- routers ---------------------------------------------------------------------------------------------------

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
        leading = [link.router for link in links if self._leads(link.router, source, target)]
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

    def _leads(self, router: str, source: Ip, target: Ip) -> bool:
        return (self._connected(router, target) or self._static(router, source, target)) is not None

    def _route(self, router: str, source: Ip, target: Ip) -> tuple[str, Ip]:
        """One router on: into which switch, to which next hop."""
        if any(target in never for never in NEVER_ROUTED):
            raise _Missing(f"routers never carry packets to {target}", "give the port another address")
        connected, static = self._connected(router, target), self._static(router, source, target)
        found = [one for one in (connected, static) if one is not None]
        if not found:
            self.note(f"{self._short(router)} says so to the sender: ICMP network unreachable")
            raise _Missing(f"{self._name(router)} has no route to {target}", self._advice(router, target))
        best = max(found, key=lambda one: one.rank)
        if best.hop is None:
            raise _Missing(f"{best.by} drops what is for {target}", "delete it, or route a longer prefix elsewhere")
        step = f"{self._name(router)} sends {target} to {best.hop}, into {self._short(best.switch)}, by {best.by}"
        self.step(step + (f", one of {best.sharing} that share" if best.sharing > 1 else ""))
        return best.switch, best.hop

    def _advice(self, router: str, target: Ip) -> str:
        for route in self._find(RouteFact, router=router):
            if target in Cidr(route.prefix, route.length) and not self._find(ActiveRoute, route=route.id):
                return f"{self._short(route.id)} would lead there, but its next hop is on no connected prefix"
        for port in self._find(RouterPortFact, router=router, up=False):
            return f"add a route, or a router port there ({self._short(port.id)} is down)"
        return "add a route, or a router port there"

    def _connected(self, router: str, target: Ip) -> _Way | None:
        fitting = [one for one in self._find(Connected, router=router) if target in Cidr(one.prefix, one.length)]
        if not fitting:
            return None
        best = max(fitting, key=lambda one: one.length)
        switch: str = self._find(RouterPortFact, id=best.port)[0].switch
        return _Way((best.length, 1, 0), switch, target, self._name(best.port))

    def _static(self, router: str, source: Ip, target: Ip) -> _Way | None:
        """Of a prefix a route for the source counts first; of those that share the one to the lowest next hop."""
        hops = [one for one in self._find(BestHop, router=router) if _is_for(one.target, source, target)]
        sinks = [one for one in self._find(Sink, router=router) if _is_for(one.target, source, target)]
        ranks = [*(_rank(one.target) for one in hops), *(_rank(one.target) for one in sinks)]
        if not ranks:
            return None
        rank = max(ranks)
        for sink in sinks:
            if _rank(sink.target) == rank:
                return _Way(rank, "", None, self._name(sink.route))
        best = sorted((one.hop, one.route) for one in hops if _rank(one.target) == rank)
        (next_hop, port), route = best[0]
        switch: str = self._find(RouterPortFact, id=port)[0].switch
        return _Way(rank, switch, next_hop, self._name(route), len(best))


def _is_for(wanted: Target, source: Ip, target: Ip) -> bool:
    return target in Cidr(*wanted[:2]) and source in Cidr(*wanted[2:])


def _rank(target: Target) -> tuple[int, int, int]:
    """Of equal prefixes a connected one counts first, then the longest source."""
    return target[1], 0, target[3]
