"""The engine: a batch of row insertions and deletions in, the net change of every relation out.

Every relation is a set; derived rows carry the number of their derivations (counting, after Gupta, Mumick and
Subrahmanian 1993), so a deletion needs no search. Recursive components keep no counts and are maintained by
delete-and-rederive (`recursion`). A batch is one transaction: if a function used in a rule raises, it is undone.

    changes ─► accumulators of base relations ─► in the order of strata: settle ─► fire plans ─► next accumulators

Called by `program`, which speaks in typed rows; this file speaks in tuples and relation names.
"""

from __future__ import annotations

import functools
import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from retia.rules.aggregates import Aggregation
from retia.rules.errors import EvaluationError, RowError, RuleError
from retia.rules.plan import Code, Emitter, Needs, plan_variables
from retia.rules.recursion import Component, Split
from retia.rules.strata import stratify
from retia.rules.tables import Delta, Index, Rows, Table, inverse, settle
from retia.rules.terms import Aggregate, Atom, Clause, Row, Var, is_any

SOURCE = "<rules>"
"""The file name of generated code in tracebacks."""

Undo = list[Callable[[], None]]


class Plan:
    """One compiled delta plan: what one relation's change does to one rule's head."""

    __slots__ = ("clause", "fired", "function", "head", "name", "needs", "others", "ready", "seconds", "split")

    def __init__(self, name: str, clause: Clause, head: Table, needs: Needs, split: bool, others: list[Rows]) -> None:
        self.name, self.clause, self.head, self.needs = name, clause, head, needs
        self.split, self.others = split, others
        self.function: Callable[..., Any] = lambda *_: None
        self.ready = False
        self.fired, self.seconds = 0, 0.0


class Agenda:
    """The strata that a transaction has yet to look at, by rank. Who is visited may add later ones."""

    def __init__(self, ranks: Iterable[int] = ()) -> None:
        self._known = set(ranks)
        self._waiting = sorted(self._known)

    def add(self, rank: int) -> None:
        if rank not in self._known:
            self._known.add(rank)
            heapq.heappush(self._waiting, rank)

    def __iter__(self) -> Iterator[int]:
        while self._waiting:
            yield heapq.heappop(self._waiting)


