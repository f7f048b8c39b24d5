"""Figures: samples summed up as median and 99th percentile. Pure; everything the bench prints or keeps is one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    median: float
    p99: float
    samples: int
    unit: str

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.samples == 1:
            return f"{number(self.median)} {self.unit}".strip()
        return f"{number(self.median)} / {number(self.p99)} {self.unit}".strip()


def figure(samples: Sequence[float], unit: str) -> Figure:
    """Raises ValueError for no samples."""
    if not samples:
        raise ValueError("a figure needs a sample")
    return Figure(statistics.median(samples), percentile(samples, 99), len(samples), unit)


def percentile(samples: Sequence[float], share: float) -> float:
    """The nearest rank: a sample that was seen, never something between two."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


def number(value: float) -> str:
    """Three figures, and no more than two behind the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def times(ours: float, theirs: float) -> str:
    """How ours compares: 1/120 of theirs, or 1.3 x."""
    if theirs == 0:
        return "as none" if ours == 0 else "–"
    share = ours / theirs
    return f"{share:.2f} x" if share > 0.8 else f"1/{1 / share:,.0f}" if share and 1 / share >= 10 else f"{share:.2f} x"
