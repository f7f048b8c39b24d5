"""What is told from counts of flows, and how a bench without OVN ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import ovn_programs
from bench.contender import missing
from bench.plot import plot, series
from tests.unit.bench.test_targets import COST, shapes


def test_flows_are_missing_from_the_first_lower_count_to_the_next_full_one() -> None:
    assert missing([(0.0, 9), (1.0, 9)], 9) == 0.0
    assert missing([(0.0, 9), (1.0, 0), (2.0, 5), (3.5, 9), (4.0, 9)], 9) == 2.5
    assert missing([(0.0, 9), (1.0, 0), (2.0, 5)], 9) == 1.0, "until we looked no more"


def test_without_ovn_the_bench_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package ovn-central")

    monkeypatch.setattr(ovn_programs.shutil, "which", lambda name, path: None)
    monkeypatch.setattr(ovn_programs.subprocess, "run", refuse)
    with pytest.raises(ovn_programs.Missing, match=r"Unable to locate .*apt-get install ovn-common ovn-central"):
        ovn_programs.find(tmp_path / "ovn")


def test_the_picture_has_a_line_for_each_that_was_measured() -> None:
    assert list(series(shapes(), COST)) == ["OVN", "Retia", "Retia, null switch"]
    assert series(shapes(), COST)["OVN"] == [(10_000.0, 200.0)]
    assert plot(shapes(), COST).count("<polyline") == 3
