"""The law: for every program and every history, incremental output equals full evaluation.

Programs are random (joins, self-joins, negation, aggregates, recursion, guards, keyed outputs), histories too
(duplicates, put and drop of one key, splits, squashes). 2,000 batches a run; the seed is printed and can be set:
RETIA_SEED=7 pytest tests/unit/rules/test_random.py
"""

from __future__ import annotations

import os
import random

import pytest

from retia.rules import Program
from retia.rules.explain import Explanation
from retia.rules.naive import evaluate
from tests.unit.rules.programs import BASE, random_program

SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
BATCHES = int(os.environ.get("RETIA_BATCHES") or 2000)
WORKERS = 8
PER_PROGRAM = 25


@pytest.mark.parametrize("part", range(WORKERS))
def test_incremental_equals_naive(part: int) -> None:
    print(f"RETIA_SEED={SEED} part {part}")
    rnd = random.Random(SEED * WORKERS + part)
    for _ in range(BATCHES // WORKERS // PER_PROGRAM):
        _run_program(rnd)


def _run_program(rnd: random.Random) -> None:
    rules, outputs = random_program(rnd)
    program, size = Program(rules, outputs), rnd.randrange(2, 6)
    facts: dict[type, set] = {relation: set() for relation in BASE if program.knows(relation)}
    seen: dict[type, dict] = {output: {} for output in outputs}
    for _ in range(PER_PROGRAM):
        put, drop = _random_batch(rnd, list(facts), facts, size)
        change = program.transact(put=put, drop=drop)
        _follow(change, outputs, seen)
        want = _evaluate(program, facts)
        for output in outputs:
            _compare(program, output, seen[output], want)


def _random_batch(rnd: random.Random, relations: list, facts: dict, size: int) -> tuple[list, list]:
    put, drop = [], []
    for _ in range(rnd.choice([0, 1, 1, 2, 5, 12]) if relations else 0):
        relation = rnd.choice(relations)
        row = relation(*[rnd.randrange(size) for _ in relation.columns])
        (put if rnd.random() < 0.6 else drop).append(row)
    for row in drop:
        facts[type(row)] = {one for one in facts[type(row)] if _key(one) != _key(row)}
    for row in put:
        facts[type(row)] = {one for one in facts[type(row)] if _key(one) != _key(row)} | {row}
    return put, drop


def _key(row) -> tuple:
    return tuple(row.row[place] for place in (row.keys or range(len(row.row))))


def _follow(change, outputs: list, seen: dict) -> None:
    for output in outputs:
        for old, new in change.of(output):
            key = _key(old or new)
            assert seen[output].pop(key, None) == old, "a change starts from what was there"
            assert old != new
            if new is not None:
                seen[output][key] = new


def _evaluate(program: Program, facts: dict) -> dict:
    given = {relation.__name__: {row.row for row in rows} for relation, rows in facts.items()}
    return evaluate(program._lowered.clauses, program._lowered.aggregates, given)


def _compare(program: Program, output: type, seen: dict, want: dict) -> None:
    rows = want[output.__name__]
    groups: dict[tuple, list] = {}
    for row in rows:
        groups.setdefault(_key(output(*row)), []).append(row)
    assert set(seen) == set(groups)
    assert {row.row for row in seen.values()} <= rows
    for key, rivals in groups.items():
        assert seen[key].row == min(rivals, key=lambda row: _rank(program, output, row)), "the winner is the least"
    assert {row.row for row in program.rows(output)} == {row.row for row in seen.values()}
    for row in list(program.rows(output))[:2]:
        _grounded(program, program.why(row), want)


def _rank(program: Program, output: type, row: tuple) -> tuple:
    return program._outputs[output].rank(row)


def _grounded(program: Program, tree: Explanation | None, want: dict, depth: int = 0) -> None:
    """Every row of an explanation holds, every absence is one, and it ends."""
    assert tree is not None and depth < 100
    table = program.engine.tables.get(tree.relation)
    assert table is not None
    if tree.absent:
        return
    assert tree.row in table.rows
    assert tree.given == table.base
    for child in tree.children:
        _grounded(program, child, want, depth + 1)
