"""The command `retia`: puts the commands together, reads settings, renders errors with their exit codes.

A command's module is imported when it is called: an agent, or a short question, need not load what a lab needs.
"""

from __future__ import annotations

import importlib
import keyword
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from retia import __version__, config
from retia.daemons import garbage
from retia.errors import RetiaError

COMMANDS = (
    "apply",
    "plan",
    "get",
    "create",
    "set",
    "delete",
    "edge",
    "floating-ip",
    "lint",
    "import",
    "status",
    "why",
    "reach",
    "trace",
    "graph",
    "flows",
    "agent",
    "store",
    "lab",
    "demo",
)
"""Each is a module beside this one, with an `app` of several commands or a function of its own name; - is _ there, and
a word of Python's own ends in _."""


class _Commands(Mapping[str, Any]):
    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _command(name: str) -> Any:
    """The command of this name, its module imported now. Raises KeyError for one that is not there."""
    if name not in COMMANDS:
        raise KeyError(name)
    own = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    module: Any = importlib.import_module(f"retia.cli.{own}")
    if hasattr(module, "app"):
        several: Any = typer.main.get_command(module.app)
        several.name = name
        return several
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, name))
    return typer.main.get_command(alone)


class _Group(TyperGroup):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]


app = typer.Typer(
    name="retia",
    cls=_Group,
    help="A virtual network for a cluster of hosts: declared in YAML, kept true by rules, carried by Open vSwitch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"retia {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    config_file: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
    etcd: Annotated[str, typer.Option(help="Endpoints of etcd, HOST:PORT, separated by commas.")] = "",
    host: Annotated[str, typer.Option(help="Name of this host in the network.")] = "",
    run_dir: Annotated[str, typer.Option(help="Where the agent keeps its control socket.")] = "",
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    context.obj = config.load({"etcd": etcd, "host": host, "run_dir": run_dir}, file=config_file)


def main() -> None:
    """Runs one command; exits 0, the error's own code, or 130 after Ctrl-C."""
    garbage.loading()
    try:
        app(standalone_mode=True)
    except RetiaError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
