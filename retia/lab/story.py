"""A check told line by line, for people: what was looked at, what was seen, how long it took."""

from __future__ import annotations

from retia.lab.runner import Result, Started, StepResult


def lines(event: Started | StepResult | Result) -> list[str]:
    if isinstance(event, Started):
        about = [f"  {line}" for line in event.about.strip().splitlines()]
        size = f"{event.hosts} hosts, {event.guests} guests, up in {event.seconds:.1f} s"
        made = ", in software" if event.software else ""
        return [f"{event.lab}: {size}{made}", *about]
    if isinstance(event, StepResult):
        return _step(event)
    good = sum(step.ok and step.done for step in event.steps)
    word = "ok" if event.ok else "FAILED"
    counted = f"{good} of {len(event.steps)} checks ok{_left_out(event)}"
    return [f"{event.lab}: {counted} in {event.seconds:.1f} s: {word}"]


def _left_out(result: Result) -> str:
    """How much of it was not for software."""
    whole = sum(not step.done for step in result.steps)
    part = sum(step.done and bool(step.left_out) for step in result.steps)
    return (f", {whole} not for software" if whole else "") + (f", {part} only in part" if part else "")


def _step(step: StepResult) -> list[str]:
    word = "FAILED" if not step.ok else "ok    " if step.done else "--    "
    id_ = f" [{step.id}]" if step.id else ""
    head = f"  {word} {step.seconds:5.1f} s  {step.name}{id_}"
    detail = step.error if not step.ok else step.seen
    left_out = [f"not for software - {each}" for each in step.left_out]
    return [head, *(f"                   {line}" for line in [*detail.splitlines(), *left_out])]
