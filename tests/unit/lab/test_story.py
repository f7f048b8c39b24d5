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


def test_what_is_not_for_software_is_told_and_counted() -> None:
    whole = StepResult("By a shell", "", True, 0.0, done=False, left_out=("run: needs a shell",))
    part = StepResult("Mostly", "", True, 0.1, seen="3 answers", left_out=("run: needs a shell",))
    told = [line.split() for line in [*lines(whole), *lines(part)]]
    assert told[0] == ["--", "0.0", "s", "By", "a", "shell"]
    assert told[1] == told[4] == ["not", "for", "software", "-", "run:", "needs", "a", "shell"]
    result = Result("first", True, 3.21, 1.0, (GOOD, whole, part), software=True)
    assert lines(result) == ["first: 2 of 3 checks ok, 1 not for software, 1 only in part in 3.2 s: ok"]
