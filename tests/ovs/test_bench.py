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
from bench.targets import CHANGES

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


def test_what_gateways_cost_is_measured() -> None:
    with contextlib.closing(Ours(Size(100))) as ours:
        ours.cold(60)
        rounds = Rounds([ours], Size(100), Effort(2, 5, 60))
        rounds.meet_outside()
        assert rounds.rows["floating IP, flow"]["Retia"].median > 0
        assert rounds.rows["SNAT, flows changed"]["Retia"].median == 1
        assert rounds.rows["edge added, confirmed"]["Retia"].samples == 2


def test_the_agent_is_measured_without_open_vswitch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null_switch, "SAMPLES", 2)
    found = asyncio.run(null_switch.measure(Size(100)))
    assert set(found) == {"cold", *CHANGES} and found["add"].samples == found["edge added"].samples == 2
