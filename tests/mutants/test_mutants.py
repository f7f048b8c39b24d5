"""Every mutant fits the code as it is; and the runner tells a survivor, a drifted one and a test that cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import MUTANTS
from tests.mutants.__main__ import ROOT
from tests.mutants.mutant import Drifted, Mutant, check
from tests.mutants.runner import Outcome, Verdict, run

SHOP = "def price(count: int) -> int:\n    return 3 * count\n\n\ndef greet() -> str:\n    return 'hello'\n"
TESTS = """
from shop import greet, price

def test_price():
    assert price(2) == 6

def test_greet():
    assert greet()
"""


def toy(old: str, new: str, test: str, name: str = "toy") -> Mutant:
    return Mutant(name, "shop.py", old, new, f"test_shop.py::{test}", "wrong bills")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "shop.py").write_text(SHOP)
    (root / "test_shop.py").write_text(TESTS)
    return root


def verdicts(root: Path, *mutants: Mutant) -> dict[str, Verdict]:
    return {outcome.mutant.name: outcome.verdict for outcome in run(root, mutants)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_fits(mutant: Mutant) -> None:
    check(mutant, ROOT)
    assert mutant.harm.endswith(".")


def test_there_are_enough_and_each_has_its_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert len({mutant.file for mutant in MUTANTS}) >= 15


def test_the_runner_tells_the_dead_from_the_living(tree: Path) -> None:
    mutants = [
        toy("3 * count", "3 + count", "test_price", "noticed"),
        toy("'hello'", "'bye'", "test_greet", "not-noticed"),
        toy("3 * count", "3 *", "test_price", "no-python"),
        toy("4 * count", "3 * count", "test_price", "no-such-text"),
        toy("return", "yield", "test_price", "text-twice"),
        toy("3 * count", "4 * count", "test_prize", "no-such-test"),
    ]
    assert verdicts(tree, *mutants) == {
        "noticed": Verdict.KILLED,
        "not-noticed": Verdict.SURVIVED,
        "no-python": Verdict.UNTESTED,
        "no-such-text": Verdict.DRIFTED,
        "text-twice": Verdict.DRIFTED,
        "no-such-test": Verdict.DRIFTED,
    }
    assert (tree / "shop.py").read_text() == SHOP, "the tree itself is never touched"


def test_breaks_of_one_length_within_a_second_are_told_apart(tree: Path) -> None:
    """Python knows a source by its time and length, unless told otherwise."""
    mutants = [toy("3 * count", f"{n} * count", "test_price", str(n)) for n in (4, 5, 6)]
    same = toy("3 * count", "count * 3", "test_price", "same")
    found = verdicts(tree, *mutants, same)
    assert found.pop("same") is Verdict.SURVIVED and set(found.values()) == {Verdict.KILLED}


def test_nothing_is_proved_by_a_test_that_fails_unbroken(tree: Path) -> None:
    (tree / "shop.py").write_text(SHOP.replace("3 *", "7 *"))
    outcomes: list[Outcome] = list(run(tree, [toy("7 * count", "8 * count", "test_price")]))
    assert [one.verdict for one in outcomes] == [Verdict.UNTESTED] and "unbroken" in outcomes[0].said


def test_a_break_that_changes_nothing_is_refused(tree: Path) -> None:
    with pytest.raises(Drifted, match="nothing changes"):
        check(toy("3 * count", "3 * count", "test_price"), tree)
