"""The compiler of one host: changes of records and interfaces in, changes of flows out. What the agent holds.

Pure and synchronous: one call is one transaction of the rules. `Compiler.flows` is the whole wanted set, for the
first start and for tests; everything else speaks in deltas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from retia.compile.cookies import cookie
from retia.compile.facts import TunnelPort, constants, interface_rows, rows
from retia.compile.outputs import Claim, FlowRow, Peer, Trouble
from retia.compile.program import program
from retia.flows.flow import Flow, FlowKey
from retia.model.kinds import Object
from retia.model.local import InterfaceChange
from retia.model.state import State
from retia.rules import Conflict, Relation
from retia.rules.terms import Row
from retia.values import Ip

Thing = Object | State
RecordChange = tuple[Thing | None, Thing | None]
"""A record before and after, as `store.sync.Changed` has it."""


class FlowDelta(NamedTuple):
    """What one batch did: flows to put and keys to delete, and whether peers, claims or troubles changed."""

    puts: list[Flow]
    drops: list[FlowKey]
    peers: bool = False
    claims: bool = False
    troubles: bool = False


class Compiler:
    def __init__(self, host: str) -> None:
        self.host = host
        self.program = program()
        self._tunnel_port: int | None = None
        self.program.transact(put=constants(host))

    def change(
        self,
        records: Iterable[RecordChange] = (),
        interfaces: Iterable[InterfaceChange] = (),
        tunnel_port: int | None = None,
    ) -> FlowDelta:
        """One batch. `tunnel_port`: the number of the Geneve port, once it is known (0: it is gone)."""
        put: list[Relation] = []
        drop: list[Relation] = []
        for old, new in records:
            _replace(rows(old) if old is not None else [], rows(new) if new is not None else [], put, drop)
        for before, after in interfaces:
            _replace(
                interface_rows(before) if before is not None else [],
                interface_rows(after) if after is not None else [],
                put,
                drop,
            )
        if tunnel_port is not None:
            self._set_tunnel_port(tunnel_port, put, drop)
        change = self.program.transact(put=put, drop=drop)
        pairs = change.raw(FlowRow)
        puts = [_flow(new) for _, new in pairs if new is not None]
        drops = [FlowKey(*old[:3]) for old, new in pairs if old is not None and new is None]
        return FlowDelta(puts, drops, bool(change.raw(Peer)), bool(change.raw(Claim)), bool(change.raw(Trouble)))

    def _set_tunnel_port(self, number: int, put: list[Relation], drop: list[Relation]) -> None:
        if self._tunnel_port:
            drop.append(TunnelPort(self._tunnel_port))
        if number:
            put.append(TunnelPort(number))
        self._tunnel_port = number

    def warm(self) -> None:
        """After the first load: build every index now, so that no change pays for it."""
        self.program.warm()

    @property
    def flows(self) -> dict[FlowKey, Flow]:
        made = map(_flow, self.program.raw_rows(FlowRow))
        return {flow.key: flow for flow in made}

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
    def conflicts(self) -> list[Conflict]:
        return self.program.conflicts


def _replace(old: list[Relation], new: list[Relation], put: list[Relation], drop: list[Relation]) -> None:
    """A put replaces the row with its key, so only keys that are no more are dropped."""
    kept = {_key(row) for row in new}
    drop += [row for row in old if _key(row) not in kept]
    put += new


def _key(row: Relation) -> tuple[type, Row]:
    return type(row), tuple(row.row[place] for place in row.keys)


def _flow(row: Row) -> Flow:
    stage, priority, match, actions, origin, rule = row
    return Flow(int(stage), priority, match, actions, cookie(rule, origin))
