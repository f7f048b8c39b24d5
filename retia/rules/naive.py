"""The oracle: bottom-up evaluation from nothing, shares no evaluation code with the engine. For tests and doubt.

Slow on purpose: it tries every row for every condition, until nothing new appears.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from retia.rules.terms import Aggregate, Atom, Clause, Let, Row, Var

Database = dict[str, set[Row]]

_AGGREGATES: dict[str, Any] = {
    "lowest": min,
    "highest": max,
    "count": len,
    "collect": lambda values: tuple(sorted(values)),
}


def evaluate(
    clauses: Iterable[Clause], aggregates: Iterable[Aggregate], facts: Mapping[str, Iterable[Row]]
) -> Database:
    """Every relation's rows, given the base relations' facts."""
    clauses, aggregates = list(clauses), list(aggregates)
    database: Database = {name: set(rows) for name, rows in facts.items()}
    levels = _levels(clauses, aggregates)
    for name in levels:
        database[name] = set()
    for level in range(max(levels.values(), default=0) + 1):
        for aggregate in aggregates:
            if levels[aggregate.head] == level:
                database[aggregate.head] = _aggregate(aggregate, database)
        _fixpoint([clause for clause in clauses if levels[clause.head] == level], database)
    return database


def _levels(clauses: list[Clause], aggregates: list[Aggregate]) -> dict[str, int]:
    heads = {clause.head for clause in clauses} | {aggregate.head for aggregate in aggregates}
    edges = {(aggregate.head, aggregate.source, 1) for aggregate in aggregates}
    for clause in clauses:
        for item in clause.body:
            if isinstance(item, Atom) and item.relation in heads:
                edges.add((clause.head, item.relation, int(item.negated)))
    level = dict.fromkeys(heads, 0)
    for _ in range(len(heads) + 1):
        for head, source, step in edges:
            level[head] = max(level[head], level[source] + step)
    return level


def _aggregate(aggregate: Aggregate, database: Database) -> set[Row]:
    groups: dict[Row, set[Any]] = {}
    column = aggregate.column
    for row in database[aggregate.source]:
        groups.setdefault(row[:column] + row[column + 1 :], set()).add(row[column])
    result = _AGGREGATES[aggregate.kind]
    return {(*key[:column], result(values), *key[column:]) for key, values in groups.items()}


def _fixpoint(clauses: list[Clause], database: Database) -> None:
    size = -1
    while size != sum(map(len, database.values())):
        size = sum(map(len, database.values()))
        for clause in clauses:
            for bindings in _solutions(clause, database):
                database[clause.head].add(_fill(clause.args, bindings))


def _solutions(clause: Clause, database: Database) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{}]
    waiting = list(clause.body)
    while waiting:
        item = next(one for one in waiting if _possible(one, found))
        waiting.remove(item)
        found = [more for bindings in found for more in _extend(item, bindings, database)]
    return found


def _possible(item: Any, found: list[dict[str, Any]]) -> bool:
    if isinstance(item, Atom) and not item.negated:
        return True
    names = {arg.name for arg in item.args if isinstance(arg, Var) and arg.name != "_"}
    return not found or names <= set(found[0])


def _extend(item: Any, bindings: dict[str, Any], database: Database) -> list[dict[str, Any]]:
    if isinstance(item, Let):
        value = item.function(*_fill(item.args, bindings))
        if item.variable is None:
            return [bindings] if value else []
        return [{**bindings, item.variable: value}] if bindings.get(item.variable, value) == value else []
    hits = [more for row in database.get(item.relation, ()) if (more := _agree(item.args, row, bindings)) is not None]
    if item.negated:
        return [] if hits else [bindings]
    return hits


def _agree(args: Row, row: Row, bindings: dict[str, Any]) -> dict[str, Any] | None:
    made = dict(bindings)
    for arg, value in zip(args, row, strict=True):
        if isinstance(arg, Var):
            if arg.name != "_" and made.setdefault(arg.name, value) != value:
                return None
        elif arg != value:
            return None
    return made


def _fill(args: Row, bindings: dict[str, Any]) -> Row:
    return tuple(bindings[arg.name] if isinstance(arg, Var) else arg for arg in args)
