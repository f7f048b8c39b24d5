"""Recompute is the law: after every batch of any history the compiler holds what a fresh one makes of the end state.

`RETIA_HISTORIES` and `RETIA_SEED` choose how many and which; a failure prints the seed of its history.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from retia.compile.compiler import Compiler
from retia.compile.facts import constants
from retia.compile.program import RULES
from retia.flows.flow import Flow, FlowKey
from retia.pipeline.check import check
from retia.rules import Program
from retia.rules.engine import Plan
from retia.rules.tables import Rows
from retia.rules.terms import Atom, Clause
from tests.walks.histories import ME, World

HISTORIES = int(os.environ.get("RETIA_HISTORIES", "60"))
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
        "attachments": (sorted(compiler.uplinks), sorted(compiler.watched)),
        "zones": compiler.translating,
        "outside": (compiler.outside, compiler.announced),
    }


class Emptied:
    """A compiler for one world after the other. Making one takes longer than a history, so it is emptied and used
    again: when no relation has a row more than in one that was never used, it is as good as that."""

    def __init__(self) -> None:
        self.compiler = Compiler(ME)
        self.rows = self.compiler.program.stats()["rows"]
        self.nothing = outcome(self.compiler)

    def empty(self, world: World) -> None:
        self.compiler.change(*world.gone())
        assert self.compiler.program.stats()["rows"] == self.rows, "something is left of a world that is gone"
        assert outcome(self.compiler) == self.nothing

    def of(self, world: World) -> dict[str, object]:
        self.compiler.change(*world.whole())
        made = outcome(self.compiler)
        self.empty(world)
        return made


FRESH = Emptied()
USED = [Emptied()]
"""With histories behind it, of which nothing is left; after a failure there is another."""


@pytest.mark.parametrize("number", range(HISTORIES))
def test_history(number: int) -> None:
    world = World(random.Random(SEED + number), CALM[(SEED + number) % len(CALM)])
    used = USED.pop() if USED else Emptied()
    compiler = used.compiler
    switch: dict[FlowKey, Flow] = dict(compiler.flows)
    before = outcome(compiler)
    for place in range(STEPS):
        where = f"RETIA_SEED={SEED + number} RETIA_HISTORIES=1, batch {place}"
        delta = compiler.change(*(world.step() if place else world.start()))
        for key in delta.drops:
            del switch[key]
        for flow in delta.puts:
            assert switch.get(flow.key) != flow, f"{where}: an unchanged flow is put"
            check(flow)
        switch.update({flow.key: flow for flow in delta.puts})
        assert switch == compiler.flows, f"{where}: the deltas do not add up"
        now = outcome(compiler)
        untold = [name for name in now if name != "flows" and now[name] != before[name] and not getattr(delta, name)]
        assert not untold, f"{where}: {untold} changed, and the delta does not say so"
        assert now == FRESH.of(world), where
        assert not compiler.conflicts, f"{where}: two rules disagree"
        before = now
    used.empty(world)
    USED.append(used)


def test_tuplenet_d1_d4_back_to_nothing() -> None:
    """What every record brought goes with it: no state is left of a history (tuplenet-d1, tuplenet-d4)."""
    for number in range(5):
        world = World(random.Random(SEED + number))
        compiler = Compiler(ME)
        compiler.change(*world.start())
        for _ in range(STEPS):
            compiler.change(*world.step())
        compiler.change(*world.gone())
        assert outcome(compiler) == outcome(Compiler(ME)), f"RETIA_SEED={SEED + number}"
        assert compiler.program.stats()["rows"] == Compiler(ME).program.stats()["rows"]


def signs(program: Program) -> dict[str, set[bool]]:
    """By rule, whether it gave a row (True) and took one back (False), from now on."""
    found: dict[str, set[bool]] = defaultdict(set)

    def counting(plan: Plan) -> Callable[..., Any]:
        function, seen = plan.function, found[plan.clause.name]

        def run(delta: Any, *into: Any) -> Any:
            if not into:
                return function(delta)  # it asks whether a row has another reason
            if plan.split:
                came, went = into
                before = (len(came), len(went))
                function(delta, came, went)
                seen.update([True] * (len(came) > before[0]) + [False] * (len(went) > before[1]))
                return None
            mine: Rows = {}
            function(delta, mine)
            seen.update(weight > 0 for weight in mine.values() if weight)
            for row, weight in mine.items():
                into[0][row] = into[0].get(row, 0) + weight
            return None

        return run

    for plan in program.engine.plans:
        plan.function = counting(plan)
    return found


def reads(clause: Clause) -> set[str]:
    return {item.relation for item in clause.body if isinstance(item, Atom)}


def test_every_rule_is_walked() -> None:
    """A rule that no history makes fire and take back is not held by the law: give `histories` a state for it."""
    used = Emptied()
    found = signs(used.compiler.program)
    for number in range(30):
        world = World(random.Random(number), CALM[number % len(CALM)])
        used.compiler.change(*world.start())
        for _ in range(60):
            used.compiler.change(*world.step())
        used.empty(world)
    always = {type(row).__name__ for row in constants(ME)}
    varying = {clause.name for clause in used.compiler.program.engine.clauses if not reads(clause) <= always}
    assert {rule.name: found[rule.name] for rule in RULES if rule.name in varying and len(found[rule.name]) < 2} == {}
