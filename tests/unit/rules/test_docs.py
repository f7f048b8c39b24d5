"""The example in docs/rules.md runs and says what it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(example, "docs/rules.md", "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out
    assert "[Flow(switch='db', port='b', to='hv2', rule='remote')]" in printed
    assert "reach_linked: So is a switch linked to a reachable one." in printed
    assert "nothing satisfies Reach('db')" in printed
