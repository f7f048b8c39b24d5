"""`retia trace`: a packet's way through every stage and host, to its delivery, or to the drop and what is to blame.

Live, a marked packet is sent in at a port and hosts report it; with --what-if the flows that they would have are
walked, and no switch is asked. With -f not even the store is.
"""

from __future__ import annotations

import contextlib
import enum
import random
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from retia.cli.apply import objects_of
from retia.cli.output import Form, show_data
from retia.cli.reach import check_ports
from retia.cli.session import Project, read_all, run, store_of
from retia.cli.why import UNREACHABLE
from retia.compile.explain import Things
from retia.config import Settings
from retia.daemons.following import Live, Way, walk_ways
from retia.errors import Conflict, InvalidInput, NotFound, RetiaError, Timeout
from retia.flows.fields import ICMP, TCP, UDP
from retia.flows.packet import parse
from retia.model import network as model
from retia.model.kinds import DEFAULT_PROJECT, Host, Object, Port, RouterPort, Switch, Uplink
from retia.model.state import Binding, alive_hosts
from retia.reach.answers import Obstacle
from retia.reach.world import Place, World, imagine, part_for
from retia.store import traces
from retia.store.traces import Entry
from retia.trace import packets, telling
from retia.trace.names import Names
from retia.trace.packets import TTLS, Wish
from retia.trace.story import End, Ending, Story
from retia.trace.telling import Told
from retia.trace.verdict import Judge
from retia.values import Ip, Ip4, Mac

PATIENCE = 3.0
MOST_PAIRS = 200

A = TypeVar("A", bound=Object)
B = TypeVar("B", bound=Object)


class Shape(enum.StrEnum):
    """`-o`: a tree for people; lines, json and yaml for programs."""

    tree = "tree"
    lines = "lines"
    json = "json"
    yaml = "yaml"


def trace(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="The port it comes in at; with --auto, switches.", metavar="PORT")],
    to: Annotated[str, typer.Option(help="Where it is for: an address, a port, or a router's port.")] = "",
    tcp: Annotated[int, typer.Option(help="Send a TCP SYN to this port.", show_default=False)] = 0,
    udp: Annotated[int, typer.Option(help="Send a datagram to this port.", show_default=False)] = 0,
    icmp: Annotated[bool, typer.Option("--icmp", help="Send a ping (the default).")] = False,
    arp: Annotated[bool, typer.Option("--arp", help="Ask for the address by ARP.")] = False,
    hexed: Annotated[str, typer.Option("--hex", help="Send this whole frame, in hexadecimal digits.")] = "",
    ttl: Annotated[int, typer.Option(help="Time to live it begins with.")] = 64,
    back: Annotated[bool, typer.Option("--back", help="Follow the answer of whoever would get it, too.")] = False,
    deliver: Annotated[bool, typer.Option("--deliver", help="Hand it over at its end; else no guest gets it.")] = False,
    what_if: Annotated[bool, typer.Option("--what-if", help="Walk compiled flows; no switch is asked.")] = False,
    auto: Annotated[bool, typer.Option("--auto", help="Try pairs of ports of switches; show only wrong ways.")] = False,
    pairs: Annotated[int, typer.Option(help="With --auto: at most so many pairs, drawn by lot.")] = MOST_PAIRS,
    seed: Annotated[int | None, typer.Option(help="With --auto: the same lot again.", show_default=False)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until an unfinished trace ends.")] = PATIENCE,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Walk the flows of this document alone, without any store.")
    ] = None,
    project: Project = DEFAULT_PROJECT,
    output: Annotated[
        Shape, typer.Option("-o", "--output", help="tree for people; lines, json or yaml for programs.")
    ] = Shape.tree,
) -> None:
    """Follow a packet through every stage and host. Exit 3 when it does not arrive, 7 when its end is not known."""
    wish = _wish(tcp, udp, icmp, arp, hexed, ttl)
    if not 0 < timeout <= 3600:
        raise InvalidInput(f"{timeout:g} is no time to wait", where="--timeout", advice="between 0 and 3600 seconds")
    asked = Asked(project, wish, back, deliver, what_if or file is not None, timeout)
    settings: Settings = context.obj
    if auto:
        lot = _Lot(pairs, random.randrange(1 << 32) if seed is None else seed)
        told, names_of, head = run(_auto(settings, file, names, lot, asked))
        print(head, file=sys.stdout if output is Shape.tree else sys.stderr)
    else:
        told, names_of = run(_one(settings, file, names, to, asked))
    _show(told, names_of, output)
    _exit(told, wrong=auto and bool(told))


