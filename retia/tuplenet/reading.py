"""A TupleNet tree's records as values: keys taken apart, `k=v,k=v` read, every field parsed.

    key, bytes ──► kind and names, fields ──► Switch, SwitchPort, ...     or a problem that names the key

One wrong record is set aside and the rest read on. Whether records fit each other is for `links` to say. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from retia.errors import InvalidInput, Problem, Unsupported
from retia.tuplenet.tree import (
    PATCH_MAC,
    Chassis,
    Entity,
    Router,
    RouterPort,
    StaticRoute,
    Switch,
    SwitchPort,
    Translation,
    Tree,
)
from retia.values import Cidr, Ip, Mac

VERSION = 1
"""Of the trees that are read."""
ENTITIES = "entity_view/"
MOST_IDS = 65535
KNOWN = {
    "globals/device_ids": "which ids are taken: Retia allots its own keys",
    "ip_book": "which addresses are taken: Retia sees that in the ports themselves",
    "communicate": "orders and answers of traces under way",
}
"""What has no counterpart, and why that is no loss."""


class _Malformed(Exception):
    def __init__(self, what: str, advice: str = "") -> None:
        self.what, self.advice = what, advice


class _Field(NamedTuple):
    parse: Callable[[str], Any]
    example: str
    required: bool = True


def _number(most: int, least: int = 0) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise InvalidInput(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return parse


def _ip4(text: str) -> Ip:
    address = Ip.parse(text)
    if address.family != 4:
        raise InvalidInput(f"{text!r} is no IPv4 address")
    return address


def _xlate_type(text: str) -> str:
    if text not in ("snat", "dnat"):
        raise InvalidInput(f"{text!r} is neither snat nor dnat")
    return text


_ID = _Field(_number(MOST_IDS, 1), "3")
_IP = _Field(_ip4, "10.10.1.2")
_MAC = _Field(Mac.parse, "f2:01:0a:0a:01:02")
_LENGTH = _Field(_number(32), "24")
_NAME = _Field(str, "NAME")
_PERHAPS = _Field(str, "NAME", required=False)
_Fields = Mapping[str, _Field]


class _Kind(NamedTuple):
    """Of the keys `words` (a name for each empty one): the fields, and the value made of key, names and fields."""

    words: tuple[str, ...]
    fields: _Fields
    make: Callable[[str, list[str], dict[str, Any]], Entity]


def _cidr(values: dict[str, Any]) -> Cidr:
    ip: Ip = values["ip"]
    return Cidr(ip, values["prefix"])


def _switch(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    return Switch(key, names[0], values["id"])


def _switch_port(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    switch, name = names
    port = SwitchPort(key, switch, name, **values)
    if port.is_patch and port.mac != PATCH_MAC:
        raise _Malformed(f"{port.ip} is a patch port's, whose mac is {PATCH_MAC}, not {port.mac}")
    for field, what in (("chassis", "host it is on"), ("peer", "bridge it leads to")):
        if port.is_patch and not getattr(port, field):
            raise _Malformed(f"{field} is missing: a patch port names the {what}")
    return port


def _router(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    return Router(key, names[0], **values)


def _router_port(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    router, name = names
    return RouterPort(key, router, name, _cidr(values), values["mac"], values.get("peer", ""))


def _route(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    router, name = names
    return StaticRoute(key, router, name, _cidr(values).network, values["next_hop"], values["outport"])


def _translation(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    inside = _cidr(values).network
    if values["xlate_type"] == "dnat" and inside.length != 32:
        raise _Malformed(f"dnat is to one address, not to {inside}", "delete it: TupleNet does nothing with it")
    router, name = names
    return Translation(key, router, name, values["xlate_type"], inside, values["xlate_ip"])


def _chassis(key: str, names: list[str], values: dict[str, Any]) -> Entity:
    return Chassis(key, names[0], **values)


_KINDS = (
    _Kind(("chassis", ""), {"ip": _IP, "tick": _Field(_number(10**12), "1571000000")}, _chassis),
    _Kind(("LS", ""), {"id": _ID}, _switch),
    _Kind(("LS", "", "lsp", ""), {"ip": _IP, "mac": _MAC, "peer": _PERHAPS, "chassis": _PERHAPS}, _switch_port),
    _Kind(("LR", ""), {"id": _ID, "chassis": _PERHAPS}, _router),
    _Kind(("LR", "", "lrp", ""), {"ip": _IP, "prefix": _LENGTH, "mac": _MAC, "peer": _PERHAPS}, _router_port),
    _Kind(("LR", "", "lsr", ""), {"ip": _IP, "prefix": _LENGTH, "next_hop": _IP, "outport": _NAME}, _route),
    _Kind(
        ("LR", "", "lnat", ""),
        {"ip": _IP, "prefix": _LENGTH, "xlate_type": _Field(_xlate_type, "snat"), "xlate_ip": _IP},
        _translation,
    ),
)


def read(records: Mapping[str, bytes]) -> Tree:
    """Records by key, the tree's prefix taken off."""
    tree = Tree()
    for key in sorted(records):
        if key == "globals/version":
            tree.version = records[key].decode("utf-8", "replace").strip()
            continue
        kind, names = _kind_of(key)
        if kind is None:
            tree.ignored.setdefault(_family(key), []).append(key)
            continue
        try:
            tree.entities[key] = _entity(tree, kind, key, names, records[key])
        except _Malformed as wrong:
            advice = wrong.advice or "mend it with tpctl (delete it, add it anew), or leave it out"
            tree.problems[key] = Problem(key, wrong.what, advice)
    return tree


