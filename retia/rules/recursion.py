"""A recursive component's change: delete and rederive (Gupta, Mumick and Subrahmanian 1993), then semi-naive insertion.

Keep recursion unary ("reachable from here"): over pairs the rows, and so the work, grow with the square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retia.rules.tables import Delta, Table, inverse
from retia.rules.terms import Row

Split = dict[str, tuple[set[Row], set[Row]]]
"""For each head, the rows that the outside offers (won) and those it no longer supports (lost)."""

Was = dict[str, dict[Row, "int | None"]]
"""The rows a change touched, with the wave they had come in before; None where they were not there."""


class Component:
    """Relations that depend on each other. Their rows carry the wave they came in, so explanations can end."""

    def __init__(self, tables: list[Table], ready: Callable[[Any], None]) -> None:
        self._tables, self._ready = tables, ready
        self._names = [table.name for table in tables]
        self._wave = 0

    def change(self, splits: Split, undo: list[Callable[[], None]]) -> dict[str, Delta]:
        """Everything outside is new already. Answers each relation's delta and leaves the tables as they were: the
        engine applies the deltas one after the other, so that a reader of two of them sees them change in turn."""
        for table in self._tables:
            for plan in table.step + table.check:
                if not plan.ready:
                    self._ready(plan)
        was: Was = {name: {} for name in self._names}
        moves: list[tuple[Table, Delta]] = []
        undo.append(lambda: self._restore(moves, was))
        gone = self._overdelete(splits)
        for table in self._tables:
            self._put(table, gone[table.name], -1, was, moves)
        self._insert(self._supported(splits, gone), was, moves)
        deltas = {
            table.name: {
                row: (1 if row in table.rows else -1)
                for row, stamp in was[table.name].items()
                if (stamp is not None) != (row in table.rows)
            }
            for table in self._tables
        }
        for table in self._tables:
            for row, weight in deltas[table.name].items():
                if weight < 0:
                    del table.stamps[row]
            back = inverse(deltas[table.name])
            table.commit(back, back)
            moves.append((table, back))
        return deltas

    def _restore(self, moves: list[tuple[Table, Delta]], was: Was) -> None:
        for table, delta in reversed(moves):
            back = inverse(delta)
            table.commit(back, back)
        for table in self._tables:
            for row, stamp in was[table.name].items():
                if stamp is None:
                    table.stamps.pop(row, None)
                else:
                    table.stamps[row] = stamp

    def _put(self, table: Table, rows: set[Row], weight: int, was: Was, moves: list[tuple[Table, Delta]]) -> Delta:
        delta: Delta = {}
        for row in rows:
            was[table.name].setdefault(row, table.stamps[row] if row in table.rows else None)
            delta[row] = weight
            if weight > 0:
                table.stamps[row] = self._wave
        table.commit(delta, delta)
        moves.append((table, delta))
        return delta

    def _overdelete(self, splits: Split) -> dict[str, set[Row]]:
        """All rows that some derivation through a lost row supported, reading the component's old state."""
        gone: dict[str, set[Row]] = {name: set() for name in self._names}
        todo = {table.name: {row for row in _lost(splits, table.name) if row in table.rows} for table in self._tables}
        while any(todo.values()):
            found: Split = {name: (set(), set()) for name in self._names}
            for table in self._tables:
                rows = todo[table.name]
                gone[table.name] |= rows
                if rows:
                    for plan in table.step:
                        plan.function(dict.fromkeys(rows, -1), *found[plan.head.name])
            todo = {
                table.name: {row for row in found[table.name][1] if row in table.rows and row not in gone[table.name]}
                for table in self._tables
            }
        return gone

    def _supported(self, splits: Split, gone: dict[str, set[Row]]) -> dict[str, set[Row]]:
        """Of the deleted rows and of those the outside offers, the ones that have a derivation now."""
        todo = {}
        for table in self._tables:
            offered = splits.get(table.name, (set(), set()))[0]
            candidates = gone[table.name] | {row for row in offered if row not in table.rows}
            todo[table.name] = {row for row in candidates if any(plan.function(row) for plan in table.check)}
        return todo

    def _insert(self, todo: dict[str, set[Row]], was: Was, moves: list[tuple[Table, Delta]]) -> None:
        while any(todo.values()):
            self._wave += 1
            found: Split = {name: (set(), set()) for name in self._names}
            put = [(table, self._put(table, todo[table.name], 1, was, moves)) for table in self._tables]
            for table, delta in put:
                if delta:
                    for plan in table.step:
                        plan.function(delta, *found[plan.head.name])
            todo = {
                table.name: {row for row in found[table.name][0] if row not in table.rows} for table in self._tables
            }


def _lost(splits: Split, name: str) -> set[Row]:
    return splits.get(name, (set(), set()))[1]