class Engine:
    """`schema`: base relation to number of columns. Raises RuleError for clauses that cannot be evaluated."""

    def __init__(self, schema: Mapping[str, int], clauses: Sequence[Clause], aggregates: Sequence[Aggregate]) -> None:
        self.tables = {name: Table(name, arity) for name, arity in schema.items()}
        self.clauses = [*_prepare(clauses)]
        self.aggregates = list(aggregates)
        self.timing = False
        self._declare_heads()
        self._check_bodies()
        self.strata = stratify(self.tables, self.clauses, self.aggregates)
        self._rank()
        self._agenda = Agenda()
        self._undo: Undo = []
        self._compile()

    # -- preparation -----------------------------------------------------------------------------------------------

    def _declare_heads(self) -> None:
        for clause in self.clauses:
            table = self.tables.setdefault(clause.head, Table(clause.head, len(clause.args)))
            table.base = False
            if table.arity != len(clause.args):
                raise RuleError(f"{clause.where}: rule {clause.name}: {clause.head} has {table.arity} columns")
        for aggregate in self.aggregates:
            arity = self.tables[aggregate.source].arity
            table = self.tables.setdefault(aggregate.head, Table(aggregate.head, arity))
            if not table.base or table.aggregate:
                raise RuleError(f"{aggregate.head} is aggregated and also derived by another rule")
            table.base = False
            table.aggregate = Aggregation(aggregate.source, aggregate.column, aggregate.kind)

    def _rank(self) -> None:
        for rank, component in enumerate(self.strata.order):
            for name in component:
                self.tables[name].rank = rank
        for aggregate in self.aggregates:
            self.tables[aggregate.source].feeds.append(self.tables[aggregate.head].rank)

    def _check_bodies(self) -> None:
        for clause in self.clauses:
            for item in clause.body:
                if isinstance(item, Atom):
                    table = self.tables.get(item.relation)
                    if table is None or table.arity != len(item.args):
                        raise RuleError(
                            f"{clause.where}: rule {clause.name}: no relation {item.relation} of that width"
                        )

    def _compile(self) -> None:
        names: dict[str, str] = {}
        self._index_of: dict[tuple[str, tuple[int, ...]], Index] = {}

        def rows(relation: str) -> str:
            name = names.setdefault(relation, f"_rows{len(names)}_{_identifier(relation)}")
            code.names[name] = self.tables[relation].rows
            return name

        def index(relation: str, columns: tuple[int, ...]) -> str:
            name = f"_ix{rows(relation)[5:]}_{'_'.join(map(str, columns))}"
            code.names[name] = self._index_of.setdefault((relation, columns), {})
            return name

        code = Code(rows, index)
        self.plans: list[Plan] = []
        for clause in self.clauses:
            self._plan_clause(code, clause)
        for compiled in _compiled(tuple(code.sources)):
            exec(compiled, code.names)
        for plan in self.plans:
            plan.function = code.names[plan.name]
        self._plan_of = {plan.name: plan for plan in self.plans}
        self._components = {
            names: Component([self.tables[name] for name in names], self._ready)
            for names in set(self.strata.component.values())
            if names
        }

    def _plan_clause(self, code: Code, clause: Clause) -> None:
        component = self.strata.component[clause.head]
        for place, item in enumerate(clause.body):
            if not isinstance(item, Atom):
                continue
            plan = self._plan(code, clause, place, "split" if component else "count")
            relations = [other.relation if isinstance(other, Atom) else None for other in clause.body]
            first = relations.index(item.relation)
            table = self.tables[item.relation]
            if item.relation in component:
                table.step.append(plan)
            elif relations.count(item.relation) > 1 and place == first:
                table.before.append(plan)  # of two occurrences the first sees the old state, the second the new
            else:
                table.after.append(plan)
        if component:
            self.tables[clause.head].check.append(self._plan(code, clause, None, "bound"))

    def _plan(self, code: Code, clause: Clause, first: int | None, mode: str) -> Plan:
        name = f"_p{len(self.plans)}_{_identifier(clause.head)}"
        code.lines.append(f"# {clause.name}: {clause}" + ("" if first is None else f"   <- change {first}"))
        needs = Emitter(code, clause, mode).emit(name, first)
        code.finish()
        others = [
            self.tables[item.relation].rows
            for place, item in enumerate(clause.body)
            if isinstance(item, Atom) and not item.negated and place != first
        ]
        plan = Plan(name, clause, self.tables[clause.head], needs, mode == "split", others)
        self.plans.append(plan)
        return plan

    def _ready(self, plan: Plan) -> None:
        for relation, columns in plan.needs:
            table = self.tables[relation]
            if columns not in table.indexes:
                table.index(columns, self._index_of[relation, columns])
        plan.ready = True

    def warm(self) -> None:
        """Build every index now instead of at first use."""
        for plan in self.plans:
            self._ready(plan)

    # -- one transaction -------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[tuple[str, Row, int]]) -> dict[str, Delta]:
        """Changes of base relations; the last word on a row counts, what is already so is ignored. Answers the net
        change of every relation. Raises RowError, or EvaluationError with nothing changed."""
        wanted: dict[str, dict[Row, int]] = {}
        for relation, row, weight in changes:
            wanted.setdefault(relation, {})[row] = weight
        accumulators: dict[str, Rows] = {}
        for relation, rows in wanted.items():
            table = self.tables[relation]
            if not table.base:
                raise RowError(f"{relation} is derived by rules and cannot be given")
            accumulators[relation] = {row: w for row, w in rows.items() if (row in table.rows) == (w < 0)}
        try:
            return self._run(accumulators)
        except Exception as error:
            for undo in reversed(self._undo):
                undo()
            raise EvaluationError(f"the batch was undone: {self._blame(error)}{error}") from error
        finally:
            self._undo = []

    def _blame(self, error: Exception) -> str:
        """Which rule raised, and for which values of its variables: read from the generated plan's frame."""
        blamed = ""
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename == SOURCE and code.co_name in self._plan_of:
                clause = self._plan_of[code.co_name].clause
                values = plan_variables(trace.tb_frame.f_locals)
                shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
                blamed = f"{clause.where}: rule {clause.name}, with {shown}: "
            trace = trace.tb_next
        return f"{blamed}{type(error).__name__}: "

    def _run(self, accumulators: dict[str, Rows]) -> dict[str, Delta]:
        """Stratum after stratum, those alone that something reaches."""
        splits: Split = {}
        deltas: dict[str, Delta] = {}
        self._agenda = Agenda(self.tables[name].rank for name in accumulators)
        for rank in self._agenda:
            component = self.strata.order[rank]
            if self.strata.component[component[0]]:
                self._recursive(component, accumulators, splits, deltas)
                continue
            table = self.tables[component[0]]
            if table.aggregate is not None:
                changes = delta = self._aggregate(table, deltas)
            else:
                changes = accumulators.get(table.name, {})
                delta = settle(table.rows, changes) if changes else {}
            if changes:
                self._spread(table, delta, changes, accumulators, splits)
                if delta:
                    deltas[table.name] = delta
        return deltas

    def _aggregate(self, table: Table, deltas: dict[str, Delta]) -> Delta:
        aggregation: Aggregation = table.aggregate
        given = deltas.get(aggregation.source)
        if not given:
            return {}
        try:
            delta = aggregation.change(given)
        except TypeError as error:
            raise TypeError(
                f"{aggregation.kind} in {table.name}: values of one group do not compare: {error}"
            ) from error

        def undo() -> None:
            aggregation.change(inverse(given))

        self._undo.append(undo)
        return delta

    def _recursive(
        self, component: tuple[str, ...], accumulators: dict[str, Rows], splits: Split, deltas: dict[str, Delta]
    ) -> None:
        for name, delta in self._components[component].change(splits, self._undo).items():
            if delta:
                deltas[name] = delta
                self._spread(self.tables[name], delta, delta, accumulators, splits)

    def _spread(self, table: Table, delta: Delta, changes: Rows, accumulators: dict[str, Rows], splits: Split) -> None:
        """Fire the plans that want the old state, commit, fire the others."""
        if delta:
            for rank in table.feeds:
                self._agenda.add(rank)
            for plan in table.before:
                self._fire(plan, delta, accumulators, splits)
        table.commit(changes, delta)
        self._undo.append(lambda: table.commit(inverse(changes), inverse(delta)))
        if delta:
            for plan in table.after:
                self._fire(plan, delta, accumulators, splits)

    def _fire(self, plan: Plan, delta: Delta, accumulators: dict[str, Rows], splits: Split) -> None:
        for rows in plan.others:
            if not rows:
                return
        if not plan.ready:
            self._ready(plan)
        start = time.perf_counter() if self.timing else 0.0
        name = plan.head.name
        if plan.split:
            won_lost = splits.get(name)
            if won_lost is None:
                won_lost = splits[name] = (set(), set())
                self._agenda.add(plan.head.rank)
            plan.function(delta, *won_lost)
        else:
            accumulator = accumulators.get(name)
            if accumulator is None:
                accumulator = accumulators[name] = {}
                self._agenda.add(plan.head.rank)
            plan.function(delta, accumulator)
        plan.fired += 1
        if self.timing:
            plan.seconds += time.perf_counter() - start


