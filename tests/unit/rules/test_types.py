"""A type checker accepts rules as they should be written, and refuses what could never match."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

GOOD = """
from retia.rules import COL, KEY, Relation, Rule, collect, count, lowest, rule
class Port(Relation):
    name: str = KEY
    key: int = COL
class Sum(Relation):
    name: str = COL
    ports: tuple[int, ...] = COL
@rule
def summed(p: str, k: int) -> Rule:
    "All keys."
    return Sum(p, collect(k)) <= [Port(p, k), ~Port(p, 3), p != "x", k < 9]
"""
BAD = {
    "wrong-variable": ("collect(k)) <= [Port(p, k)", "collect(k)) <= [Port(k, k)"),
    "misspelt-column": ("~Port(p, 3)", "~Port(p, kye=3)"),
    "wrong-aggregate": ("collect(k)", "count(k)"),
}


@pytest.mark.parametrize("name", ["good", *BAD])
def test_mypy_judges_rules(name: str, tmp_path: Path) -> None:
    text = GOOD if name == "good" else GOOD.replace(*BAD[name])
    assert name == "good" or text != GOOD
    file = tmp_path / "net.py"
    file.write_text(text)
    output, _, code = api.run(["--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(file)])
    assert (code == 0) == (name == "good"), output
