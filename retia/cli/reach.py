"""`retia reach`: whether two guests can talk, or which of all cannot, by walking the flows every host would have.

It reads records and compiles: no switch is asked, no packet sent. With `-f` not even the store is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retia.cli.apply import objects_of
from retia.cli.output import Form, show_data
from retia.cli.session import Output, Project, everything, run
from retia.cli.why import UNREACHABLE
from retia.compile.explain import Things
from retia.errors import InvalidInput, NotFound
from retia.flows.fields import TCP, UDP
from retia.model.kinds import DEFAULT_PROJECT, Object, Port
from retia.model.network import Network
from retia.reach.answers import Answer
from retia.reach.everyone import Everyone, ask_all
from retia.reach.probes import Probe
from retia.reach.question import Asker
from retia.reach.world import World, imagine, part_for
from retia.values import Ip

PORTS = range(1, 65536)


def reach(
    context: typer.Context,
    ends: Annotated[
        list[str] | None, typer.Argument(help="Two ports; the second may be an address, the first one outside.")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every pair of ports; those that cannot talk, grouped.")
    ] = False,
    tcp: Annotated[int, typer.Option(help="Ask for this TCP port.", show_default=False)] = 0,
    udp: Annotated[int, typer.Option(help="Ask for this UDP port.", show_default=False)] = 0,
    icmp: Annotated[bool, typer.Option("--icmp", help="Ask by ping (the default).")] = False,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Ask of this document alone, without any store; - for input.")
    ] = None,
    project: Project = DEFAULT_PROJECT,
    output: Output = Form.table,
) -> None:
    """Say whether guests can talk, both ways, and if not, why, by walking compiled flows. Exit 3 when they cannot."""
    probe = _probe(tcp, udp, icmp)
    if everyone == bool(ends) or (ends and len(ends) != 2):
        raise InvalidInput("give two ports, or --all", where="reach", advice="retia reach web/web1 db/db1")
    things = imagine(objects_of(file)) if file else run(everything(context.obj)).view
    source, target = ends or ("", "")
    answer = _everyone(things, probe) if everyone else _pair(things, source, target, project, probe)
    notes = ["asked of a document: each port is taken to be plugged in, on one of two hosts"] if file else []
    if output is Form.table:
        print("\n".join([*answer.lines(), *(f"note: {note}" for note in notes)]))
    else:
        show_data(answer.data(), output)
    if not (answer.all_reachable if isinstance(answer, Everyone) else answer.reachable):
        raise typer.Exit(UNREACHABLE)


def check_ports(tcp: int, udp: int) -> None:
    """0 where none is given. Raises InvalidInput for what is no port."""
    for name, number in (("--tcp", tcp), ("--udp", udp)):
        if number and number not in PORTS:
            raise InvalidInput(f"{number} is no port", where=name, advice="ports are 1 to 65535")


def _probe(tcp: int, udp: int, icmp: bool) -> Probe:
    if bool(tcp) + bool(udp) + icmp > 1:
        raise InvalidInput("one question at a time", where="reach", advice="give one of --tcp, --udp and --icmp")
    check_ports(tcp, udp)
    return Probe(TCP, tcp) if tcp else Probe(UDP, udp) if udp else Probe()


def _pair(things: Things, source: str, target: str, project: str, probe: Probe) -> Answer:
    network = Network(thing for thing in things.values() if isinstance(thing, Object))
    start, end = _end(network, source, project), _end(network, target, project)
    if start == end:
        raise InvalidInput(f"{source} is both ends", where="reach", advice="give two ports")
    if isinstance(start, Ip):
        _check_outside(network, start, project)
    ends: list[str | Ip] = [one.id if isinstance(one, Port) else one for one in (start, end)]
    return Asker(World(part_for(things, ends))).ask(start, end, probe)


def _check_outside(network: Network, address: Ip, project: str) -> None:
    """An address as the source is somebody's outside. Raises InvalidInput."""
    own = next((port for port in network.of(Port) if address in port.addresses), None)
    if address.family != 4 or own is not None:
        what = f"{address} is {network.label(own)}" if own else f"{address} is no IPv4 address"
        advice = f"ask from {network.path(own, project)}" if own else "name a port, or somebody's address outside"
        raise InvalidInput(what, where="reach", advice=advice)


def _end(network: Network, text: str, project: str) -> Port | Ip:
    """Raises NotFound, or InvalidInput with the ports that bear a bare name."""
    try:
        return Ip.parse(text)
    except InvalidInput:
        return _port(network, text, project)


def _port(network: Network, text: str, project: str) -> Port:
    try:
        return network.find(Port, text, project)
    except InvalidInput as error:
        same = sorted(network.path(port, project) for port in network.of(Port) if port.name == text)
        if not same:
            raise
        advice = f"there is {', '.join(same[:8])}"
        raise NotFound(f"{text} is no full name of a port", advice=advice) from error


def _everyone(things: Things, probe: Probe) -> Everyone:
    world = World(things)
    return ask_all(world, list(world.network.of(Port)), probe)