@functools.lru_cache(maxsize=4)
def _compiled(sources: tuple[str, ...]) -> list[CodeType]:
    """Many hosts have the same rules: `plan` and `reach` make an engine for each. One by one: for all at once Python
    takes tens of megabytes, and never gives them back."""
    return [compile(source, SOURCE, "exec") for source in sources]


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _prepare(clauses: Sequence[Clause]) -> Iterable[Clause]:
    """Bring clauses into the form the plans understand: a negation names no column it does not look at, and no
    relation stands more than twice in a body (of a third occurrence a copy is joined)."""
    helpers: dict[str, Clause] = {}
    for clause in clauses:
        body: list[Any] = []
        seen: dict[str, int] = {}
        for item in clause.body:
            if not isinstance(item, Atom):
                body.append(item)
                continue
            atom = _projection(item, helpers) if item.negated and any(map(is_any, item.args)) else item
            count = seen[atom.relation] = seen.get(atom.relation, 0) + 1
            body.append(_copy(atom, count, helpers) if count > 2 else atom)
        yield Clause(clause.head, clause.args, tuple(body), clause.name, clause.doc, clause.where)
    yield from helpers.values()


def _projection(atom: Atom, helpers: dict[str, Clause]) -> Atom:
    """no p(x, _)  becomes  no p?0(x)  with  p?0(x) <= p(x, _)."""
    columns = [column for column, arg in enumerate(atom.args) if not is_any(arg)]
    name = f"{atom.relation}?{'_'.join(map(str, columns))}"
    if name not in helpers:
        args = tuple(Var(f"x{column}") if column in columns else Var("_") for column in range(len(atom.args)))
        head = tuple(Var(f"x{column}") for column in columns)
        helpers[name] = Clause(name, head, (Atom(atom.relation, args),), name)
    return Atom(name, tuple(atom.args[column] for column in columns), True)


def _copy(atom: Atom, place: int, helpers: dict[str, Clause]) -> Atom:
    name = f"{atom.relation}~{place}"
    args = tuple(Var(f"x{column}") for column in range(len(atom.args)))
    helpers.setdefault(name, Clause(name, args, (Atom(atom.relation, args),), name))
    return Atom(name, atom.args, atom.negated)
