"""`retia lab`: networks to try things on, from a file; see docs/lab.md."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from retia import log
from retia.cli.output import Form, show_data, show_rows
from retia.errors import InvalidInput, NotFound
from retia.lab import commands, story
from retia.lab.failure import CheckFailed
from retia.lab.runner import Report, Result
from retia.model.state import FULL, ON_DEMAND


class Mode(StrEnum):
    """As `mode` of the settings."""

    full = FULL
    on_demand = ON_DEMAND


app = typer.Typer(name="lab", help="Networks to try things on: hosts and guests as namespaces.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The lab file.")]
Output = Annotated[Form, typer.Option("-o", "--output", help="How the answer looks.")]


def _tell(form: Form) -> Report:
    return (lambda event: print("\n".join(story.lines(event)), flush=True)) if form is Form.table else commands.silent


@app.command()
def up(file: File) -> None:
    """Bring a lab up and leave it running."""
    lab = commands.up(file, _tell(Form.table))
    print(f"\n  retia lab exec {lab.name} {next(iter(lab.guests or lab.hosts))} COMMAND   a command inside")
    print(f"  retia lab check {lab.name}                run its checks")
    print(f"  retia lab down {lab.name}                 take it away")


@app.command()
def check(
    lab: Annotated[str, typer.Argument(help="A lab file, or the name of a lab that is up.")],
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")] = False,
    software: Annotated[
        bool, typer.Option("--software", help="All of it in this process, without root: no Open vSwitch, no etcd.")
    ] = False,
    mode: Annotated[Mode, typer.Option(help="What its hosts are set to; an edge, or else the last one, is full.")] = (
        Mode.full
    ),
    output: Output = Form.table,
) -> None:
    """Bring a lab up, run its checks, take it down. Exit 1 when a check failed."""
    if mode is not Mode.full and (keep or not Path(lab).is_file()):
        advice = "give the lab file's path, without --keep"
        raise InvalidInput("a mode is for one check of a file", where="--mode", advice=advice)
    if Path(lab).is_file():
        result = _check_file(Path(lab), keep, software, mode, _tell(output))
    elif "/" in lab or "." in lab:
        raise NotFound("there is no such lab file", where=lab, advice="labs/ has some")
    elif software:
        raise InvalidInput("a software lab is made from its file", where=lab, advice="give the lab file's path")
    else:
        result = commands.check_again(lab, _tell(output))
    if output is not Form.table:
        show_data(result.data(), output)
    if not result.ok:
        failed = [step.id or step.name for step in result.steps if not step.ok]
        raise CheckFailed(f"{len(failed)} checks failed: {', '.join(failed)}", where=result.lab)


def _check_file(file: Path, keep: bool, software: bool, mode: Mode, report: Report) -> Result:
    if not software:
        return commands.check(file, keep, report, mode.value)
    if keep:
        raise InvalidInput("a software lab ends with its check", where="--keep", advice="leave out one of the two")
    log.configure("error")  # its agents are in this process, and what they say is no answer
    return commands.check_software(file, report, mode.value)


@app.command(context_settings={"allow_extra_args": True, "allow_interspersed_args": False})
def exec(
    context: typer.Context,
    lab: Annotated[str, typer.Argument(help="The lab's name.")],
    node: Annotated[str, typer.Argument(help="A host or guest of it.")],
) -> None:
    """Run a command (or a shell) inside a host or guest of a lab that is up."""
    sys.exit(commands.execute(lab, node, context.args))


@app.command()
def down(
    labs: Annotated[list[str] | None, typer.Argument(help="Their names.")] = None,
    left_over: Annotated[bool, typer.Option(help="Also what `list` shows as left over; never a lab in use.")] = False,
) -> None:
    """Take labs away, whatever is left of them."""
    dead = [row.name for row in commands.labs() if row.state == commands.LEFT_OVER] if left_over else []
    for name in dict.fromkeys([*(labs or []), *dead]):
        commands.down(name)
        print(f"{name} is gone")


@app.command(name="list")
def list_(output: Output = Form.table) -> None:
    """The labs that are up, and what is left over of others."""
    show_rows([row._asdict() for row in commands.labs()], output, "no lab is up")
