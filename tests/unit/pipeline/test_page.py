"""The page says what is declared; tests/unit/test_docs.py holds the committed one to it."""

from __future__ import annotations

import pytest

from retia.pipeline import fields
from retia.pipeline.page import render
from retia.pipeline.stages import STAGES


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_its_row(name: str) -> None:
    row = next(line for line in render().splitlines() if line.startswith(f"| {int(STAGES[name])} | {name} |"))
    assert STAGES[name].doc in row and all(other in row for other in STAGES[name].next)


@pytest.mark.parametrize("name", [*fields.NAMED, *fields.ALIASES])
def test_every_register_has_its_row(name: str) -> None:
    assert f"| `{name}` | `{(fields.NAMED | fields.ALIASES)[name]}` |" in render()


def test_prefix_lengths_are_one_entry() -> None:
    assert "connected-128..0" in render() and "connected-24" not in render()
