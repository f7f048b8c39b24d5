"""Every lab in labs/ passes its own checks, with real agents on real Open vSwitch and etcd: with full hosts, and with
hosts that have only what they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from retia.lab import commands, story
from retia.model.state import FULL, ON_DEMAND

LABS = sorted((Path(__file__).parents[2] / "labs").glob("*.yaml"))
LONGEST = 60.0


def test_there_are_labs() -> None:
    assert LABS


@pytest.mark.parametrize("mode", [FULL, ON_DEMAND])
@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_lab(path: Path, mode: str) -> None:
    told: list[str] = []
    result = commands.check(path, report=lambda event: told.extend(story.lines(event)), mode=mode)
    assert result.ok, "\n".join(told)
    assert result.steps, "a lab without checks shows nothing"
    assert result.seconds < LONGEST
