"""`retia agent`: run this host's agent in the foreground, for systemd or a lab; `log-level` speaks to a running one."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from retia import log
from retia.cli.output import Form, show_rows
from retia.cli.session import Output, run
from retia.config import Settings, load, sentences
from retia.daemons import agent as daemon
from retia.daemons import control
from retia.daemons.supervisor import Supervisor
from retia.errors import NotAllowed

_SAYS = sentences()


def _option(name: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=_SAYS[name], show_default=False)


app = typer.Typer(invoke_without_command=True, add_completion=False)


@app.callback()
def agent(
    context: typer.Context,
    tunnel_address: Annotated[str, _option("tunnel_address")] = "",
    bridge: Annotated[str, _option("bridge")] = "",
    datapath: Annotated[str, _option("datapath")] = "",
    ovs_run_dir: Annotated[str, _option("ovs_run_dir")] = "",
    metrics_address: Annotated[str, _option("metrics_address")] = "",
    log_level: Annotated[str, _option("log_level")] = "",
    log_format: Annotated[str, _option("log_format")] = "",
) -> None:
    """Run this host's agent: it keeps Open vSwitch what the network says."""
    if context.invoked_subcommand is not None:
        return
    given = {
        "tunnel_address": tunnel_address,
        "bridge": bridge,
        "datapath": datapath,
        "ovs_run_dir": ovs_run_dir,
        "metrics_address": metrics_address,
        "log_level": log_level,
        "log_format": log_format,
    }
    base: Settings = context.obj
    known = {name: getattr(base, name) for name in Settings.__struct_fields__}
    settings = load({**known, **{name: value for name, value in given.items() if value}}, environment={})
    log.configure(settings.log_level, settings.log_format)
    if os.geteuid() != 0:
        raise NotAllowed("the agent needs root: it changes Open vSwitch", where="agent", advice="run it as root")
    run(daemon.run(settings, Supervisor(os.environ)))


@app.command("log-level")
def log_level(
    context: typer.Context,
    level: Annotated[str, typer.Argument(help="debug, info, warning or error; nothing: show the levels.")] = "",
    logger: Annotated[str, typer.Option(help="Only this logger; else all, and none keeps one of its own.")] = "",
    output: Output = Form.table,
) -> None:
    """Change what this host's running agent logs, until it ends: a start takes the setting again."""
    settings: Settings = context.obj
    levels = run(control.ask(settings.control_socket, "log-level", level=level, logger=logger))
    show_rows([{"logger": name, "level": one} for name, one in levels.items()], output)
