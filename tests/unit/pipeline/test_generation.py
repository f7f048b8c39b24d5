"""The generation tells pipelines apart by anything that changes what a table or a register means."""

from __future__ import annotations

import pytest

from retia.flows.fields import Subfield
from retia.pipeline.generation import GENERATION, PLACES, digest
from retia.pipeline.stage import Declared, number
from retia.pipeline.stages import STAGES

ONE, TWO = Declared("ONE", "", next=("TWO",), priorities=("a", "b")), Declared("TWO", "")
BASE = [ONE, TWO]


def test_it_is_that_of_the_pipeline_and_no_strangers_cookie() -> None:
    assert digest(STAGES, PLACES) == GENERATION
    assert 0 < GENERATION < 256


@pytest.mark.parametrize(
    "changed",
    [
        [ONE, TWO, Declared("THREE", "")],
        [Declared("ZERO", ""), ONE, TWO],
        [Declared("ONE", "", priorities=("a", "b")), TWO],
        [Declared("ONE", "", next=("TWO",), priorities=("b", "a")), TWO],
        [ONE, Declared("TWO", "", asks=("ONE",))],
        [ONE, Declared("TWO", "", backwards=("ONE",))],
    ],
    ids=["more", "shifted", "ways", "priorities", "asks", "backwards"],
)
def test_another_stage_is_another_generation(changed: list[Declared]) -> None:
    places = {"A": Subfield("reg0", 0, 16)}
    assert digest(number(changed), places) != digest(number(BASE), places)
    assert digest(number(BASE), places) != digest(number(BASE), {"A": Subfield("reg0", 16, 16)})


def test_words_are_no_meaning() -> None:
    said = [Declared("ONE", "in other words", next=("TWO",), priorities=("a", "b")), TWO]
    assert digest(number(said), {}) == digest(number(BASE), {})
