"""YAML into frozen dataclasses by their type hints, with every problem at once: file, line, path, advice.

A field is the key of its name (`from_` reads `from`, `_` in a name reads `-`); a field without default must be there.
Types: str, int, float, bool, Literal, tuple[X, ...] (one item needs no brackets), dict[str, X], dataclasses (those
with a classmethod `from_text` may be written as one word), whatever has a classmethod `read`, and those in `words`.
A dataclass may refuse its values by raising InvalidInput. Used by `file`; knows no labs.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from retia.errors import InvalidDocument, InvalidInput, Problem
from retia.model.names import did_you_mean

T = TypeVar("T")
TRUTH = {"true": True, "yes": True, "false": False, "no": False}


class Spot(NamedTuple):
    """A node and the way to it."""

    node: yaml.Node
    path: str
    line: int

    def under(self, name: str | int, node: yaml.Node, line: int = 0) -> Spot:
        path = f"{self.path}.{name}" if self.path else str(name)
        return Spot(node, path, line or node.start_mark.line + 1)

    @property
    def text(self) -> str | None:
        return self.node.value if isinstance(self.node, yaml.ScalarNode) else None

    @property
    def is_empty(self) -> bool:
        return self.node.tag == "tag:yaml.org,2002:null"


class Wrong(Exception):
    """Already noted; the value is given up."""


def compose(text: str, file: str) -> Spot:
    """The nodes of a YAML text. Raises InvalidDocument."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = f"this is no YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}"
        where = f"{file}:{mark.line + 1}" if mark else file
        raise InvalidDocument([Problem(where, what, "look at indentation, colons, quotes and brackets")]) from None
    if node is None:
        raise InvalidDocument([Problem(file, "the file is empty", "see docs/lab.md for what a lab file holds")])
    return Spot(node, "", 1)


def key_of(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


@dataclass
class Reader:
    """`problems` are by line. Methods raise Wrong once they have noted one."""

    file: str
    words: dict[type, Callable[[str], Any]] = field(default_factory=dict)
    problems: list[tuple[int, Problem]] = field(default_factory=list)

    def finish(self) -> None:
        """Raises InvalidDocument when there was any problem."""
        if self.problems:
            raise InvalidDocument(problem for _, problem in sorted(self.problems))

    def note(self, spot: Spot, what: str, advice: str = "") -> None:
        where = f"{self.file}:{spot.line}" + (f": {spot.path}" if spot.path else "")
        self.problems.append((spot.line, Problem(where, what, advice)))

    def wrong(self, spot: Spot, what: str, advice: str = "") -> Wrong:
        self.note(spot, what, advice)
        return Wrong()

    def entries(self, spot: Spot, what: str) -> Iterator[tuple[str, Spot]]:
        """The entries of a mapping, each key once; an empty value is an empty mapping."""
        if spot.is_empty:
            return
        if not isinstance(spot.node, yaml.MappingNode):
            raise self.wrong(spot, f"{what} is a mapping, this is not", "write `name: value` lines, indented below it")
        seen: set[str] = set()
        for key, node in spot.node.value:
            under = spot.under(str(key.value), node, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                self.note(spot, "a key is a name, this is not", "write `name:`")
            elif key.value in seen:
                self.note(under, f"{key.value!r} is written twice", "YAML would drop one of them silently")
            else:
                seen.add(key.value)
                yield key.value, under

    def value(self, kind: Any, spot: Spot) -> Any:
        """Raises Wrong."""
        origin = get_origin(kind)
        if hasattr(kind, "read"):
            return kind.read(self, spot)
        if origin in (Union, types.UnionType):
            return self.value(next(each for each in get_args(kind) if each is not type(None)), spot)
        if origin is tuple:
            return self._items(get_args(kind)[0], spot)
        if origin is dict:
            key, each = get_args(kind)
            return self._mapping(key, each, spot)
        if is_dataclass(kind):
            assert isinstance(kind, type)
            return self.record(kind, spot)
        return self._scalar(kind, spot)

    def _try(self, kind: Any, spot: Spot) -> tuple[Any] | None:
        try:
            return (self.value(kind, spot),)
        except Wrong:
            return None

    def _mapping(self, key: Any, kind: Any, spot: Spot) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        parse = self.words.get(key, str)
        for name, under in self.entries(spot, "this"):
            with contextlib.suppress(Wrong):
                made[self.guarded(under, lambda name=name: parse(name))] = self.value(kind, under)  # type: ignore[misc]
        return made

    def _items(self, kind: Any, spot: Spot) -> tuple[Any, ...]:
        nodes = spot.node.value if isinstance(spot.node, yaml.SequenceNode) else None
        spots = [spot] if nodes is None else [spot.under(index, node) for index, node in enumerate(nodes)]
        made = [self._try(kind, each) for each in spots]
        return tuple(one[0] for one in made if one)

    def _scalar(self, kind: Any, spot: Spot) -> Any:
        if spot.text is None or spot.is_empty:
            raise self.wrong(spot, f"expected {_word(kind)}", "")
        if get_origin(kind) is Literal:
            if spot.text not in get_args(kind):
                advice = did_you_mean(spot.text, get_args(kind))
                raise self.wrong(spot, f"expected {_word(kind)}, got {spot.text!r}", advice)
            return spot.text
        text = spot.text
        if kind in self.words:
            return self.guarded(spot, lambda: self.words[kind](text))
        try:
            return _PARSERS[kind](text)
        except (ValueError, KeyError):
            raise self.wrong(spot, f"expected {_word(kind)}, got {spot.text!r}") from None

    def record(self, kind: type[T], spot: Spot) -> T:
        """A dataclass from a mapping, or from one word where it takes one."""
        if spot.text is not None and not spot.is_empty and hasattr(kind, "from_text"):
            return self.guarded(spot, lambda: kind.from_text(spot.text))  # type: ignore[attr-defined,no-any-return]
        known = {key_of(each.name): each for each in fields(kind)}  # type: ignore[arg-type]
        types_of = get_type_hints(kind)
        values: dict[str, Any] = {}
        broken = False
        for name, under in self.entries(spot, f"{_article(kind)}"):
            if name not in known:
                self.note(under, f"{_article(kind)} has no {name!r}", did_you_mean(name, known))
                continue
            made = self._try(types_of[known[name].name], under)
            broken |= made is None
            values[known[name].name] = made[0] if made else None
        for name, each in known.items():
            if each.default is MISSING and each.default_factory is MISSING and each.name not in values:
                self.note(spot, f"{name} is missing", f"write `{name}: ...`")
                broken = True
        if broken:
            raise Wrong
        return self.guarded(spot, lambda: kind(**values))

    def guarded(self, spot: Spot, make: Callable[[], T]) -> T:
        """What `make` makes; its InvalidInput becomes a problem of this place."""
        try:
            return make()
        except InvalidInput as error:
            raise self.wrong(spot, error.what, error.advice) from None


_PARSERS: dict[Any, Callable[[str], Any]] = {str: str, int: lambda text: int(text, 0), float: float}
_PARSERS[bool] = lambda text: TRUTH[text.lower()]
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _word(kind: Any) -> str:
    return " or ".join(get_args(kind)) if get_origin(kind) is Literal else _WORDS.get(kind, "a name")


def _article(kind: type) -> str:
    name = "".join(f" {char.lower()}" if char.isupper() else char for char in kind.__name__).strip()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
