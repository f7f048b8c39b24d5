"""Settings of every process, declared once: name, type, default and sentence. Flag beats environment beats file.

A field of `Settings` is the flag `--field-name`, the variable `RETIA_FIELD_NAME` and the key `field_name` of the
YAML file (`/etc/retia/retia.yaml`, or the one `RETIA_CONFIG` or `--config` names). `cli` reads them at start;
nothing else looks at the environment. `docs/settings.md` is generated from here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
import yaml

from retia.errors import InvalidInput

DEFAULT_FILE = Path("/etc/retia/retia.yaml")
PREFIX = "RETIA_"


class Says(str):
    """The sentence a setting has in the docs and in `--help`."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    etcd: Annotated[tuple[str, ...], Says("Endpoints of etcd, HOST:PORT, separated by commas.")] = ()
    etcd_user: Annotated[str, Says("User at etcd, where it asks for one.")] = ""
    etcd_password: Annotated[str, Says("Password of that user.")] = ""
    etcd_ca: Annotated[str, Says("File with the CA of etcd's certificate; turns TLS on.")] = ""
    etcd_cert: Annotated[str, Says("File with this process' own certificate for etcd.")] = ""
    etcd_key: Annotated[str, Says("File with the key of that certificate.")] = ""
    host: Annotated[str, Says("Name of this host in the network; by default the machine's host name.")] = ""
    tunnel_address: Annotated[str, Says("Address of this host that the tunnels of others end at.")] = ""
    bridge: Annotated[str, Says("The integration bridge: Retia's own, made where missing.")] = "br-int"
    datapath: Annotated[
        str,
        Says(
            "Datapath type of that bridge: system (kernel), netdev (userspace), or auto: what the bridge has, and for "
            "a new one system where the kernel has Open vSwitch's module, else netdev."
        ),
    ] = "auto"
    ovs_run_dir: Annotated[str, Says("Where Open vSwitch keeps its sockets.")] = "/var/run/openvswitch"
    run_dir: Annotated[
        str, Says("Where the agent keeps its control socket, and what it is to know after a restart.")
    ] = "/run/retia"
    mode: Annotated[
        Literal["full", "on-demand"],
        Says(
            "full: this host computes all that its ports can reach. on-demand: only its own ports and what they have "
            "sent packets to, for hosts in large networks. A host that is an edge or has an uplink is always full. See "
            "on-demand.md."
        ),
    ] = "full"
    want_idle: Annotated[
        float,
        Says("Seconds after which an on-demand host forgets a destination that no packet was for."),
        msgspec.Meta(ge=1, le=86400),
    ] = 300.0
    lease_seconds: Annotated[float, Says("A host counts as dead when its agent was away this long.")] = 10.0
    bfd_interval: Annotated[
        int,
        Says(
            "Milliseconds between two BFD packets to each watched host; it counts as unreachable when three in a row "
            "are missing. All hosts need BFD, so set it alike everywhere: the slower end decides."
        ),
        msgspec.Meta(ge=50, le=60000),
    ] = 200
    direct_exit: Annotated[
        bool,
        Says(
            "What guests of this host send to the outside leaves by the host's own network instead of an edge: by the "
            "bridge's own port, forwarded by its kernel (net.ipv4.ip_forward). See gateways.md."
        ),
    ] = False
    ipfix_collector: Annotated[
        str, Says("Where Open vSwitch sends IPFIX records of sampled packets, ADDRESS:PORT; nowhere by default.")
    ] = ""
    ipfix_sampling: Annotated[
        int, Says("One in this many packets is sampled for IPFIX."), msgspec.Meta(ge=1, le=0xFFFFFFFF)
    ] = 64
    ipfix_timeout: Annotated[
        int,
        Says("Seconds that the sampled packets of a connection are added up before a record of them is sent."),
        msgspec.Meta(ge=1, le=4200),
    ] = 60
    sflow_collector: Annotated[
        str, Says("Where Open vSwitch sends sFlow datagrams, ADDRESS:PORT; nowhere by default.")
    ] = ""
    sflow_sampling: Annotated[
        int, Says("One in this many packets is sampled for sFlow."), msgspec.Meta(ge=1, le=0xFFFFFFFF)
    ] = 64
    sflow_polling: Annotated[
        int, Says("Seconds between two sFlow reports of each port's counters."), msgspec.Meta(ge=1, le=86400)
    ] = 10
    metrics_address: Annotated[
        str, Says("Where the agent answers Prometheus, as 127.0.0.1:9273; nowhere by default. See metrics.md.")
    ] = ""
    log_level: Annotated[str, Says("debug, info, warning or error.")] = "info"
    log_format: Annotated[str, Says("text for people, json for machines.")] = "text"

    @property
    def host_name(self) -> str:
        return self.host or socket.gethostname().partition(".")[0]

    @property
    def control_socket(self) -> Path:
        return Path(self.run_dir) / f"agent-{self.host_name}.sock"


def sentences() -> dict[str, str]:
    """Each setting's sentence, by field name, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: str(get_args(hints[name])[1]) for name in Settings.__struct_fields__}


def load(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> Settings:
    """Merge file, environment and flags (None and empty flags count as not given). Raises InvalidInput."""
    named = file or (Path(environment[f"{PREFIX}CONFIG"]) if environment.get(f"{PREFIX}CONFIG") else None)
    values = _read(named or DEFAULT_FILE, must_exist=named is not None)
    for name in Settings.__struct_fields__:
        text = environment.get(PREFIX + name.upper())
        if text:
            values[name] = text
    values.update({name: value for name, value in (flags or {}).items() if value not in (None, "", ())})
    if isinstance(values.get("etcd"), str):
        values["etcd"] = [part.strip() for part in str(values["etcd"]).split(",") if part.strip()]
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        advice = f"the settings are {', '.join(Settings.__struct_fields__)}"
        raise InvalidInput(str(error), where="settings", advice=advice) from None


def _read(file: Path, must_exist: bool) -> dict[str, Any]:
    if not file.exists():
        if must_exist:
            raise InvalidInput("there is no such settings file", where=str(file), advice="check --config")
        return {}
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InvalidInput(f"cannot be read: {error}", where=str(file), advice="write it as NAME: VALUE") from None
    if not isinstance(values, dict):
        raise InvalidInput("is no list of settings", where=str(file), advice="write it as NAME: VALUE")
    return values
