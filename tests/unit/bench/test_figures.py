"""Samples become figures, figures become words."""

from __future__ import annotations

import pytest

from bench.figures import Figure, figure, number, percentile, times


def test_median_and_p99_are_of_the_samples() -> None:
    assert figure([3.0, 1.0, 2.0], "ms") == Figure(2.0, 3.0, 3, "ms")
    assert percentile(list(range(1, 201)), 99) == 198
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="sample"):
        figure([], "ms")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.4567, "0.46"), (4.567, "4.57"), (45.67, "45.7"), (1326.4, "1,326")]
)
def test_numbers_have_three_figures(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [(5, 600, "1/120"), (5, 15, "0.33 x"), (30, 20, "1.50 x"), (0, 6.8, "0.00 x"), (0, 0, "as none"), (1, 0, "–")],
)
def test_how_ours_compares(ours: float, theirs: float, text: str) -> None:
    assert times(ours, theirs) == text


def test_a_single_sample_has_no_p99() -> None:
    assert str(figure([130.2], "MB")) == "130 MB"
    assert str(figure([1.0, 2.0], "ms")) == "1.50 / 2.00 ms"
