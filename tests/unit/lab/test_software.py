"""Every lab in labs/ also passes in software: one process, no root, nothing but this Python. And software labs fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retia.lab import commands
from tests.lab.test_honesty import LAB, TRUE

LABS = sorted((Path(__file__).parents[3] / "labs").glob("*.yaml"))
READ = "+dac_read_search"  # else root's own checkout could not be read
NOBODY = ("setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={READ}", f"--ambient-caps={READ}")


def test_there_are_labs() -> None:
    assert LABS


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_lab(path: Path) -> None:
    """As a user who may do nothing: a namespace or Open vSwitch would be refused to it."""
    command = [sys.executable, "-m", "retia", "lab", "check", str(path), "--software", "-o", "json"]
    nobody = NOBODY if os.geteuid() == 0 else ()
    done = subprocess.run([*nobody, *command], capture_output=True, text=True, timeout=170, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 0, [step["error"] for step in result["steps"] if not step["ok"]] or done.stderr
    assert result["ok"] and result["software"]
    assert any(step["done"] for step in result["steps"]), "all of it is left out"
    for step in result["steps"]:
        assert step["done"] or step["left_out"], "a step that is not done says why"


def test_what_is_not_so_fails_in_software_too(tmp_path: Path) -> None:
    file = tmp_path / "honesty.yaml"
    file.write_text(LAB)
    result = commands.check_software(file)
    assert not result.ok
    for step in result.steps:
        assert step.ok == (step.id.startswith("true-") or not step.done), step
    left_out = {step.id for step in result.steps if not step.done}
    assert left_out == {step.id for step in result.steps if step.left_out}
    assert len(left_out) < len(result.steps) / 3 and "true-ping" not in left_out and TRUE
