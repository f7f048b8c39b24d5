"""Recompute is the law: after every batch of any history the compiler holds what a fresh one makes of the end state.

`RETIA_HISTORIES` and `RETIA_SEED` choose how many and which; a failure prints the seed of its history.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from retia.compile.compiler import Compiler
from retia.compile.outputs import FlowRow
from retia.compile.program import RULES
from retia.flows.flow import Flow, FlowKey
from retia.pipeline.check import check
from tests.walks.histories import ME, World

HISTORIES = int(os.environ.get("RETIA_HISTORIES", "12"))
SEED = int(os.environ.get("RETIA_SEED", "0")) or random.randrange(1, 1 << 30)
STEPS = 25
CALM = (0.95, 0.8, 0.5)
"""How often a field has its sane value: seldom enough, or too seldom, for packets to get through."""


def outcome(compiler: Compiler) -> dict[str, object]:
    return {
        "flows": compiler.flows,
        "peers": compiler.peers,
        "claims": compiler.claims,
        "troubles": sorted(repr(one) for one in compiler.troubles),
    }


@pytest.mark.parametrize("number", range(HISTORIES))
def test_history(number: int) -> None:
    world = World(random.Random(SEED + number), CALM[number % len(CALM)])
    compiler = Compiler(ME)
    switch: dict[FlowKey, Flow] = dict(compiler.flows)
    for place in range(STEPS):
        where = f"RETIA_SEED={SEED + number} RETIA_HISTORIES=1, batch {place}"
        delta = compiler.change(*(world.step() if place else world.start()))
        for key in delta.drops:
            del switch[key]
        for flow in delta.puts:
            assert switch.get(flow.key) != flow, f"{where}: an unchanged flow is put"
            check(flow)
        switch.update({flow.key: flow for flow in delta.puts})
        fresh = Compiler(ME)
        fresh.change(*world.whole())
        assert switch == compiler.flows, f"{where}: the deltas do not add up"
        assert outcome(compiler) == outcome(fresh), where
        assert not compiler.conflicts, f"{where}: two rules disagree"


def test_tuplenet_d1_d4_back_to_nothing() -> None:
    """What every record brought goes with it: no state is left of a history (tuplenet-d1, tuplenet-d4)."""
    for number in range(5):
        world = World(random.Random(SEED + number))
        compiler = Compiler(ME)
        compiler.change(*world.start())
        for _ in range(STEPS):
            compiler.change(*world.step())
        records, interfaces, _ = world.whole()
        compiler.change([(new, None) for _, new in records], [type(one)(one.new, None) for one in interfaces], 0)
        assert outcome(compiler) == outcome(Compiler(ME)), f"RETIA_SEED={SEED + number}"
        assert compiler.program.stats()["rows"] == Compiler(ME).program.stats()["rows"]


def test_every_rule_is_walked() -> None:
    """A rule that no history fires is not held by the law: give `histories` a state for it."""
    fired: Counter[str] = Counter()
    for number in range(30):
        world = World(random.Random(number), CALM[number % len(CALM)])
        compiler = Compiler(ME)
        compiler.change(*world.start())
        for _ in range(60):
            compiler.change(*world.step())
        fired.update(row.rule for row in compiler.program.rows(FlowRow))
        fired.update({rule: int(count > 0) for rule, count in compiler.program.stats()["fired"].items()})
    assert not [rule.name for rule in RULES if not fired[rule.name]]
