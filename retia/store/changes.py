"""Changes: what a plan would do, as data for programs and as lines for people. Pure values; the catalog makes them.

Ids, keys and MACs that were drawn for a plan are drawn anew when it is carried out: `veiled` shows ALLOCATED for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from retia.model.kinds import Object
from retia.model.shapes import fields, keys, references

ALLOCATED = "<allocated>"


class Update(NamedTuple):
    before: Object
    after: Object

    def differences(self) -> Iterator[tuple[str, Any, Any]]:
        for name in self.after.__struct_fields__:
            old, new = getattr(self.before, name), getattr(self.after, name)
            if old != new:
                yield name, old, new


@dataclass(frozen=True)
class Changes:
    """Creates have parents first, deletes have them last. `paths` names every object in them, and their parents.

    `drawn`: the fields, as (id, name), whose value is nobody's wish but chance's."""

    creates: tuple[Object, ...] = ()
    updates: tuple[Update, ...] = ()
    deletes: tuple[Object, ...] = ()
    unchanged: tuple[Object, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    drawn: frozenset[tuple[str, str]] = frozenset()
    veiled: bool = False

    def __bool__(self) -> bool:
        return bool(self.creates or self.updates or self.deletes)

    @property
    def objects(self) -> tuple[tuple[Object | None, Object | None], ...]:
        """Every change as (before, after)."""
        creates = tuple((None, item) for item in self.creates)
        return (*creates, *self.updates, *((item, None) for item in self.deletes))

    def veil(self) -> Changes:
        """The same as a plan may show it."""
        return replace(self, veiled=True)

    def label(self, item: Object) -> str:
        return f"{item.kind} {self.paths.get(item.id, item.name)}"

    def lines(self) -> list[str]:
        """One line a change: + created, ~ changed, - deleted."""
        return [
            *(f"+ {self.label(item)}{self._summary(item)}" for item in self.creates),
            *(f"~ {self.label(update.after)}: {self._difference(update)}" for update in self.updates),
            *(f"- {self.label(item)}" for item in self.deletes),
        ]

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "create": [self._data(item) for item in self.creates],
            "update": [
                {
                    **self._identity(update.after),
                    "changes": {
                        name: {
                            "from": self._plain(update.before, name, old),
                            "to": self._value(update.after, name, new),
                        }
                        for name, old, new in update.differences()
                    },
                }
                for update in self.updates
            ],
            "delete": [self._identity(item) for item in self.deletes],
            "unchanged": len(self.unchanged),
        }

    def _identity(self, item: Object) -> dict[str, Any]:
        id_ = ALLOCATED if self._is_veiled(item, "id") else item.id
        return {"kind": item.kind, "name": self.paths.get(item.id, item.name), "project": item.project, "id": id_}

    def _is_veiled(self, item: Object, name: str) -> bool:
        return self.veiled and (item.id, name) in self.drawn

    def _data(self, item: Object) -> dict[str, Any]:
        shown = (*fields(type(item)), *keys(type(item)))
        return {**self._identity(item), **{name: self._value(item, name, getattr(item, name)) for name in shown}}

    def _value(self, item: Object, name: str, value: Any) -> Any:
        return ALLOCATED if self._is_veiled(item, name) else self._plain(item, name, value)

    def _plain(self, item: Object, name: str, value: Any) -> Any:
        """As plain data: a reference by name, addresses as text, a range as FIRST-LAST."""
        if name in references(type(item)):
            return self.paths.get(value, value)
        if isinstance(value, tuple):
            return [f"{each[0]}-{each[1]}" if isinstance(each, tuple) else str(each) for each in value]
        return value if value is None or type(value) in (bool, int, str) else str(value)

    def _text(self, item: Object, name: str, value: Any) -> str:
        return self._spelt(self._value(item, name, value))

    def _spelt(self, plain: Any) -> str:
        if isinstance(plain, list):
            return ", ".join(plain) or "none"
        return "none" if plain is None else str(plain).lower() if isinstance(plain, bool) else str(plain)

    def _summary(self, item: Object) -> str:
        shown = [
            f"{name} {self._text(item, name, value)}"
            for name, each in fields(type(item)).items()
            if (value := getattr(item, name)) != each.default
        ]
        return f" ({'; '.join(shown)})" if shown else ""

    def _difference(self, update: Update) -> str:
        return "; ".join(
            f"document {old or 'by hand'} → {new or 'by hand'}"
            if name == "document"
            else f"{name} {self._spelt(self._plain(update.before, name, old))} → {self._text(update.after, name, new)}"
            for name, old, new in update.differences()
        )
