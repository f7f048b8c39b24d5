"""Outputs by key: of several rows with one key one wins, the others wait, and a real disagreement is a conflict.

The winner is the row of the rule declared first, then the least by value: it never depends on what came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

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


class Keyed:
    """The current rows of one output relation by key. A relation without KEY columns is keyed by its whole row."""

    def __init__(self, relation: type[Relation], ranks: Mapping[str, int]) -> None:
        self.relation = relation
        self._ranks = ranks
        self._rivals: dict[Any, list[Row]] = {}
        self.rows: dict[Any, Row] = {}
        keys = relation.keys or tuple(range(len(relation.columns)))
        self.key = itemgetter(*keys)
        matter = [place for place in range(len(relation.columns)) if place not in relation.notes]
        self._essence = itemgetter(*matter)

    def change(self, delta: Delta) -> dict[Any, tuple[Row | None, Row | None]]:
        """Net change by key: (old or None, new or None), without keys whose row stayed."""
        was: dict[Any, Row | None] = {}
        rows, rivals, key = self.rows, self._rivals, self.key
        for row, weight in delta.items():
            k = key(row)
            current = rows.get(k)
            if k not in was:
                was[k] = current
            if weight > 0 and current is None and k not in rivals:
                rows[k] = row
            elif weight < 0 and k not in rivals:
                del rows[k]
            else:
                self._contend(k, row, weight)
        return {k: (old, new) for k, old in was.items() if (new := rows.get(k)) != old}

    def _contend(self, key: Any, row: Row, weight: int) -> None:
        rivals = self._rivals.get(key)
        if rivals is None:
            rivals = self._rivals[key] = [self.rows[key]]
        if weight > 0:
            rivals.append(row)
        else:
            rivals.remove(row)
        if not rivals:
            del self._rivals[key], self.rows[key]
            return
        self.rows[key] = min(rivals, key=self._rank)
        if len(rivals) == 1:
            del self._rivals[key]

    def _rank(self, row: Row) -> tuple[int, str]:
        place = self.relation.rule_column
        return (self._ranks.get(row[place], 0) if place is not None else 0, repr(row))

    def conflicts(self) -> Iterator[Conflict]:
        """Cost: the number of contended keys."""
        for key, rivals in self._rivals.items():
            winner = self.rows[key]
            essence = self._essence(winner)
            losers = tuple(row for row in rivals if row is not winner and self._essence(row) != essence)
            if losers:
                yield Conflict(self.relation.__name__, key, winner, tuple(sorted(losers, key=repr)))
