"""`retia why`: why a flow is there, down to the user's objects; or whether a port can talk to another one or reach an
address, and what is missing."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from retia.cli.output import Form, show_data
from retia.cli.session import Output, Project, run, store_of
from retia.compile.compiler import Compiler
from retia.compile.path import Verdict, why_pair
from retia.config import Settings
from retia.daemons import control
from retia.errors import InvalidInput
from retia.model.kinds import DEFAULT_PROJECT, Object, Port
from retia.model.network import Network
from retia.store.sync import Sync
from retia.values import Ip

UNREACHABLE = 3
"""The exit code for two ports that cannot talk."""


def why(
    context: typer.Context,
    asked: Annotated[
        list[str],
        typer.Argument(
            help="A line of dump-flows (quoted, or - for input), a cookie, or two ports; the second may be an address."
        ),
    ],
    project: Project = DEFAULT_PROJECT,
    output: Output = Form.table,
) -> None:
    """Say why a flow exists, or whether two ports can talk and what is missing."""
    settings: Settings = context.obj
    if len(asked) == 2:
        verdict = run(_pair(settings, asked[0], asked[1], project))
        _show_pair(verdict, asked, output)
        return
    if len(asked) != 1:
        raise InvalidInput("give one flow or two ports", where="why", advice="quote the line of dump-flows")
    line = sys.stdin.readline() if asked[0] == "-" else asked[0]
    answer: dict[str, Any] = run(control.ask(settings.control_socket, "why", flow=line))
    if output is Form.table:
        print(answer["text"])
    else:
        show_data({key: value for key, value in answer.items() if key != "text"}, output)


async def _pair(settings: Settings, first: str, second: str, project: str) -> Verdict:
    async with store_of(settings) as store:
        sync = Sync(store)
        delta = await sync.first()
    network = Network(thing for thing in sync.view.values() if isinstance(thing, Object))
    start, end = network.find(Port, first, project), _end(network, second, project)
    compiler = Compiler("")
    compiler.change(delta.changes)
    return why_pair(compiler, sync.view, start.id, end if isinstance(end, Ip) else end.id)


def _end(network: Network, text: str, project: str) -> Port | Ip:
    try:
        return Ip.parse(text)
    except InvalidInput:
        return network.find(Port, text, project)


def _show_pair(verdict: Verdict, asked: list[str], output: Form) -> None:
    if output is Form.table:
        print(f"from {asked[0]} to {asked[1]}:\n{verdict}")
    else:
        data = {"reachable": verdict.reachable, "way": verdict.way, "missing": verdict.missing}
        show_data({**data, "advice": verdict.advice, "notes": verdict.notes}, output)
    if not verdict.reachable:
        raise typer.Exit(UNREACHABLE)
