"""Commands made from the model: `retia create KIND` and `retia set KIND` get one option for each field of the kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from retia.cli.output import Form
from retia.cli.session import Output, Project, Wait
from retia.model.kinds import DEFAULT_PROJECT, Object
from retia.model.shapes import depth, fields

Work = Callable[[typer.Context, type[Object], str, dict[str, Any], dict[str, Any]], None]


def command(kind: type[Object], work: Work) -> Callable[..., None]:
    """A function with typer's signature for `kind`; what it was given goes to `work`."""
    known = fields(kind)
    keyword = inspect.Parameter.KEYWORD_ONLY

    def call(context: typer.Context, path: str, **options: Any) -> None:
        common = {name: options.pop(name) for name in ("project", "wait", "output")}
        given = {name: value for name, value in options.items() if value not in (None, [])}
        work(context, kind, path, given, common)

    place = f"{kind.parent.upper()}/NAME" if depth(kind) > 1 else "NAME"
    hints: dict[str, Any] = {
        "context": typer.Context,
        "path": Annotated[str, typer.Argument(metavar=place, help=f"Which {kind.kind}.")],
    }
    defaults: dict[str, Any] = {}
    for name, field in known.items():
        text = field.doc or (f"Name of the {field.refers.kind}." if field.refers else field.form[0])
        option = typer.Option(f"--{name.replace('_', '-')}", help=f"{text} [{field.form.example}]", show_default=False)
        hints[name] = Annotated[list[str] if field.many else str | None, option]
        defaults[name] = [] if field.many else None
    hints |= {"project": Project, "wait": Wait, "output": Output}
    defaults |= {"project": DEFAULT_PROJECT, "wait": None, "output": Form.table}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=hints[name])
        for name in ("context", "path")
    ]
    parameters += [inspect.Parameter(n, keyword, default=defaults[n], annotation=hints[n]) for n in defaults]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = hints
    call.__doc__ = (inspect.getdoc(kind) or "").partition("\n")[0]
    return call
