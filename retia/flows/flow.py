"""One OpenFlow flow as a value. Identity is (table, priority, match), as in Open vSwitch."""

from __future__ import annotations

from typing import NamedTuple

from retia.flows.actions import Actions
from retia.flows.match import Match


class FlowKey(NamedTuple):
    table: int
    priority: int
    match: Match


class Flow(NamedTuple):
    """`cookie` is 64 bits; see `compile.cookies` for what Retia puts there."""

    table: int
    priority: int
    match: Match
    actions: Actions
    cookie: int = 0

    @property
    def key(self) -> FlowKey:
        return FlowKey(self.table, self.priority, self.match)
