"""Does a flow obey its stage? Asked by the tests of every flow the rules make, so that a slip is found before a
switch sees it. Raises PipelineError: a bug of ours, never the user's fault."""

from __future__ import annotations

from retia.flows.actions import Goto, Load, Move, Resubmit
from retia.flows.fields import FIELDS, Subfield
from retia.flows.flow import Flow
from retia.pipeline.stage import PipelineError, Stage
from retia.pipeline.stages import STAGES

_BY_NUMBER = {int(stage): stage for stage in STAGES.values()}


def check(flow: Flow) -> None:
    stage = _BY_NUMBER.get(flow.table)
    if stage is None:
        raise PipelineError(f"no stage has table {flow.table}")
    if flow.priority not in stage.priorities.values():
        raise PipelineError(f"{stage}: priority {flow.priority} is not declared")
    matched = {name: (value, mask) for name, value, mask in flow.match}
    for name in matched:
        _check_needs(stage, name, matched)
    for place, action in enumerate(flow.actions):
        if isinstance(action, Goto):
            if place != len(flow.actions) - 1:
                raise PipelineError(f"{stage}: goto is not the last action")
            _check_way(stage, action.table, stage.next)
        elif isinstance(action, Resubmit):
            _check_way(stage, action.table, (*stage.backwards, *stage.asks))
        for part in _parts(action):
            _check_needs(stage, part.field, matched)
            if part.start + part.bits > FIELDS[part.field].bits:
                raise PipelineError(f"{stage}: {part} does not exist")


def _parts(action: object) -> list[Subfield]:
    if isinstance(action, Load):
        if action.value >> action.to.bits:
            raise PipelineError(f"{action.value} does not fit into {action.to}")
        return [action.to]
    if isinstance(action, Move):
        if action.source.bits != action.to.bits:
            raise PipelineError(f"{action.source} and {action.to} differ in width")
        return [action.source, action.to]
    return []


def _check_way(stage: Stage, table: int, allowed: tuple[str, ...]) -> None:
    target = _BY_NUMBER.get(table)
    if target is None or target.name not in allowed:
        raise PipelineError(f"{stage} may not go to {target or table}: it declares {', '.join(allowed) or 'nothing'}")


def _check_needs(stage: Stage, name: str, matched: dict[str, tuple[int, int]]) -> None:
    needs = FIELDS[name].needs
    if needs and not any(matched.get(field, (None, 0))[0] == value for field, value in needs):
        wanted = " or ".join(f"{field}={value:#x}" for field, value in needs)
        raise PipelineError(f"{stage}: {name} needs a match on {wanted}")
