"""why and why_not: derivations found on demand by matching rule bodies against the live tables. Nothing is stored.

An explanation of a recursive row only uses rows that came in earlier waves, so it ends. Cost: one derivation's
matching, milliseconds at 10,000 ports; none until asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from retia.rules.engine import Engine
from retia.rules.plan import order
from retia.rules.terms import Atom, Clause, Item, Let, Row, Var, is_any, show_item

SHOWN = 20
"""Rows of one aggregate that an explanation lists."""

Bindings = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One derivation. `rule` is "" for a given row and for an absence; `absent` says that no such row exists. A row
    that stands in several places of the derivation is the same object there."""

    relation: str
    row: Row
    rule: str = ""
    doc: str = ""
    absent: bool = False
    children: tuple[Explanation, ...] = field(default=(), repr=False)
    more: int = 0
    columns: tuple[str, ...] = field(default=(), repr=False)

    @property
    def given(self) -> bool:
        return not self.rule and not self.absent

    def leaves(self) -> Iterator[Explanation]:
        """The given rows that the derivation stands on, each once."""
        todo, seen = [self], {id(self)}
        while todo:
            node = todo.pop()
            if node.given:
                yield node
            fresh = [child for child in reversed(node.children) if id(child) not in seen]
            seen.update(map(id, fresh))
            todo += fresh

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        """Depth first without recursion, as a chain may be long; what was explained once is not explained again."""
        todo: list[tuple[int, Explanation | str]] = [(0, self)]
        seen: set[int] = set()
        while todo:
            depth, node = todo.pop()
            if isinstance(node, str):
                yield "  " * depth + node
                continue
            again = id(node) in seen and bool(node.children)
            seen.add(id(node))
            yield "  " * depth + node._line() + (" (as above)" if again else "")
            if not again:
                todo += [(depth + 1, f"and {node.more} more")] if node.more else []
                todo += [(depth + 1, child) for child in reversed(node.children)]

    def _line(self) -> str:
        names = self.columns or tuple(str(place) for place in range(len(self.row)))
        shown = ", ".join(f"{n}={v!r}" for n, v in zip(names, self.row, strict=False) if not is_any(v))
        tail = f"   <- {self.rule}: {self.doc}" if self.rule else ("" if self.absent else "   (given)")
        return ("no " if self.absent else "") + f"{self.relation}({shown}){tail}"


@dataclass(frozen=True)
class Missing:
    """Why one rule does not derive a row: the first condition that nothing satisfies."""

    rule: str
    doc: str
    condition: str
    item: Item = field(compare=False)
    bindings: Bindings = field(compare=False)

    def __str__(self) -> str:
        return f"{self.rule} ({self.doc}): nothing satisfies {self.condition}"


Part = tuple[str, Row]
"""A row that holds, with its relation."""


class _Step(NamedTuple):
    """What one row rests on: the rule, and the rows and absences that satisfy it."""

    rule: str = ""
    doc: str = ""
    parts: tuple[Part | Explanation, ...] = ()
    more: int = 0