@dataclass(frozen=True)
class Asked:
    """What one command asks of all its packets."""

    project: str
    wish: Wish
    back: bool
    deliver: bool
    what_if: bool
    timeout: float


@dataclass(frozen=True)
class _Lot:
    pairs: int
    seed: int


def _wish(tcp: int, udp: int, icmp: bool, arp: bool, hexed: str, ttl: int) -> Wish:
    """Raises InvalidInput."""
    if sum(map(bool, (tcp, udp, icmp, arp, hexed))) > 1:
        advice = "give one of --tcp, --udp, --icmp, --arp and --hex"
        raise InvalidInput("one packet at a time", where="trace", advice=advice)
    check_ports(tcp, udp)
    if ttl not in TTLS:
        raise InvalidInput(f"{ttl} is no time to live", where="--ttl", advice="between 1 and 255")
    raw = packets.raw(hexed) if hexed else b""
    return Wish(TCP if tcp else UDP if udp else ICMP, tcp or udp, ttl, arp, raw)


# -- what there is --------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _known(settings: Settings, file: Path | None, asked: Asked) -> AsyncIterator[tuple[Things, Live | None]]:
    """What is declared and what hosts say; and how packets are followed, if they are real."""
    if file is not None:
        yield imagine(objects_of(file)), None
        return
    async with store_of(settings) as store:
        if asked.what_if:
            yield (await read_all(store)).view, None
            return
        async with traces.tracing(store) as tracing:
            things = (await read_all(store)).view
            yield things, Live(tracing, things, asked.timeout, asked.deliver)


@dataclass(frozen=True)
class Start:
    """Where packets come in."""

    item: Port | Uplink
    host: str


class Network:
    """What is declared, and where packets come in: ports that live somewhere, and uplinks."""

    def __init__(self, things: Things, project: str) -> None:
        self.things, self.project = things, project
        self.network = model.Network(thing for thing in things.values() if isinstance(thing, Object))
        self._alive = alive_hosts(things.values())

    def start(self, name: str, live: bool) -> Start:
        """Raises NotFound, or Conflict for a port that lives nowhere or on a host that no agent serves."""
        item = self._find(name, Port, Uplink)
        host = self._home(item)
        if not host:
            advice = "give the guest's interface external_ids:iface-id = SWITCH/PORT, on a host whose agent runs"
            raise Conflict(f"{self.network.label(item)} lives on no host: no packet can come in there", advice=advice)
        if live and host not in self._alive:
            what = f"the agent of host {host}, where {self.network.label(item)} is, is not alive: it can send nothing"
            raise Conflict(what, where=host, advice="start it, or give --what-if")
        return Start(item, host)

    def _home(self, item: Port | Uplink) -> str:
        if isinstance(item, Uplink):
            host = self.network.get(Host, item.host)
            return host.name if host is not None else ""
        binding = self.things.get((Binding.kind, item.id))
        return binding.host if isinstance(binding, Binding) else ""

    def target(self, text: str) -> Port | Ip:
        """Raises NotFound, InvalidInput."""
        with contextlib.suppress(InvalidInput):
            return Ip.parse(text)
        found = self._find(text, Port, RouterPort)
        return found if isinstance(found, Port) else found.addresses[0].address

    def _find(self, text: str, first: type[A], second: type[B]) -> A | B:
        """Of the first kind or, where none is called so, of the second. Raises what the first search did."""
        try:
            return self.network.find(first, text, self.project)
        except (NotFound, InvalidInput):
            with contextlib.suppress(NotFound, InvalidInput):
                return self.network.find(second, text, self.project)
            raise

    def address(self, target: Port | Ip) -> Ip:
        """Raises InvalidInput for a port without one."""
        if isinstance(target, Port):
            if not target.addresses:
                advice = "give --hex with a whole frame"
                raise InvalidInput(f"{self.network.label(target)} has no address", where="--to", advice=advice)
            return target.addresses[0]
        return target


