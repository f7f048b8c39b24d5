"""`python -m docs.generate` (make docs): writes the pages that are made from the code. `--check` only compares.

Settings from `config`, the document from the model, the pipeline from its stages, the CLI from its commands, errors
from their tree, drop reasons from their list, pictures from `retia graph`. A test calls `stale()`: none of them drifts.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import typer

from docs import pictures
from retia import errors
from retia.cli import graphviz
from retia.cli.main import app
from retia.compile.reasons import SPOKEN_OF, Reason
from retia.config import PREFIX, Settings, sentences
from retia.daemons import metrics
from retia.model import page as document_page
from retia.pipeline import page as pipeline_page

HERE = Path(__file__).parent


def settings() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "A setting is a flag, an environment variable or a line of the settings file (`/etc/retia/retia.yaml`, or the",
        "one that `RETIA_CONFIG` or `--config` names). Flags beat the environment, the environment beats the file.",
        "",
        "| in the file | environment | default | what it is |",
        "|---|---|---|---|",
    ]
    defaults = Settings()
    for name, sentence in sentences().items():
        default = getattr(defaults, name)
        shown = f"`{default}`" if default not in ("", ()) else ""
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {sentence} |")
    return "\n".join(lines) + "\n"


def error_codes() -> str:
    """docs/errors.md."""
    text = inspect.getdoc(errors) or ""
    tree = text.split("\n\n")[1]
    lines = [
        "# Errors",
        "",
        "Every error says what is wrong, where, and what to do next, on standard error, and ends the command with the",
        "exit code of its kind. With `-o json` nothing else is printed on standard output.",
        "",
        "```",
        tree,
        "```",
        "",
        "| code | exit | kind |",
        "|---|---|---|",
    ]
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RetiaError)]
    for kind in sorted(kinds, key=lambda kind: (kind.exit_code, kind.code)):
        lines.append(f"| `{kind.code}` | {kind.exit_code} | {kind.__name__} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """docs/cli.md: every command with its options, from the commands themselves."""
    top = typer.main.get_command(app)
    head = [
        "# Commands",
        "",
        "Tables are for people; `-o json` and `-o yaml` are for programs. `retia --install-completion` teaches your",
        "shell to complete. Exit codes: [errors.md](errors.md). Settings: [settings.md](settings.md).",
        "",
    ]
    return "\n".join([*head, *_command(top, "retia")]).rstrip() + "\n"


def _command(command: click.Command, path: str) -> Iterator[str]:
    yield f"## `{path}`"
    yield ""
    yield (command.help or "").strip()
    yield ""
    rows = [row for row in map(_parameter, command.params) if row]
    if rows:
        yield "| | |"
        yield "|---|---|"
        yield from rows
        yield ""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _command(child, f"{path} {name}")


def _parameter(parameter: click.Parameter) -> str:
    help_text = (getattr(parameter, "help", "") or "").strip().replace("|", "\\|")
    if parameter.name in ("help", "install_completion", "show_completion"):
        return ""
    if parameter.param_type_name == "argument":
        shown = (parameter.metavar or parameter.name or "").upper()
        return f"| `{shown}` | {help_text} |"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    return f"| {names} | {help_text} |"


def reasons() -> str:
    """docs/reasons.md: why packets are dropped."""
    lines = [
        "# Why packets are dropped",
        "",
        "Each host counts what it drops by these reasons: `retia flows --drops`, and the metrics. `retia reach` names",
        "them with host, stage and object. Where a router answers, the sender of the packet hears of it by ICMP.",
        "",
        "| reason | number | what it means | the sender is told |",
        "|---|---|---|---|",
    ]
    for reason in Reason:
        told = SPOKEN_OF[reason].label.replace("-", " ") if reason in SPOKEN_OF else ""
        lines.append(f"| `{reason.label}` | {int(reason)} | {reason.doc} | {told} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "errors.md": error_codes,
    "cli.md": commands,
    "document.md": document_page.render,
    "pipeline.md": pipeline_page.render,
    "reasons.md": reasons,
    "metrics.md": metrics.page,
    "graph-demo.dot": lambda: pictures.picture(pictures.demo()),
    "graph-large.dot": lambda: pictures.picture(pictures.large()),
}
"""A picture's text is compared; what Graphviz makes of it, the .svg beside, depends on its version too."""


def stale() -> list[str]:
    """Pages that are not what the code says."""
    return [name for name, make in PAGES.items() if not (HERE / name).exists() or (HERE / name).read_text() != make()]


def main() -> None:
    names = stale()
    if "--check" not in sys.argv:
        for name in names:
            (HERE / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote docs/{name}")
        for path in (HERE / name for name in names if name.endswith(".dot")):
            path.with_suffix(".svg").write_text(graphviz.svg(path.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"wrote docs/{path.stem}.svg")
    elif names:
        sys.exit(f"stale: {', '.join(names)}; run make docs")


if __name__ == "__main__":
    main()
