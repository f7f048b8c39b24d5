"""`retia reach`: of the store and of a document alone; answers, exit codes, and what wrong questions get."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from retia.cli.main import app
from retia.errors import RetiaError
from retia.model.kinds import Port
from retia.model.state import Binding
from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.host import register
from retia.store.records import encode, key_of
from retia.store.view import View
from retia.values import Ip
from tests.etcd import EtcdServer

DOCUMENT = """
retia: 1
document: net
switches:
  web: {subnets: {n: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, ports: {one: {addresses: [10.0.1.5]}, two: {}}}
  db: {subnets: {n: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}, ports: {one: {}}}
routers:
  r1: {ports: {to-web: {switch: web}, to-db: {switch: db}}}
"""
APART = DOCUMENT.replace(", to-db: {switch: db}", "")


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, RetiaError):
        result.output_bytes += f"error: {result.exception}".encode()
        result.exit_code = result.exception.exit_code
    return result


@pytest.fixture
def document(tmp_path: Path) -> str:
    (tmp_path / "net.yaml").write_text(DOCUMENT)
    return str(tmp_path / "net.yaml")


def test_a_document_alone(document: str, tmp_path: Path) -> None:
    yes = run("reach", "web/one", "db/one", "--tcp", "80", "-f", document)
    assert yes.exit_code == 0, yes.output
    assert yes.output.startswith("yes: web/one reaches db/one (tcp 80)") and "router r1" in yes.output
    assert "asked of a document" in yes.output
    everyone = run("reach", "--all", "-f", document, "-o", "json")
    assert everyone.exit_code == 0 and json.loads(everyone.output)["all_reachable"] is True
    (tmp_path / "apart.yaml").write_text(APART)
    no = run("reach", "--all", "-f", str(tmp_path / "apart.yaml"))
    assert no.exit_code == 3 and no.output.startswith("1 of 3 pairs of 3 ports can talk")
    told = json.loads(run("reach", "web/one", "db/one", "-f", str(tmp_path / "apart.yaml"), "-o", "json").output)
    assert told["reachable"] is False and told["obstacle"]["what"] and told["probe"] == "icmp"


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["one", "db/one"], 3, "one is no full name of a port\n  there is db/one, web/one"),
        (["web/on", "db/one"], 3, "there is no port web/on\n  did you mean web/one"),
        (["web/one", "10.0.1.300"], 2, "is not of the form"),
        (["web/one", "web/one"], 2, "web/one is both ends"),
        (["web/one"], 2, "give two ports, or --all"),
        (["web/one", "db/one", "--all"], 2, "give two ports, or --all"),
        (["--all", "--tcp", "1", "--udp", "2"], 2, "one question at a time"),
        (["web/one", "db/one", "--udp", "70000"], 2, "70000 is no port"),
        (["web/one", "10.0.2.77"], 3, "no: nobody has 10.0.2.77 in switch db (document net)\n  correct the address"),
        (["10.0.1.5", "web/two"], 2, "10.0.1.5 is port web/one\n  ask from web/one"),
        (["198.51.100.7", "web/one"], 3, "no: no router that meets the physical network leads to 10.0.1.5"),
    ],
)
def test_wrong_questions(document: str, words: list[str], exit_code: int, said: str) -> None:
    result = run("reach", *words, "-f", document)
    assert result.exit_code == exit_code and said in result.output, result.output


def test_a_bad_document(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(DOCUMENT.replace("switch: db", "switch: bd"))
    result = run("reach", "--all", "-f", str(tmp_path / "bad.yaml"))
    assert result.exit_code == 2 and "bd" in result.output


def test_of_the_store(own_etcd: EtcdServer, document: str) -> None:
    at = ("--etcd", own_etcd.endpoint)
    assert run(*at, "apply", "-f", document).exit_code == 0
    nowhere = run(*at, "reach", "web/one", "web/two")
    assert nowhere.exit_code == 3 and "lives on no host: no interface names it" in nowhere.output
    asyncio.run(bind(own_etcd.endpoint, {"web/one": "hv1", "web/two": "hv2"}))
    yes = run(*at, "reach", "web/one", "web/two")
    assert yes.exit_code == 0, yes.output
    assert "there: web/one on hv1 > host hv2 > web/two" in yes.output
    everyone = run(*at, "reach", "--all")
    assert everyone.exit_code == 3 and "1 ports live on no registered host: db/one" in everyone.output


def test_no_store() -> None:
    assert run("--etcd", "127.0.0.1:1", "reach", "--all").exit_code == 5


async def bind(endpoint: str, homes: dict[str, str]) -> None:
    store = EtcdStore(Access((endpoint,)))
    view = await View.load(store)
    for number, (port, host) in enumerate(homes.items(), 1):
        await register(store, host, Ip.parse(f"192.0.2.{number}"), "test")
        binding = Binding(port=view.find(Port, port).id, host=host)
        await store.commit(Transaction(puts={key_of(binding): encode(binding)}))
    await store.close()
