"""A user's YAML as wanted objects, or all that is wrong with it, each with file, line, YAML path and advice.

    text ──(PyYAML nodes, with lines)──► sections ──(shapes, derived from kinds)──► Wanted, Wanted, ...

Values are read from the text of a node and the type of its field, never from YAML's guess: a MAC is no base-60
number and a switch may be called `no`. Whether the objects fit each other is `validate`'s to say, and which exist
already the catalog's. Called by the CLI and the lab; reads no file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from retia.errors import InvalidDocument, InvalidInput, Problem
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Object
from retia.model.names import Path, check_name, did_you_mean, parse_path
from retia.model.shapes import SECTIONS, Field, depth, fields, nested

VERSION = 1
DEEPEST = 50
HEAD = ("retia", "document", "project")


@dataclass(frozen=True)
class Wanted:
    """One object as written: only the fields given; a reference is still a name. `places` says where each stands."""

    kind: type[Object]
    names: tuple[str, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str = "") -> str:
        return self.places.get(name) or self.places.get("", "")


@dataclass(frozen=True)
class Document:
    """A document's objects in the order of KINDS, and within a kind as written."""

    name: str
    project: str
    wanted: tuple[Wanted, ...]
    file: str = ""
    places: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, file: str) -> Document:
    """Raises InvalidDocument with every problem of the text."""
    return parse_node(_compose(text, file), file)


def parse_node(node: yaml.Node, file: str) -> Document:
    """A document that is part of another YAML file (a lab's). Raises InvalidDocument."""
    reader = _Reader(file)
    document = reader.document(node)
    if reader.problems:
        raise InvalidDocument(problem for _, problem in sorted(reader.problems))
    return document


def _compose(text: str, file: str) -> yaml.Node:
    """The nodes, by the C parser where there is one; what that refuses, by the other, whose messages are fixed."""
    try:
        node = _compose_fast(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        what = f"this is no YAML: {error.problem or error.context}"
        raise InvalidDocument([Problem(f"{file}{line}", what, _yaml_advice(error))]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"this is no YAML: {str(error).splitlines()[0]}"
        raise InvalidDocument([Problem(file, what, "write plain UTF-8 text, sections within sections")]) from None
    if node is None:
        raise InvalidDocument([Problem(file, "the document is empty", f"begin with `retia: {VERSION}`")])
    return node


def _compose_fast(text: str) -> yaml.Node | None:
    """Raises yaml.YAMLError, or ValueError for text no document can be."""
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=fast):  # composing recurses, in C without a limit; this does not
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"it is nested deeper than {DEEPEST}")
        return yaml.compose(text, Loader=fast)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _yaml_advice(error: yaml.MarkedYAMLError) -> str:
    problem = f"{error.problem}"
    if "\\t" in problem:
        return "indent with spaces, not tabs"
    if "another document" in problem:
        return "put each document into a file of its own"
    return "look at the indentation, colons, quotes and brackets just before that place"


class _Spot(NamedTuple):
    """A node and the way to it."""

    node: yaml.Node
    path: str
    line: int

    def under(self, name: str, node: yaml.Node, line: int = 0) -> _Spot:
        """`line` is that of the key, where the value may begin lower."""
        path = f"{self.path}.{name}" if self.path else name
        return _Spot(node, path, line or node.start_mark.line + 1)

    @property
    def text(self) -> str | None:
        """The text of a scalar; None for a list or a mapping."""
        return self.node.value if isinstance(self.node, yaml.ScalarNode) else None

    @property
    def is_empty(self) -> bool:
        return self.node.tag == "tag:yaml.org,2002:null"


def _own_name(text: str) -> Path:
    return Path("", (check_name(text),))


def _whole_path(text: str) -> Path:
    return parse_path(text, 2)


