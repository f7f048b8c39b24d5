"""The command `retia`: puts the commands together, reads settings, renders errors with their exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from retia import __version__, config
from retia.cli import agent, apply, create, delete, demo, flows, get, lab, set, status, store, why
from retia.errors import RetiaError

app = typer.Typer(
    name="retia",
    help="A virtual network for a cluster of hosts: declared in YAML, kept true by rules, carried by Open vSwitch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("apply")(apply.apply)
app.command("get")(get.get)
app.add_typer(create.app, name="create")
app.add_typer(set.app, name="set")
app.command("delete")(delete.delete)
app.command("status")(status.status)
app.command("why")(why.why)
app.command("flows")(flows.flows)
app.command("agent")(agent.agent)
app.add_typer(store.app, name="store")
app.add_typer(lab.app, name="lab")
app.command("demo")(demo.demo)


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
