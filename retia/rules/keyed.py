"""Outputs by key: of several rows with one key one wins, the others wait, and a real disagreement is a conflict.

The winner is the row of the rule declared first (known where the relation has a NOTE_RULE column), then the least by
value: it never depends on what came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from retia.rules.language import Relation
from retia.rules.tables import Delta
from retia.rules.terms import Row


@dataclass(frozen=True)
class Conflict:
    """Rows of one key that differ in more than their notes. `winner` stands in the output."""

    relation: str
    key: Any
    winner: Row
    losers: tuple[Row, ...]


class KeyedChange(NamedTuple):
    """`rows`: key to (old or None, new or None); `came` and `went` are conflicts."""

    rows: dict[Any, tuple[Row | None, Row | None]]
    came: list[Conflict]
    went: list[Conflict]


class Keyed:
    """The current rows of one output relation by key. A relation without KEY columns is keyed by all but its notes."""

    def __init__(self, relation: type[Relation], ranks: Mapping[str, int]) -> None:
        self.relation = relation
        self._ranks = ranks
        self._rivals: dict[Any, set[Row]] = {}
        self._conflicts: dict[Any, Conflict] = {}
        self.rows: dict[Any, Row] = {}
        self.key = relation.key_of
        matter = [place for place in range(len(relation.columns)) if place not in relation.notes]
        self._essence = itemgetter(*matter)

    def change(self, delta: Delta) -> KeyedChange:
        """Net change by key, without keys whose row stayed, and the conflicts that came and went."""
        was: dict[Any, Row | None] = {}
        contended: set[Any] = set()
        rows, rivals, key = self.rows, self._rivals, self.key
        for row, weight in delta.items():
            k = key(row)
            current = rows.get(k)
            if k not in was:
                was[k] = current
            if k in rivals or (weight > 0 and current is not None):
                self._contend(k, row, weight)
                contended.add(k)
            elif weight > 0:
                rows[k] = row
            else:
                del rows[k]
        came, went = self._settle(contended)
        rows_changed = {k: (old, new) for k, old in was.items() if (new := rows.get(k)) != old}
        return KeyedChange(rows_changed, came, went)

    def _contend(self, key: Any, row: Row, weight: int) -> None:
        if key not in self._rivals:
            self._rivals[key] = {self.rows[key]}
        (self._rivals[key].add if weight > 0 else self._rivals[key].remove)(row)

    def _settle(self, contended: set[Any]) -> tuple[list[Conflict], list[Conflict]]:
        """Choose the winner of each contended key, once a batch."""
        came, went = [], []
        for key in contended:
            rivals = self._rivals[key]
            if rivals:
                self.rows[key] = min(rivals, key=self.rank)
            else:
                del self.rows[key]
            old, new = self._conflicts.pop(key, None), self._conflict(key)
            if len(rivals) <= 1:
                del self._rivals[key]
            if new is not None:
                self._conflicts[key] = new
            if old != new:
                went += [old] if old is not None else []
                came += [new] if new is not None else []
        return came, went

    def rank(self, row: Row) -> tuple[Any, ...]:
        """What the winner has least: the place of its rule among the program's rules, then its values."""
        place = self.relation.rule_column
        return (self._ranks.get(row[place], 0) if place is not None else 0, *map(_comparable, row))

    def _conflict(self, key: Any) -> Conflict | None:
        winner = self.rows.get(key)
        if winner is None:
            return None
        essence = self._essence(winner)
        losers = [row for row in self._rivals[key] if self._essence(row) != essence]
        if not losers:
            return None
        return Conflict(self.relation.__name__, key, winner, tuple(sorted(losers, key=self.rank)))

    def conflicts(self) -> Iterator[Conflict]:
        """The keys on which rules disagree now."""
        return iter(self._conflicts.values())


def _comparable(value: Any) -> tuple[Any, ...]:
    """A total order over any values: numbers, then text, then tuples, then the rest by how they print."""
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, str(value))
    if isinstance(value, tuple):
        return (2, tuple(map(_comparable, value)))
    return (3, repr(value))
