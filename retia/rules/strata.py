"""Which relations depend on which: strata in evaluation order, recursive components, and what may not recurse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from retia.rules.errors import RuleError
from retia.rules.terms import Aggregate, Atom, Clause


@dataclass
class Strata:
    """`order` lists components so that each depends only on earlier ones; `component[name]` is () when plain."""

    order: list[tuple[str, ...]] = field(default_factory=list)
    component: dict[str, tuple[str, ...]] = field(default_factory=dict)


def stratify(names: Iterable[str], clauses: Sequence[Clause], aggregates: Sequence[Aggregate]) -> Strata:
    """Tarjan's strongly connected components. Raises RuleError where a negation or aggregate lies on a cycle."""
    needs: dict[str, set[str]] = {name: set() for name in names}
    hard: dict[tuple[str, str], str] = {}
    for clause in clauses:
        for item in clause.body:
            if isinstance(item, Atom):
                needs[clause.head].add(item.relation)
                if item.negated:
                    hard[clause.head, item.relation] = f"{clause.where}: rule {clause.name}"
    for aggregate in aggregates:
        needs[aggregate.head].add(aggregate.source)
        clause = next(clause for clause in clauses if clause.head == aggregate.source)
        hard[aggregate.head, aggregate.source] = f"{clause.where}: rule {clause.name}"
    strata = Strata()
    for component in _components(needs):
        recursive = len(component) > 1 or component[0] in needs[component[0]]
        for name in component:
            strata.component[name] = component if recursive else ()
            for other in component:
                if recursive and (name, other) in hard:
                    place = hard[name, other]
                    raise RuleError(f"{place}: not stratified: {name} needs the negation or aggregate of {other}")
        strata.order.append(component)
    return strata


def _components(needs: dict[str, set[str]]) -> list[tuple[str, ...]]:
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[tuple[str, ...]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(needs[name]):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            place = stack.index(name)
            found.append(tuple(sorted(stack[place:])))
            del stack[place:]

    for name in sorted(needs):
        if name not in number:
            visit(name)
    return found
