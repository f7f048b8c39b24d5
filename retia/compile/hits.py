"""Which of a host's wanted flows a packet hits, whoever asks: by the rows as they are, without a table of their own.

Tuple space search as in `flows.lookup`, over the dict of rows by key that the engine has anyway; the shapes of their
matches are looked up once, until `forget`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from retia.compile.compiler import Compiler
from retia.compile.outputs import FlowRow
from retia.flows.fields import OPTION
from retia.pipeline.stage import HIGHEST_PRIORITY
from retia.rules.terms import Row

Shape = tuple[int, tuple[tuple[str, int], ...]]
"""A priority, and the fields and masks that flows of it match."""


class Hits:
    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._shapes: dict[int, list[Shape]] = {}

    def forget(self) -> None:
        """Flows have changed."""
        self._shapes = {}

    def find(self, table: int, fields: Mapping[str, int]) -> FlowRow | None:
        """The flow that a packet with these fields hits in a table, but for those that report traced packets; what a
        packet does not have reads as 0, as in Open vSwitch."""
        rows = self._compiler.program.by_key(FlowRow)
        if not self._shapes:
            self._shapes = _shapes(rows)
        for priority, shape in self._shapes.get(table, ()):
            if OPTION not in fields and any(name == OPTION for name, _ in shape):
                continue
            match = tuple([(name, fields.get(name, 0) & mask, mask) for name, mask in shape])
            row = rows.get((table, priority, match))
            if row is not None:
                return FlowRow.of(row)
        return None


def _shapes(rows: Mapping[tuple[object, ...], Row]) -> dict[int, list[Shape]]:
    """By table, the highest priority first."""
    found: dict[int, dict[Shape, None]] = {}
    for row in rows.values():
        stage, priority, match = row[:3]
        if priority != HIGHEST_PRIORITY:
            found.setdefault(int(stage), {})[priority, tuple([(name, mask) for name, _, mask in match])] = None
    return {table: sorted(shapes, key=lambda shape: -shape[0]) for table, shapes in found.items()}
