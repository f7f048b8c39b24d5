"""A pipeline declared wrongly does not import."""

from __future__ import annotations

import pytest

from retia.pipeline.stage import LONGEST_PREFIX, Declared, PipelineError, by_length, number

GOOD = Declared("A", "First.", priorities=("high", "low"), next=("B",))
END = Declared("B", "Last.", backwards=("A",))


def test_numbers_and_priorities_follow_the_order() -> None:
    stages = number([GOOD, END])
    assert [int(stage) for stage in stages.values()] == [0, 1]
    assert stages["A"].priority("high") > stages["A"].priority("low") > stages["A"].priority("miss") == 0
    assert str(stages["B"]) == "B"
    with pytest.raises(PipelineError, match="A declares no priority 'medium'"):
        stages["A"].priority("medium")


def test_longer_prefixes_come_first_and_kinds_in_order() -> None:
    stage = number([Declared("A", "", priorities=("never", *by_length("connected", "static")))])["A"]
    ranked = [stage.priority(name) for name in ("never", "connected-24", "static-24", "connected-23", "static-0")]
    assert ranked == sorted(ranked, reverse=True) and len(set(ranked)) == len(ranked)
    assert stage.priority(f"static-{LONGEST_PREFIX}") > stage.priority("connected-32")


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        pytest.param([Declared("A", "", next=("B",))], "goes on to B, which is not declared", id="unknown-next"),
        pytest.param([GOOD, Declared("B", "", asks=("C",))], "which is not declared", id="unknown-asked"),
        pytest.param([GOOD, Declared("B", "", next=("A",))], "goes back to A without saying so", id="secretly-back"),
        pytest.param([GOOD, Declared("B", "", next=("B",))], "goes back to B without saying so", id="itself"),
        pytest.param([Declared("A", "", backwards=("B",)), END], "comes later", id="not-back"),
        pytest.param([GOOD, END, END], "declared twice", id="twice"),
        pytest.param([Declared("A", "", priorities=("x", "x"))], "declared twice", id="priority-twice"),
        pytest.param([Declared("A", "", priorities=("miss",))], "called miss", id="miss-declared"),
        pytest.param([Declared("A", "", priorities=map(str, range(700)))], "too many", id="too-many"),
    ],
)
def test_wrong_declarations(declared: list[Declared], what: str) -> None:
    with pytest.raises(PipelineError, match=what):
        number(declared)


def test_a_misspelt_list_is_refused() -> None:
    with pytest.raises(PipelineError, match="nothing is called nxt"):
        Declared("A", "", nxt=("B",))
