"""Each bad document gets the message written beside it, and nothing is written to the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors import CASES, message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path) -> None:
    said = message(case)
    assert said.startswith("exit "), "a case of tests/errors must be wrong"
    assert said == case.with_suffix(".txt").read_text(), "run `python -m tests.errors` and look at the difference"


def test_there_are_cases() -> None:
    assert len(CASES) >= 40
    assert {case.with_suffix(".txt") for case in CASES} == set((CASES[0].parent).glob("*.txt"))
