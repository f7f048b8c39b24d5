"""Zones of connection tracking: the lowest free ones, clean, the same after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from retia.compile.local import ZonesFact
from retia.daemons.zones import HIGHEST, Settled, Zones


def zones(directory: Path) -> Zones:
    return Zones("hv1", directory / "zones-hv1.json")


def pairs(made: Zones) -> dict[str, tuple[int, int]]:
    return {row.router: (row.dnat, row.snat) for row in made.rows}


def test_each_router_has_two_of_its_own_and_each_is_flushed_first(tmp_path: Path) -> None:
    made = zones(tmp_path)
    settled = made.settle({"b", "a"})
    assert settled.changes == (([], [ZonesFact("hv1", "a", 1, 2), ZonesFact("hv1", "b", 3, 4)]),)
    assert sorted(settled.fresh) == [1, 2, 3, 4] and made.in_use == 4
    assert made.settle({"a", "b"}) == Settled()


def test_the_lowest_free_ones_are_used_again_and_flushed_again_but_not_in_the_same_batch(tmp_path: Path) -> None:
    made = zones(tmp_path)
    made.settle({"a", "b"})
    settled = made.settle({"b", "c"})
    assert settled.changes == (([ZonesFact("hv1", "a", 1, 2)], [ZonesFact("hv1", "c", 5, 6)]),)
    assert made.settle({"b", "c", "d"}).fresh == (1, 2)
    assert pairs(made) == {"b": (3, 4), "c": (5, 6), "d": (1, 2)}


def test_a_restart_changes_nothing_and_flushes_nothing(tmp_path: Path) -> None:
    before = zones(tmp_path)
    before.settle({"a", "b"})
    before.settle({"b"})
    after = zones(tmp_path)
    assert pairs(after) == pairs(before) == {"b": (3, 4)}
    assert after.settle({"b"}) == Settled()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"a": [1]}', '{"a": [1, "2"]}', '{"a": [1, 2], "b": [2, 3]}', '{"a": [0, 1]}', '{"a": [1, 65536]}'],
)
def test_a_broken_file_is_named_and_started_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "zones-hv1.json"
    file.write_text(text)
    with capture_logs() as said:
        made = zones(tmp_path)
    assert not made.rows and [one["file"] for one in said] == [str(file)]
    assert sorted(made.settle({"a"}).fresh) == [1, 2]
    assert pairs(zones(tmp_path)) == {"a": (1, 2)}


def test_there_are_only_so_many(tmp_path: Path) -> None:
    made = zones(tmp_path)
    made.settle({f"r{n:05}" for n in range(HIGHEST)})
    assert made.in_use == HIGHEST - 1
    assert max(row.snat for row in made.rows) <= HIGHEST


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "no").write_text("a file")
    made = Zones("hv1", tmp_path / "no" / "zones.json")
    assert made.settle({"a"}).fresh == (1, 2)
