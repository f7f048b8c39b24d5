"""The law: for every program and every history, incremental output equals full evaluation.

Programs are random (joins, self-joins, negation, aggregates, recursion, guards, keyed outputs), histories too
(duplicates, put and drop of one key, splits, squashes, batches that fail in their middle). 2,000 batches a run; the
seed is printed and can be set: RETIA_SEED=7 pytest tests/unit/rules/test_random.py
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retia.rules import EvaluationError, Program
from retia.rules.explain import Explanation
from retia.rules.naive import evaluate
from tests.unit.rules.programs import BASE, Bomb, random_program

SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
BATCHES = int(os.environ.get("RETIA_BATCHES") or 2000)
WORKERS = 8
PER_PROGRAM = 25


@pytest.mark.parametrize("part", range(WORKERS))
def test_incremental_equals_naive(part: int) -> None:
    print(f"RETIA_SEED={SEED} part {part}")
    rnd = random.Random(SEED * WORKERS + part)
    done = 0
    while done < BATCHES // WORKERS:
        done += _Walk(rnd).run(PER_PROGRAM)
    assert done >= BATCHES // WORKERS


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_incremental_equals_naive_and_shrinks(rnd: random.Random) -> None:
    """The same walk, a short one, with choices that hypothesis makes: a failure comes out small."""
    _Walk(rnd).run(6)


class _Walk:
    """One random program and one random history of it, held against the oracle after every batch."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.rules, self.outputs = random_program(rnd)
        self.program, self.size = Program(self.rules, self.outputs), rnd.randrange(2, 6)
        self.facts: dict[type, set] = {relation: set() for relation in BASE if self.program.knows(relation)}
        self.seen: dict[type, dict] = {output: {} for output in self.outputs}
        self.conflicts: set = set()
        self.states: list[dict[type, set]] = []

    def run(self, batches: int) -> int:
        for _ in range(batches):
            put, drop = self._batch()
            if self.rnd.random() < 0.2:
                _fail(self.program, put, drop, self.rnd.randrange(1, 12))
            change = self.program.transact(put=put, drop=drop)
            self._follow(change)
            self._compare()
            self.states.append({relation: set(rows) for relation, rows in self.facts.items()})
        self._other_ways()
        return batches

    def _batch(self) -> tuple[list, list]:
        rnd, relations = self.rnd, list(self.facts)
        put, drop = [], []
        for _ in range(rnd.choice([0, 1, 1, 2, 5, 12]) if relations else 0):
            relation = rnd.choice(relations)
            row = relation(*[rnd.randrange(self.size) for _ in relation.columns])
            (put if rnd.random() < 0.6 else drop).append(row)
        for row in drop:
            self.facts[type(row)] = {one for one in self.facts[type(row)] if _key(one) != _key(row)}
        for row in put:
            self.facts[type(row)] = {one for one in self.facts[type(row)] if _key(one) != _key(row)} | {row}
        return put, drop

    def _follow(self, change: Any) -> None:
        """The deltas are exact: each starts from what was there, and none says nothing."""
        for output in self.outputs:
            for old, new in change.of(output):
                key = _key(old or new)
                assert self.seen[output].pop(key, None) == old, "a change starts from what was there"
                assert old != new
                if new is not None:
                    self.seen[output][key] = new
        assert set(change.resolved) <= self.conflicts
        self.conflicts = (self.conflicts - set(change.resolved)) | set(change.conflicts)
        assert self.conflicts == set(self.program.conflicts)

    def _compare(self) -> None:
        given_rows = {relation.__name__: {row.row for row in rows} for relation, rows in self.facts.items()}
        lowered = self.program._lowered
        want = evaluate(lowered.clauses, lowered.aggregates, given_rows)
        for name, rows in want.items():
            assert set(self.program.engine.tables[name].rows) == rows, name
        for output in self.outputs:
            self._compare_output(output, want[output.__name__])
            for row in list(self.program.rows(output))[:2]:
                _grounded(self.program.why(row), want, self.facts)

    def _compare_output(self, output: type, rows: set) -> None:
        seen, groups = self.seen[output], {}
        for row in rows:
            groups.setdefault(_key(output(*row)), []).append(row)
        assert set(seen) == set(groups)
        disputed = set()
        for key, rivals in groups.items():
            winner = min(rivals, key=lambda row: self._rank(output, row))
            assert seen[key].row == winner, "the winner is the least"
            if any(_essence(output, row) != _essence(output, winner) for row in rivals):
                disputed.add(winner)
        assert {one.winner for one in self.program.conflicts if one.relation == output.__name__} == disputed
        assert {row.row for row in self.program.rows(output)} == {row.row for row in seen.values()}

    def _rank(self, output: type, row: tuple) -> tuple:
        order = [rule.name for rule in self.rules]
        values = tuple((2, tuple((0, v) for v in x)) if type(x) is tuple else (type(x) is str, x) for x in row)
        return (order.index(row[output.rule_column]) if output.rule_column is not None else 0, values)

    def _other_ways(self) -> None:
        """The same facts by other histories give the same rows, winners and conflicts."""
        final = [row for rows in self.facts.values() for row in rows]
        self.rnd.shuffle(final)
        at_once, one_by_one, squashed = (Program(self.rules, self.outputs) for _ in range(3))
        at_once.transact(put=final)
        for row in final:
            one_by_one.transact(put=[row])
        before: dict[type, set] = {relation: set() for relation in self.facts}
        for state in [*self.states[::3], self.facts]:
            drop = [row for relation in state for row in before[relation] - state[relation]]
            squashed.transact(drop=drop, put=[row for relation in state for row in state[relation]])
            before = state
        for other in (at_once, one_by_one, squashed):
            assert set(other.conflicts) == set(self.program.conflicts)
            for output in self.outputs:
                assert set(other.rows(output)) == set(self.program.rows(output))


