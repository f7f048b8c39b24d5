"""The benchmark measures the agent that there is: a real one on a small network, with and without Open vSwitch."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from bench import null_switch
from bench.network import Size
from bench.ours import Ours
from bench.rounds import Effort, Rounds

pytestmark = pytest.mark.ovs


def test_a_real_agent_is_measured() -> None:
    with contextlib.closing(Ours(Size(100))) as ours:
        rounds = Rounds([ours], Size(100), Effort(2, 5, 60))
        rounds.cold()
        assert rounds.rows["flows"]["Retia"].median > 100
        assert rounds.compare(random.Random(1)) == []
        ours.observer.watch()
        assert 0 < ours.add(0)["flow"] <= ours.add(1)["confirmed"] + 5
        assert ours.move(0)["flow"] > 0
        assert ours.delete(0)["confirmed"] > 0


def test_the_agent_is_measured_without_open_vswitch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null_switch, "SAMPLES", 2)
    found = asyncio.run(null_switch.measure(Size(100)))
    assert set(found) == {"cold", "add", "move", "delete"} and found["add"].samples == 2
