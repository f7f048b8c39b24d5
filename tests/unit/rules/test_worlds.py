"""Many worlds at once: in each of them, for every program and all facts, exactly the rows of a full evaluation."""

from __future__ import annotations

import os
import random

import pytest

from retia.rules import KEY, NOTE, NOTE_RULE, Program, Relation, Rule, fn, rule
from retia.rules.naive import evaluate
from retia.rules.worlds import Worlds
from tests.unit.rules.programs import BASE, random_program

SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
PROGRAMS = 120


@pytest.mark.parametrize("part", range(4))
def test_worlds_equal_naive(part: int) -> None:
    print(f"RETIA_SEED={SEED} part {part}")
    rnd = random.Random(SEED * 4 + part)
    derived = 0
    for _ in range(PROGRAMS // 4):
        rules, outputs = random_program(rnd)
        program, worlds = Program(rules, outputs), Worlds(rules, outputs)
        known = [relation for relation in BASE if program.knows(relation)]
        count, size = rnd.randrange(1, 7), rnd.randrange(2, 6)
        facts = {relation: _facts(rnd, relation, count, size) for relation in known}
        found = worlds.evaluate(facts, (1 << count) - 1)
        lowered = program._lowered
        for number in range(count):
            here = {
                relation: [row for row, holds in rows.items() if holds >> number & 1]
                for relation, rows in facts.items()
            }
            want = evaluate(lowered.clauses, lowered.aggregates, {one.__name__: rows for one, rows in here.items()})
            alone = Program(rules, outputs)
            alone.transact(put=[relation(*row) for relation, rows in here.items() for row in rows])
            for name, table in found.tables.items():
                if "?" not in name:
                    assert {row for row, holds in table.items() if holds >> number & 1} == want[name], name
            for output in outputs:
                rows = {row for row, holds in found.rows(output).items() if holds >> number & 1}
                assert rows == set(alone.raw_rows(output)), output.__name__
                derived += len(rows)
    assert derived > PROGRAMS


def _facts(rnd: random.Random, relation: type[Relation], worlds: int, size: int) -> dict:
    """In each world at most one row of a key."""
    rows: dict = {}
    for number in range(worlds):
        mine = [relation(*[rnd.randrange(size) for _ in relation.columns]) for _ in range(rnd.randrange(6))]
        for row in {tuple(one.row[place] for place in one.identity): one.row for one in mine}.values():
            rows[row] = rows.get(row, 0) | 1 << number
    return rows


class Guest(Relation):
    host: str = KEY
    port: int = KEY


class Shared(Relation):
    port: int = KEY


class Flow(Relation):
    number: int = KEY
    rule: str = NOTE_RULE


calls: list[int] = []


@fn
def half(port: int) -> int:
    calls.append(port)
    return port // 2


@rule
def flow_of(h: str, p: int) -> Rule:
    "Two ports share a flow."
    return Flow(half(p)) <= [Guest(h, p), Shared(p)]


def test_only_what_is_notable_is_worked_out() -> None:
    """Port 4 is in both worlds and makes no difference; flow 1 is there in both, by port 2 or by port 3."""
    guests = {("a", 1): 0b01, ("a", 2): 0b01, ("a", 3): 0b10, ("a", 4): 0b11, ("b", 4): 0b01}
    found = Worlds([flow_of], [Flow]).evaluate({Guest: guests, Shared: {(n,): 0b11 for n in range(9)}}, 0b11)
    calls.clear()
    assert found.notable(Flow, lambda holds: holds != 0b11) == {(0, "flow_of"): 0b01}
    assert set(calls) == {1, 2, 3, 4}, "a head that shows no variable plainly is worked out for every row"
    assert found.rows(Flow) == {(0, "flow_of"): 0b01, (1, "flow_of"): 0b11, (2, "flow_of"): 0b11}


class Named(Relation):
    number: int = KEY
    port: int = KEY
    rule: str = NOTE_RULE


@rule
def named_flow(h: str, p: int) -> Rule:
    "A flow that shows its port."
    return Named(half(p), p) <= [Guest(h, p), Shared(p)]


def test_the_rest_is_left_alone() -> None:
    guests = {("a", 1): 0b01, ("a", 2): 0b11, ("b", 1): 0b11}
    found = Worlds([named_flow], [Named]).evaluate({Guest: guests, Shared: {(1,): 0b11, (2,): 0b01}}, 0b11)
    calls.clear()
    assert found.notable(Named, lambda holds: holds != 0b11) == {(1, 2, "named_flow"): 0b01}
    assert calls == [2]


class Told(Relation):
    number: int = KEY
    about: int = NOTE
    rule: str = NOTE_RULE


@rule
def told_of_guests(h: str, p: int) -> Rule:
    "A guest is told of by half its number."
    return Told(half(p), p) <= [Guest(h, p)]


@rule
def told_of_shared(p: int) -> Rule:
    "So is what is shared, after guests."
    return Told(half(p), p) <= [Shared(p)]


def test_what_makes_no_difference_still_wins() -> None:
    """Who comes for a key that another has, in both worlds, does not show; who wins it from that one does."""
    facts = {Guest: {("a", 4): 0b11, ("a", 5): 0b10}, Shared: {(2,): 0b11, (4,): 0b10}}
    found = Worlds([told_of_guests, told_of_shared], [Told]).evaluate(facts, 0b11)
    assert found.notable(Told, lambda holds: holds != 0b11) == {}
    facts = {Guest: {("a", 2): 0b10}, Shared: {(3,): 0b11}}
    found = Worlds([told_of_guests, told_of_shared], [Told]).evaluate(facts, 0b11)
    assert found.notable(Told, lambda holds: holds != 0b11) == {
        (1, 2, "told_of_guests"): 0b10,
        (1, 3, "told_of_shared"): 0b01,
    }
