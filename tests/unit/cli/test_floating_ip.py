"""`retia floating-ip` against a real etcd: which router, which address, and back again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retia.model.kinds import Nat
from tests.etcd import EtcdServer
from tests.unit.cli.test_commands import Cli
from tests.unit.store.networks import GATEWAYS

OTHER = """
retia: 1
document: other
switches:
  far: {subnets: {f: {cidr: 198.51.100.0/30, gateway: 198.51.100.1}}, uplinks: {hv1: {bridge: br-far}}}
  alone: {subnets: {a: {cidr: 10.9.0.0/24}}, ports: {a: {}}}
  bare: {ports: {a: {}}}
routers:
  r2:
    edges: {hv3: {}}
    ports: {out: {switch: out, addresses: 203.0.113.21/24}, to-web: {switch: web, addresses: 10.0.1.2/24}}
  r3:
    edges: {hv1: {}}
    ports: {far: {switch: far, addresses: 198.51.100.2/30}, to-alone: {switch: alone, addresses: 10.9.0.1/24}}
ports: {out/direct: {}}
uplinks: {out/hv3: {bridge: br-ex}}
"""


@pytest.fixture
def cli(own_etcd: EtcdServer, tmp_path: Path) -> Cli:
    made = Cli(own_etcd.endpoint, tmp_path)
    made.ok("apply", "-f", "-", text=GATEWAYS)
    return made


def test_given_and_taken_back(cli: Cli) -> None:
    said = cli.ok("floating-ip", "add", "web/web2")
    assert said == "+ nat r1/floating-203.0.113.100 (type floating; internal 10.0.1.12; external 203.0.113.100)\n"
    again = cli.ok("floating-ip", "add", "web/web2")
    assert "nothing changed" in again and "port web/web2 has the floating IP 203.0.113.100" in again
    assert "nothing changed" in cli.ok("floating-ip", "add", "web/web2", "203.0.113.100")
    other = cli.fails("floating-ip", "add", "web/web2", "203.0.113.101")
    assert other.exit_code == 4 and "has the floating IP 203.0.113.100" in str(other)
    assert "- nat r1/floating-203.0.113.100" in cli.ok("floating-ip", "remove", "203.0.113.100")
    assert "nothing changed" in cli.ok("floating-ip", "remove", "web/web2")
    assert "external 203.0.113.9)" in cli.ok("floating-ip", "add", "web/web2", "203.0.113.9")
    assert "- nat r1/web1" in cli.ok("floating-ip", "remove", "web/web1"), "a document's too"
    gone = cli.fails("floating-ip", "remove", "203.0.113.60")
    assert gone.exit_code == 3 and gone.advice == "there is 203.0.113.9"
    made = json.loads(cli.ok("floating-ip", "add", "web/web1", "-o", "json"))["create"]
    assert [one["kind"] for one in made] == [Nat.kind] and made[0]["external"] == "203.0.113.100"


def test_on_the_guests_own_host(cli: Cli) -> None:
    assert "distributed true" in cli.ok("floating-ip", "add", "web/web2", "--distributed")
    assert "has the floating IP 203.0.113.100" in cli.ok("floating-ip", "add", "web/web2", "--distributed")
    on_an_edge = cli.fails("floating-ip", "add", "web/web1", "--distributed")
    assert on_an_edge.exit_code == 4 and "`retia set nat r1/web1 --distributed true`" in on_an_edge.advice
    assert "distributed false → true" in cli.ok("set", "nat", "r1/web1", "--distributed", "true")


BAD = {
    "port": (["add", "web/web9"], 3, "there is no port web/web9"),
    "address": (["add", "web/web2", "203.0.113"], 2, "is no IP address"),
    "taken": (["add", "web/web2", "203.0.113.60", "--router", "r1"], 2, "the floating IP 203.0.113.60 is taken twice"),
    "of-a-router": (["add", "web/web2", "203.0.113.11", "--router", "r1"], 2, "both have the address 203.0.113.11"),
    "two-routers": (["add", "web/web2"], 2, "say which, with --router: r1, r2"),
    "no-router": (["add", "bare/a", "203.0.113.99"], 2, "has no address to translate"),
    "none-free": (["add", "alone/a"], 2, "no address is free in far/f (198.51.100.0/30)"),
    "outside-itself": (["add", "out/direct"], 2, "switch out is on the physical network itself"),
    "unknown-router": (["add", "web/web2", "--router", "r9"], 3, "there is no router r9"),
    "none-there": (["remove", "203.0.113.77"], 3, "there is 203.0.113.60"),
    "not-a-port": (["remove", "web9"], 2, "is not of the form PARENT/NAME"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_input_is_said_and_changes_nothing(cli: Cli, name: str) -> None:
    cli.ok("apply", "-f", "-", text=OTHER)
    words, code, says = BAD[name]
    before = cli.revision()
    error = cli.fails("floating-ip", *words)
    assert error.exit_code == code and says in str(error), error
    assert cli.revision() == before
    assert "+ nat r2/" in cli.ok("floating-ip", "add", "web/web2", "--router", "r2")


def test_no_router_leads_outside(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", text=OTHER.replace("far: {switch: far, addresses: 198.51.100.2/30}, ", ""))
    error = cli.fails("floating-ip", "add", "alone/a")
    assert error.exit_code == 3 and "no router leads from switch alone to the physical network" in str(error)