class _Reader:
    """Walks the nodes by the shapes of the kinds and collects wanted objects and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[tuple[int, Problem]] = []
        self.wanted: dict[tuple[type[Object], tuple[str, ...]], Wanted] = {}

    def place(self, spot: _Spot) -> str:
        return f"{self.file}:{spot.line}" + (f": {spot.path}" if spot.path else "")

    def wrong(self, spot: _Spot, what: str, advice: str = "") -> None:
        self.problems.append((spot.line, Problem(self.place(spot), what, advice)))

    def parse(self, spot: _Spot, parse: Callable[[str], Any], text: str) -> Any:
        """The parsed text, or None with the problem noted."""
        try:
            return parse(text)
        except InvalidInput as error:
            return self.wrong(spot, error.what, error.advice)

    def document(self, node: yaml.Node) -> Document:
        top = _Spot(node, "", node.start_mark.line + 1)
        head: dict[str, _Spot] = {}
        for name, spot in self.entries(top, "a document"):
            if name in HEAD:
                head[name] = spot
            elif name in SECTIONS:
                self.section(SECTIONS[name], spot, ())
            else:
                self.wrong(spot, f"there is no section {name!r}", did_you_mean(name, [*HEAD, *SECTIONS]))
        if not isinstance(node, yaml.MappingNode):
            return Document("", "", ())
        self.version(top, head.get("retia"))
        name = self.head_name(top, head.get("document"), "document", "")
        project = self.head_name(top, head.get("project", top), "project", DEFAULT_PROJECT)
        wanted = sorted(self.wanted.values(), key=lambda each: KINDS.index(each.kind))
        return Document(name, project, tuple(wanted), self.file, {key: self.place(spot) for key, spot in head.items()})

    def version(self, top: _Spot, spot: _Spot | None) -> None:
        advice = f"write `retia: {VERSION}`"
        if spot is None:
            self.wrong(top, "the version of the format is missing", f"begin with `retia: {VERSION}`")
        elif spot.text != str(VERSION):
            self.wrong(spot, f"this Retia reads version {VERSION} of the format only", advice)

    def head_name(self, top: _Spot, spot: _Spot | None, name: str, default: str) -> str:
        if spot is top:
            return default
        if spot is None:
            self.wrong(top, f"the {name} has no name", f"write `{name}: NAME`; objects remember which declared them")
        elif spot.text is None or spot.is_empty:
            self.wrong(spot, "expected a name", f"write `{name}: NAME`")
        else:
            return self.parse(spot, check_name, spot.text) or default
        return default

    def section(self, kind: type[Object], spot: _Spot, parents: tuple[str, ...]) -> None:
        """Every object of one kind: directly under its parent, or at the top as PARENT/NAME."""
        for name, under in self.entries(spot, f"a section of {kind.plural}"):
            path = self.parse(under, _whole_path if depth(kind) > len(parents) + 1 else _own_name, name)
            if path is None:
                continue
            if path.project:
                self.wrong(under, "a document declares objects of its own project only", "leave out the project")
                continue
            self.object(kind, under, (*parents, *path.names))

    def object(self, kind: type[Object], spot: _Spot, names: tuple[str, ...]) -> None:
        if (kind, names) in self.wanted:
            first = self.wanted[kind, names].place()
            return self.wrong(spot, f"{kind.kind} {'/'.join(names)} is declared twice", f"the first is at {first}")
        known, inner = fields(kind), nested(kind)
        values: dict[str, Any] = {}
        places = {"": self.place(spot)}
        self.wanted[kind, names] = Wanted(kind, names, values, places)
        for name, under in self.entries(spot, f"a {kind.kind}"):
            if name in inner:
                self.section(inner[name], under, names)
            elif name in known:
                places[name] = self.place(under)
                self.value(known[name], under, values)
            else:
                self.wrong(under, f"a {kind.kind} has no {name!r}", did_you_mean(name, [*known, *inner]))
        for name in (each.name for each in known.values() if each.required and each.name not in places):
            form = known[name].form
            self.wrong(spot, f"{name} is missing", f"write `{name}: {form.example}`")

    def value(self, known: Field, spot: _Spot, values: dict[str, Any]) -> None:
        if spot.is_empty and not known.required:
            return
        if known.many and isinstance(spot.node, yaml.SequenceNode):
            items = [spot.under(str(index), node) for index, node in enumerate(spot.node.value)]
            values[known.name] = tuple(self.scalar(known, item) for item in items)
        else:
            value = self.scalar(known, spot)
            values[known.name] = (value,) if known.many else value

    def scalar(self, known: Field, spot: _Spot) -> Any:
        if spot.text is None or spot.is_empty:
            kinds = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "nothing"}
            what = f"expected {known.form.word}, got {kinds[type(spot.node)]}"
            return self.wrong(spot, what, f"write it as {known.form.example}")
        return self.parse(spot, known.form.parse, spot.text)

    def entries(self, spot: _Spot, what: str) -> Iterator[tuple[str, _Spot]]:
        """The entries of a mapping, each key once. An empty value is an empty mapping."""
        if spot.is_empty and spot.path:
            return
        if not isinstance(spot.node, yaml.MappingNode):
            self.wrong(spot, f"{what} is a mapping, this is not", "write `name: value` lines, indented below it")
            return
        first: dict[str, int] = {}
        for key, node in spot.node.value:
            here = _Spot(key, spot.path, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                self.wrong(here, "a key is a name, this is not", "write `name:`")
            elif key.tag == "tag:yaml.org,2002:merge":
                self.wrong(here, "merge keys (<<) are not read", "write the fields out")
            elif key.value in first:
                at = f"the first is on line {first[key.value]}; YAML would drop one of them silently"
                self.wrong(here.under(key.value, key), f"{key.value!r} is written twice", at)
            else:
                first[key.value] = here.line
                yield key.value, spot.under(key.value, node, here.line)
