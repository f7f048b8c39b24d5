"""A program: rules and outputs put together. Typed rows in, typed changes out, and questions about both.

    net = Program([enabled, remote, ...], outputs=[RemoteFlow])
    for old, new in net.transact(put=[Binding("web1", "hv2")]).of(RemoteFlow): ...
    print(net.why(RemoteFlow(11, "02:00:00:00:00:02", "hv2")))

A transaction is synchronous and atomic: all of it, or (when a function used in a rule raises) nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from retia.rules.engine import Engine
from retia.rules.errors import RowError, RuleError
from retia.rules.explain import Explainer, Explanation, Missing
from retia.rules.keyed import Conflict, Keyed, KeyedChange
from retia.rules.language import Relation, Rule
from retia.rules.lint import Finding, lint
from retia.rules.lowering import lower
from retia.rules.tables import Delta
from retia.rules.terms import ANY, Row, is_any

R = TypeVar("R", bound=Relation)


class Change:
    """What one transaction did to the outputs. `raw` gives plain tuples for those with very many rows."""

    def __init__(self, parts: dict[type[Relation], KeyedChange]) -> None:
        self._parts = parts

    def raw(self, relation: type[Relation]) -> Collection[tuple[Row | None, Row | None]]:
        """(old, new) tuples, one for each key that changed."""
        part = self._parts.get(relation)
        return part.rows.values() if part is not None else ()

    def of(self, relation: type[R]) -> list[tuple[R | None, R | None]]:
        """(old, new) typed rows, one for each key that changed."""
        make = relation.of
        return [
            (make(old) if old is not None else None, make(new) if new is not None else None)
            for old, new in self.raw(relation)
        ]

    delta = of

    def added(self, relation: type[R]) -> list[R]:
        """Rows that are there now and were not, new versions of a key included."""
        return [relation.of(new) for _, new in self.raw(relation) if new is not None]

    def removed(self, relation: type[R]) -> list[R]:
        """Rows that were there and are not now, old versions of a key included."""
        return [relation.of(old) for old, _ in self.raw(relation) if old is not None]

    @property
    def conflicts(self) -> list[Conflict]:
        """Conflicts that came with this batch, or changed in it."""
        return [conflict for part in self._parts.values() for conflict in part.came]

    @property
    def resolved(self) -> list[Conflict]:
        """Conflicts, as they were, that went or changed."""
        return [conflict for part in self._parts.values() for conflict in part.went]

    def __iter__(self) -> Iterator[tuple[int, Relation]]:
        """(-1, row) for rows that went and (+1, row) for rows that came; of a modified key first the old."""
        for relation in self._parts:
            for old, new in self.of(relation):
                if old is not None:
                    yield -1, old
                if new is not None:
                    yield 1, new

    def __bool__(self) -> bool:
        """Whether any output row changed. A conflict may have come or gone without that."""
        return any(part.rows for part in self._parts.values())


class Program:
    """Raises RuleError when a rule, a relation or an output is declared wrongly."""

    def __init__(self, rules: Sequence[Rule], outputs: Sequence[type[Relation]]) -> None:
        self._lowered = lower(rules)
        self._relations = dict(self._lowered.relations)
        derived = self._lowered.derived
        for output in outputs:
            if output.__name__ not in derived or self._relations[output.__name__] is not output:
                raise RuleError(f"output {output.__name__}: no rule derives it")
        schema = {name: len(rel.columns) for name, rel in self._relations.items() if name not in derived}
        self.engine = Engine(schema, self._lowered.clauses, self._lowered.aggregates)
        self._base: dict[str, dict[Any, Row]] = {name: {} for name in schema}
        ranks = {one.name: rank for rank, one in enumerate(rules)}
        self._outputs = {output: Keyed(output, ranks) for output in outputs}
        columns = {name: relation.columns for name, relation in self._relations.items()}
        self._explainer = Explainer(self.engine, columns)

    # -- transactions ----------------------------------------------------------------------------------------------

    def transact(self, put: Iterable[Relation] = (), drop: Iterable[Relation] = ()) -> Change:
        """One batch: first the drops, then the puts, so a key both dropped and put is there; of two puts of a key the
        last counts. A put replaces the row with the same key; a drop names a row by its key columns. What is so
        already changes nothing. Raises RowError, or EvaluationError; either way nothing was changed."""
        changes: list[tuple[str, Row, int]] = []
        staged: dict[tuple[str, Any], Row | None] = {}
        for row in drop:
            self._stage(staged, row, None)
        for row in put:
            self._check_row(row)
            self._stage(staged, row, row.row)
        for (name, key), new in staged.items():
            old = self._base[name].get(key)
            if old != new:
                changes += [(name, old, -1)] if old is not None else []
                changes += [(name, new, 1)] if new is not None else []
        deltas = self.engine.apply(changes)
        for (name, key), new in staged.items():
            if new is None:
                self._base[name].pop(key, None)
            else:
                self._base[name][key] = new
        return self._change(deltas)

    def _stage(self, staged: dict[tuple[str, Any], Row | None], row: Relation, new: Row | None) -> None:
        name = type(row).__name__
        if name not in self._base or self._relations[name] is not type(row):
            derived = self._relations.get(name) is type(row)
            reason = "is derived by rules" if derived else "stands in no rule of this program"
            raise RowError(f"{name} {reason} and cannot be given")
        try:
            staged[name, _key(row)] = new
            hash(new)
        except TypeError as error:
            raise RowError(f"{error}, in {row!r}") from None

    def _check_row(self, row: Relation) -> None:
        if _lacks(row.row):
            column = next(name for name, value in zip(row.columns, row.row, strict=True) if _lacks((value,)))
            raise RowError(f"{type(row).__name__}: column {column} has no value in {row!r}")

    def _change(self, deltas: dict[str, Delta]) -> Change:
        changed = {}
        for output, keyed in self._outputs.items():
            delta = deltas.get(output.__name__)
            if delta:
                changed[output] = keyed.change(delta)
        return Change(changed)

    # -- questions -------------------------------------------------------------------------------------------------

    def knows(self, relation: type[Relation]) -> bool:
        """Whether rows of `relation` can be given to this program."""
        return relation.__name__ in self._base

    def rows(self, relation: type[R]) -> Iterator[R]:
        """Every row of a relation; of a keyed output only the winners."""
        for row in list(self.raw_rows(relation)):
            yield relation.of(row)

    def raw_rows(self, relation: type[Relation]) -> Iterable[Row]:
        """As `rows`, as plain tuples. Empty for a relation that stands in no rule."""
        keyed = self._outputs.get(relation)
        if keyed is not None:
            return keyed.rows.values()
        table = self.engine.tables.get(relation.__name__)
        return table.rows.keys() if table is not None else ()

    def by_key(self, relation: type[Relation]) -> dict[Any, Row]:
        """The live mapping of an output's key to its row. Read only."""
        return self._outputs[relation].rows

    def find(self, relation: type[R], **columns: Any) -> list[R]:
        """Rows with these column values, by an index where one is live, else by reading them all. Of a keyed output
        only the winners."""
        pattern = [columns.pop(name, None) for name in relation.columns]
        if columns:
            raise RowError(f"{relation.__name__} has no column {', '.join(columns)}")
        if relation.__name__ not in self.engine.tables:
            return []
        found = self._explainer.find(relation.__name__, pattern)
        keyed = self._outputs.get(relation)
        return [relation.of(row) for row in found if keyed is None or keyed.rows[keyed.key(row)] == row]

    def lookup(self, relation: type[R], *key: Any) -> R | None:
        """The row of a base relation or of an output with this key."""
        if len(key) != len(relation.identity):
            names = ", ".join(relation.columns[place] for place in relation.identity)
            raise RowError(f"the key of {relation.__name__} is ({names}), not {key!r}")
        rows = self._base.get(relation.__name__)
        if rows is None:
            keyed = self._outputs.get(relation)
            if keyed is None:
                raise RowError(f"{relation.__name__} is neither a base relation of this program nor an output")
            rows = keyed.rows
        row = rows.get(key[0] if len(key) == 1 else key)
        return None if row is None else relation.of(row)

    @property
    def conflicts(self) -> list[Conflict]:
        """Keys on which rules disagree now."""
        return [conflict for keyed in self._outputs.values() for conflict in keyed.conflicts()]

    def why(self, row: Relation) -> Explanation | None:
        """One derivation down to the given rows; None when the row does not hold. Columns left out match anything:
        then one of the rows that match is explained."""
        name, wanted = type(row).__name__, row.row
        if name not in self.engine.tables:
            return None
        if any(map(is_any, wanted)):
            found = self._explainer.find(name, [None if is_any(value) else value for value in wanted])
            if not found:
                return None
            keyed = self._outputs.get(type(row))
            wanted = min(found, key=keyed.rank if keyed is not None else repr)
        return self._explainer.why(name, wanted)

    def why_not(self, row: Relation) -> list[Missing]:
        """For each rule that could derive it, the first condition that fails. Columns left out match anything."""
        return self._explainer.why_not(type(row).__name__, tuple(None if is_any(v) else v for v in row.row))

    def stats(self) -> dict[str, dict[str, float]]:
        """Rows by relation, and by rule how often its plans fired and (with `engine.timing`) for how many seconds."""
        fired: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for plan in self.engine.plans:
            fired[plan.clause.name] = fired.get(plan.clause.name, 0) + plan.fired
            seconds[plan.clause.name] = seconds.get(plan.clause.name, 0.0) + plan.seconds
        rows: dict[str, float] = {name: len(table.rows) for name, table in self.engine.tables.items()}
        return {"rows": rows, "fired": fired, "seconds": seconds}

    def lint(self) -> list[Finding]:
        """What is probably not meant: cross products, rules no output needs, relations nothing derives or reads."""
        return lint(self._lowered, [output.__name__ for output in self._outputs])

    def warm(self) -> None:
        """Build every index now; call after the first load, so that no later change pays for one."""
        self.engine.warm()


def _key(row: Relation) -> Any:
    found = type(row).key_of(row.row)
    if found is None or found is ANY or (type(found) is tuple and _lacks(found)):
        raise RowError(f"{type(row).__name__}: the key has no value in {row!r}")
    return found


def _lacks(values: Iterable[Any]) -> bool:
    return any([value is None or value is ANY for value in values])