class Explainer:
    def __init__(self, engine: Engine, columns: dict[str, tuple[str, ...]]) -> None:
        self._engine, self._columns = engine, columns

    def why(self, relation: str, row: Row) -> Explanation | None:
        """One derivation of `row`, or None when it does not hold. Built from the leaves up, each row once."""
        if row not in self._engine.tables[relation].rows:
            return None
        made: dict[Part, Explanation] = {}
        steps: dict[Part, _Step] = {}
        todo: list[Part] = [(relation, row)]
        while todo:
            part = todo[-1]
            if part not in steps:
                steps[part] = self._step(*part)
            missing = [one for one in steps[part].parts if not isinstance(one, Explanation) and one not in made]
            if missing:
                todo += missing
                continue
            made[part] = self._assemble(part, steps[part], made)
            while todo and todo[-1] in made:
                todo.pop()
        return made[relation, row]

    def _assemble(self, part: Part, step: _Step, made: dict[Part, Explanation]) -> Explanation:
        children = tuple(one if isinstance(one, Explanation) else made[one] for one in step.parts)
        return Explanation(*part, step.rule, step.doc, False, children, step.more, self._columns.get(part[0], ()))

    def _step(self, relation: str, row: Row) -> _Step:
        table = self._engine.tables[relation]
        if table.aggregate is not None:
            return self._step_of_aggregate(table.aggregate, row)
        if table.base:
            return _Step()
        for clause in self._engine.clauses:
            if clause.head == relation:
                parts = self._derive(clause, row)
                if parts is not None:
                    return _Step(clause.name, clause.doc, parts)
        raise RuntimeError(f"{relation}{row} holds, and no rule derives it: a fault of the engine")

    def _step_of_aggregate(self, aggregation: Any, row: Row) -> _Step:
        column, kind = aggregation.column, aggregation.kind
        pattern = [None if place == column else value for place, value in enumerate(row)]
        if kind in ("lowest", "highest"):
            pattern[column] = row[column]
        rows = sorted(self._find(aggregation.source, pattern), key=repr)
        clause = next(c for c in self._engine.clauses if c.head == aggregation.source)
        parts = tuple((aggregation.source, one) for one in rows[:SHOWN])
        return _Step(f"{kind} of {clause.name}", clause.doc, parts, max(0, len(rows) - SHOWN))

    def _derive(self, clause: Clause, row: Row) -> tuple[Part | Explanation, ...] | None:
        bindings = unify(clause.args, row, {})
        if bindings is None:
            return None
        component = self._engine.strata.component[clause.head]
        age = self._engine.tables[clause.head].stamps.get(row, 0)
        body = [clause.body[place] for place in order(clause, None, set(bindings))]
        for found, used in self._match(body, bindings):
            if any(
                one is not None and atom.relation in component and self._stamp(atom.relation, one) >= age
                for atom, one in used
            ):
                continue
            return tuple(self._part(atom, one, found) for atom, one in used)
        return None

    def _stamp(self, relation: str, row: Row) -> int:
        return self._engine.tables[relation].stamps[row]

    def _part(self, atom: Atom, row: Row | None, bindings: Bindings) -> Part | Explanation:
        name = atom.relation.split("~")[0]
        if row is not None:
            return name, row
        args = tuple(bindings.get(arg.name, arg) if isinstance(arg, Var) else arg for arg in atom.args)
        name, _, shown = name.partition("?")
        columns = self._columns.get(name, ())
        if shown:
            columns = tuple(columns[int(place)] for place in shown.split("_")) if columns else ()
        return Explanation(name, args, absent=True, columns=columns)

    def why_not(self, relation: str, pattern: Row) -> list[Missing]:
        """For each rule of `relation`, the first condition in written order that nothing satisfies. None in the
        pattern stands for any value."""
        table = self._engine.tables[relation]
        source = table.aggregate.source if table.aggregate is not None else relation
        skip = table.aggregate.column if table.aggregate is not None else None
        wanted = tuple(None if place == skip else value for place, value in enumerate(pattern))
        found = (self._first_missing(clause, wanted) for clause in self._engine.clauses if clause.head == source)
        return [missing for missing in found if missing is not None]

    def _first_missing(self, clause: Clause, pattern: Row) -> Missing | None:
        start = unify(clause.args, pattern, {})
        if start is None:
            return Missing(
                clause.name, clause.doc, f"{clause.head} as asked: the rule makes other rows", clause.body[0], {}
            )
        body = [clause.body[place] for place in order(clause, None, set(start))]
        last: Bindings = start
        for length in range(1, len(body) + 1):
            hit = next(self._match(body[:length], start), None)
            if hit is None:
                item = _filled(body[length - 1], last)
                return Missing(clause.name, clause.doc, show_item(item).replace("?", ""), body[length - 1], last)
            last = hit[0]
        return None

    def _match(
        self, body: list[Item], bindings: Bindings, used: tuple[tuple[Atom, Row | None], ...] = ()
    ) -> Iterator[tuple[Bindings, tuple[tuple[Atom, Row | None], ...]]]:
        if not body:
            yield bindings, used
            return
        item, rest = body[0], body[1:]
        if isinstance(item, Let):
            try:
                value = item.function(*[bindings[arg.name] if isinstance(arg, Var) else arg for arg in item.args])
            except Exception:  # the engine may test the conditions in another order and never ask this
                return
            if item.variable is None:
                if value:
                    yield from self._match(rest, bindings, used)
            elif bindings.get(item.variable, value) == value:
                yield from self._match(rest, {**bindings, item.variable: value}, used)
            return
        pattern = [bindings.get(arg.name) if isinstance(arg, Var) else arg for arg in item.args]
        rows = self._find(item.relation, pattern)
        if item.negated:
            if not rows:
                yield from self._match(rest, bindings, (*used, (item, None)))
            return
        for row in rows:
            more = unify(item.args, row, bindings)
            if more is not None:
                yield from self._match(rest, more, (*used, (item, row)))

    def _find(self, relation: str, pattern: list[Any]) -> list[Row]:
        """Rows that agree with the pattern (None: any value), by an index where one is live."""
        table = self._engine.tables[relation]
        known = tuple(place for place, value in enumerate(pattern) if value is not None)
        if len(known) == table.arity:
            return [tuple(pattern)] if tuple(pattern) in table.rows else []
        best = max((c for c in table.indexes if set(c) <= set(known)), key=len, default=None)
        if best is None:
            rows: Any = table.rows
        else:
            bucket = table.indexes[best].get(itemgetter(*best)(pattern))
            rows = () if bucket is None else bucket if type(bucket) is set else (bucket,)
        return [row for row in rows if all(row[place] == pattern[place] for place in known)]

    def find(self, relation: str, pattern: list[Any]) -> list[Row]:
        return self._find(relation, pattern)


def unify(args: Row, row: Row, bindings: Bindings) -> Bindings | None:
    """`bindings` with the variables of `args` set to `row`'s values; None where they disagree. None matches any."""
    made = dict(bindings)
    for arg, value in zip(args, row, strict=True):
        if value is None or is_any(arg) or is_any(value):
            continue
        if isinstance(arg, Var):
            if made.setdefault(arg.name, value) != value:
                return None
        elif arg != value:
            return None
    return made


def _filled(item: Item, bindings: Bindings) -> Item:
    args = tuple(bindings.get(arg.name, arg) if isinstance(arg, Var) else arg for arg in item.args)
    if isinstance(item, Let):
        return item
    return Atom(item.relation, args, item.negated)
