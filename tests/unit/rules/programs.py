"""Random programs for the property tests: layered so that they stratify, with recursion inside some layers."""

from __future__ import annotations

import random
from typing import Any

from retia.rules import COL, KEY, NOTE_RULE, Relation, Rule, collect, count, fn, highest, lowest
from retia.rules.language import Var


class Edge(Relation):
    start: int = COL
    end: int = COL


class Node(Relation):
    name: int = KEY


class Label(Relation):
    name: int = KEY
    value: int = COL


class Triple(Relation):
    one: int = KEY
    two: int = KEY
    three: int = COL


BASE = [Edge, Node, Label, Triple]


@fn
def smaller(left: int, right: int) -> bool:
    return left < right


class Bomb:
    """Makes `calm` raise at the nth call from now, so that a batch fails somewhere in its middle."""

    left = 0

    @classmethod
    def tick(cls) -> None:
        if cls.left:
            cls.left -= 1
            if not cls.left:
                raise ArithmeticError("boom")


@fn
def calm(value: int) -> bool:
    Bomb.tick()
    return True


@fn
def add_one(value: int) -> int:
    return (value + 1) % 7


def _relation(name: str, roles: list[Any]) -> type[Relation]:
    columns = {f"c{place}": role for place, role in enumerate(roles)}
    return type(name, (Relation,), {**columns, "__annotations__": {column: int for column in columns}})


def random_program(rnd: random.Random) -> tuple[list[Rule], list[type[Relation]]]:
    known: list[type[Relation]] = list(BASE)
    rules: list[Rule] = []
    outputs: list[type[Relation]] = []
    for number in range(rnd.randrange(2, 6)):
        head, made = _layer(rnd, f"D{number}", known, len(rules))
        rules += made
        outputs.append(head)
        if not any(type(row) is not int for row in _samples(made)):
            known.append(head)
    return rules, outputs


def _samples(made: list[Rule]) -> list[Any]:
    """Values that are no numbers (collected tuples, rule names) stay out of later rules, whose functions count."""
    collected = [value for one in made for value in one.head.row if getattr(value, "kind", "") == "collect"]
    return [*collected, *(one.name for one in made if one.head.rule_column is not None)]


def _layer(rnd: random.Random, name: str, known: list, first: int) -> tuple[type[Relation], list[Rule]]:
    kind = rnd.choice(["plain", "plain", "recursive", "aggregate", "keyed"])
    width = rnd.randrange(1, 3)
    if kind == "aggregate":
        head = _relation(name, [COL] * width + [COL])
        shape = rnd.choice([lowest, highest, count, collect])
        return head, [_rule(rnd, head, known, f"{name}_0", aggregate=shape)]
    roles = [KEY] + [COL] * width + [NOTE_RULE] if kind == "keyed" else [COL] * width
    head = _relation(name, roles)
    rules = [_rule(rnd, head, known, f"{name}_{n}") for n in range(rnd.randrange(1, 3))]
    if kind == "recursive":
        rules += [_rule(rnd, head, known, f"{name}_again{n}", recurse=True) for n in range(rnd.randrange(1, 3))]
    return head, rules


def _rule(rnd: random.Random, head: type, known: list, name: str, aggregate: Any = None, recurse: bool = False) -> Rule:
    names = [Var(letter) for letter in "abcd"]
    body: list[Any] = [_atom(rnd, rnd.choice(known), names) for _ in range(rnd.randrange(1, 4))]
    if recurse:
        body += [_atom(rnd, head, names) for _ in range(rnd.choice([1, 1, 2, 3]))]
    bound = sorted({v.name for item in body for v in item.row if isinstance(v, Var)})
    if not bound:
        body.append(Node(names[0]))
        bound = ["a"]
    safe = [Var(one) for one in bound]
    if rnd.random() < 0.4:
        body.append(~_atom(rnd, rnd.choice(known), safe))
    if rnd.random() < 0.3:
        body.append(smaller(rnd.choice(safe), rnd.choice(safe)) if rnd.random() < 0.5 else safe[0] != rnd.choice(safe))
    if rnd.random() < 0.4:
        body.append(calm(rnd.choice(safe)))
    width = len(head.columns) - (head.rule_column is not None)
    values: list[Any] = [rnd.choice(safe) for _ in range(width)]
    if aggregate is not None:
        values[-1] = aggregate(rnd.choice(safe))
    elif not recurse and rnd.random() < 0.2:
        values[-1] = add_one(values[-1])
    rnd.shuffle(body)
    made = Rule(head(*values), body)
    made.name, made.doc, made.where = name, "random", "programs.py:1"
    return made


def _atom(rnd: random.Random, relation: type, names: list[Var]) -> Relation:
    values: dict[str, Any] = {}
    for column in relation.columns:
        chance = rnd.random()
        if chance < 0.7:
            values[column] = rnd.choice(names)
        elif chance < 0.8:
            values[column] = rnd.randrange(3)
    return relation(**values)
