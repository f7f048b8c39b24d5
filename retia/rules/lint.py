"""What a program's author probably did not mean. Findings, not errors: called by `Program.lint`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from retia.rules.plan import order
from retia.rules.terms import Atom, Clause, Let, is_any, variables

if TYPE_CHECKING:
    from retia.rules.lowering import Lowered


class Finding(NamedTuple):
    rule: str
    where: str
    what: str


def lint(lowered: Lowered, outputs: Sequence[str]) -> list[Finding]:
    findings = [one for clause in lowered.clauses for one in _cross_products(clause)]
    needed = _needed(lowered, outputs)
    for clause in lowered.clauses:
        if clause.head not in needed:
            findings.append(Finding(clause.name, clause.where, f"no output needs {clause.head}"))
        findings += [Finding(clause.name, clause.where, what) for what in _loose(clause)]
        if not clause.doc:
            findings.append(Finding(clause.name, clause.where, "has no sentence that says what it means"))
    return findings


def _cross_products(clause: Clause) -> list[Finding]:
    """A change of one condition makes the plan read all rows of another that shares nothing with it."""
    found = {}
    for first, start in enumerate(clause.body):
        if not isinstance(start, Atom):
            continue
        bound = set(variables(start.args))
        for place in order(clause, first, bound):
            item = clause.body[place]
            if isinstance(item, Atom) and not item.negated:
                constant = any(not is_any(arg) and arg not in _variables_of(item) for arg in item.args)
                names = set(variables(item.args))
                if names and not (names & bound) and not constant:
                    text = f"a change of {start.relation} reads all of {item.relation}: they share no variable"
                    found[start.relation, item.relation] = Finding(clause.name, clause.where, text)
                bound |= names
            elif not isinstance(item, Atom) and item.variable:
                bound.add(item.variable)
    return list(found.values())


def _loose(clause: Clause) -> list[str]:
    """Variables that bind nothing: most often a misspelling."""
    times = Counter(variables(clause.args))
    for item in clause.body:
        times.update(variables(item.args))
        if isinstance(item, Let) and item.variable:
            times[item.variable] += 2
    once = [f"variable {name} stands only once: leave its column out" for name, count in times.items() if count == 1]
    unused = [f"variable {name} is not used" for name in clause.parameters if name not in times]
    return once + unused


def _variables_of(item: Atom) -> list[object]:
    return [arg for arg in item.args if hasattr(arg, "name")]


def _needed(lowered: Lowered, outputs: Sequence[str]) -> set[str]:
    needed = set(outputs)
    size = 0
    while size != len(needed):
        size = len(needed)
        needed |= {one.source for one in lowered.aggregates if one.head in needed}
        for clause in lowered.clauses:
            if clause.head in needed:
                needed |= {item.relation for item in clause.body if isinstance(item, Atom)}
    return needed