# -- one packet -----------------------------------------------------------------------------------------------------


async def _one(
    settings: Settings, file: Path | None, names: list[str], to: str, asked: Asked
) -> tuple[list[Told], Names]:
    if len(names) != 1 or bool(to) == bool(asked.wish.raw):
        advice = "retia trace web/web1 --to 10.0.2.11, or --hex FRAME in place of --to"
        raise InvalidInput("give one port and where its packet is for", where="trace", advice=advice)
    async with _known(settings, file, asked) as (things, live):
        known = Network(things, asked.project)
        start = known.start(names[0], live is not None)
        target = known.target(to) if to else None
        packet = packet_of(known, start, target, asked)
        world = World(part_for(things, ends_of(start, target, packet)))
        ways = (await _ways(world, [(start, packet)], asked, live))[0]
        title = f"{names[0]} → {to}" if to else names[0]
        judge = _judge_of(known, world)
        return list(_judged(judge, ways, title, (start, target), asked, live)), Names(known.network)


def packet_of(known: Network, start: Start, target: Port | Ip | None, asked: Asked) -> packets.Made:
    if isinstance(start.item, Uplink):
        if not asked.wish.raw:
            what = "what comes by an uplink is somebody's outside"
            raise InvalidInput(what, where="trace", advice="give --hex with a whole frame")
        return packets.Made(asked.wish.raw, packets.summary(asked.wish.raw))
    return packets.made(known.network, start.item, known.address(target) if target else Ip4(0), asked.wish)


def ends_of(start: Start, target: Port | Ip | None, packet: packets.Made) -> Iterable[str | Ip | Mac]:
    """All that the packet has to do with."""
    yield start.item.id
    if target is not None:
        yield target.id if isinstance(target, Port) else target
    fields = parse(packet.frame).fields
    yield Mac(fields["eth_dst"])
    yield from (Ip4(fields[name]) for name in ("ip_dst", "ip_src", "arp_tpa") if name in fields)


async def _ways(
    world: World, sent: Sequence[tuple[Start, packets.Made]], asked: Asked, live: Live | None
) -> list[list[Way]]:
    if live is not None:
        entries = [(Entry(start.host, start.item.id, packet.frame), packet) for start, packet in sent]
        return await live.ways(entries, asked.back)
    return [walk_ways(world, _known_place(world, start), packet, asked.back) for start, packet in sent]


def _known_place(world: World, start: Start) -> Place:
    """Raises Conflict for a host that is not there."""
    place = place_of(world, start)
    if place is None:
        what = f"host {start.host} is not registered: what it would do is not known"
        raise Conflict(what, where=start.host, advice="start its agent once")
    return place


def place_of(world: World, start: Start) -> Place | None:
    if isinstance(start.item, Port):
        return world.places.get(start.item.id)
    return next((place for place, uplink in world.uplinks.items() if uplink.id == start.item.id), None)


def _judge_of(known: Network, world: World) -> Judge:
    """It looks at all there is when it is made: one for all ways."""
    return Judge(known.things, lambda: world.facts(None))


