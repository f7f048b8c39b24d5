"""Reports of traced packets: while a trace runs, each stage tells the agent of every traced packet that comes to it.

    stage T: told != T ─► punt · told := T · T once more ─► the flow that any packet hits ─► stage U: told != U ...

Only traced packets hit these flows, and none is there while nobody traces. `told` has one bit for each stage, since a
match can ask whether a bit is 0, and not whether a number is another. Where a packet would leave by a port it goes no
further by itself: the agent lets it go on (`daemons.tracer`), as it does where it enters a router; so no guest gets
one unasked, and no way is too long for the switch, which counts each report as a step back.
"""

from __future__ import annotations

from retia.compile.facts import Cluster, ThisHost, TracedStage, TraceFact
from retia.compile.outputs import FlowRow
from retia.compile.reasons import Reason, drop
from retia.flows.actions import Action, Actions, Goto, Load, Move, Resubmit
from retia.flows.match import Match, merge
from retia.pipeline.check import STAGE_OF
from retia.pipeline.fields import COMMAND, TOLD, TRACED, TUNNEL_COMMAND, TUNNEL_TRACED, when
from retia.pipeline.punts import PuntKind, punt
from retia.pipeline.stage import HIGHEST_PRIORITY, Stage
from retia.pipeline.stages import ADMIT, COMPLAIN, DELIVER, DIRECT, DROP
from retia.rules import COL, Relation, Rule, fn, rule

HELD = frozenset({int(DELIVER), int(DIRECT)})
"""Stages from which packets leave by ports, and where traced ones wait for the agent's word."""

ARRIVED: Match = merge(when(traced=0), (TUNNEL_TRACED, 1))
"""A traced packet out of a tunnel, whose registers are still empty."""


class Tracing(Relation):
    "A host, while any trace runs."

    host: str = COL


def told(stage: int) -> Load:
    """Notes that a traced packet was reported from a stage."""
    return Load(TOLD, 1 << stage)


def _goes_on(stage: int) -> tuple[Action, ...]:
    """Nobody is told of a traced packet's end but who traces it: no ICMP error is sent, no drop is counted."""
    if stage in HELD or stage == DROP:
        return ()
    return (told(stage), Goto(DROP)) if stage == COMPLAIN else (told(stage), Resubmit(stage))


@fn
def stage_of(number: int) -> Stage:
    return STAGE_OF[number]


@fn
def not_told(number: int) -> Match:
    return merge(when(traced=1), (TOLD._replace(start=number, bits=1), 0))


@fn
def report(number: int) -> Actions:
    return (*punt(PuntKind.TRACED), *_goes_on(number))


def report_arrival() -> Actions:
    """The frame's option is read into registers before the report, so that it says which trace it is of."""
    metered, up = punt(PuntKind.TRACED)
    return (metered, Load(TRACED, 1), Move(TUNNEL_COMMAND, COMMAND), up, *_goes_on(ADMIT))


@rule
def tracing(h: str, c: str) -> Rule:
    "A host is tracing while there is any trace in its cluster."
    return Tracing(h) <= [Cluster(h, c), TraceFact(cluster=c)]


@rule
def report_stage(h: str, n: int) -> Rule:
    "Then each stage tells of a traced packet, once each time that it comes."
    return FlowRow(stage_of(n), HIGHEST_PRIORITY, not_told(n), report(n), h) <= [Tracing(h), TracedStage(h, n)]


@rule
def report_tunnelled(h: str) -> Rule:
    "So does the first one of what comes out of a tunnel."
    return FlowRow(ADMIT, HIGHEST_PRIORITY, ARRIVED, report_arrival(), h) <= [Tracing(h)]


@rule
def stray(h: str) -> Rule:
    "Where nobody follows a traced packet it ends: no guest is to get it."
    return FlowRow(ADMIT, ADMIT.priority("traced"), ARRIVED, drop(Reason.TRACED), h) <= [ThisHost(h)]


RULES = [tracing, report_stage, report_tunnelled, stray]
