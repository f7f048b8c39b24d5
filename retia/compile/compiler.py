"""The compiler of one host: changes of records and interfaces in, changes of flows out. What the agent holds.

Pure and synchronous: one call is one transaction of the rules. `Compiler.flows` is the whole wanted set, for the
first start and for tests; everything else speaks in deltas.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from retia.compile.cookies import cookie
from retia.compile.facts import TunnelPort, constants, interface_rows, rows
from retia.compile.local import peer_name
from retia.compile.modes import Asks
from retia.compile.outputs import (
    Announce,
    Claim,
    FlowRow,
    Outside,
    Peer,
    Trouble,
    WantsNeighbour,
    WantsPeer,
    WantsUplink,
    WantsZones,
)
from retia.compile.program import program
from retia.flows.flow import Flow, FlowKey
from retia.model.kinds import Object
from retia.model.local import InterfaceChange, WantedPeer, WantedUplink
from retia.model.state import State
from retia.rules import Conflict, Relation
from retia.rules.terms import Row
from retia.values import Ip, Mac

Thing = Object | State
RecordChange = tuple[Thing | None, Thing | None]
"""A record before and after, as `store.sync.Changed` has it."""


LocalChange = tuple[Sequence[Relation], Sequence[Relation]]
"""Rows that go, and rows that come."""

MANY = 1000
"""Rows of a batch that is worth pausing the garbage collector for."""


OTHERS = ((Peer,), (Claim,), (Trouble,), (WantsUplink, WantsPeer), (WantsZones,))
"""What comes out beside flows, of which `FlowDelta` tells whether it changed."""


@dataclass(frozen=True)
class FlowDelta:
    """What one batch did: flows to put and keys to delete, and which of the other outputs changed."""

    rows: Collection[tuple[Row | None, Row | None]]
    """Flow rows before and after. A first load's are never looked at: then the whole set is wanted."""
    peers: bool = False
    claims: bool = False
    troubles: bool = False
    attachments: bool = False
    zones: bool = False
    asking: Collection[tuple[Row | None, Row | None]] = ()
    """Rows of `Outside` before and after."""
    announcing: Collection[tuple[Row | None, Row | None]] = ()
    """Rows of `Announce` before and after."""
    expecting: Collection[tuple[Row | None, Row | None]] = ()
    """Rows of `WantsNeighbour` before and after."""

    @property
    def outside(self) -> bool:
        return bool(self.asking or self.announcing or self.expecting)

    def then(self, later: FlowDelta) -> FlowDelta:
        """Both as one: of a flow that both change the first row before and the last one after."""
        joined: dict[Row, tuple[Row | None, Row | None]] = {}
        for old, new in (*self.rows, *later.rows):
            key = (new or old or ())[:3]
            joined[key] = (joined[key][0] if key in joined else old, new)
        flags = {
            name: getattr(self, name) or getattr(later, name)
            for name in ("peers", "claims", "troubles", "attachments", "zones")
        }
        return replace(
            later,
            rows=joined.values(),
            asking=[*self.asking, *later.asking],
            announcing=[*self.announcing, *later.announcing],
            expecting=[*self.expecting, *later.expecting],
            **flags,
        )

    @cached_property
    def puts(self) -> list[Flow]:
        return [_flow(new) for _, new in self.rows if new is not None]

    @cached_property
    def drops(self) -> list[FlowKey]:
        return [FlowKey(*old[:3]) for old, new in self.rows if old is not None and new is None]


