"""`retia status` of gateways: edges with their order and state, and what a host says of its tunnels and neighbours."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from retia.cli import status as command
from retia.cli.output import Form
from retia.model.state import FULL, ON_DEMAND, Alive
from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.host import register
from retia.store.records import encode, key_of
from retia.values import Ip
from tests.etcd import EtcdServer
from tests.unit.cli.test_commands import Cli
from tests.unit.store.networks import GATEWAYS


@pytest.fixture
def cli(own_etcd: EtcdServer, tmp_path: Path) -> Cli:
    return Cli(own_etcd.endpoint, tmp_path)


def edges(cli: Cli) -> list[tuple[str, str, int, str]]:
    return [tuple(one.values()) for one in json.loads(cli.ok("status", "-o", "json"))["edges"]]


def test_edges_in_their_order_with_their_state(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", text=GATEWAYS)
    before = edges(cli)
    assert {(router, state) for router, _, _, state in before} == {("r1", "declared, never registered")}
    assert [(-priority, edge) for _, edge, priority, _ in before] == sorted((-p, e) for _, e, p, _ in before)
    asyncio.run(start(cli.endpoint, before[0][1]))
    assert edges(cli)[0][3] == "alive"
    cli.ok("set", "edge", f"r1/{before[0][1]}", "--admin-state", "false")
    assert edges(cli)[0][3] == "drained"
    lines = cli.ok("status").splitlines()
    assert ["ROUTER", "EDGE", "PRIORITY", "STATE"] in [line.split() for line in lines]
    assert ["r1", before[0][1], str(before[0][2]), "drained"] in [line.split() for line in lines]


def test_without_edges_nothing_is_said_of_them(cli: Cli) -> None:
    cli.ok("apply", "-f", str(cli.file))
    assert edges(cli) == [] and "EDGE" not in cli.ok("status")


def test_modes_are_told_where_one_is_not_full(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", text=GATEWAYS)
    edge = edges(cli)[0][1]
    assert "MODE" not in cli.ok("status")
    for host in (edge, "hv9"):
        asyncio.run(start(cli.endpoint, host, ON_DEMAND))
    modes = {one["host"]: one["mode"] for one in json.loads(cli.ok("status", "-o", "json"))["hosts"]}
    assert (modes[edge], modes["hv9"]) == (FULL, ON_DEMAND), "an edge is full whatever its setting says"
    assert "MODE" in cli.ok("status").splitlines()[0]


async def start(endpoint: str, host: str, mode: str = FULL) -> None:
    store = EtcdStore(Access((endpoint,)))
    await register(store, host, Ip.parse("192.0.2.1"), "test", mode)
    alive = Alive(host=host)
    await store.commit(Transaction(puts={key_of(alive): encode(alive)}))
    await store.close()


ANSWER = {
    "host": "hv2",
    "revision": 7,
    "store": "connected",
    "switch": "connected",
    "flows": 40,
    "log": {"all": "info"},
    "answered": {},
    "ports": [],
    "peers": {},
    "problems": [],
    "gateways": {"neighbours": {}, "waiting": 0, "zones": 0, "reached": {}},
    "mode": {"set": "full", "reads": "all"},
}


def test_a_host_says_what_it_reaches_and_knows(capsys: pytest.CaptureFixture[str]) -> None:
    command._show_local(ANSWER, Form.table)
    assert not [
        line for line in capsys.readouterr().out.splitlines() if line.startswith(("tunnels", "outside", "zones"))
    ]
    told = {"neighbours": {"asked": 1, "known": 3}, "waiting": 2, "zones": 4, "reached": {"hv1": True, "hv3": False}}
    command._show_local({**ANSWER, "gateways": told}, Form.table)
    lines = capsys.readouterr().out.splitlines()
    assert "tunnels   hv1 is reached, hv3 is not reached" in lines
    assert "outside   neighbours: 1 asked, 3 known, 2 packets wait" in lines
    assert "zones     4 of connection tracking" in lines


def test_a_host_says_in_which_mode_it_is_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    def said(**told: object) -> list[str]:
        command._show_local({**ANSWER, "mode": told}, Form.table)
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith(("mode", "wants"))]

    assert said(set="full", reads="all") == ["mode      full"]
    counts = {"wants": 3, "looked-up": 5, "unknown": 1, "aged-out": 2, "crowded-out": 0}
    on_demand = {"set": "on-demand", "gateway": False, **counts}
    assert said(**on_demand, reads="own and wanted") == [
        "mode      on-demand",
        "wants     3: 5 looked up, 1 unknown, 2 aged out, 0 crowded out",
    ]
    (line,) = said(**{**on_demand, "gateway": True}, reads="all")
    assert line == "mode      full, though on-demand is set: it is an edge or has an uplink"
    (line,) = said(**on_demand, reads="all")
    assert line.endswith("restart it")
