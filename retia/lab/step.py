"""A step of a lab's checks: a name, one action, and the conditions that must hold while it is done.

    conditions begin ─► action (again until it is well, `within` its seconds) ─► conditions judge

Where hosts are in on-demand mode, the first packets to somewhere go another way, and flows come for the next ones. So
what only sends packets is done once more there when all that is wrong is what conditions counted; and a step says by
`on-demand:` what differs by design: conditions, or what is done.
An action is a dataclass with `run(lab)`, a condition one with `watch(lab, notes)`; both are read from YAML by their
fields. A new one is a class and its word in `ACTIONS` or `CONDITIONS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from retia.lab.actions import change, faults, node, outside, store, told, trace, traffic, underlay
from retia.lab.conditions import CONDITIONS, Condition
from retia.lab.failure import CheckFailed
from retia.lab.reader import Reader, Spot, Wrong
from retia.model.names import did_you_mean
from retia.model.state import ON_DEMAND

if TYPE_CHECKING:
    from retia.lab.lab import Lab

AGAIN = 0.05
TRAFFIC = {*traffic.ACTIONS, *told.ACTIONS, *outside.ACTIONS}
_OWN: dict[str, type] = {"id": str, "name": str, "within": float}


class Action(Protocol):
    """It may have `needs`: what only a real host has and this wants, in words; and `looks`: whether it only looks, so
    that a software lab can do without it and go on."""

    async def run(self, lab: Lab) -> str:
        """Do it; a word on what was seen. Raises CheckFailed when that is not what is expected."""


@dataclass(frozen=True)
class Step:
    """`within`: seconds in which the action may be tried again; 0: it must be well at once."""

    word: str
    action: Action
    id: str = ""
    name: str = ""
    within: float = 0.0
    conditions: tuple[Condition, ...] = ()
    on_demand: tuple[Condition, ...] = ()
    """In place of those of the same type."""
    instead: Action | None = None
    """What is done in place of `action` there."""

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Step:
        parts = _Parts()
        before = len(reader.problems)
        for word, under in reader.entries(spot, "a step"):
            with contextlib.suppress(Wrong):
                parts.take(reader, word, under)
        if len(parts.actions) != 1 and len(reader.problems) == before:
            what = f"a step does one thing, this does {' and '.join(word for word, _ in parts.actions) or 'nothing'}"
            raise reader.wrong(spot, what, "make each a step of its own, or one step of them with `do: [...]`")
        if len(reader.problems) > before:
            raise Wrong
        conditions, on_demand = tuple(parts.conditions), tuple(parts.on_demand)
        return cls(*parts.actions[0], **parts.own, conditions=conditions, on_demand=on_demand, instead=parts.instead)

    @property
    def needs(self) -> str:
        """What all of it needs a real host for, in words; "" when a software lab can do it."""
        steps = self.action.steps if isinstance(self.action, Do) else ()
        inner = [step.needs for step in steps if not step.looks]
        own = [getattr(part, "needs", "") for part in (self.action, *self.conditions)]
        return ", ".join(dict.fromkeys(filter(None, [*own, *inner])))

    @property
    def looks(self) -> bool:
        return bool(getattr(self.action, "looks", False)) and not self.conditions

    async def run(self, lab: Lab) -> str:
        """What was seen. Raises CheckFailed."""
        if lab.software and self.needs:
            lab.left_out.append(f"{self.word}: needs {self.needs}")
            return ""
        notes: list[str] = []
        try:
            await self._once(lab, notes)
        except CheckFailed:
            if not (lab.file.on_demand and self.only_sends and notes):
                raise
            notes = ["the first packets asked for what they were for"]
            await self._once(lab, notes)
        return ", ".join(filter(None, notes))

    async def _once(self, lab: Lab, notes: list[str]) -> None:
        """The first of the notes is the action's."""
        said: list[str] = []
        async with contextlib.AsyncExitStack() as stack:
            for condition in self._holding(lab):
                await stack.enter_async_context(condition.watch(lab, said))
            notes.append(await self._try(lab))
        notes += said

    def _holding(self, lab: Lab) -> list[Condition]:
        instead = self.on_demand if lab.file.on_demand else ()
        return [*instead, *(one for one in self.conditions if type(one) not in map(type, instead))]

    @property
    def only_sends(self) -> bool:
        """Whether it may be done again."""
        if isinstance(self.action, Do):
            return all(step.only_sends for step in self.action.steps)
        return self.word in TRAFFIC

    def _action(self, lab: Lab) -> Action:
        return self.instead if self.instead is not None and lab.file.on_demand else self.action

    async def _try(self, lab: Lab) -> str:
        end = time.monotonic() + self.within
        while True:
            try:
                return await self._action(lab).run(lab)
            except CheckFailed:
                if time.monotonic() >= end:
                    raise
                await asyncio.sleep(AGAIN)


class _Parts:
    """What a step's mapping holds, by what its words mean."""

    def __init__(self) -> None:
        self.own: dict[str, Any] = {}
        self.actions: list[tuple[str, Action]] = []
        self.conditions: list[Condition] = []
        self.on_demand: list[Condition] = []
        self.instead: Action | None = None

    def take(self, reader: Reader, word: str, spot: Spot) -> None:
        if word in _OWN:
            self.own[word] = reader.value(_OWN[word], spot)
        elif word in CONDITIONS:
            self.conditions.append(reader.value(CONDITIONS[word], spot))
        elif word == ON_DEMAND:
            self._take_on_demand(reader, spot)
        elif word in ACTIONS:
            self.actions.append((word, reader.value(ACTIONS[word], spot)))
        else:
            reader.note(
                spot, f"there is no step {word!r}", did_you_mean(word, [*_OWN, *CONDITIONS, ON_DEMAND, *ACTIONS])
            )

    def _take_on_demand(self, reader: Reader, spot: Spot) -> None:
        for word, under in reader.entries(spot, "what differs in on-demand mode"):
            if word in CONDITIONS:
                self.on_demand.append(reader.value(CONDITIONS[word], under))
            elif word in ACTIONS:
                self.instead = reader.value(ACTIONS[word], under)
            else:
                advice = did_you_mean(word, [*CONDITIONS, *ACTIONS])
                reader.note(under, f"there is no action or condition {word!r}", advice)


@dataclass(frozen=True)
class Do:
    """Several steps as one, so that a condition can hold over all of them."""

    steps: tuple[Step, ...]

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Do:
        return cls(reader.value(tuple[Step, ...], spot))

    async def run(self, lab: Lab) -> str:
        return "; ".join(filter(None, [await step.run(lab) for step in self.steps]))


ACTIONS: dict[str, type] = {
    **traffic.ACTIONS,
    **change.ACTIONS,
    **node.ACTIONS,
    **faults.ACTIONS,
    **store.ACTIONS,
    **told.ACTIONS,
    **trace.ACTIONS,
    **outside.ACTIONS,
    **underlay.ACTIONS,
    "do": Do,
}
