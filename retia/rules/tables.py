"""The hot loops apart from the generated plans: settling derivation counts, and keeping indexes.

A *delta* is dict[row, +1 | -1]; an *accumulator* is dict[row, int], changes of derivation counts. An index maps a
key to ONE row (the common case) or to a set of rows; `plan` reads them the same way. Nothing here knows rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from retia.rules.terms import Row

Rows = dict[Row, int]
Delta = dict[Row, int]
Index = dict[Any, Any]


class Table:
    """A relation's rows with their derivation counts, its live indexes and the plans its changes set off."""

    __slots__ = ("after", "aggregate", "arity", "base", "before", "check", "feeds", "indexes", "name", "rank", "rows",
                 "stamps", "step")  # fmt: skip

    def __init__(self, name: str, arity: int) -> None:
        self.name, self.arity, self.base = name, arity, True
        self.rows: Rows = {}
        self.indexes: dict[tuple[int, ...], Index] = {}
        self.before: list[Any] = []  # plans that must see this relation's old state
        self.after: list[Any] = []
        self.step: list[Any] = []  # plans inside a recursive component
        self.check: list[Any] = []
        self.stamps: dict[Row, int] = {}  # recursive relations: the wave a row came in, which orders explanations
        self.aggregate: Any = None
        self.rank = 0  # the place of its stratum
        self.feeds: list[int] = []  # the strata of what aggregates it

    def commit(self, changes: Rows, delta: Delta) -> None:
        """Count `changes` in; `delta` is what they do to membership."""
        commit(self.rows, changes)
        for columns, index in self.indexes.items():
            upkeep(index, itemgetter(*columns), delta)

    def index(self, columns: tuple[int, ...], into: Index) -> None:
        """Fill `into` as the index over `columns`, and keep it from now on."""
        build(into, itemgetter(*columns), self.rows)
        self.indexes[columns] = into


def settle(rows: Rows, changes: Rows) -> Delta:
    """Changes of derivation counts to changes of membership. Does not write `rows`."""
    delta: Delta = {}
    for row, weight in changes.items():
        if weight:
            count = rows.get(row, 0)
            if count + weight < 0:
                raise ArithmeticError(f"negative count for {row!r}: a fault of the engine")
            if count == 0:
                delta[row] = 1
            elif count + weight == 0:
                delta[row] = -1
    return delta


def commit(rows: Rows, changes: Rows) -> None:
    for row, weight in changes.items():
        if weight:
            count = rows.get(row, 0) + weight
            if count:
                rows[row] = count
            else:
                del rows[row]


def upkeep(index: Index, key: Callable[[Row], Any], delta: Delta) -> None:
    for row, weight in delta.items():
        k = key(row)
        bucket = index.get(k)
        if weight > 0:
            if bucket is None:
                index[k] = row
            elif type(bucket) is set:
                bucket.add(row)
            else:
                index[k] = {bucket, row}
        elif type(bucket) is set:
            bucket.remove(row)
            if len(bucket) == 1:
                index[k] = bucket.pop()
        else:
            del index[k]


def build(index: Index, key: Callable[[Row], Any], rows: Iterable[Row]) -> None:
    get = index.get
    for row in rows:
        k = key(row)
        bucket = get(k)
        if bucket is None:
            index[k] = row
        elif type(bucket) is set:
            bucket.add(row)
        else:
            index[k] = {bucket, row}


def inverse(changes: Rows) -> Rows:
    return {row: -weight for row, weight in changes.items()}