class Compiler:
    def __init__(self, host: str) -> None:
        self.host = host
        self.program = program()
        self.program.transact(put=constants(host))

    def change(
        self,
        records: Iterable[RecordChange] = (),
        interfaces: Iterable[InterfaceChange] = (),
        tunnel_port: int | None = None,
        local: Iterable[LocalChange] = (),
    ) -> FlowDelta:
        """One batch. `tunnel_port`: the number of the Geneve port, once it is known (0: it is gone). `local`: what else
        the host knows by itself (`compile.local`)."""
        staged = _Staged()
        for old, new in records:
            staged.replace(rows(old) if old is not None else [], rows(new) if new is not None else [])
        for before, after in interfaces:
            old_rows = interface_rows(self.host, before) if before is not None else []
            staged.replace(old_rows, interface_rows(self.host, after) if after is not None else [])
        for gone, come in local:
            staged.replace(list(gone), list(come))
        if tunnel_port is not None:
            here = TunnelPort(self.host, tunnel_port)
            staged.replace([here], [here] if tunnel_port else [])
        with _uncollected(len(staged.puts) + len(staged.drops)):
            return self._transact(staged)

    def _transact(self, staged: _Staged) -> FlowDelta:
        change = self.program.transact(put=staged.puts.values(), drop=staged.drops.values())
        peers, claims, troubles, attachments, zones = [
            any(change.raw(relation) for relation in relations) for relations in OTHERS
        ]
        beside = (peers, claims, troubles, attachments, zones)
        outside = (change.raw(Outside), change.raw(Announce), change.raw(WantsNeighbour))
        return FlowDelta(change.raw(FlowRow), *beside, *outside)

    def warm(self) -> None:
        """After the first load: build every index now, so that no change pays for it."""
        self.program.warm()

    @property
    def flows(self) -> dict[FlowKey, Flow]:
        made = map(_flow, self.program.raw_rows(FlowRow))
        return {flow.key: flow for flow in made}

    @property
    def size(self) -> int:
        """How many flows are wanted."""
        return len(self.program.by_key(FlowRow))

    @property
    def peers(self) -> dict[str, Ip]:
        """Tunnel addresses in use, by host."""
        return {peer.host: peer.address for peer in self.program.rows(Peer)}

    @property
    def claims(self) -> dict[str, str]:
        """Ports this host should bind, and the interface each is plugged into."""
        return {claim.port: claim.interface for claim in self.program.rows(Claim)}

    @property
    def troubles(self) -> list[Trouble]:
        return list(self.program.rows(Trouble))

    @property
    def uplinks(self) -> list[WantedUplink]:
        return [WantedUplink(*row.row) for row in self.program.rows(WantsUplink)]

    @property
    def watched(self) -> list[WantedPeer]:
        """Tunnels to watch."""
        return [WantedPeer(peer_name(row.key), str(row.address)) for row in self.program.rows(WantsPeer)]

    @property
    def translating(self) -> set[str]:
        """Routers that need zones."""
        return {row.router for row in self.program.rows(WantsZones)}

    @property
    def outside(self) -> dict[str, Outside]:
        """Router ports to the physical network, by id."""
        return {row.port: row for row in self.program.rows(Outside)}

    @property
    def announced(self) -> dict[tuple[Ip, int], Mac]:
        """What the physical network finds here, by address and OpenFlow port."""
        return {(row.address, row.ofport): row.mac for row in self.program.rows(Announce)}

    @property
    def on_demand(self) -> bool:
        """Whether this host has only what it asks for: not by its setting alone, since an edge has everything."""
        return any(True for _ in self.program.rows(Asks))

    @property
    def conflicts(self) -> list[Conflict]:
        """Matches that rules disagree on: a fault of the rules. (One trouble told in two ways is none.)"""
        return [one for one in self.program.conflicts if one.relation == FlowRow.__name__]


@contextlib.contextmanager
def _uncollected(size: int) -> Iterator[None]:
    """A big batch makes many rows and no cycles: looking for garbage meanwhile takes as long as the work itself."""
    pause = size > MANY and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


class _Staged:
    """The net effect of changes in their order: of a key put and then dropped nothing is left."""

    def __init__(self) -> None:
        self.puts: dict[tuple[type, Any], Relation] = {}
        self.drops: dict[tuple[type, Any], Relation] = {}

    def replace(self, old: list[Relation], new: list[Relation]) -> None:
        for row in old:
            key = _key(row)
            self.puts.pop(key, None)
            self.drops[key] = row
        for row in new:
            key = _key(row)
            self.drops.pop(key, None)
            self.puts[key] = row


def _key(row: Relation) -> tuple[type, Any]:
    return type(row), type(row).key_of(row.row)


def _flow(row: Row) -> Flow:
    stage, priority, match, actions, origin, rule = row
    return Flow(int(stage), priority, match, actions, cookie(rule, origin))
