"""What people read of a check, and what programs get."""

from __future__ import annotations

from retia.lab.runner import Result, Started, StepResult
from retia.lab.story import lines

GOOD = StepResult("It pings", "one", True, 0.24, seen="3 answers")
BAD = StepResult("It is dropped", "", False, 1.0, error="hv1: 0 packets\n  look there")


def test_started() -> None:
    assert lines(Started("first", "What it\nshows.\n", 1.74, 2, 3)) == [
        "first: 2 hosts, 3 guests, up in 1.7 s",
        "  What it",
        "  shows.",
    ]


def test_steps() -> None:
    told = [line.split() for line in [*lines(GOOD), *lines(BAD)]]
    assert told[0] == ["ok", "0.2", "s", "It", "pings", "[one]"]
    assert told[1] == ["3", "answers"]
    assert told[2] == ["FAILED", "1.0", "s", "It", "is", "dropped"]
    assert told[3:] == [["hv1:", "0", "packets"], ["look", "there"]]


def test_result() -> None:
    result = Result("first", False, 3.21, 1.0, (GOOD, BAD))
    assert lines(result) == ["first: 1 of 2 checks ok in 3.2 s: FAILED"]
    assert result.data()["steps"][1]["error"].startswith("hv1: 0 packets")
