"""`retia create KIND NAME`: one object by hand, validated against the whole network like a document's."""

from __future__ import annotations

from typing import Any

import typer

from retia.cli import forms
from retia.cli.changing import Common, write
from retia.model.kinds import KINDS, Object
from retia.store import catalog

app = typer.Typer(help="Declare one object by hand.", no_args_is_help=True)


def _create(context: typer.Context, kind: type[Object], path: str, given: dict[str, Any], common: Common) -> None:
    write(
        context.obj,
        lambda view: catalog.create(view, kind, path, given, common["project"]),
        common["wait"],
        common["output"],
    )


for _kind in KINDS:
    app.command(_kind.kind)(forms.command(_kind, _create))
