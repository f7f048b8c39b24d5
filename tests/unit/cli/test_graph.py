"""`retia graph`: of a document and of the store, as text and as SVG, and what wrong questions get."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from retia.cli import graphviz
from retia.errors import Fatal, Timeout, Unsupported
from retia.model.state import HostProblem
from retia.store.contract import put_all
from retia.store.etcd import Access, EtcdStore
from retia.store.records import OBJECTS, encode, key_of
from tests.etcd import EtcdServer
from tests.unit.cli.answering import answering
from tests.unit.cli.test_reach import DOCUMENT, bind, run
from tests.unit.store.networks import GATEWAYS


@pytest.fixture
def document(tmp_path: Path) -> str:
    (tmp_path / "net.yaml").write_text(DOCUMENT)
    return str(tmp_path / "net.yaml")


def test_a_document_alone(document: str) -> None:
    result = run("graph", "-f", document)
    assert result.exit_code == 0 and result.output.startswith("digraph retia {"), result.output
    assert '"switch web"' in result.output and "of a document alone" in result.output
    assert "unbound" not in result.output


def test_svg_on_standard_output_and_to_a_file(document: str, tmp_path: Path) -> None:
    shown = run("graph", "-f", document, "-o", "svg")
    assert shown.exit_code == 0 and ElementTree.fromstring(shown.output.encode()).tag.endswith("svg")
    to = tmp_path / "net.svg"
    told = run("graph", "-f", document, "--to", str(to))
    assert told.exit_code == 0 and told.output == f"{to}: 1 router, 2 switches, 2 subnets, 3 ports, 2 router ports\n"
    assert to.read_text() == shown.output
    assert run("graph", "-f", document, "--to", str(to), "-o", "dot").exit_code == 0
    assert to.read_text().startswith("digraph")


def test_near_one_object_or_of_a_kind(document: str) -> None:
    near = run("graph", "web/one", "--steps", "1", "-f", document)
    assert near.exit_code == 0 and "Port web/one, and what is within 1 step" in near.output
    assert "router r1" not in near.output and "1 more port" in near.output
    assert "router r1" in run("graph", "router", "r1", "-f", document).output
    assert run("graph", "project", "default", "-f", document).output.count("  subgraph") == 0


def test_folding_is_a_choice(document: str) -> None:
    folded = run("graph", "-f", document, "--fold", "1").output
    assert "2 switches: db and others" in folded and "3 ports" in folded


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["one"], 3, "nothing is called one\n  there is db/one, web/one"),
        (["web/on"], 3, "nothing is called web/on\n  did you mean web/one"),
        (["r1", "web"], 3, "there is no kind 'r1'"),
        (["switch", "wep"], 3, "there is no switch wep\n  did you mean web"),
        (["switch", "web", "db"], 2, "give one object"),
        (["--project", "acme"], 3, "there is no project acme"),
        (["web", "--steps", "-1"], 2, "-1 is no number of steps"),
        (["--steps", "1"], 2, "steps from where?"),
        (["--fold", "0"], 2, "0 is too few"),
        (["--to", "/nowhere/net.svg"], 2, "cannot be written: No such file"),
        (["port", "web"], 2, "'web' is not of the form PARENT/NAME"),
    ],
)
def test_wrong_questions(document: str, words: list[str], exit_code: int, said: str) -> None:
    result = run("graph", *words, "-f", document)
    assert result.exit_code == exit_code and said in result.output, result.output


def test_bad_documents(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(DOCUMENT.replace("switch: db", "switch: bd"))
    bad = run("graph", "-f", str(tmp_path / "bad.yaml"))
    assert bad.exit_code == 2 and "there is no switch bd" in bad.output
    assert run("graph", "-f", str(tmp_path / "none.yaml")).exit_code == 2


def test_no_store() -> None:
    assert run("--etcd", "127.0.0.1:1", "graph").exit_code == 5


def test_without_graphviz(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    to = tmp_path / "net.svg"
    result = run("graph", "-f", document, "--to", str(to))
    assert result.exit_code == Unsupported.exit_code and not to.exists()
    assert "Graphviz is not here" in result.output and "apt-get install graphviz" in result.output
    assert run("graph", "-f", document).exit_code == 0


def script(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "dot").write_text(f"#!/bin/sh\n{text}\n")
    (path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(path), prepend=":")


def test_a_layout_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "exec sleep 600", monkeypatch)
    with pytest.raises(Timeout, match="had not laid it out"):
        graphviz.svg("digraph {}", patience=0.1)


def test_a_layout_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fatal, match="syntax error"):
        graphviz.svg("no graph at all")
    script(tmp_path, "kill -9 $$", monkeypatch)
    with pytest.raises(Fatal, match="it ended with -9"):
        graphviz.svg("digraph {}")


def test_of_the_store(own_etcd: EtcdServer, document: str) -> None:
    at = ("--etcd", own_etcd.endpoint)
    empty = run(*at, "graph")
    assert empty.exit_code == 0 and "nothing is declared yet" in empty.output
    assert run(*at, "apply", "-f", document).exit_code == 0
    asyncio.run(bind(own_etcd.endpoint, {"web/one": "hv1", "db/one": "hv2"}))
    asyncio.run(spoil(own_etcd.endpoint))
    with answering(own_etcd.endpoint, "hv1"):
        shown = run(*at, "graph")
    assert shown.exit_code == 0, shown.output
    assert "port web/one: 10.0.1.5, on hv1" in shown.output and "on hv2, dead" in shown.output
    assert "unbound" in shown.output and "problem: tap7 is nobody" in shown.output
    assert f"set aside, as it cannot be read: {OBJECTS}" in shown.output
    only = run(*at, "graph", "hv2", "--steps", "1")
    assert only.exit_code == 0 and "db/one" in only.output and "switch web" not in only.output


async def spoil(endpoint: str) -> None:
    """A problem, and a record that nobody can read."""
    store = EtcdStore(Access((endpoint,)))
    problem = HostProblem(host="hv2", about="tap7", what="tap7 is nobody", advice="name it")
    broken = {f"{OBJECTS}switch/00000000-0000-4000-8000-000000000009": b"{"}
    await store.commit(put_all({key_of(problem): encode(problem)} | broken))
    await store.close()


def test_gateways_of_a_document(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(GATEWAYS)
    shown = run("graph", "-f", str(tmp_path / "net.yaml"))
    assert shown.exit_code == 0 and '"host hv1":h:e -> "switch out":w1:w' in shown.output
    assert subprocess.run(["dot", "-Tplain"], input=shown.output.encode(), check=False).returncode == 0
