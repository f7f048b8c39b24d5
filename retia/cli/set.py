"""`retia set KIND NAME`: change fields of one object by hand."""

from __future__ import annotations

from typing import Any

import typer

from retia.cli import forms
from retia.cli.changing import Common, write
from retia.errors import InvalidInput
from retia.model.kinds import KINDS, Object
from retia.model.shapes import fields
from retia.store import catalog

app = typer.Typer(help="Change fields of one object by hand.", no_args_is_help=True)


def _set(context: typer.Context, kind: type[Object], path: str, given: dict[str, Any], common: Common) -> None:
    if not given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in fields(kind)) or "none: it has no fields"
        raise InvalidInput("no field is given", where=f"{kind.kind} {path}", advice=f"give one of {options}")
    write(
        context.obj,
        lambda view: catalog.set_fields(view, view.find(kind, path, common["project"]), given),
        common["wait"],
        common["output"],
    )


for _kind in KINDS:
    if fields(_kind):
        app.command(_kind.kind)(forms.command(_kind, _set))
