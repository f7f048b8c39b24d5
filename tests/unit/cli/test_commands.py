"""The commands against a real etcd: what they print, how they fail, and that a failure changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from retia.cli.main import app
from retia.errors import RetiaError
from tests.etcd import EtcdServer, free_port
from tests.unit.store.networks import GATEWAYS

DOCUMENT = """
retia: 1
document: net
switches:
  web: {subnets: {n: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, ports: {one: {addresses: [10.0.1.5]}, two: {}}}
  db: {subnets: {n: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}, ports: {one: {}}}
routers:
  r1: {ports: {to-web: {switch: web}, to-db: {switch: db}}}
"""


class Cli:
    def __init__(self, endpoint: str, place: Path) -> None:
        self.endpoint, self.place = endpoint, place
        self.file = place / "net.yaml"
        self.file.write_text(DOCUMENT)

    def run(self, *words: str, text: str | None = None) -> Result:
        head = ["--etcd", self.endpoint, "--host", "hv1", "--run-dir", str(self.place)]
        return CliRunner().invoke(app, [*head, *words], input=text, env={"COLUMNS": "200"})

    def ok(self, *words: str, text: str | None = None) -> str:
        result = self.run(*words, text=text)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def fails(self, *words: str, text: str | None = None) -> RetiaError:
        """The error that `main` would print, with its exit code."""
        error = self.run(*words, text=text).exception
        assert isinstance(error, RetiaError), error
        return error

    def revision(self) -> int:
        return int(json.loads(self.ok("status", "-o", "json"))["revision"])


@pytest.fixture
def cli(own_etcd: EtcdServer, tmp_path: Path) -> Cli:
    return Cli(own_etcd.endpoint, tmp_path)


def test_the_way_of_an_operator(cli: Cli) -> None:
    assert "10 created" in cli.ok("apply", "-f", str(cli.file))
    before = cli.revision()
    assert "0 created, 0 changed, 0 deleted, 10 unchanged" in cli.ok("apply", "-f", str(cli.file))
    assert cli.revision() == before, "twice changes nothing"
    assert "web/one" in cli.ok("get") and "10.0.1.5" in cli.ok("get", "ports")
    port = json.loads(cli.ok("get", "port", "web/one", "-o", "json"))
    assert (port["path"], port["switch"], port["addresses"]) == ("web/one", "web", ["10.0.1.5"])
    assert yaml.safe_load(cli.ok("get", "port", "web/one", "-o", "yaml")) == port
    assert "+ port web/three" in cli.ok("create", "port", "web/three", "--addresses", "10.0.1.77")
    assert "mtu" in cli.ok("set", "switch", "web", "--mtu", "1300")
    assert "nothing changed" in cli.ok("set", "switch", "web", "--mtu", "1300")
    assert "- port web/three" in cli.ok("delete", "port", "web/three")
    refused = cli.fails("delete", "switch", "db")
    assert refused.exit_code == 4 and "db/one" in str(refused)
    assert "- port db/one" in cli.ok("delete", "switch", "db", "--cascade")


def test_gateways_by_hand(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", text=GATEWAYS)
    assert "distributed false → true" in cli.ok("set", "nat", "r1/web1", "--distributed", "true")
    cli.ok("set", "nat", "r1/web1", "--distributed", "false")
    assert "hv3" in cli.ok("create", "uplink", "out/hv3", "--bridge", "br-ex", "--vlan", "7")
    assert "host hv3; priority 20" in cli.ok("create", "edge", "r1/hv3", "--priority", "20")
    port = ("--switch", "out", "--addresses", "203.0.113.13/24", "--host", "hv3")
    assert "host hv3" in cli.ok("create", "router-port", "r1/out3", *port)
    ssh = ("--type", "dnat", "--internal", "10.0.1.12", "--external", "203.0.113.50", "--protocol", "tcp")
    assert "external_port 22" in cli.ok("create", "nat", "r1/ssh", *ssh, "--external-port", "22")
    assert "ports none → 1024-2047" in cli.ok("set", "nat", "r1/all", "--ports", "1024-2047")
    assert "blackhole true" in cli.ok("create", "route", "r1/none", "--prefix", "10.9.0.0/16", "--blackhole", "true")
    assert "admin_state true → false" in cli.ok("set", "edge", "r1/hv1", "--admin-state", "false")
    shown = [line.split() for line in cli.ok("get", "nats").splitlines()]
    assert shown[0][:5] == ["NAME", "TYPE", "INTERNAL", "EXTERNAL", "PROTOCOL"]
    assert shown[1:] == [
        ["r1/all", "snat", "10.0.1.0/24", "1024-2047", "no", "net"],
        ["r1/ssh", "dnat", "10.0.1.12", "203.0.113.50", "tcp", "22", "no"],
        ["r1/web1", "floating", "10.0.1.11", "203.0.113.60", "no", "net"],
    ]
    nat = json.loads(cli.ok("get", "nat", "r1/all", "-o", "json"))
    assert (nat["type"], nat["internal"], nat["ports"], nat["external"]) == ("snat", "10.0.1.0/24", "1024-2047", None)
    assert json.loads(cli.ok("get", "uplink", "out/hv3", "-o", "json"))["vlan"] == 7
    assert "r1/hv3" in cli.ok("get", "edges") and "yes" in cli.ok("get", "route", "r1/none")
    used = cli.fails("delete", "uplink", "out/hv3")
    assert used.exit_code == 4 and "still used by router-port r1/out3" in str(used)
    assert "- router-port r1/out3" in cli.ok("delete", "edge", "r1/hv3", "--cascade")


def test_prune_deletes_what_the_document_no_longer_declares(cli: Cli) -> None:
    cli.ok("apply", "-f", str(cli.file))
    cli.ok("create", "port", "web/hand")
    less = DOCUMENT.replace(", two: {}", "")
    assert "0 deleted" in cli.ok("apply", "-f", "-", text=less)
    assert "- port web/two" in cli.ok("apply", "-f", "-", "--prune", text=less)
    assert "web/hand" in cli.ok("get", "ports"), "what hands made stays"


def test_why_two_ports_cannot_talk(cli: Cli) -> None:
    cli.ok("apply", "-f", str(cli.file))
    result = cli.run("why", "web/one", "db/one")
    assert result.exit_code == 3 and "web/one" in result.output and "missing:" in result.output
    data = json.loads(cli.run("why", "web/one", "db/one", "-o", "json").output)
    assert data["reachable"] is False and "lives on no host" in data["missing"]


def test_status_of_an_empty_store(cli: Cli) -> None:
    assert "0 of 0 ports" in cli.ok("status")


BAD = {
    "unknown-kind": (["get", "prots"], 3, "ports"),
    "unknown-name": (["get", "port", "web/on"], 3, "no port web/on"),
    "no-such-file": (["apply", "-f", "none.yaml"], 2, "cannot be read"),
    "set-nothing": (["set", "switch", "web"], 2, "no field is given"),
    "bad-value": (["create", "port", "web/x", "--mac", "nonsense"], 2, "nonsense"),
    "exists": (["create", "port", "web/one"], 4, "exists already"),
    "no-agent": (["flows"], 5, "no agent answers"),
    "why-nothing": (["why", "a", "b", "c"], 2, "one flow or two ports"),
    "no-port": (["why", "web/one", "web/nine"], 3, "no port web/nine"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_input_is_said_and_changes_nothing(cli: Cli, name: str) -> None:
    words, code, says = BAD[name]
    cli.ok("apply", "-f", str(cli.file))
    before = cli.revision()
    error = cli.fails(*words)
    assert error.exit_code == code and says in str(error)
    assert cli.revision() == before


def test_a_bad_document_tells_all_and_writes_nothing(cli: Cli) -> None:
    bad = DOCUMENT.replace("10.0.1.5", "10.0.9.5").replace("switch: db", "switch: bd")
    error = cli.fails("apply", "-f", "-", text=bad)
    assert error.exit_code == 2 and "10.0.9.5" in str(error) and "bd" in str(error)
    assert "nothing is declared" in cli.ok("get")


def test_without_etcd_it_says_so(tmp_path: Path) -> None:
    away = Cli(f"127.0.0.1:{free_port()}", tmp_path).fails("status")
    assert away.exit_code == 5 and "does not answer" in str(away) and away.advice
    none = Cli("", tmp_path).fails("status")
    assert none.exit_code == 2 and "RETIA_ETCD" in none.advice


def test_every_command_has_help() -> None:
    for words in (
        [],
        ["apply"],
        ["get"],
        ["create", "nat"],
        ["edge", "add"],
        ["floating-ip"],
        ["lint"],
        ["set", "router-port"],
        ["delete"],
        ["why"],
        ["agent"],
    ):
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0 and "Usage" in result.output