def _fail(program: Program, put: list, drop: list, calls: int) -> None:
    """Let the batch fail at the nth call of a function, where it comes so far: nothing may have changed."""
    before = _state(program)
    Bomb.left = calls
    probe = Program.transact
    try:
        probe(program, put=[*put, *put], drop=[*drop, *put])
    except EvaluationError as error:
        assert "boom" in str(error) and "programs.py:1: rule D" in str(error)
        assert _state(program) == before
    else:
        Bomb.left = 0
        _undo(program, before)
    finally:
        Bomb.left = 0
    _indexes_hold(program)


def _undo(program: Program, before: dict) -> None:
    """The batch went through after all. Take it back by a batch; this is one more history."""
    after = _state(program)
    relations = {relation.__name__: relation for relation in BASE}
    drop = [relations[n](*row) for n in relations if n in after for row in after[n][0] if row not in before[n][0]]
    put = [relations[n](*row) for n in relations if n in after for row in before[n][0]]
    program.transact(put=put, drop=drop)


def _state(program: Program) -> dict[str, tuple]:
    return {
        name: (
            dict(table.rows),
            dict(table.stamps),
            table.aggregate and {key: set(group.values) for key, group in table.aggregate._groups.items()},
        )
        for name, table in program.engine.tables.items()
    }


def _indexes_hold(program: Program) -> None:
    for table in program.engine.tables.values():
        assert not table.stamps or set(table.stamps) == set(table.rows)
        for columns, index in table.indexes.items():
            found = {row for bucket in index.values() for row in (bucket if type(bucket) is set else [bucket])}
            assert found == set(table.rows), (table.name, columns)


def _key(row: Any) -> tuple:
    return tuple(row.row[place] for place in row.identity)


def _essence(output: type, row: tuple) -> tuple:
    return tuple(value for place, value in enumerate(row) if place not in output.notes)


def _grounded(tree: Explanation | None, want: dict, facts: dict, depth: int = 0) -> None:
    """Every row of an explanation holds, every leaf is given, every absence is one, and it ends."""
    assert tree is not None and depth < 100
    if tree.absent:
        rows = want.get(tree.relation) or {
            row.row for r, rs in facts.items() if r.__name__ == tree.relation for row in rs
        }
        columns = next((r.columns for r in BASE if r.__name__ == tree.relation), None)
        if columns is not None:
            places = [columns.index(name) for name in tree.columns]
            assert tree.row not in {tuple(row[place] for place in places) for row in rows}
        return
    base = {r.__name__: {row.row for row in rows} for r, rows in facts.items()}
    assert tree.row in (base[tree.relation] if tree.given else want[tree.relation])
    for child in tree.children:
        _grounded(child, want, facts, depth + 1)
