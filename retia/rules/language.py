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
import functools
import inspect
import operator
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


class _Comparable:
    """Comparisons of variables and expressions are guards: `a != b`, `length < 32`. They have no truth of their own."""

    def __ne__(self, other: object) -> Any:
        return _guard(operator.ne, self, "!=", other)

    def __lt__(self, other: object) -> Any:
        return _guard(operator.lt, self, "<", other)

    def __le__(self, other: object) -> Any:
        return _guard(operator.le, self, "<=", other)

    def __gt__(self, other: object) -> Any:
        return _guard(operator.gt, self, ">", other)

    def __ge__(self, other: object) -> Any:
        return _guard(operator.ge, self, ">=", other)

    def __bool__(self) -> bool:
        raise TypeError("a rule is read once, before there are values: no `if`, `and`, `or` or `a < b < c` in it")


class Var(_Comparable, _Var):
    """A variable, while a rule is being read."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Var) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class Expression(_Comparable):
    """A function call on variables, in a head, an atom or as a guard."""

    def __init__(self, function: Callable[..., Any], args: Row, text: str) -> None:
        self.function, self.args, self.text = function, args, text


def _guard(compare: Callable[[Any, Any], bool], left: object, sign: str, right: object) -> Expression:
    return Expression(compare, (left, right), f"{_shown(left)} {sign} {_shown(right)}")


def _shown(value: object) -> str:
    if isinstance(value, Expression):
        return value.text
    return value.name if isinstance(value, _Var) else repr(value)


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

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if any(isinstance(arg, (_Var, Expression)) for arg in args):
            return Expression(function, args, f"{function.__name__}({', '.join(map(_shown, args))})")
        return function(*args)

    return cast(F, call)


@dataclass_transform()
class Relation:
    """A typed relation: subclass it and declare columns as `name: type = KEY | COL | NOTE | NOTE_RULE`."""

    columns: ClassVar[tuple[str, ...]] = ()
    keys: ClassVar[tuple[int, ...]] = ()
    identity: ClassVar[tuple[int, ...]] = ()
    """Places of the columns that tell rows apart: the KEY columns, or without any all but the notes."""
    key_of: ClassVar[Callable[[Row], Any]]
    """The values of a plain row at `identity`: a tuple, or one value alone."""
    notes: ClassVar[tuple[int, ...]] = ()
    rule_column: ClassVar[int | None] = None

    def __init_subclass__(cls) -> None:
        roles = {name: column.role for name, column in _declared(cls).items()}
        for place, (name, role) in enumerate(roles.items()):
            own = Column(role)
            own.place = place
            setattr(cls, name, own)
        order = list(roles.values())
        cls.columns = tuple(roles)
        cls.notes = tuple(place for place, role in enumerate(order) if role in ("note", "rule"))
        keys = tuple(place for place, role in enumerate(order) if role == "key")
        cls.keys = keys
        cls.identity = keys or tuple(place for place in range(len(order)) if place not in cls.notes)
        if cls.identity:
            cls.key_of = operator.itemgetter(*cls.identity)
        cls.rule_column = order.index("rule") if "rule" in order else None
        if order and not cls.identity:
            raise RuleError(f"{_place(cls)}: relation {cls.__name__} has only notes; it needs a KEY or a COL")

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


def _declared(cls: type[Relation]) -> dict[str, Column]:
    """The columns of a class body. Raises RuleError for one that could not work."""
    found: dict[str, Column] = {}
    if any(base.columns for base in cls.__mro__[1:] if issubclass(base, Relation)):
        raise RuleError(f"{_place(cls)}: relation {cls.__name__} extends another relation; declare its columns anew")
    for name, annotation in inspect.get_annotations(cls).items():
        column = cls.__dict__.get(name)
        if "ClassVar" in str(annotation):
            continue
        if not isinstance(column, Column):
            raise RuleError(f"{_place(cls)}: {cls.__name__}.{name} is no column: give it = KEY, COL or NOTE")
        if name == "row" or name.startswith("_") or hasattr(Relation, name):
            raise RuleError(f"{_place(cls)}: {cls.__name__}: a column may not be called {name}")
        found[name] = column
    return found


def _place(cls: type) -> str:
    """The file and line where a class is being declared: the nearest caller outside this module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else cls.__module__


class Negated:
    def __init__(self, atom: Relation) -> None:
        self.atom = atom


class Rule:
    """A rule as written; `program` lowers it to clauses."""

    def __init__(self, head: Relation, body: list[object]) -> None:
        self.head, self.body = head, body
        self.name, self.doc, self.where = "", "", ""
        self.parameters: tuple[str, ...] = ()


def rule(function: Callable[..., Rule]) -> Rule:
    """Read a rule. Raises RuleError for a name the engine keeps for itself, or a function that returns no rule."""
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    names = list(inspect.signature(function).parameters)
    for name in names:
        if name.startswith("_"):
            raise RuleError(f"{where}: rule {function.__name__}: a variable may not begin with an underscore: {name}")
    try:
        made = function(*[Var(name) for name in names])
    except (RowError, RuleError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise RuleError(f"{where}: rule {function.__name__}: {error}") from error
    if not isinstance(made, Rule):
        raise RuleError(f"{where}: rule {function.__name__} returns no rule: write `return Head(...) <= [...]`")
    made.name, made.doc, made.where = function.__name__, inspect.getdoc(function) or "", where
    made.parameters = tuple(names)
    return made


def column_types(relation: type[Relation]) -> dict[str, type]:
    """The columns whose annotation is a plain class, for checking constants; {} where they cannot be resolved."""
    try:
        hints = get_type_hints(relation)
    except Exception:  # a forward reference out of sight is no error here: the type checker judges it
        return {}
    return {
        name: hints[name] for name in relation.columns if isinstance(hints.get(name), type) and hints[name] is not Any
    }
