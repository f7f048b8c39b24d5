"""Targets: each can be missed, each says by how much, and no result is a miss."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.figures import Figure, figure
from bench.report import Result, load, page, show
from bench.targets import (
    AT,
    CHANGES,
    DEMAND,
    FIRST,
    FLAT,
    FLOWS,
    MEMORY,
    MOST,
    SAME_FLOWS,
    SHARES,
    Rows,
    Verdict,
    judge,
)

COST = {size: {name: figure([2.0], "ms") for name in ("cold", *CHANGES)} for size in (100, 50_000)}

SMALL = "1,000 routed ports"


def rows() -> dict[str, dict[str, Figure]]:
    """Everything just held."""
    made = {row: {"Retia": figure([2.0], "ms"), "OVN": figure([2.0 * part], "ms")} for row, part in SHARES.items()}
    made |= {row: {"Retia": figure([5.0], "")} for row in SAME_FLOWS}
    return made | {row: {"Retia": figure([most], "")} for row, most in MOST.items()}


def shapes(**changed: dict[str, Figure]) -> dict[str, Rows]:
    flat = {"nothing to all flows": {"Retia": figure([2.4], "s")}}
    at = rows() | {name.replace("_", " "): found for name, found in changed.items()}
    return {AT: at, FLAT: flat, SMALL: {row: rows()[row] for row in SAME_FLOWS}, DEMAND: demand()}


def demand() -> Rows:
    made = {f"{row}, {mode}": cost for row in (FLOWS, MEMORY) for mode, cost in (("full", 200.0), ("on-demand", 10.0))}
    return {row: {"Retia": figure([cost], "")} for row, cost in (made | {FIRST: 20.0}).items()}


def missed(verdicts: list[Verdict]) -> list[str]:
    return [one.what for one in verdicts if not one.held]


def test_all_targets_may_just_be_held() -> None:
    verdicts = judge(shapes(), COST)
    assert missed(verdicts) == []
    assert len(verdicts) == len(SHARES) + len(MOST) + len(SAME_FLOWS) + len(CHANGES) + 4


def test_only_what_ran_is_judged() -> None:
    ran = judge({DEMAND: demand()}, {}, ["demand"])
    assert len(ran) == 3 and missed(ran) == [] and judge({}, {}, ["harness"]) == []
    assert len(missed(judge({}, {}, ["demand", "flat"]))) == 3, "no result of what ran is a miss"
    alone = [len(judge(shapes(), COST, [part])) for part in ("routed", "null", "demand")]
    assert sum(alone) == len(judge(shapes(), COST, ["routed", "null", "demand"]))


@pytest.mark.parametrize("row", [*SHARES, *MOST])
def test_a_little_more_misses(row: str) -> None:
    worse = shapes()
    old = rows()[row]
    worse[AT] = {**worse[AT], row: {**old, "Retia": figure([old["Retia"].median * 1.01 + 0.01], "")}}
    assert row in missed(judge(worse, COST))


@pytest.mark.parametrize("row", [*SHARES, *MOST, *SAME_FLOWS])
def test_no_result_of_ours_misses(row: str) -> None:
    worse = shapes()
    worse[AT] = {name: found for name, found in worse[AT].items() if name != row}
    assert row in missed(judge(worse, COST))


def test_nothing_measured_misses_everything() -> None:
    assert len(missed(judge({}, {}))) == len(SHARES) + len(MOST) + len(SAME_FLOWS) + len(CHANGES) + 4


def test_a_flat_switch_may_cost_little_more_than_a_routed_one() -> None:
    worse = shapes()
    worse[FLAT] = {"nothing to all flows": {"Retia": figure([2.5], "s")}}
    assert missed(judge(worse, COST)) == ["10,000 ports on one switch: nothing to all flows"]


@pytest.mark.parametrize("row", SAME_FLOWS)
def test_one_flow_more_with_more_switches_misses(row: str) -> None:
    worse = shapes()
    worse[AT] = {**worse[AT], row: {"Retia": figure([6.0], "")}}
    (verdict,) = [one for one in judge(worse, COST) if not one.held]
    assert (verdict.what, verdict.got) == (row, "5.00 and 6.00")


def test_one_size_says_nothing_of_others() -> None:
    alone = {shape: found for shape, found in shapes().items() if shape != SMALL}
    assert missed(judge(alone, COST)) == list(SAME_FLOWS)


def test_a_change_may_cost_twice_at_the_largest_size_and_no_more() -> None:
    dear = {**COST, 50_000: {**COST[50_000], "move": figure([4.1], "ms")}}
    assert missed(judge(shapes(), dear)) == ["move a port, 100 to 50,000 ports, null switch"]


def result() -> Result:
    found = shapes(move_a_remote_port={"Retia": figure([9.0], "ms")}) | {"100 routed ports": rows()}
    worse = {**found, FLAT: {"nothing to all flows": {"Retia": figure([9.0], "s")}}}
    return Result(
        {"ovn": "1", "python": "3", "cores": 2, "load": 1.0, "quick": True}, worse, COST, [], judge(worse, COST)
    )


def test_the_table_says_what_was_missed() -> None:
    out = io.StringIO()
    show(result(), Console(file=out, width=140))
    assert "1 targets missed" in out.getvalue() and "missed: 10,000 ports on one switch" in out.getvalue()


def test_a_kept_result_gives_the_same_page(tmp_path) -> None:
    import json

    file = tmp_path / "kept.json"
    file.write_text(json.dumps(result().data()))
    assert page(load(file)) == page(result())
    assert "**missed**" in page(result())


@pytest.mark.parametrize(("row", "what"), [(f"{FLOWS}, on-demand",) * 2, (f"{MEMORY}, on-demand",) * 2, (FIRST, FIRST)])
def test_on_demand_mode_is_held_against_full_mode(row: str, what: str) -> None:
    worse = shapes()
    worse[DEMAND] = {**demand(), row: {"Retia": figure([demand()[row]["Retia"].median * 1.01], "")}}
    assert missed(judge(worse, COST)) == [what]
    worse[DEMAND] = {name: found for name, found in demand().items() if name != row}
    assert missed(judge(worse, COST)) == [what]
