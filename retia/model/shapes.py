"""What may be written of each kind, derived from `kinds`: fields, their types and texts, sections and nesting.

Documents, the CLI's `create` and `set`, and docs/document.md all ask here, so that a field is declared once.
Does no I/O.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from retia.errors import InvalidInput
from retia.model.kinds import BY_KIND, KINDS, Key, NatType, Object, Protocol
from retia.model.names import did_you_mean, parse_path
from retia.values import Cidr, Ip, Mac, PortRange, Prefix

_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_GIVEN_BY_RETIA = frozenset(Object.__struct_fields__)


ALLOCATED = frozenset({"mac", "addresses"})
"""Fields that are chosen when not given, and then kept."""


class Form(NamedTuple):
    """How one value is written: the word for it, an example, and the parser of its text."""

    word: str
    example: str
    parse: Callable[[str], Any]


def parse_bool(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise InvalidInput(f"{text!r} is neither true nor false", advice="write true or false")
    return _TRUTH[text.lower()]


def parse_int(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise InvalidInput(f"{text!r} is no whole number", advice="write it in digits, as in 1400")
    return int(text)


def parse_range(text: str) -> tuple[Ip, Ip]:
    """FIRST-LAST, or one address alone."""
    first, dash, last = text.partition("-")
    try:
        return Ip.parse(first.strip()), Ip.parse((last if dash else first).strip())
    except InvalidInput as error:
        raise InvalidInput(f"{text!r} is no range: {error.what}", advice="write 10.0.0.10-10.0.0.99") from None


def parse_choice(choices: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        if text not in list(choices):
            known = ", ".join(choices)
            raise InvalidInput(f"{text!r} is none of {known}", advice=did_you_mean(text, choices) or f"write {known}")
        return choices(text)

    return parse


def parse_reference(text: str) -> str:
    parse_path(text, 1)
    return text


FORMS: dict[Any, Form] = {
    bool: Form("true or false", "true", parse_bool),
    int: Form("whole number", "1400", parse_int),
    str: Form("name", "web", parse_reference),
    Mac: Form("MAC address", "02:00:00:00:00:01", Mac.parse),
    Ip: Form("IP address", "10.0.1.11", Ip.parse),
    Cidr: Form("CIDR", "10.0.1.0/24", Cidr.parse),
    Prefix: Form("address or CIDR", "10.0.1.11", Prefix.parse),
    PortRange: Form("range of ports", "1024-65535", PortRange.parse),
    NatType: Form(", ".join(NatType), NatType.SNAT, parse_choice(NatType)),
    Protocol: Form(" or ".join(Protocol), Protocol.TCP, parse_choice(Protocol)),
    tuple[Ip, Ip]: Form("range of addresses", "10.0.1.10-10.0.1.99", parse_range),
}

BRIDGE = Form("name of a bridge", "br-ex", str)
"""The one text that is no reference."""


@dataclass(frozen=True)
class Field:
    """A field a user may write. `refers` is the kind whose name it holds; `many` takes a list or one value."""

    name: str
    form: Form
    many: bool
    default: Any
    required: bool
    refers: type[Object] | None
    doc: str

    def parse(self, value: Any) -> Any:
        """Text, or a list of texts, as the field's value; what is no text is taken as parsed."""
        if self.many:
            values = [value] if isinstance(value, str) else value
            return tuple(self.form.parse(item) if isinstance(item, str) else item for item in values)
        return self.form.parse(value) if isinstance(value, str) else value


def _bare(hint: Any) -> tuple[Any, str]:
    """The type without Annotated and Optional, and its text."""
    doc = ""
    if get_origin(hint) is Annotated:
        hint, doc = get_args(hint)
    if isinstance(hint, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    return hint, doc


@functools.cache
def references(kind: type[Object]) -> Mapping[str, type[Object]]:
    """The fields of `kind` that hold the id of another object ("" for none), parent first."""
    return {name: BY_KIND[name] for name in kind.__struct_fields__ if name in BY_KIND and name not in _GIVEN_BY_RETIA}


@functools.cache
def keys(kind: type[Object]) -> tuple[str, ...]:
    """The fields that the store allocates."""
    return tuple(name for name, hint in get_type_hints(kind, include_extras=True).items() if hint is Key)


@functools.cache
def fields(kind: type[Object]) -> Mapping[str, Field]:
    """The fields of `kind` that a user may write, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    hidden = {*_GIVEN_BY_RETIA, *keys(kind), kind.parent}
    return {
        info.name: _field(info, hints[info.name]) for info in msgspec.structs.fields(kind) if info.name not in hidden
    }


def _field(info: msgspec.structs.FieldInfo, hint: Any) -> Field:
    bare, doc = _bare(hint)
    many = get_origin(bare) is tuple and get_args(bare)[1:] == (...,)
    refers = BY_KIND.get(info.name) if bare is str else None
    form = BRIDGE if bare is str and refers is None else FORMS[get_args(bare)[0] if many else bare]
    required = info.required and info.name not in ALLOCATED
    return Field(info.name, form, many, None if info.required else info.default, required, refers, doc)


def nested(kind: type[Object]) -> Mapping[str, type[Object]]:
    """Section name to kind, for what lives in `kind`: a router's `ports` are router-ports."""
    return {
        child.plural.removeprefix(f"{kind.kind}-"): child for child in KINDS if kind.kind and child.parent == kind.kind
    }


def depth(kind: type[Object]) -> int:
    """How many names the path of an object of this kind has."""
    return 2 if kind.parent else 1


SECTIONS: Mapping[str, type[Object]] = {kind.plural: kind for kind in KINDS}
"""Top-level section to kind; kinds that live in others are written PARENT/NAME there."""
