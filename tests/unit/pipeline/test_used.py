"""What the pipeline declares is what the rules use: no priority and no way is left over."""

from __future__ import annotations

import re

import pytest

from retia.flows.actions import Goto, Resubmit
from retia.flows.flow import Flow
from retia.pipeline.check import STAGE_OF
from retia.pipeline.stage import MISS, TRACE, Stage
from retia.pipeline.stages import BESIDE, STAGES
from tests.golden import CASES, build, load


@pytest.fixture(scope="module")
def flows() -> list[Flow]:
    networks = [build(load(case)) for case in CASES]
    return [flow for network in networks for compiler in network.compilers.values() for flow in compiler.flows.values()]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_priority_is_used(flows: list[Flow], stage: Stage) -> None:
    used = {flow.priority for flow in flows if flow.table == stage}
    declared = {name: priority for name, priority in stage.priorities.items() if not re.search(r"-\d+$", name)}
    spare = {MISS, TRACE} if stage in BESIDE else {MISS}
    assert [name for name, priority in declared.items() if priority not in used and name not in spare] == []


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_way_is_used(flows: list[Flow], stage: Stage) -> None:
    own = [flow for flow in flows if flow.table == stage and flow.priority != stage.priority(TRACE)]
    actions = [action for flow in own for action in flow.actions]
    went = {STAGE_OF[action.table].name for action in actions if isinstance(action, Goto)}
    asked = {STAGE_OF[action.table].name for action in actions if isinstance(action, Resubmit)}
    assert set(stage.next) == went
    assert {*stage.backwards, *stage.asks} == asked
