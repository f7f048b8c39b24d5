"""`retia lint` needs no store, and `plan` and `apply` refuse the same with the same words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retia.cli.main import app
from retia.errors import RetiaError
from tests.errors import HERE
from tests.etcd import EtcdServer
from tests.unit.cli.test_commands import Cli

BEFORE = HERE / "before" / "gateways.yaml"
CASES = HERE / "cases"


def lint(*files: Path, form: str = "table") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["lint", *map(str, files), "-o", form])
    error = result.exception
    return (error.exit_code, str(error)) if isinstance(error, RetiaError) else (result.exit_code, result.output)


def test_documents_that_are_well() -> None:
    assert lint(BEFORE) == (0, f"{BEFORE}: document gateways, 20 objects, no problem\n")
    code, said = lint(BEFORE, form="json")
    assert code == 0 and json.loads(said)[0]["document"] == "gateways"


def test_each_builds_on_those_before_it() -> None:
    case = CASES / "three-nat-routers.yaml"
    code, said = lint(BEFORE, case)
    assert code == 2 and "3 routers with NAT in a row on one host: r1, r2, r3" in said and "1 problem" in said
    assert "there is no host hv1" in lint(case)[1]


def test_all_problems_of_all_files() -> None:
    code, said = lint(BEFORE, CASES / "nat-ports.yaml", CASES / "edge-twice.yaml")
    assert code == 2 and "nat-ports.yaml:5" in said and "edge-twice.yaml:4" in said and "5 problems" in said


def test_no_such_file(tmp_path: Path) -> None:
    assert lint(tmp_path / "none.yaml")[0] == 2


@pytest.mark.parametrize("name", ["three-nat-routers", "floating-ip-twice", "dnat-overlap", "outside-without-edges"])
def test_plan_says_before_apply_what_apply_refuses(own_etcd: EtcdServer, tmp_path: Path, name: str) -> None:
    cli = Cli(own_etcd.endpoint, tmp_path)
    cli.ok("apply", "-f", str(BEFORE))
    before = cli.revision()
    case = CASES / f"{name}.yaml"
    planned, applied = (str(cli.fails(word, "-f", str(case))) for word in ("plan", "apply"))
    assert planned == applied == lint(BEFORE, case)[1]
    assert cli.revision() == before
