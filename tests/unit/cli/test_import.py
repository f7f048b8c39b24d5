"""`retia import tuplenet` of a real etcd: the document, the report, the exit code; and nothing is written there."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from retia.cli.main import app
from retia.errors import RetiaError
from tests.etcd import EtcdServer, free_port
from tests.tuplenet import VIEW, base, edges, large, put
from tests.unit.cli.test_process import run


def importing(etcd: EtcdServer, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, ["import", "tuplenet", etcd.endpoint, *words])
    error = result.exception
    return (error.exit_code, "", str(error)) if isinstance(error, RetiaError) else (
        result.exit_code, result.stdout, result.stderr)  # fmt: skip


def dump(etcd: EtcdServer) -> str:
    words = ["etcdctl", f"--endpoints={etcd.endpoint}", "get", "", "--prefix", "-w", "json"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_a_tree_becomes_a_document_that_applies(own_etcd: EtcdServer, tmp_path: Path) -> None:
    put(own_etcd.endpoint, edges().tree)
    before = dump(own_etcd)
    file, table = tmp_path / "net.yaml", tmp_path / "ids"
    done = run("import", "tuplenet", own_etcd.endpoint, "--out", str(file), "--iface-ids", str(table))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert dump(own_etcd) == before
    assert "read and translated: 3 chassis, 6 LS, 13 LSP, 4 LR, 8 LRP, 6 LSR\n" in done.stderr
    assert "2 uplinks, 3 ports, 3 routers, 3 edges, 6 router-ports, 3 routes\n" in done.stderr
    assert "otherwise in Retia (1):\n  /tuplenet/entity_view/LR/edge1: routers edge1 and edge2" in done.stderr
    assert "  ip_book (2 keys): which addresses are taken" in done.stderr
    assert "set aside" not in done.stderr
    assert table.read_text().splitlines() == [
        "hv1\tlsp-portA\tLS-A/lsp-portA",
        "hv1\tlsp-portC\tLS-B/lsp-portC",
        "hv2\tlsp-portB\tLS-B/lsp-portB",
    ]
    said = run("lint", str(file))
    assert said.returncode == 0, said.stderr
    applied = run("--etcd", own_etcd.endpoint, "apply", "-f", str(file))
    assert applied.returncode == 0 and "0 changed, 0 deleted" in applied.stdout, applied.stderr
    again = run("--etcd", own_etcd.endpoint, "apply", "-f", str(file))
    assert "0 created, 0 changed, 0 deleted" in again.stdout


def test_iface_ids_of_another_project_name_it(own_etcd: EtcdServer, tmp_path: Path) -> None:
    tree = base().tree | {f"{VIEW}LS/LS-A/lsp/a port": "ip=10.10.1.9,mac=00:00:06:08:0a:09"}
    put(own_etcd.endpoint, tree)
    assert importing(own_etcd, "--project", "acme", "--iface-ids", str(tmp_path / "ids"))[0] == 0
    first, second, *_ = (tmp_path / "ids").read_text().splitlines()
    assert first.startswith("-\ta port\tacme/LS-A/a-port-") and second == "hv1\tlsp-portA\tacme/LS-A/lsp-portA"


def test_what_is_set_aside_is_told_in_both_and_by_the_exit_code(own_etcd: EtcdServer) -> None:
    tree = base().tree | {f"{VIEW}LS/LS-A/lsp/lsp-portA": "ip=10.10.1.2", f"{VIEW}LS/LS-A/lsp/b\nad": "ip=10.10.1.9"}
    put(own_etcd.endpoint, tree, "/other/tree/")
    code, text, told = importing(own_etcd, "--prefix", "/other/tree/", "--document", "over", "--project", "acme")
    assert code == 8
    assert "set aside, and not in the document (2):\n" in told
    key = f"/other/tree/{VIEW}LS/LS-A/lsp/lsp-portA"
    assert f"  {key}: mac is missing\n    it is written as mac=f2:01:0a:0a:01:02\n" in told
    assert f"# set aside: {VIEW}LS/LS-A/lsp/lsp-portA: mac is missing\n" in text
    assert f"# set aside: {VIEW}LS/LS-A/lsp/b?ad: mac is missing\n" in text
    made = yaml.safe_load(text)
    assert (made["document"], made["project"], made["projects"]) == ("over", "acme", {"acme": {}})
    assert "ports" not in made["switches"]["LS-A"] and len(made["switches"]["LS-B"]["ports"]) == 2


def test_a_tree_of_another_version_is_refused(own_etcd: EtcdServer, tmp_path: Path) -> None:
    put(own_etcd.endpoint, base().tree | {"globals/version": "2"})
    done = run("import", "tuplenet", own_etcd.endpoint, "--out", str(tmp_path / "net.yaml"))
    assert done.returncode == 6 and done.stdout == ""
    assert f"{own_etcd.endpoint} /tuplenet/: this tree is version 2; retia import knows 1\n  " in done.stderr
    assert not (tmp_path / "net.yaml").exists()


def test_a_tree_without_a_version_says_so(own_etcd: EtcdServer) -> None:
    put(own_etcd.endpoint, {key: value for key, value in base().tree.items() if key != "globals/version"})
    code, text, told = importing(own_etcd)
    assert code == 0 and "/tuplenet/globals/version: it is missing, so the tree was read as one of version 1" in told
    assert "# otherwise: globals/version: it is missing" in text


def test_no_tree_there(own_etcd: EtcdServer) -> None:
    put(own_etcd.endpoint, base().tree, "/elsewhere/")
    code, _, told = importing(own_etcd)
    assert code == 3 and "there is no network of TupleNet here" in told and "--prefix" in told


@pytest.mark.parametrize("words", [("--document", "a b"), ("--project", "a/b"), ("--out", "/no/such/place/net.yaml")])
def test_wrong_words(own_etcd: EtcdServer, words: tuple[str, str]) -> None:
    put(own_etcd.endpoint, base().tree)
    assert importing(own_etcd, *words)[0] == 2


def test_an_etcd_that_is_not_there() -> None:
    done = run("import", "tuplenet", f"127.0.0.1:{free_port()}")
    assert done.returncode == 5 and "is it running, and is the endpoint right?" in done.stderr


def test_an_etcd_that_wants_a_user(own_etcd: EtcdServer) -> None:
    put(own_etcd.endpoint, base().tree)
    words = ["etcdctl", f"--endpoints={own_etcd.endpoint}"]
    for more in (["user", "add", "root:secret"], ["user", "grant-role", "root", "root"], ["auth", "enable"]):
        subprocess.run([*words, *more], check=True, capture_output=True)
    code, _, told = importing(own_etcd)
    assert code == 5 and "etcd wants a user, and none is set\n  see --user" in told
    assert importing(own_etcd, "--user", "root", "--password", "secret")[0] == 0
    code, _, told = importing(own_etcd, "--user", "root", "--password", "wrong")
    assert code == 5 and "etcd knows no user root with this password" in told


def test_a_large_tree(own_etcd: EtcdServer, tmp_path: Path) -> None:
    put(own_etcd.endpoint, large(5000).tree)
    start = time.monotonic()
    done = run("import", "tuplenet", own_etcd.endpoint, "--out", str(tmp_path / "net.yaml"))
    assert done.returncode == 0 and "5000 ports" in done.stderr, done.stderr
    assert time.monotonic() - start < 60
