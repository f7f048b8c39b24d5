"""DROP: one flow for each reason, so that its counter is the count of packets dropped for it on this host."""

from __future__ import annotations

from retia.compile.facts import DropReason, ThisHost
from retia.compile.outputs import FlowRow
from retia.flows.actions import DROP as NOTHING
from retia.flows.match import ANYTHING
from retia.pipeline.fields import Shape
from retia.pipeline.stages import DROP
from retia.rules import Rule, fn, rule

for_reason = fn(Shape("reason"))


@rule
def count_reason(n: int, h: str) -> Rule:
    "Every reason is counted."
    return FlowRow(DROP, DROP.priority("reason"), for_reason(n), NOTHING, h) <= [DropReason(h, n)]


@rule
def count_rest(h: str) -> Rule:
    "A packet dropped without a reason would be a fault of ours; it is counted too."
    return FlowRow(DROP, DROP.priority("miss"), ANYTHING, NOTHING, h) <= [ThisHost(h)]


RULES = [count_reason, count_rest]
