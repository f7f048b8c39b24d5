"""lowest, highest, count and collect: one group's value, kept while the group changes.

lowest and highest keep a heap with lazy deletion, so that a large group costs its logarithm a change.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from retia.rules.tables import Delta
from retia.rules.terms import Row


class _Descending:
    """Orders a heap the other way round, for values without a negative."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)


class _Group:
    """The distinct values of one group."""

    __slots__ = ("heap", "values")

    def __init__(self) -> None:
        self.values: set[Any] = set()
        self.heap: list[Any] = []


def _lowest(group: _Group) -> Any:
    while group.heap[0] not in group.values:
        heapq.heappop(group.heap)
    return group.heap[0]


def _highest(group: _Group) -> Any:
    while group.heap[0].value not in group.values:
        heapq.heappop(group.heap)
    return group.heap[0].value


def _count(group: _Group) -> int:
    return len(group.values)


def _collect(group: _Group) -> Row:
    return tuple(sorted(group.values))


_RESULT = {"lowest": _lowest, "highest": _highest, "count": _count, "collect": _collect}
_ENTRY: dict[str, Callable[[Any], Any]] = {"lowest": lambda value: value, "highest": _Descending}
"""What the heap of a kind holds for a value; the other kinds keep no heap."""
SLACK = 32
"""Stale entries a small heap may hold."""


class Aggregation:
    """All groups of one aggregated relation. A row of the source is its group key with the value at `column`."""

    def __init__(self, source: str, column: int, kind: str) -> None:
        self.source, self.column, self.kind = source, column, kind
        self._result = _RESULT[kind]
        self._entry = _ENTRY.get(kind)
        self._groups: dict[Row, _Group] = {}

    def change(self, delta: Delta) -> Delta:
        """What a delta of the source does to the aggregated relation. Where values do not compare it raises, and
        leaves the groups as they were."""
        touched: dict[Row, Any] = {}
        try:
            return self._changed(delta, touched)
        except Exception:
            self._put_back(delta, touched)
            raise

    def _changed(self, delta: Delta, touched: dict[Row, Any]) -> Delta:
        column = self.column
        for row, weight in delta.items():
            key = row[:column] + row[column + 1 :]
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group()
            if key not in touched:
                touched[key] = self._result(group) if group.values else None
            self._put(group, row[column], weight)
        changed: Delta = {}
        for key, old in touched.items():
            group = self._groups[key]
            new = self._result(group) if group.values else None
            if new != old:
                if old is not None:
                    changed[(*key[:column], old, *key[column:])] = -1
                if new is not None:
                    changed[(*key[:column], new, *key[column:])] = 1
        self._forget_empty(touched)
        return changed

    def _put(self, group: _Group, value: Any, weight: int) -> None:
        if weight < 0:
            group.values.remove(value)
            return
        group.values.add(value)
        if self._entry is not None:
            if len(group.heap) > 2 * len(group.values) + SLACK:  # values that left are still in it
                self._rebuild(group)
            else:
                heapq.heappush(group.heap, self._entry(value))

    def _rebuild(self, group: _Group) -> None:
        if self._entry is not None:
            group.heap = list(map(self._entry, group.values))
            heapq.heapify(group.heap)

    def _put_back(self, delta: Delta, touched: dict[Row, Any]) -> None:
        """Undo what may have been done of `delta`: rows that came were not there, rows that went were."""
        column = self.column
        for row, weight in delta.items():
            group = self._groups.get(row[:column] + row[column + 1 :])
            if group is not None:
                (group.values.discard if weight > 0 else group.values.add)(row[column])
        for key in touched:
            if self._groups[key].values:
                self._rebuild(self._groups[key])
        self._forget_empty(touched)

    def _forget_empty(self, touched: dict[Row, Any]) -> None:
        for key in touched:
            if not self._groups[key].values:
                del self._groups[key]
