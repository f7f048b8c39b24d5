"""What systemd is told: a status while waiting, READY, a heartbeat, the end; and units that systemd takes."""

from __future__ import annotations

import asyncio
import configparser
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retia.cli.main import app
from retia.daemons.agent import patiently
from retia.daemons.supervisor import Supervisor
from retia.errors import StoreAway

UNITS = sorted((Path(__file__).parents[3] / "deploy/systemd").glob("*.service"))


@pytest.fixture
def heard(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


async def test_it_waits_is_ready_beats_and_stops(heard: socket.socket, tmp_path: Path) -> None:
    one = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "40000"})
    tries = iter([StoreAway("etcd does not answer", where="192.0.2.1:2379"), None])

    async def ask() -> str:
        if (error := next(tries)) is not None:
            raise error
        return "there"

    assert await patiently(ask, one.status) == "there"
    assert heard.recv(1000) == b"STATUS=waiting: etcd does not answer (192.0.2.1:2379)"
    one.ready("hv1 at 192.0.2.11")
    assert heard.recv(1000) == b"READY=1\nSTATUS=hv1 at 192.0.2.11"
    one.beat()
    await asyncio.sleep(0.1)
    assert [heard.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    one.stopping()
    while (said := heard.recv(1000)) == b"WATCHDOG=1":
        pass
    assert said == b"STOPPING=1"


def test_without_a_supervisor_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "x"}):
        Supervisor(environment).ready("hv1")
        Supervisor(environment).beat()


def read(unit: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    return parsed


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS] == ["retia-agent.service", "retia-store.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_command_that_exists_and_comes_back(unit: Path) -> None:
    service = read(unit)["Service"]
    program, *words = service["ExecStart"].split()
    assert program == "/usr/local/bin/retia"
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
    assert service["Restart"] == "on-failure" and int(service["RestartSec"]) >= 1
    assert read(unit)["Install"]["WantedBy"] == "multi-user.target"
    for hardening in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "ProtectKernelModules", "LockPersonality"):
        assert service[hardening] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_the_agents_unit_waits_for_ready_and_watches() -> None:
    service = read(UNITS[0])["Service"]
    assert service["Type"] == "notify" and int(service["WatchdogSec"]) >= 30
    assert service["TimeoutStartSec"] == "infinity", "it waits for etcd as long as that takes, and says so"
    assert "CAP_NET_ADMIN" in service["CapabilityBoundingSet"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here; the units are parsed above")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/usr/local/bin/retia", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert done.returncode == 0 and not complaints, done.stderr
