"""Which flow of a table a packet hits: tuple space search, one dict for each priority and set of masks.

A lookup costs one dict access for each such pair from the highest priority down to the first hit, whatever the number
of flows. Used by the walk; never talks to a switch. Source: Srinivasan, Suri, Varghese, SIGCOMM 1999.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from retia.flows.fields import OPTION
from retia.flows.flow import Flow, FlowKey
from retia.flows.match import meets_needs

Shape = tuple[tuple[str, int], ...]


class Space(NamedTuple):
    """The flows of one priority that match the same bits of the same fields. Sorts highest priority first."""

    rank: int
    shape: Shape
    wants_option: bool
    flows: dict[tuple[int, ...], Flow]

    def find(self, fields: Mapping[str, int]) -> Flow | None:
        """A field that the packet does not have reads as 0, as in Open vSwitch: prerequisites are matched as well."""
        if self.wants_option and OPTION not in fields:
            return None
        return self.flows.get(tuple([fields.get(name, 0) & mask for name, mask in self.shape]))


class FlowTable:
    """All flows of a switch, ready for lookup; `put` and `drop` keep it current."""

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self._spaces: dict[tuple[int, int, Shape], Space] = {}
        self._ordered: dict[int, list[Space]] = {}
        for flow in flows:
            self.put(flow)

    def __iter__(self) -> Iterator[Flow]:
        return (flow for space in self._spaces.values() for flow in space.flows.values())

    def __len__(self) -> int:
        return sum(len(space.flows) for space in self._spaces.values())

    def put(self, flow: Flow) -> None:
        """Add a flow, or put it in place of the one with its key. Raises ValueError when a switch would refuse it."""
        for name, _, _ in flow.match:
            if not meets_needs(flow.match, name):
                raise ValueError(f"{name} is matched without what it needs: {flow.match}")
        where, values = _place(flow.key)
        if where not in self._spaces:
            self._spaces[where] = Space(-flow.priority, where[2], any(part[0] == OPTION for part in flow.match), {})
            insort(self._ordered.setdefault(flow.table, []), self._spaces[where], key=_rank)
        self._spaces[where].flows[values] = flow

    def get(self, key: FlowKey) -> Flow | None:
        """The flow with this key."""
        where, values = _place(key)
        space = self._spaces.get(where)
        return space.flows.get(values) if space is not None else None

    def drop(self, key: FlowKey) -> None:
        """Remove the flow with this key, if there is one."""
        where, values = _place(key)
        space = self._spaces.get(where)
        if space is not None:
            space.flows.pop(values, None)
            if not space.flows:
                del self._spaces[where]
                self._ordered[key.table].remove(space)

    def lookup(self, table: int, fields: Mapping[str, int]) -> Flow | None:
        """The flow of highest priority that matches; among equals, one of them."""
        found = (space.find(fields) for space in self._ordered.get(table, ()))
        return next((flow for flow in found if flow is not None), None)


def _rank(space: Space) -> int:
    return space.rank


def _place(key: FlowKey) -> tuple[tuple[int, int, Shape], tuple[int, ...]]:
    shape = tuple([(name, mask) for name, _, mask in key.match])
    return (key.table, key.priority, shape), tuple([value for _, value, _ in key.match])
