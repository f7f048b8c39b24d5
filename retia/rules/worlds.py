"""Many worlds at once: a program evaluated one time for a whole set of worlds, each row with those it holds in.

    worlds = Worlds(RULES, [FlowRow])
    found = worlds.evaluate({ThisHost: {("hv1",): 0b01, ("hv2",): 0b10}, PortFact: {...: 0b11}}, 0b11)
    found.rows(Trouble), found.notable(FlowRow, lambda holds: holds != 0b11)

A set of worlds is an int with a bit for each. What all worlds share is worked out once for all of them, so a hundred
hosts, each before and after a change, cost little more than one. Bottom-up and from nothing; the same rules as
`engine`'s, and the same rows: `engine` keeps one world true for ever, this answers once for many. Called by `plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from retia.rules.keyed import Keyed
from retia.rules.language import Relation, Rule
from retia.rules.lowering import lower
from retia.rules.plan import Code
from retia.rules.strata import Strata, stratify
from retia.rules.terms import Aggregate, Atom, Clause, Row, Var
from retia.rules.worlds_code import View, WorldEmitter, split

Holds = dict[Row, int]
"""Rows, and the set of worlds that each holds in."""

Facts = Mapping[type[Relation], Holds]

SOURCE = "<worlds>"


class _Plan(NamedTuple):
    function: Callable[..., None]
    views: list[View]


class Worlds:
    """The rules that `outputs` need, ready to be evaluated. Raises RuleError as `Program` does."""

    def __init__(self, rules: Sequence[Rule], outputs: Sequence[type[Relation]]) -> None:
        lowered = lower(rules)
        self.relations = {name: relation.columns for name, relation in lowered.relations.items()}
        self.ranks = {one.name: rank for rank, one in enumerate(rules)}
        self.late: dict[str, list[Clause]] = {}
        split_up = {output.__name__ for output in outputs if output.rule_column is not None}
        clauses = [self._split(one) if one.head in split_up else one for one in lowered.clauses]
        wanted = {output.__name__ for output in outputs} | {one.head for one in clauses if "?" in one.head}
        needed = _closure(wanted, clauses, lowered.aggregates)
        self.clauses = [one for one in clauses if one.head in needed]
        self.aggregates = {one.head: one for one in lowered.aggregates if one.head in needed}
        names = [*lowered.relations, *(clause.head for clause in self.clauses), *self.aggregates]
        self.strata: Strata = stratify(dict.fromkeys(names), self.clauses, list(self.aggregates.values()))
        self._plans: dict[tuple[str, int | None, bool], _Plan] = {}

    def _split(self, clause: Clause) -> Clause:
        join, head = split(clause)
        self.late.setdefault(clause.head, []).append(head)
        return join

    def evaluate(self, facts: Facts, everywhere: int) -> Found:
        """Every row of every relation needed. `everywhere` is the set of all worlds."""
        found = Found(self, everywhere)
        for relation, holds in facts.items():
            found.tables[relation.__name__] = holds
        found.fill()
        return found

    def plan(self, clause: Clause, first: int | None, delta: bool) -> _Plan:
        key = (clause.name + " " + clause.head, first, delta)
        if key not in self._plans:
            code = Code(str, lambda relation, columns: relation)
            views = WorldEmitter(code, clause).write("plan", first, delta)
            exec(compile("\n".join(code.lines), SOURCE, "exec"), code.names)
            self._plans[key] = _Plan(code.names["plan"], views)
        return self._plans[key]


def _closure(wanted: set[str], clauses: Iterable[Clause], aggregates: Iterable[Aggregate]) -> set[str]:
    """The relations that those `wanted` rest on."""
    needs: dict[str, set[str]] = {}
    for clause in clauses:
        needs.setdefault(clause.head, set()).update(item.relation for item in clause.body if isinstance(item, Atom))
    for aggregate in aggregates:
        needs.setdefault(aggregate.head, set()).add(aggregate.source)
    todo, found = list(wanted), set(wanted)
    while todo:
        new = needs.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


class Found:
    """What one evaluation found."""

    def __init__(self, worlds: Worlds, everywhere: int) -> None:
        self._worlds, self._everywhere = worlds, everywhere
        self.tables: dict[str, Holds] = {}
        self._views: dict[View, Any] = {}

    def rows(self, relation: type[Relation]) -> Holds:
        """Its rows; of an output with keys in each world only the winner of a key."""
        name = relation.__name__
        if name in self._worlds.late:
            return self.notable(relation, bool)
        return _winners(relation, self.tables.get(name, {}), self._worlds.ranks)

    def notable(self, relation: type[Relation], notable: Callable[[int], Any]) -> Holds:
        """Those rows of an output whose set of worlds is `notable`; the heads of most others are never worked out: only
        of those that may be of one key with a notable one. A union of sets that are not notable must not be either."""
        found: Holds = {}
        done: list[tuple[Clause, Atom, Holds]] = []
        for clause in self._worlds.late[relation.__name__]:
            joined = clause.body[0]
            if isinstance(joined, Atom):
                holds = _with_kin(clause, joined, self.tables.get(joined.relation, {}), notable)
                if holds:
                    self._run(clause, 0, holds, found)
                done.append((clause, joined, holds))
        kept = {row: holds for row, holds in found.items() if notable(holds)}
        shown = [{row[place] for row in kept} for place in relation.identity]
        for clause, joined, holds in done if kept else ():
            rows = _may_rival(relation, clause, joined, self.tables.get(joined.relation, {}), shown)
            rest = {row: worlds for row, worlds in rows.items() if row not in holds}
            if rest:
                self._run(clause, 0, rest, found)
        keys = {relation.key_of(row) for row in kept}
        rivals = {row: holds for row, holds in found.items() if relation.key_of(row) in keys}
        winners = _winners(relation, rivals, self._worlds.ranks)
        return {row: holds for row, holds in winners.items() if notable(holds)}

    # -- evaluation ------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        clauses: dict[str, list[Clause]] = {}
        for clause in self._worlds.clauses:
            clauses.setdefault(clause.head, []).append(clause)
        for component in self._worlds.strata.order:
            rules = [clause for name in component for clause in clauses.get(name, ())]
            new: dict[str, Holds] = {}
            for clause in rules:
                self._evaluate(clause, new.setdefault(clause.head, {}))
            self.tables |= new
            if self._worlds.strata.component[component[0]]:
                self._iterate(component, rules, dict(new))
            aggregate = self._worlds.aggregates.get(component[0])
            if aggregate is not None:
                self.tables[aggregate.head] = _aggregate(aggregate, self.tables.get(aggregate.source, {}))

    def _evaluate(self, clause: Clause, into: Holds) -> None:
        """From the smallest relation on; nothing where one is empty."""
        atoms = [(place, item) for place, item in enumerate(clause.body) if isinstance(item, Atom) and not item.negated]
        sizes = [(len(self.tables.get(atom.relation, ())), place) for place, atom in atoms]
        if all(size for size, _ in sizes):
            self._run(clause, min(sizes)[1] if sizes else None, None, into)

    def _run(self, clause: Clause, first: int | None, delta: Holds | None, into: Holds) -> None:
        plan = self._worlds.plan(clause, first, delta is not None)
        plan.function(lambda place: self._view(plan.views[place]), self._everywhere, delta, into)

    def _iterate(self, component: tuple[str, ...], rules: list[Clause], delta: dict[str, Holds]) -> None:
        """Until no row holds in a world it was not yet known to hold in."""
        while any(delta.values()):
            made: dict[str, Holds] = {}
            for clause in rules:
                for place, item in enumerate(clause.body):
                    if isinstance(item, Atom) and item.relation in component and delta.get(item.relation):
                        self._run(clause, place, delta[item.relation], made.setdefault(clause.head, {}))
            delta = {name: self._gain(name, holds) for name, holds in made.items()}

    def _gain(self, name: str, holds: Holds) -> Holds:
        """Take them in; answers what is new of them."""
        table = self.tables.setdefault(name, {})
        gained: Holds = {}
        for row, worlds in holds.items():
            had = table.get(row, 0)
            if worlds & ~had:
                gained[row] = worlds & ~had
                table[row] = had | worlds
        if gained:
            self._views = {view: made for view, made in self._views.items() if view.relation != name}
        return gained

    def _view(self, view: View) -> Any:
        if view not in self._views:
            self._views[view] = _make_view(view, self.tables.get(view.relation, {}))
        return self._views[view]


def _make_view(view: View, rows: Holds) -> Any:
    """Columns that are neither known nor needed are projected away first. Single columns stand without a tuple."""
    columns = view.known + view.rest
    if not columns:
        return {(): _union(rows.values())} if rows else {}
    one_way = not (view.known and view.rest)
    if one_way and 1 < len(columns) == len(next(iter(rows), ())):
        return rows
    flat = _projected(columns, rows)
    if one_way:
        return flat
    key, rest = itemgetter(*range(len(view.known))), itemgetter(*range(len(view.known), len(columns)))
    index: dict[Any, list[tuple[Any, int]]] = {}
    for row, worlds in flat.items():
        index.setdefault(key(row), []).append((rest(row), worlds))
    return index


def _projected(columns: tuple[int, ...], rows: Holds) -> dict[Any, int]:
    pick = itemgetter(*columns)
    flat: dict[Any, int] = {}
    get = flat.get
    for row, worlds in rows.items():
        part = pick(row)
        flat[part] = get(part, 0) | worlds
    return flat


def _union(sets: Iterable[int]) -> int:
    union = 0
    for one in sets:
        union |= one
    return union


def _with_kin(clause: Clause, joined: Atom, rows: Holds, notable: Callable[[int], Any]) -> Holds:
    """The notable ones, with all that might make the same row of the head: those alike in what it shows plainly."""
    found = {row: worlds for row, worlds in rows.items() if notable(worlds)}
    plain = [place for place, arg in enumerate(joined.args) if arg in clause.args]
    if not found or len(found) == len(rows):
        return found
    if not plain:
        return rows
    pick = itemgetter(*plain)
    alike = {pick(row) for row in found}
    return {row: worlds for row, worlds in rows.items() if pick(row) in alike}


def _may_rival(relation: type[Relation], clause: Clause, joined: Atom, rows: Holds, shown: list[set[Any]]) -> Holds:
    """The rows whose head may have a key of which these are the values, as far as the head shows its key plainly."""
    args = [clause.args[place] for place in relation.identity]
    if any(not isinstance(arg, Var) and arg not in values for arg, values in zip(args, shown, strict=True)):
        return {}
    for arg, values in zip(args, shown, strict=True):
        if arg in joined.args:
            column = joined.args.index(arg)
            rows = {row: holds for row, holds in rows.items() if row[column] in values}
    return rows


def _aggregate(aggregate: Aggregate, rows: Holds) -> Holds:
    column = aggregate.column
    groups: dict[Row, dict[Any, int]] = {}
    for row, worlds in rows.items():
        groups.setdefault(row[:column] + row[column + 1 :], {})[row[column]] = worlds
    result: Holds = {}
    for key, values in groups.items():
        for value, worlds in _RESULT[aggregate.kind](values):
            row = (*key[:column], value, *key[column:])
            result[row] = result.get(row, 0) | worlds
    return result


Parts = list[tuple[Any, int]]
"""Values of a group, each with the worlds in which it is the group's."""


