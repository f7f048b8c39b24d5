"""The face of the engine: typed relations, and rules that read like Datalog and are Python.

    class Binding(Relation):
        "Where a port lives."
        port: str = KEY
        host: str = COL

    @rule
    def remote(p: str, s: str, d: int, m: str, h: str) -> Rule:
        "A port of another host is reached through that host."
        return RemoteFlow(d, m, h) <= [Reach(s), Switch(s, d), Enabled(p, s, mac=m), Binding(p, h), ~This(h)]

A rule's parameters ARE its variables, so a type checker holds them against the columns. Columns left out match
anything. The function runs once, when it is declared, on placeholders; nothing is evaluated here.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform, get_type_hints

from retia.rules.errors import RowError, RuleError
from retia.rules.terms import ANY, Row
from retia.rules.terms import Var as _Var

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Column:
    """A column of a relation; on a row it reads as the row's value."""

    def __init__(self, role: str) -> None:
        self.role, self.place = role, 0

    def __get__(self, row: Relation | None, _owner: type) -> Any:
        return self if row is None else row.row[self.place]


KEY: Any = Column("key")
"""Part of the row's identity: a put replaces the row with the same key."""
COL: Any = Column("column")
NOTE: Any = Column("note")
"""Carried for explanation: rows of one key that differ only in notes are no conflict."""
NOTE_RULE: Any = Column("rule")
"""A note the engine fills with the name of the rule that derived the row."""


class Var(_Var):
    """A variable, while a rule is being read. `a != b` in a body is a guard."""

    def __ne__(self, other: object) -> Any:
        return Expression(
            _differ, (self, other), f"{self.name} != {other.name if isinstance(other, _Var) else other!r}"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Var) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _differ(left: object, right: object) -> bool:
    return left != right


class Expression:
    """A function call on variables, in a head, an atom or as a guard."""

    def __init__(self, function: Callable[..., Any], args: Row, text: str) -> None:
        self.function, self.args, self.text = function, args, text


class Aggregated:
    """An aggregate in a rule's head."""

    def __init__(self, kind: str, value: Any) -> None:
        self.kind, self.value = kind, value


def lowest(value: T) -> T:
    """In a head: the lowest value of the group that the other columns name."""
    return cast(T, Aggregated("lowest", value))


def highest(value: T) -> T:
    """In a head: the highest value of the group."""
    return cast(T, Aggregated("highest", value))


def count(value: object) -> int:
    """In a head: how many distinct values the group has."""
    return cast(int, Aggregated("count", value))


def collect(value: T) -> tuple[T, ...]:
    """In a head: the group's distinct values as a sorted tuple."""
    return cast("tuple[T, ...]", Aggregated("collect", value))


def fn(function: F) -> F:
    """Make a pure function usable in rules: with variables it makes an expression, else it just runs."""

    def call(*args: Any) -> Any:
        if any(isinstance(arg, (_Var, Expression)) for arg in args):
            shown = ", ".join(arg.name if isinstance(arg, _Var) else getattr(arg, "text", repr(arg)) for arg in args)
            return Expression(function, args, f"{function.__name__}({shown})")
        return function(*args)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return cast(F, call)


@dataclass_transform()
class Relation:
    """A typed relation: subclass it and declare columns as `name: type = KEY | COL | NOTE | NOTE_RULE`."""

    columns: ClassVar[tuple[str, ...]] = ()
    keys: ClassVar[tuple[int, ...]] = ()
    notes: ClassVar[tuple[int, ...]] = ()
    rule_column: ClassVar[int | None] = None

    def __init_subclass__(cls) -> None:
        roles: dict[str, str] = {}
        for name in inspect.get_annotations(cls):
            column = cls.__dict__.get(name)
            if isinstance(column, Column):
                if name == "row" or hasattr(Relation, name):
                    raise RuleError(f"{cls.__name__}: a column may not be called {name}, every relation has that")
                roles[name] = column.role
                own = Column(column.role)
                own.place = len(roles) - 1
                setattr(cls, name, own)
        order = list(roles.values())
        cls.columns = tuple(roles)
        cls.keys = tuple(place for place, role in enumerate(order) if role == "key")
        cls.notes = tuple(place for place, role in enumerate(order) if role in ("note", "rule"))
        cls.rule_column = order.index("rule") if "rule" in order else None

    def __init__(self, *args: Any, **named: Any) -> None:
        name = type(self).__name__
        if len(args) > len(self.columns):
            raise RowError(f"{name} has {len(self.columns)} columns, {len(args)} were given")
        values = list(args) + [ANY] * (len(self.columns) - len(args))
        for column, value in named.items():
            if column not in self.columns:
                near = difflib.get_close_matches(column, self.columns, 1)
                hint = f": did you mean {near[0]}?" if near else f"; it has {', '.join(self.columns)}"
                raise RowError(f"{name} has no column {column}{hint}")
            place = self.columns.index(column)
            if place < len(args):
                raise RowError(f"{name}: column {column} is given twice")
            values[place] = value
        self.row: Row = tuple(values)

    @classmethod
    def of(cls: type[T], row: Row) -> T:
        """A typed row from a plain tuple, unchecked and fast."""
        made = object.__new__(cls)
        made.row = row  # type: ignore[attr-defined]
        return made

    def __le__(self, body: Iterable[object]) -> Rule:
        return Rule(self, list(body))

    def __invert__(self) -> object:
        return Negated(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Relation) and type(self) is type(other) and self.row == other.row

    def __hash__(self) -> int:
        return hash(self.row)

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in zip(self.columns, self.row, strict=True) if value is not ANY)
        return f"{type(self).__name__}({', '.join(shown)})"


class Negated:
    def __init__(self, atom: Relation) -> None:
        self.atom = atom


class Rule:
    """A rule as written; `program` lowers it to clauses."""

    def __init__(self, head: Relation, body: list[object]) -> None:
        self.head, self.body = head, body
        self.name, self.doc, self.where = "", "", ""


def rule(function: Callable[..., Rule]) -> Rule:
    """Read a rule. Raises RuleError for a name the engine keeps for itself, or a function that returns no rule."""
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    names = list(inspect.signature(function).parameters)
    for name in names:
        if name.startswith("_"):
            raise RuleError(f"{where}: rule {function.__name__}: a variable may not begin with an underscore: {name}")
    try:
        made = function(*[Var(name) for name in names])
    except RowError as error:
        raise RuleError(f"{where}: rule {function.__name__}: {error}") from None
    if not isinstance(made, Rule):
        raise RuleError(f"{where}: rule {function.__name__} returns no rule: write `return Head(...) <= [...]`")
    made.name, made.doc, made.where = function.__name__, inspect.getdoc(function) or "", where
    return made


def column_types(relation: type[Relation]) -> dict[str, type]:
    """The columns whose annotation is a plain class, for checking constants; {} where they cannot be resolved."""
    try:
        hints = get_type_hints(relation)
    except Exception:  # a forward reference out of sight is no error here: the type checker judges it
        return {}
    return {name: hints[name] for name in relation.columns if isinstance(hints.get(name), type)}