def check_version(tree: Tree, where: str) -> None:
    """Raises Unsupported for a tree that is not of the version that is known. One without a version passes."""
    if tree.version is None or (tree.version.isdecimal() and int(tree.version) == VERSION):
        return
    told = f"version {tree.version}" if tree.version.isdecimal() else f"of version {tree.version[:40]!r}, no number"
    advice = "nothing was read further; use a Retia that knows it, or export from a TupleNet of version 1"
    raise Unsupported(f"this tree is {told}; retia import knows {VERSION}", where=where, advice=advice)


def _kind_of(key: str) -> tuple[_Kind | None, list[str]]:
    """The kind of a record and the names in its key."""
    words = key.removeprefix(ENTITIES).split("/") if key.startswith(ENTITIES) else []
    for kind in _KINDS:
        if len(kind.words) == len(words):
            pairs = list(zip(kind.words, words, strict=True))
            if all(word in ("", found) for word, found in pairs):
                return kind, [found for word, found in pairs if not word]
    return None, []


def _family(key: str) -> str:
    """What keys without a counterpart are told under: one line for all of a kind."""
    for known in KNOWN:
        if key == known or key.startswith(f"{known}/"):
            return known
    words = key.split("/")
    return "/".join("*" if place and place % 2 == 0 else word for place, word in enumerate(words))


def _entity(tree: Tree, kind: _Kind, key: str, names: list[str], value: bytes) -> Entity:
    if not all(name.strip() for name in names):
        raise _Malformed("it has no name")
    values: dict[str, Any] = {}
    for name, text in _pairs(value):
        if name not in kind.fields:
            tree.ignored.setdefault(f"field {name!r} of {'/'.join(word or '*' for word in kind.words)}", []).append(key)
        elif text:
            values[name] = _parse(name, kind.fields[name], text)
    for name, field in kind.fields.items():
        if field.required and name not in values:
            raise _Malformed(f"{name} is missing", f"it is written as {name}={field.example}")
    return kind.make(key, names, values)


def _pairs(value: bytes) -> Iterable[tuple[str, str]]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _Malformed("its value is no text") from None
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, given = part.partition("=")
        if not equals:
            raise _Malformed(f"its value {text[:60]!r} is not of the form NAME=VALUE,NAME=VALUE")
        if name.strip() in found:
            raise _Malformed(f"{name.strip()} is given twice")
        found[name.strip()] = given.strip()
    return found.items()


def _parse(name: str, field: _Field, text: str) -> Any:
    try:
        return field.parse(text)
    except InvalidInput as error:
        raise _Malformed(f"{name}: {error.what}", f"it is written as {name}={field.example}") from None
