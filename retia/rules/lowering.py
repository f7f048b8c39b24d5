"""Rules as written, lowered to clauses and aggregates: expressions get variables, columns their places.

Raises RuleError for what no evaluation could mend: unbound heads, wrong constants, relations of one name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from retia.rules.errors import RuleError
from retia.rules.language import Aggregated, Expression, Negated, Relation, Rule, column_types
from retia.rules.plan import order
from retia.rules.terms import ANY, Aggregate, Atom, Clause, Item, Let, Var, is_any, variables

GROUP = "$group"
"""Suffix of the relation that an aggregate reads."""
FRESH = "_e"
"""Begins the variables that hold an expression's value; a rule's own variables may not begin with an underscore."""


@dataclass
class Lowered:
    relations: dict[str, type[Relation]] = field(default_factory=dict)
    clauses: list[Clause] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    types: dict[type[Relation], dict[str, type]] = field(default_factory=dict)

    @property
    def derived(self) -> set[str]:
        return {c.head for c in self.clauses} | {a.head for a in self.aggregates}


def lower(rules: Iterable[Rule]) -> Lowered:
    """Of the same rules the same value, which is not to be changed: a process may hold many programs of them."""
    return _lower(tuple(rules))


@lru_cache(maxsize=2)
def _lower(rules: tuple[Rule, ...]) -> Lowered:
    lowered = Lowered()
    places: dict[str, str] = {}
    for one in rules:
        if not isinstance(one, Rule):
            raise RuleError(f"{one!r} is no rule: decorate the function with @rule")
        if one.name in places:
            raise RuleError(f"{one.where}: rule {one.name}: there is another of that name at {places[one.name]}")
        places[one.name] = one.where
        _Lowering(one, lowered).run()
    return lowered


class _Lowering:
    def __init__(self, rule: Rule, into: Lowered) -> None:
        self.rule, self.into = rule, into
        self.body: list[Item] = []
        self.fresh = 0

    def run(self) -> None:
        for item in self.rule.body:
            self._item(item)
        head = self._see(self.rule.head)
        args = self._head_args(head)
        rule = self.rule
        body = tuple(self.body)
        clause = Clause(self._clause_head(head), args, body, rule.name, rule.doc, rule.where, rule.parameters)
        self._check(clause)
        self.into.clauses.append(clause)

    def _fail(self, text: str) -> RuleError:
        return RuleError(f"{self.rule.where}: rule {self.rule.name}: {text}")

    def _see(self, atom: Relation) -> str:
        name = type(atom).__name__
        if not atom.columns:
            raise self._fail(f"relation {name} has no columns")
        if self.into.relations.setdefault(name, type(atom)) is not type(atom):
            raise self._fail(f"two relations are called {name}")
        self._check_constants(atom)
        return name

    def _check_constants(self, atom: Relation) -> None:
        types = self.into.types.get(type(atom))
        if types is None:
            types = self.into.types[type(atom)] = column_types(type(atom))
        for column, value in zip(atom.columns, atom.row, strict=True):
            if isinstance(value, (Var, Expression, Aggregated)):
                continue
            if value is None:
                raise self._fail(f"{type(atom).__name__}.{column} is None, which no row may hold")
            wanted = types.get(column)
            if wanted is float and type(value) is int:
                continue
            if wanted is not None and not isinstance(value, wanted):
                raise self._fail(f"{type(atom).__name__}.{column} is {wanted.__name__}, not {value!r}")

    def _item(self, item: object) -> None:
        if isinstance(item, Expression):
            self.body.append(Let(None, item.function, tuple(map(self._term, item.args)), item.text))
        elif isinstance(item, Negated):
            self.body.append(Atom(self._see(item.atom), tuple(map(self._term, item.atom.row)), True))
        elif isinstance(item, Relation):
            self.body.append(Atom(self._see(item), tuple(map(self._term, item.row))))
        else:
            raise self._fail(f"{item!r} is no condition: write a relation, ~relation, a guard, or a != b")

    def _term(self, value: Any) -> Any:
        if isinstance(value, Expression):
            args = tuple(map(self._term, value.args))
            self.fresh += 1
            made = Var(f"{FRESH}{self.fresh}")
            self.body.append(Let(made.name, value.function, args, value.text))
            return made
        if isinstance(value, Aggregated):
            raise self._fail("an aggregate may only stand in the head")
        if isinstance(value, Var):
            return ANY if is_any(value) else self._variable(value)
        self._check_constant(value)
        return value

    def _variable(self, value: Var) -> Var:
        if value.name.startswith("_") or not value.name.isidentifier():
            raise self._fail(f"a variable may not be called {value.name}")
        return Var(value.name)

    def _check_constant(self, value: Any) -> None:
        if isinstance(value, tuple | frozenset) and any(isinstance(part, Var | Expression) for part in value):
            raise self._fail(f"a variable inside {type(value).__name__} {value!r} would never be bound: use a function")
        try:
            hash(value)
        except TypeError:
            raise self._fail(f"{value!r} cannot be hashed, so no row can hold it") from None

    def _head_args(self, head: str) -> tuple[Any, ...]:
        relation = self.into.relations[head]
        args = []
        for place, value in enumerate(self.rule.head.row):
            given: Any = value
            if isinstance(value, Aggregated):
                self._aggregate(head, place, value.kind)
                given = value.value
            elif is_any(value):
                if place != relation.rule_column:
                    raise self._fail(f"{head}.{relation.columns[place]} has no value in the head")
                given = self.rule.name
            args.append(self._term(given))
        return tuple(args)

    def _aggregate(self, head: str, place: int, kind: str) -> None:
        wanted = Aggregate(head, head + GROUP, place, kind)
        others = [one for one in self.into.aggregates if one.head == head]
        if others and others != [wanted]:
            raise self._fail(f"{head} already has another aggregate: give each a relation of its own")
        if not others:
            self.into.aggregates.append(wanted)

    def _clause_head(self, head: str) -> str:
        aggregated = any(isinstance(value, Aggregated) for value in self.rule.head.row)
        mixed = {head} if aggregated else {head + GROUP}
        if any(clause.head in mixed for clause in self.into.clauses):
            raise self._fail(f"{head} is aggregated by one rule and derived without aggregate by another")
        return head + GROUP if aggregated else head

    def _check(self, clause: Clause) -> None:
        bound: set[str] = set()
        for place in order(clause, None, set()):
            item = clause.body[place]
            if isinstance(item, Let):
                bound.update([item.variable] if item.variable else [])
            elif not item.negated:
                bound.update(variables(item.args))
        loose = [name for name in variables(clause.args) if name not in bound]
        if loose:
            raise self._fail(f"nothing binds {', '.join(loose)} of the head")
        if not any(isinstance(item, Atom) for item in clause.body):
            raise self._fail("its body names no relation")