def _judged(
    judge: Judge,
    ways: list[Way],
    title: str,
    ends: tuple[Start, Port | Ip | None],
    asked: Asked,
    live: Live | None,
) -> Iterator[Told]:
    start, target = ends
    source = start.item if isinstance(start.item, Port) else None
    unready = (live.unready,) if live is not None and live.unready else ()
    for number, (packet, story) in enumerate(ways):
        declared = (source, target) if not number and not asked.wish.arp else (None, None)
        obstacle = judge.obstacle(story, *declared)
        notes = tuple(filter(None, (packet.note, *unready)))
        name = title if not number else f"and back: {title}"
        came_in = "" if number else start.item.id
        yield Told(name, packet.what, story, obstacle, live is not None, came_in, asked.deliver, notes)


# -- many -----------------------------------------------------------------------------------------------------------


async def _auto(
    settings: Settings, file: Path | None, switches: list[str], lot: _Lot, asked: Asked
) -> tuple[list[Told], Names, str]:
    """Only those that do not arrive where they should; and how many were tried."""
    async with _known(settings, file, asked) as (things, live):
        known = Network(things, asked.project)
        pairs = _pairs(known, switches, lot)
        world = World(things)
        judge = _judge_of(known, world)
        wrong: list[Told] = []
        sent: list[tuple[Start, packets.Made]] = []
        ready: list[tuple[Port, Port]] = []
        for pair in pairs:
            try:
                sent.append(_sent(known, *pair, asked, live))
                ready.append(pair)
            except RetiaError as error:
                wrong.append(_unsent(known, *pair, error, live is not None))
        for (source, target), (start, _), ways in zip(ready, sent, await _ways(world, sent, asked, live), strict=True):
            title = _title(known, source, target)
            told = _judged(judge, ways, title, (start, target), asked, live)
            ends = (target.id, source.id)
            wrong += [one for one, end in zip(told, ends, strict=False) if one.story.end.out != end]
        head = f"{len(pairs)} ways tried, {len(wrong)} wrong (seed {lot.seed})"
        return wrong, Names(known.network), head


def _title(known: Network, source: Port, target: Port) -> str:
    return f"{known.network.path(source)} → {known.network.path(target)}"


def _unsent(known: Network, source: Port, target: Port, error: RetiaError, live: bool) -> Told:
    """A way that cannot be tried."""
    story = Story((), End(Ending.unsent, error.where))
    obstacle = Obstacle(error.what, reason=str(Ending.unsent), advice=error.advice)
    return Told(_title(known, source, target), "nothing", story, obstacle, live)


def _pairs(known: Network, switches: list[str], lot: _Lot) -> list[tuple[Port, Port]]:
    found = [known.network.find(Switch, name, known.project) for name in switches]
    ports = [port for switch in found for port in known.network.referrers(switch.id, Port)]
    bound = [port for port in ports if (Binding.kind, port.id) in known.things and port.addresses]
    every = list(permutations(bound, 2))
    return every if len(every) <= lot.pairs else random.Random(lot.seed).sample(every, lot.pairs)


def _sent(known: Network, source: Port, target: Port, asked: Asked, live: Live | None) -> tuple[Start, packets.Made]:
    packet = packets.made(known.network, source, known.address(target), asked.wish)
    return known.start(source.id, live is not None), packet


# -- showing --------------------------------------------------------------------------------------------------------


def _show(told: list[Told], names: Names, output: Shape) -> None:
    if output is Shape.tree:
        print("\n\n".join("\n".join(telling.tree(one, names)) for one in told))
    elif output is Shape.lines:
        for one in told:
            print("\n".join(telling.lines(one, names)))
    else:
        show_data([telling.data(one, names) for one in told], Form(output.value))


def _exit(told: list[Told], wrong: bool) -> None:
    """`wrong`: some do not end where they should, even if they arrive."""
    if any(one.story.end.ending is Ending.unreported for one in told):
        raise typer.Exit(Timeout.exit_code)
    if wrong or not all(one.story.arrived for one in told):
        raise typer.Exit(UNREACHABLE)
