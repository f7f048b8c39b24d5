"""`retia floating-ip`: an address of the physical network for one guest, given and taken back in one command."""

from __future__ import annotations

from typing import Annotated

import typer

from retia.cli.changing import write
from retia.cli.output import Form
from retia.cli.session import Output, Project, Wait
from retia.model.kinds import DEFAULT_PROJECT, Nat
from retia.store import floating
from retia.store.changes import Changes
from retia.store.view import View
from retia.values import Ip

app = typer.Typer(help="Give guests addresses of the physical network.", no_args_is_help=True)


@app.command()
def add(
    context: typer.Context,
    port: Annotated[str, typer.Argument(help="The guest's port, as in web/web1.")],
    address: Annotated[str, typer.Argument(help="The address outside; the lowest free one when left out.")] = "",
    router: Annotated[str, typer.Option(help="The router, where several lead outside.")] = "",
    distributed: Annotated[bool, typer.Option("--distributed", help="On the guest's own host, by its uplink.")] = False,
    project: Project = DEFAULT_PROJECT,
    wait: Wait = None,
    output: Output = Form.table,
) -> None:
    """Give a guest a floating IP, at the router between it and the physical network."""
    wanted = Ip.parse(address) if address else None
    has: list[Nat] = []

    def decide(view: View) -> Changes:
        changes, existing = floating.give(view, port, wanted, router, project, distributed)
        has[:] = [existing] if existing else []
        return changes

    write(context.obj, decide, wait, output)
    if has and output is Form.table:
        print(f"port {port} has the floating IP {has[0].external}")


@app.command()
def remove(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="PORT|ADDRESS", help="The guest's port, or the address outside.")],
    project: Project = DEFAULT_PROJECT,
    wait: Wait = None,
    output: Output = Form.table,
) -> None:
    """Take a floating IP back. What was connected through it ends."""
    write(context.obj, lambda view: floating.take_back(view, which, project), wait, output)
