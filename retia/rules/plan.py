"""Clauses to specialised Python source: one function for each (clause, body position), the delta plan.

    RemoteFlow <= d(Binding):
        for (p_, h_), _w in _delta.items():
            if (h_,) in _rows2_This: continue
            _b1 = _ix4_Enabled_0.get(p_) ...

Every name of the generator begins with an underscore, every variable of a rule ends with one and begins with none.
Called once, when a program is declared; `engine` calls what comes out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retia.rules.errors import RuleError
from retia.rules.terms import Atom, Clause, Item, Let, Var, is_any, show_item, variables

Needs = set[tuple[str, tuple[int, ...]]]


def order(clause: Clause, first: int | None, bound: set[str]) -> list[int]:
    """Greedy join order: checks as soon as possible, then the atom with most bound columns. Written order breaks
    ties, so the author keeps control. Raises RuleError where a variable can never be bound."""
    left = [place for place in range(len(clause.body)) if place != first]
    chosen: list[int] = []
    bound = set(bound)
    while left:
        ranked = [(score, -place) for place in left if (score := _score(clause.body[place], bound)) is not None]
        if not ranked:
            stuck = ", ".join(show_item(clause.body[place]) for place in left)
            raise RuleError(f"{clause.where}: rule {clause.name}: nothing binds the variables of {stuck}")
        place = -max(ranked)[1]
        left.remove(place)
        chosen.append(place)
        bound.update(_binds(clause.body[place]))
    return chosen


def _binds(item: Item) -> list[str]:
    if isinstance(item, Let):
        return [item.variable] if item.variable else []
    return [] if item.negated else variables(item.args)


def _score(item: Item, bound: set[str]) -> tuple[int, int] | None:
    """How soon an item should come; None while it cannot."""
    free = [name for name in variables(item.args) if name not in bound]
    if isinstance(item, Let):
        return None if free else (3, 0)
    if not free and (item.negated or not any(map(is_any, item.args))):
        return (3, 0)
    if item.negated:
        return None
    known = sum(1 for arg in item.args if not is_any(arg) and (not isinstance(arg, Var) or arg.name in bound))
    return (2 if known else 1, known)


@dataclass
class Code:
    """Collects the source of each plan and the names they need."""

    rows: Callable[[str], str]
    index: Callable[[str, tuple[int, ...]], str]
    names: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """One plan is written."""
        self.sources.append("\n".join(self.lines))
        self.lines.clear()

    def term(self, value: Any) -> str:
        if isinstance(value, Var):
            return local(value.name)
        if type(value) is int or type(value) is str:
            return repr(value)
        name = f"_k{len(self.names)}"
        self.names[name] = value
        return name


class Emitter:
    """Writes one plan. Modes: 'count' adds weights to an accumulator; 'split' (recursive head) sorts rows into won
    and lost; 'bound' answers whether a given head row has a derivation."""

    def __init__(self, code: Code, clause: Clause, mode: str) -> None:
        self.code, self.clause, self.mode = code, clause, mode
        self.bound: set[str] = set()
        self.needs: Needs = set()
        self.indent, self.depth = 1, 0

    def emit(self, name: str, first: int | None) -> Needs:
        """Append the plan's source as function `name`; answers which indexes it reads."""
        if first is None:
            self._open_check(name)
        else:
            self._open_delta(name, first)
        for place in order(self.clause, first, self.bound):
            item = self.clause.body[place]
            if isinstance(item, Let):
                self._let(item)
            else:
                self._atom(item)
        self._close(first)
        return self.needs

    def _line(self, text: str) -> None:
        self.code.lines.append("    " * self.indent + text)

    def _open_check(self, name: str) -> None:
        self.code.lines.append(f"def {name}(_head):")
        target, checks = self._unpack(self.clause.args)
        self._line(f"{target} = _head")
        self._require(checks)

    def _open_delta(self, name: str, first: int) -> None:
        self.code.lines.append(f"def {name}(_delta, {'_acc' if self.mode == 'count' else '_won, _lost'}):")
        if self.mode == "count":
            self._line("_get = _acc.get")
        target, checks = self._unpack(self.clause.body[first].args)
        self._line(f"for {target}, _w in _delta.items():")
        self.indent, self.depth = 2, 1
        self._require(checks)

    def _require(self, checks: list[str]) -> None:
        if checks:
            self._line(f"if not ({' and '.join(checks)}): {self._skip}")

    @property
    def _skip(self) -> str:
        return "return False" if self.depth == 0 else "continue"

    def _unpack(self, args: tuple[Any, ...]) -> tuple[str, list[str]]:
        """Target names for a row, and the checks that make repeated, bound and constant columns agree."""
        names, checks, seen = [], [], set()
        for column, arg in enumerate(args):
            if is_any(arg):
                names.append("_")
            elif isinstance(arg, Var) and arg.name not in self.bound and arg.name not in seen:
                names.append(local(arg.name))
                seen.add(arg.name)
            else:
                names.append(f"_{column}")
                checks.append(f"_{column} == {self.code.term(arg)}")
        self.bound.update(seen)
        return tuple_text(names), checks

    def _let(self, let: Let) -> None:
        call = self._call(let)
        if let.variable is None:
            self._line(f"if not ({call}): {self._skip}")
        elif let.variable in self.bound:
            self._line(f"if {local(let.variable)} != ({call}): {self._skip}")
        else:
            name = local(let.variable)
            self._line(f"{name} = {call}")
            self._line(f"if {name} is None: {self.code.term(_refuse_none)}({self.code.term(let.text)})")
            self.bound.add(let.variable)

    def _call(self, let: Let) -> str:
        args = list(map(self.code.term, let.args))
        sign = _INLINE.get(let.function)
        return f" {sign} ".join(args) if sign else f"{self.code.term(let.function)}({', '.join(args)})"

    def _atom(self, atom: Atom) -> None:
        known = tuple(
            column
            for column, arg in enumerate(atom.args)
            if not is_any(arg) and (not isinstance(arg, Var) or arg.name in self.bound)
        )
        if len(known) == len(atom.args):
            row = tuple_text([self.code.term(arg) for arg in atom.args])
            self._line(f"if {row} {'' if atom.negated else 'not '}in {self.code.rows(atom.relation)}: {self._skip}")
        elif not known:
            target, checks = self._unpack(atom.args)
            self._line(f"for {target} in {self.code.rows(atom.relation)}:")
            self._enter(checks)
        elif self.mode == "bound" and all(is_any(arg) for c, arg in enumerate(atom.args) if c not in known):
            self.needs.add((atom.relation, known))  # existence is enough where counts do not matter
            self._line(f"if {self._key(atom, known)} not in {self.code.index(atom.relation, known)}: {self._skip}")
        else:
            self._lookup(atom, known)

    def _lookup(self, atom: Atom, known: tuple[int, ...]) -> None:
        self.needs.add((atom.relation, known))
        bucket = f"_b{self.depth}"
        self._line(f"{bucket} = {self.code.index(atom.relation, known)}.get({self._key(atom, known)})")
        self._line(f"if {bucket} is None: {self._skip}")
        rest = tuple(Var("_") if column in known else arg for column, arg in enumerate(atom.args))
        target, checks = self._unpack(rest)
        self._line(f"for {target} in ({bucket} if type({bucket}) is set else ({bucket},)):")
        self._enter(checks)

    def _enter(self, checks: list[str]) -> None:
        self.indent += 1
        self.depth += 1
        self._require(checks)

    def _key(self, atom: Atom, known: tuple[int, ...]) -> str:
        parts = [self.code.term(atom.args[column]) for column in known]
        return parts[0] if len(parts) == 1 else tuple_text(parts)

    def _close(self, first: int | None) -> None:
        head = tuple_text([self.code.term(arg) for arg in self.clause.args])
        item = None if first is None else self.clause.body[first]
        negated = isinstance(item, Atom) and item.negated
        if self.mode == "count":
            self._line(f"_h = {head}")
            self._line(f"_acc[_h] = _get(_h, 0) {'-' if negated else '+'} _w")
        elif self.mode == "split":
            less, more = ("_won", "_lost") if negated else ("_lost", "_won")
            self._line(f"({less} if _w < 0 else {more}).add({head})")
        else:
            self._line("return True")
            self.code.lines.append("    return False")
        self.code.lines.append("")


def local(variable: str) -> str:
    """A rule's variable in generated code. The underscore behind keeps it apart from builtins and keywords, and from
    the generator's names, which begin with one."""
    return variable + "_"


def plan_variables(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a plan's local names those of the rule's own variables, as the rule writes them."""
    return {name[:-1]: value for name, value in values.items() if name.endswith("_") and not name.startswith("_")}


def _refuse_none(call: str) -> None:
    raise ValueError(f"{call} gave None, which no row may hold")


_INLINE: dict[Callable[..., Any], str] = {
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}


def tuple_text(parts: list[str]) -> str:
    return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
