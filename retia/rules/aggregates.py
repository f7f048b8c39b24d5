"""lowest, highest, count and collect: one group's value, kept while the group changes.

lowest and highest keep a heap with lazy deletion, so that a large group costs its logarithm a change.
"""

from __future__ import annotations

import heapq
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


class Aggregation:
    """All groups of one aggregated relation. A row of the source is its group key with the value at `column`."""

    def __init__(self, source: str, column: int, kind: str) -> None:
        self.source, self.column, self.kind = source, column, kind
        self._result = _RESULT[kind]
        self._groups: dict[Row, _Group] = {}

    def change(self, delta: Delta) -> Delta:
        """What a delta of the source does to the aggregated relation."""
        column, touched = self.column, {}
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
            if not group.values:
                del self._groups[key]
            if new != old:
                if old is not None:
                    changed[(*key[:column], old, *key[column:])] = -1
                if new is not None:
                    changed[(*key[:column], new, *key[column:])] = 1
        return changed

    def _put(self, group: _Group, value: Any, weight: int) -> None:
        if weight < 0:
            group.values.remove(value)
            return
        group.values.add(value)
        if self.kind == "lowest":
            heapq.heappush(group.heap, value)
        elif self.kind == "highest":
            heapq.heappush(group.heap, _Descending(value))
