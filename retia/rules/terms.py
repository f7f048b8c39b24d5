"""What a rule is once read: variables, atoms, guards and clauses. Plain values; nothing here evaluates.

`language` makes them from Python functions, `plan` turns them into code, `naive` and `explain` match them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Var:
    """A variable; anything else among an atom's arguments is a constant."""

    name: str


ANY = Var("_")
"""Matches anything and is not remembered."""


@dataclass(frozen=True)
class Atom:
    relation: str
    args: Row
    negated: bool = False


@dataclass(frozen=True)
class Let:
    """`variable := function(*args)`; a guard when `variable` is None."""

    variable: str | None
    function: Callable[..., Any]
    args: Row
    text: str


Item = Atom | Let


@dataclass(frozen=True)
class Clause:
    """`head(args) :- body`. `name` and `where` (file:line) are for messages, `doc` for explanations, `parameters`
    (the variables the rule declares) for lint."""

    head: str
    args: Row
    body: tuple[Item, ...]
    name: str
    doc: str = ""
    where: str = ""
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.head}({show_args(self.args)}) <= {', '.join(map(show_item, self.body))}"


@dataclass(frozen=True)
class Aggregate:
    """Relation `head` holds, for each group of `source`, `kind` of the values in `column`."""

    head: str
    source: str
    column: int
    kind: str


def variables(args: Iterable[Any]) -> list[str]:
    """Names of the variables among `args`, ANY left out."""
    return [arg.name for arg in args if isinstance(arg, Var) and arg is not ANY and arg.name != "_"]


def is_any(arg: Any) -> bool:
    return isinstance(arg, Var) and arg.name == "_"


def show_args(args: Iterable[Any]) -> str:
    return ", ".join(arg.name if isinstance(arg, Var) else repr(arg) for arg in args)


def show_item(item: Item) -> str:
    if isinstance(item, Let):
        return f"{item.variable} = {item.text}" if item.variable else item.text
    return ("no " if item.negated else "") + f"{item.relation}({show_args(item.args)})"
