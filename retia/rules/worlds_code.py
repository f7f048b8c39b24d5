"""Clauses to specialised Python source for `worlds`: as in `plan`, but each row carries the set of worlds it holds in.

    FlowRow?admit_port <= Here(p, ofport=o), Working(p, datapath=d, key=k):
        for (p_, o_), _m0 in _v0.items():
            for (d_, k_), _n1 in _v1.get(p_, ()):
                _m1 = _m0 & _n1
                if not _m1: continue

A join is the intersection of sets, a second derivation their union, a negation the difference. Columns that a rule
does not look at are projected away before the join, so that rows which differ only there are one row of many worlds.
"""

from __future__ import annotations

from typing import NamedTuple

from retia.rules.plan import Code, Emitter, order, tuple_text
from retia.rules.terms import Atom, Clause, Let, Var, is_any, variables


class View(NamedTuple):
    """A relation as a plan reads it: by the columns that are `known`, giving those it needs besides (`rest`)."""

    relation: str
    known: tuple[int, ...]
    rest: tuple[int, ...]


class WorldEmitter(Emitter):
    """Writes one plan: `def name(_view, _everywhere, _delta, _acc)`; with `delta` the first atom is read from it."""

    def __init__(self, code: Code, clause: Clause) -> None:
        super().__init__(code, clause, "worlds")
        self.views: list[View] = []
        self._sets = 0

    def write(self, name: str, first: int | None, delta: bool) -> list[View]:
        """Append the plan's source as function `name`; answers the views that it asks for by their place."""
        self.code.lines.append(f"def {name}(_view, _everywhere, _delta, _acc):")
        top = len(self.code.lines)
        self._line("_get = _acc.get")
        self._line("_m0 = _everywhere")
        if first is not None:
            self._begin(first, delta)
        for place in order(self.clause, first, self.bound):
            item = self.clause.body[place]
            if isinstance(item, Let):
                self._let(item)
            else:
                self._atom(item)
        self._line(f"_h = {tuple_text([self.code.term(arg) for arg in self.clause.args])}")
        self._line(f"_acc[_h] = _get(_h, 0) | {self._set}")
        self.code.lines[top:top] = [f"    _v{place} = _view({place})" for place in range(len(self.views))]
        return self.views

    @property
    def _set(self) -> str:
        return f"_m{self._sets}"

    def _begin(self, first: int, delta: bool) -> None:
        atom = self.clause.body[first]
        if not isinstance(atom, Atom):
            raise TypeError(f"{atom} is no relation")
        if not delta:
            self._atom(atom)
            return
        target, checks = self._unpack(atom.args)
        self._line(f"for {target}, _m0 in _delta.items():")
        self._enter(checks)

    def _atom(self, atom: Atom) -> None:
        known = tuple(
            column
            for column, arg in enumerate(atom.args)
            if not is_any(arg) and (not isinstance(arg, Var) or arg.name in self.bound)
        )
        rest = tuple(column for column, arg in enumerate(atom.args) if column not in known and not is_any(arg))
        view = self._name(View(atom.relation, known, rest))
        if atom.negated:
            self._narrow(f"~{view}.get({self._key(atom, known)}, 0)")
        elif not rest:
            self._narrow(f"{view}.get({self._key(atom, known)}, 0)")
        else:
            place = self.depth
            source = f"{view}.get({self._key(atom, known)}, ())" if known else f"{view}.items()"
            target, checks = self._unpack(tuple(atom.args[column] for column in rest))
            target = target[1:-2] if len(rest) == 1 else target
            self._line(f"for {target}, _n{place} in {source}:")
            self._enter(checks)
            self._narrow(f"_n{place}")

    def _name(self, view: View) -> str:
        """Views are asked for at the top of the function: once, not once a row."""
        if view not in self.views:
            self.views.append(view)
        return f"_v{self.views.index(view)}"

    def _narrow(self, worlds: str) -> None:
        before = self._set
        self._sets += 1
        self._line(f"{self._set} = {before} & {worlds}")
        self._line(f"if not {self._set}: {self._skip}")


def split(clause: Clause) -> tuple[Clause, Clause]:
    """A clause in two: the join that finds its variables, and the head's expressions worked out for each of them."""
    late = _late(clause)
    made = {let.variable for let in late}
    wanted = [name for let in late for name in variables(let.args)] + variables(clause.args)
    found = tuple(Var(name) for name in dict.fromkeys(wanted) if name not in made)
    name = f"{clause.head}?{clause.name}"
    body = tuple(item for item in clause.body if item not in late)
    rest = clause.name, clause.doc, clause.where
    return Clause(name, found, body, *rest), Clause(clause.head, clause.args, (Atom(name, found), *late), *rest)


def _late(clause: Clause) -> list[Let]:
    """The expressions that nothing but the head, or another such expression, looks at."""
    now = [item for item in clause.body if isinstance(item, Atom) or item.variable is None]
    used = {name for item in now for name in variables(item.args)}
    late: list[Let] = []
    for item in reversed(clause.body):
        if isinstance(item, Let) and item.variable is not None:
            if item.variable in used:
                used.update(variables(item.args))
            else:
                late.insert(0, item)
    return late
