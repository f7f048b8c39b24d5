"""What agents say of themselves: kept beside the desired objects, never in them. Frozen, typed, no I/O.

Each record has one writer. A host's lease (`Alive`) ends with its agent; bindings and host records stay, so that
an agent which is away costs no flow on any other host. A binding may be taken over when its holder is not alive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

import msgspec

from retia.model.kinds import Host
from retia.values import Ip


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    kind: ClassVar[str] = ""


FULL, ON_DEMAND = "full", "on-demand"


class HostState(State, frozen=True, kw_only=True, omit_defaults=True):
    """A host as its agent registered it. `key` (1..65535) is allocated once for the host's name. `mode`: whether it has
    flows for all that its ports reach (FULL), or for what they asked for (ON_DEMAND)."""

    kind: ClassVar[str] = "host-state"

    host: str
    key: int
    tunnel: Ip
    version: str = ""
    mode: str = FULL


class Alive(State, frozen=True, kw_only=True, omit_defaults=True):
    """Held by a lease: the host's agent runs and reaches the store."""

    kind: ClassVar[str] = "alive"

    host: str
    started: str = ""


class Binding(State, frozen=True, kw_only=True, omit_defaults=True):
    """The port lives on this host. The first host to bind keeps it until it releases it or its lease ends."""

    kind: ClassVar[str] = "binding"

    port: str
    host: str
    interface: str = ""


class HostProblem(State, frozen=True, kw_only=True, omit_defaults=True):
    """Something an agent found wrong, written once and removed when it is mended. `about` is a stable slug."""

    kind: ClassVar[str] = "problem"

    host: str
    about: str
    what: str
    where: str = ""
    advice: str = ""


class Barrier(State, frozen=True, kw_only=True, omit_defaults=True):
    """Asks every live agent to tell `Applied` once its switch has everything up to this record's revision.

    There is one such record; a new `id` is a new question.
    """

    kind: ClassVar[str] = "barrier"

    id: str


class Applied(State, frozen=True, kw_only=True, omit_defaults=True):
    """The revision of the store that the host's switch has: told when asked (`Barrier`), and now and then.

    `problems` says what of it the switch refused (empty: all of it is there); `flows`, how many flows it should have
    by then. No agent watches it.
    """

    kind: ClassVar[str] = "applied"

    host: str
    revision: int
    problems: tuple[str, ...] = ()
    flows: int = 0


LAST_TRACE = 0xFFFF
"""The highest command id, so that as many traces and one may run at once."""


class Trace(State, frozen=True, kw_only=True, omit_defaults=True):
    """A trace that somebody runs: `frame` (hexadecimal) is to enter at `place`, the id of a port or an uplink on
    `host`, once `go` is set; by then every host reports traced packets. It is kept by the lease of who asks.

    `id` (0..LAST_TRACE) is the command id that the packet carries. With `deliver` it leaves by the port it is for.
    """

    kind: ClassVar[str] = "trace"

    id: int
    host: str
    place: str
    frame: str
    lease: int
    deliver: bool = False
    go: bool = False


class TracePoint(msgspec.Struct, frozen=True, array_like=True):
    """A stage that a traced packet came to, as it was then: the frame (hexadecimal), and registers, metadata, tunnel
    and connection fields that were not 0. `rule` and `origin` (an object's id) are of the flow that it hit there, ""
    where there was none; `out` is the port it leaves by there, 0 for none; `again` tells that connection tracking makes
    it come once more from there."""

    stage: str
    frame: str
    fields: dict[str, int]
    rule: str
    origin: str
    out: int = 0
    again: bool = False


class TraceReport(State, frozen=True, kw_only=True, omit_defaults=True):
    """Part `number` of what a host saw of a trace. No agent watches it; it ends with the trace's lease."""

    kind: ClassVar[str] = "trace-report"

    host: str
    trace: int
    number: int
    points: tuple[TracePoint, ...] = ()


STATES: tuple[type[State], ...] = (HostState, Alive, Binding, HostProblem, Barrier, Applied, Trace, TraceReport)
BY_KIND: dict[str, type[State]] = {state.kind: state for state in STATES}


def alive_hosts(things: Iterable[object]) -> set[str]:
    """Of those whose agent says, among these records, that it lives."""
    return {one.host for one in things if isinstance(one, Alive)}


def host_standing(
    host: str, alive: Collection[str], states: Mapping[str, HostState], declared: Mapping[str, Host]
) -> str:
    """A host's state in words, as it was declared, as it registered, and as its agent lives."""
    if host in declared and not declared[host].admin_state:
        return "out of service"
    if host not in states:
        return "declared, never registered"
    return "alive" if host in alive else "dead"
