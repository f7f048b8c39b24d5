"""A real agent, operated: what it tells its supervisor, a scrape, its drops, and its log's level while it runs."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from retia.lab import commands, file
from retia.lab.contract import AGENT
from tests.lab.test_honesty import LAB

SCRAPE = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9273/metrics', timeout=10).read().decode())"


async def test_a_real_agent_is_operated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("RETIA_METRICS_ADDRESS", "127.0.0.1:9273")
        spec = file.parse(LAB, "operate.yaml")
        async with commands.standing(spec, f"operate-{os.getpid()}", agents=True, keep=False) as lab:
            told = {heard.recv(1000).split(b"\n")[0] for _ in range(2)}
            assert b"READY=1" in told
            host = lab.hosts["hv1"]
            await lab.guests["a"].run("ping", "-c", "1", "-W", "1", "10.0.0.99", check=False)
            said = (await host.run("python", "-c", SCRAPE)).out
            values = dict(line.rsplit(" ", 1) for line in said.splitlines() if line[:1] not in ("", "#"))
            flows = sum(float(value) for name, value in values.items() if name.startswith("retia_flows{"))
            assert flows == float(values["retia_flows_wanted"]) > 20
            assert float(values["retia_bindings"]) == float(values["retia_peers"]) == 1
            assert float(values['retia_packets_dropped_total{reason="arp-unknown"}']) >= 1
            assert float(values["retia_change_seconds_count"]) >= 0
            levels = json.loads((await host.run("retia", "agent", "log-level", "debug", "-o", "json")).out)
            assert levels == [{"logger": "all", "level": "debug"}]
            await host.run("retia", "set", "port", "web/b", "--admin-state", "false", "--wait", "10")
            assert "log       all debug" in (await host.run("retia", "status", "--local")).out
            assert "revision=" in host.log.read_text()
            wrong = await host.run("retia", "agent", "log-level", "debug", "--logger", "nobody", check=False)
            assert wrong.code == 2 and "'nobody' is no logger\n  one of agent, " in wrong.err
            await host.stop(AGENT)
            while heard.recv(1000) != b"STOPPING=1":
                pass
