"""Objects as the text of a document: what `document` reads, in the order of kinds and names, each where it lives.

    Network ──(shapes, derived from kinds)──► sections within sections ──► YAML

Fields that have their default are left out, and so is what the store allots. Called by what makes documents; pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from retia.model.document import VERSION
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Object
from retia.model.network import Network
from retia.model.shapes import Field, fields, nested

WIDTH = 120


def write(network: Network, name: str, project: str = DEFAULT_PROJECT, comment: Iterable[str] = ()) -> str:
    """The document of that name; `comment` is lines that go before it."""
    head = {"retia": VERSION, "document": name}
    if project != DEFAULT_PROJECT:
        head["project"] = project
    tops = [kind for kind in KINDS if not kind.parent]
    sections = {kind.plural: _section(network, [*network.of(kind)]) for kind in tops}
    data = head | {plural: section for plural, section in sections.items() if section}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(data, Dumper=dumper, default_flow_style=None, sort_keys=False, allow_unicode=True, width=WIDTH)
    return "".join(f"# {_printable(line)}\n" for line in comment) + text


def _printable(line: str) -> str:
    """No line break, nor anything else that would end a comment or be refused in YAML."""
    return "".join(character if character.isprintable() else "?" for character in line)


def _section(network: Network, items: list[Any]) -> dict[str, Any]:
    return {item.name: _written(network, item) for item in sorted(items, key=lambda item: item.name)}


def _written(network: Network, item: Object) -> dict[str, Any]:
    """Its fields, then what lives in it."""
    values = {
        field.name: _text(network, field, value)
        for field in fields(type(item)).values()
        if (value := getattr(item, field.name)) != field.default and not _is_named_after(network, item, field)
    }
    for section, kind in nested(type(item)).items():
        inside = _section(network, [each for each in network.referrers(item.id, kind) if _home(each) == item.id])
        if inside:
            values[section] = inside
    return values


def _home(item: Object) -> Any:
    return getattr(item, item.parent)


def _is_named_after(network: Network, item: Object, field: Field) -> bool:
    """Whether a reference is what leaving it out means."""
    return field.name == item.named_after and network.objects[getattr(item, field.name)].name == item.name


def _text(network: Network, field: Field, value: Any) -> Any:
    if field.many:
        texts = [_one(network, field, each) for each in value]
        return texts[0] if len(texts) == 1 else texts
    return _one(network, field, value)


def _one(network: Network, field: Field, value: Any) -> Any:
    if field.refers is not None:
        return network.objects[value].name
    if isinstance(value, tuple):
        return "-".join(str(each) for each in value)
    return value if type(value) in (bool, int) else str(value)
