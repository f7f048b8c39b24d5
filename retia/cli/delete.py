"""`retia delete KIND NAME`: refused while something needs it, or everything at once with --cascade."""

from __future__ import annotations

from typing import Annotated

import typer

from retia.cli.changing import write
from retia.cli.get import kind_of
from retia.cli.output import Form
from retia.cli.session import Output, Project, Wait
from retia.model.kinds import DEFAULT_PROJECT
from retia.store import catalog


def delete(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Kind, as in port.")],
    names: Annotated[list[str], typer.Argument(help="Names, as in web or web/web1; or ids.")],
    cascade: Annotated[bool, typer.Option(help="Delete what lives in it or needs it, too, all at once.")] = False,
    project: Project = DEFAULT_PROJECT,
    wait: Wait = None,
    output: Output = Form.table,
) -> None:
    """Delete objects. Without --cascade refused while anything needs them."""
    wanted = kind_of(kind)
    write(
        context.obj,
        lambda view: catalog.delete(view, [view.find(wanted, name, project) for name in names], cascade),
        wait,
        output,
    )
