"""A step in on-demand mode: what only sends is done once more where conditions counted otherwise; nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from retia.lab.failure import CheckFailed
from retia.lab.step import Do, Step


@dataclass
class Sends:
    """It fails the first `fails` times."""

    fails: int = 0
    runs: int = 0

    async def run(self, _: Any) -> str:
        self.runs += 1
        if self.runs <= self.fails:
            raise CheckFailed("not heard")
        return "heard"


@dataclass
class Counts:
    """What it counted is wrong the first `wrong` times."""

    wrong: int = 0
    watched: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def watch(self, _: Any, notes: list[str]) -> AsyncIterator[None]:
        yield
        self.watched.append("seen")
        if len(self.watched) <= self.wrong:
            raise CheckFailed("counted 2, expected 1")
        notes.append("counted 1")


@dataclass
class CountsOtherwise(Counts):
    pass


def run(step: Step, on_demand: bool = True) -> str:
    lab: Any = SimpleNamespace(software=False, file=SimpleNamespace(on_demand=on_demand))
    return asyncio.run(step.run(lab))


def test_once_more_where_only_a_count_was_wrong() -> None:
    action = Sends()
    said = run(Step("ping", action, conditions=(Counts(1),)))
    assert said == "the first packets asked for what they were for, heard, counted 1" and action.runs == 2


@pytest.mark.parametrize(
    ("step", "on_demand"),
    [
        (Step("ping", Sends(), conditions=(Counts(1),)), False),
        (Step("ping", Sends(), conditions=(Counts(2),)), True),
        (Step("ping", Sends(1), conditions=(Counts(),)), True),
        (Step("ping", Sends(1)), True),
        (Step("move", Sends(), conditions=(Counts(1),)), True),
        (Step("do", Do((Step("ping", Sends()), Step("move", Sends()))), conditions=(Counts(1),)), True),
    ],
    ids=["in full mode", "twice wrong", "not heard", "nothing counts", "it changes something", "one of it does"],
)
def test_otherwise_it_fails(step: Step, on_demand: bool) -> None:
    with pytest.raises(CheckFailed):
        run(step, on_demand)


def test_several_that_only_send() -> None:
    assert run(Step("do", Do((Step("ping", Sends()), Step("arp", Sends()))), conditions=(Counts(1),)))


def test_conditions_of_the_mode_stand_in_place_of_those_of_the_same_name() -> None:
    usual, other, instead = Counts(9), CountsOtherwise(), Counts()
    step = Step("ping", Sends(), conditions=(usual, other), on_demand=(instead,))
    run(step)
    assert not usual.watched and other.watched and instead.watched
    with pytest.raises(CheckFailed):
        run(step, on_demand=False)
