"""`retia edge` against a real etcd and hosts that answer: its steps in order, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retia.compile.local import uplink_name
from retia.model.state import HostProblem
from tests.etcd import EtcdServer
from tests.unit.cli.answering import Hosts, answering
from tests.unit.cli.test_commands import Cli
from tests.unit.store.networks import GATEWAYS

NEW = ("--port", "out=203.0.113.13/24", "--uplink", "out=br-ex:100")


@pytest.fixture
def cli(own_etcd: EtcdServer, tmp_path: Path) -> Cli:
    made = Cli(own_etcd.endpoint, tmp_path)
    made.ok("apply", "-f", "-", text=GATEWAYS)
    return made


@pytest.fixture
def hosts(cli: Cli) -> Iterator[Hosts]:
    with answering(cli.endpoint, "hv1", "hv2", "hv3") as made:
        yield made


def get(cli: Cli, kind: str, path: str) -> dict[str, Any]:
    return json.loads(cli.ok("get", kind, path, "-o", "json"))


def test_an_edge_is_ready_everywhere_before_it_serves(cli: Cli, hosts: Hosts) -> None:
    told = json.loads(cli.ok("edge", "add", "r1", "hv3", "--priority", "5", *NEW, "-o", "json"))["steps"]
    assert [step["hosts"] for step in told] == [["hv1", "hv2", "hv3"]] * 2
    ready, serving = (step["changes"] for step in told)
    assert [line.partition(" (")[0] for line in ready] == [
        "+ uplink out/hv3",
        "+ edge r1/hv3",
        "+ router-port r1/out-hv3",
    ]
    assert "admin_state false" in ready[1] and "vlan 100" in ready[0]
    assert serving == ["~ edge r1/hv3: admin_state false → true"]
    assert get(cli, "edge", "r1/hv3")["priority"] == 5
    again = cli.ok("edge", "add", "r1", "hv3", *NEW)
    assert again == "nothing changed: hv3 is an edge of router r1 already\n"
    assert "~ edge r1/hv3: priority 5 → 7" in cli.ok("edge", "add", "r1", "hv3", "--priority", "7")


def test_draining_and_back(cli: Cli, hosts: Hosts) -> None:
    said = cli.ok("edge", "drain", "r1", "hv2")
    assert said.splitlines() == [
        "~ edge r1/hv2: admin_state true → false",
        "edge hv2 of router r1 is drained (in the switches of hv1, hv2, hv3)",
        "note: document net declares it; applied as it is, it is not drained any more",
    ]
    assert cli.ok("edge", "drain", "r1", "hv2") == "nothing changed: edge hv2 of router r1 is drained already\n"
    assert "admin_state false → true" in cli.ok("edge", "add", "r1", "hv2")


def test_removing_an_edge_drains_it_first(cli: Cli, hosts: Hosts) -> None:
    told = json.loads(cli.ok("edge", "remove", "r1", "hv2", "-o", "json"))["steps"]
    assert [step["changes"] for step in told[:2]] == [
        ["~ edge r1/hv2: admin_state true → false"],
        ["- router-port r1/out2", "- edge r1/hv2"],
    ]
    assert told[2]["what"] == "note: uplink out/hv2 stays, and nothing uses it: `retia delete uplink out/hv2`"
    assert "nothing changed: hv2 is no edge of router r1" in cli.ok("edge", "remove", "r1", "hv2")
    assert "r1/out " in cli.ok("get", "routes") and "r1/web1" in cli.ok("get", "nats")


def test_the_last_edge_is_not_taken_by_mistake(cli: Cli, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("edge", "drain", "r1", "hv2")
    before = cli.revision()
    for word in ("drain", "remove"):
        last = cli.fails("edge", word, "r1", "hv1")
        assert last.exit_code == 4 and "hv1 is the last edge of router r1 that works" in str(last)
        assert "the others are drained" in str(last) and "--force" in last.advice
    assert cli.revision() == before, "nothing was written"
    assert "is drained" in cli.ok("edge", "drain", "r1", "hv1", "--force")
    assert "no edge of router r1 any more" in cli.ok("edge", "remove", "r1", "hv2", "--force")
    only = cli.fails("edge", "remove", "r1", "hv1")
    assert "hv1 is the only edge of router r1, and with it goes" in str(only) and "nat r1/web1" in str(only)
    gone = cli.ok("edge", "remove", "r1", "hv1", "--force")
    assert "- nat r1/web1" in gone and "- route r1/out" in gone


def test_the_others_must_be_alive_too(cli: Cli) -> None:
    with answering(cli.endpoint, "hv1"):
        last = cli.fails("edge", "drain", "r1", "hv1")
        assert "the others are not alive (hv2)" in str(last)


def test_on_a_terminal_it_asks(cli: Cli, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("edge", "drain", "r1", "hv2")
    monkeypatch.setattr("retia.cli.edge._is_terminal", lambda: True)
    refused = cli.run("edge", "drain", "r1", "hv1", text="n\n")
    assert refused.exit_code == 1 and "that works: the others are drained. Go on?" in refused.output
    assert get(cli, "edge", "r1/hv1")["admin_state"] is True
    assert "hv1 of router r1 is drained" in cli.ok("edge", "drain", "r1", "hv1", text="y\n")


def test_the_first_edge_serves_at_once(cli: Cli, hosts: Hosts) -> None:
    cli.ok("create", "router", "r2")
    said = cli.ok("edge", "add", "r2", "hv1", "--port", "out=203.0.113.21/24")
    assert "+ edge r2/hv1" in said and "hv1 alone runs router r2" in said and "admin_state" not in said
    assert "no way to the physical network" in str(cli.fails("edge", "add", "r2", "hv3"))


@pytest.mark.parametrize("late", [False, True])
def test_an_uplink_that_does_not_come_up_stops_it(cli: Cli, hosts: Hosts, late: bool) -> None:
    about = f"attachment-{uplink_name(get(cli, 'switch', 'out')['key'])}"
    told = HostProblem(host="hv3", about=about, what="there is no bridge br-ex", where="br-ex", advice="make it")
    if late:
        hosts.late = told
    else:
        asyncio.run(hosts.put(told))
    stopped = cli.fails("edge", "add", "r1", "hv3", *NEW)
    assert stopped.exit_code == 4 and "hv3 is not ready: there is no bridge br-ex" in str(stopped)
    assert "give the command again" in stopped.advice
    assert get(cli, "edge", "r1/hv3")["admin_state"] is False, "no packets are sent there"


def test_a_step_that_nobody_confirms_is_the_last(cli: Cli, hosts: Hosts) -> None:
    hosts.silent.add("hv2")
    late = cli.fails("edge", "add", "r1", "hv3", *NEW, "--wait", "0.3")
    assert late.exit_code == 7 and "from hv2" in str(late) and "give the command again" in late.advice
    assert get(cli, "edge", "r1/hv3")["admin_state"] is False
    hosts.silent.clear()
    assert "packets for r1 are sent to it too" in cli.ok("edge", "add", "r1", "hv3", *NEW)


def test_a_list(cli: Cli) -> None:
    with answering(cli.endpoint, "hv2"):
        rows = json.loads(cli.ok("edge", "list", "-o", "json"))
    assert [(row["host"], row["alive"], row["holds"], row["outside"]) for row in rows] == [
        ("hv1", False, False, ["203.0.113.11/24"]),
        ("hv2", True, True, ["203.0.113.12/24"]),
    ]
    assert "in service" in cli.ok("edge", "list", "r1")


BAD = {
    "router": (["add", "r9", "hv3"], 3, "there is no router r9"),
    "host": (["add", "r1", "hv9"], 3, "there is no host hv9"),
    "drain-host": (["drain", "r1", "hv9"], 3, "there is no host hv9"),
    "drain-router": (["drain", "r9", "hv1"], 3, "there is no router r9"),
    "no-edge": (["drain", "r1", "hv3"], 3, "host hv3 is no edge of router r1\n  its edges are hv1, hv2"),
    "remove-host": (["remove", "r1", "hv9"], 3, "there is no host hv9"),
    "no-port": (["add", "r1", "hv3", "--uplink", "out=br-ex"], 4, "--port out=ADDRESS/LENGTH"),
    "no-uplink": (["add", "r1", "hv3", "--port", "out=203.0.113.13/24"], 2, "no uplink on host hv3"),
    "not-alive": (["add", "r1", "hv3", *NEW], 4, "hv3 is not alive"),
    "port-form": (["add", "r1", "hv3", "--port", "203.0.113.13/24"], 2, "write SWITCH=ADDRESS/LENGTH"),
    "port-cidr": (["add", "r1", "hv3", "--port", "out=203.0.113.13"], 2, "is no CIDR"),
    "port-switch": (["add", "r1", "hv3", "--port", "uot=203.0.113.13/24"], 3, "there is no switch uot"),
    "uplink-form": (["add", "r1", "hv3", "--uplink", "br-ex"], 2, "write SWITCH=BRIDGE"),
    "uplink-vlan": (["add", "r1", "hv3", NEW[0], NEW[1], "--uplink", "out=br-ex:9999"], 2, "VLAN 9999"),
    "address-taken": (["add", "r1", "hv3", "--port", "out=203.0.113.12/24", *NEW[2:]], 2, "both have the address"),
    "other-uplink": (["add", "r1", "hv2", "--uplink", "out=br-other"], 4, "uplink out/hv2 leads to br-ex"),
    "list-router": (["list", "r9"], 3, "there is no router r9"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_input_is_said_and_changes_nothing(cli: Cli, name: str) -> None:
    words, code, says = BAD[name]
    before = cli.revision()
    error = cli.fails("edge", *words)
    assert error.exit_code == code and says in str(error), error
    assert cli.revision() == before
