"""`retia agent`: run this host's agent in the foreground, for systemd or a lab."""

from __future__ import annotations

import os
from typing import Annotated, Any

import msgspec
import typer

from retia import log
from retia.cli.session import run
from retia.config import Settings, load, sentences
from retia.daemons import agent as daemon
from retia.errors import NotAllowed

_SAYS = sentences()


def _option(name: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=_SAYS[name], show_default=False)


def agent(
    context: typer.Context,
    tunnel_address: Annotated[str, _option("tunnel_address")] = "",
    bridge: Annotated[str, _option("bridge")] = "",
    datapath: Annotated[str, _option("datapath")] = "",
    ovs_run_dir: Annotated[str, _option("ovs_run_dir")] = "",
    log_level: Annotated[str, _option("log_level")] = "",
    log_format: Annotated[str, _option("log_format")] = "",
) -> None:
    """Run this host's agent: it keeps Open vSwitch what the network says."""
    given = {
        "tunnel_address": tunnel_address,
        "bridge": bridge,
        "datapath": datapath,
        "ovs_run_dir": ovs_run_dir,
        "log_level": log_level,
        "log_format": log_format,
    }
    base: Settings = context.obj
    known = {name: getattr(base, name) for name in Settings.__struct_fields__}
    settings = load({**known, **{name: value for name, value in given.items() if value}}, environment={})
    log.configure(settings.log_level, settings.log_format)
    if os.geteuid() != 0:
        raise NotAllowed("the agent needs root: it changes Open vSwitch", where="agent", advice="run it as root")
    run(daemon.run(msgspec.structs.replace(settings)))
