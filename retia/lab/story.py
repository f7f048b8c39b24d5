"""A check told line by line, for people: what was looked at, what was seen, how long it took."""

from __future__ import annotations

from retia.lab.runner import Result, Started, StepResult


def lines(event: Started | StepResult | Result) -> list[str]:
    if isinstance(event, Started):
        about = [f"  {line}" for line in event.about.strip().splitlines()]
        size = f"{event.hosts} hosts, {event.guests} guests, up in {event.seconds:.1f} s"
        return [f"{event.lab}: {size}", *about]
    if isinstance(event, StepResult):
        return _step(event)
    good = sum(step.ok for step in event.steps)
    word = "ok" if event.ok else "FAILED"
    return [f"{event.lab}: {good} of {len(event.steps)} checks ok in {event.seconds:.1f} s: {word}"]


def _step(step: StepResult) -> list[str]:
    word = "ok    " if step.ok else "FAILED"
    id_ = f" [{step.id}]" if step.id else ""
    head = f"  {word} {step.seconds:5.1f} s  {step.name}{id_}"
    detail = step.error if not step.ok else step.seen
    return [head, *(f"                   {line}" for line in detail.splitlines())]
