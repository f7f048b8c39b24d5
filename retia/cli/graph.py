"""`retia graph`: a picture of the network and how it stands, as DOT for programs or as SVG.

Reads records as they are, or with `-f` one document alone; draws all, one project, or what is near one object.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from retia.cli import graphviz
from retia.cli.apply import objects_of
from retia.cli.get import kind_of
from retia.cli.session import everything, run
from retia.errors import InvalidInput
from retia.graph import dot
from retia.graph.draw import draw
from retia.graph.folding import FOLD
from retia.graph.part import Part, around, find, of_project, whole
from retia.graph.picture import Picture
from retia.graph.standing import Standing
from retia.model.kinds import DEFAULT_PROJECT, Object
from retia.model.network import Network

STEPS = 2


class GraphForm(StrEnum):
    """`-o`: the text that Graphviz reads, or the picture."""

    dot = "dot"
    svg = "svg"


def graph(
    context: typer.Context,
    named: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND] [NAME]", help="What to draw the neighbourhood of, as in web/web1 or router r1."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="With NAME: how far to go from it; 2 if not given.", show_default=False)
    ] = None,
    project: Annotated[
        str, typer.Option(help="Only this project; with NAME the one it is looked up in.", show_default=False)
    ] = "",
    fold: Annotated[int, typer.Option(help="More of one kind in one place than this are drawn as one.")] = FOLD,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Draw this document alone, without any store; - for input.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to this file; one that ends with .svg gets SVG.")
    ] = None,
    output: Annotated[
        GraphForm | None, typer.Option("-o", "--output", help="dot (the default) or svg.", show_default=False)
    ] = None,
) -> None:
    """Draw the network, with what lives where and what is wrong: all of it, a project, or what is near one object."""
    _check(named or [], steps, fold)
    picture = _picture(context, named or [], STEPS if steps is None else steps, project, fold, file)
    form = output or (GraphForm.svg if to is not None and to.suffix == ".svg" else GraphForm.dot)
    text = dot.render(picture)
    if form is GraphForm.svg:
        text = graphviz.svg(text)
    if to is None:
        sys.stdout.write(text)
        return
    _write(to, text)
    print(f"{to}: {picture.counts or 'nothing'}")


def _check(named: list[str], steps: int | None, fold: int) -> None:
    if len(named) > 2:
        raise InvalidInput("give one object", where="graph", advice="as in `retia graph web/web1`")
    if steps is not None and not named:
        raise InvalidInput("steps from where?", where="--steps", advice="name an object, as in `retia graph web/web1`")
    if steps is not None and steps < 0:
        raise InvalidInput(f"{steps} is no number of steps", where="--steps", advice="0 is the object alone")
    if fold < 1:
        raise InvalidInput(f"{fold} is too few", where="--fold", advice="1 or more")


def _picture(
    context: typer.Context, named: list[str], steps: int, project: str, fold: int, file: Path | None
) -> Picture:
    notes = []
    if file is not None:
        network = Network(objects_of(file))
        standing = Standing({(item.kind, item.id): item for item in network.objects.values()}, known=False)
    else:
        sync = run(everything(context.obj))
        network = Network(thing for thing in sync.view.values() if isinstance(thing, Object))
        standing = Standing(sync.view)
        notes = [f"set aside, as it cannot be read: {key}" for key in sorted(sync.problems)]
    return draw(network, standing, _part(network, standing, named, steps, project), fold, notes)


def _part(network: Network, standing: Standing, named: list[str], steps: int, project: str) -> Part:
    if named:
        kind = kind_of(named[0]) if len(named) == 2 else None
        return around(network, standing, find(network, standing, kind, named[-1], project or DEFAULT_PROJECT), steps)
    return of_project(network, standing, project) if project else whole(network, standing)


def _write(to: Path, text: str) -> None:
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", where=str(to), advice="choose another") from None