def _first(values: dict[Any, int], backwards: bool = False) -> Parts:
    """In each world the first value, in order, that holds there."""
    found: Parts = []
    taken = 0
    for value in sorted(values, reverse=backwards):
        if values[value] & ~taken:
            found.append((value, values[value] & ~taken))
            taken |= values[value]
    return found


def _last(values: dict[Any, int]) -> Parts:
    return _first(values, backwards=True)


def _collected(values: dict[Any, int]) -> Parts:
    """In each world all values that hold there."""
    parts: Parts = [((), _union(values.values()))]
    for value in sorted(values):
        holds = values[value]
        parts = [
            part
            for had, worlds in parts
            for part in (((*had, value), worlds & holds), (had, worlds & ~holds))
            if part[1]
        ]
    return parts


def _counted(values: dict[Any, int]) -> Parts:
    """Not by `_collected`: values that are only counted need not compare."""
    parts: dict[int, int] = {0: _union(values.values())}
    for holds in values.values():
        grown: dict[int, int] = {}
        for number, worlds in parts.items():
            for total, part in ((number + 1, worlds & holds), (number, worlds & ~holds)):
                if part:
                    grown[total] = grown.get(total, 0) | part
        parts = grown
    return list(parts.items())


_RESULT: dict[str, Callable[[dict[Any, int]], Parts]] = {
    "lowest": _first,
    "highest": _last,
    "count": _counted,
    "collect": _collected,
}


def _winners(relation: type[Relation], rows: Holds, ranks: Mapping[str, int]) -> Holds:
    """Of rows of one key in one world the one that `keyed` would let win."""
    keyed = Keyed(relation, ranks)
    rivals: dict[Any, list[Row]] = {}
    for row in rows:
        rivals.setdefault(keyed.key(row), []).append(row)
    result: Holds = {}
    for some in rivals.values():
        taken = 0
        for row in sorted(some, key=keyed.rank) if len(some) > 1 else some:
            if rows[row] & ~taken:
                result[row] = rows[row] & ~taken
                taken |= rows[row]
    return result
