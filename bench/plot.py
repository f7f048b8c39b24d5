"""The picture: what adding one port costs against the size of the network, both axes logarithmic. Pure; plain SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench.figures import Figure, number
from bench.rounds import Rows

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 760, 420, 70, 40, 50, 200
X, Y = (100, 50_000), (1.0, 2_000.0)
COLOURS = {"OVN": "#b33", "Retia": "#06c", "Retia, null switch": "#393"}
Points = list[tuple[float, float]]


def series(shapes: Mapping[str, Rows], changes: Mapping[int, Mapping[str, Figure]]) -> dict[str, Points]:
    """Ports and milliseconds, by what is drawn."""
    found: dict[str, Points] = {name: [] for name in COLOURS}
    for shape, rows in shapes.items():
        if size := re.fullmatch(r"([\d,]+) routed ports", shape):
            for who, figure in rows.get("add a remote port, flow", {}).items():
                found[who].append((float(size[1].replace(",", "")), figure.median))
    found["Retia, null switch"] = [(float(size), row["add"].median) for size, row in changes.items()]
    return {name: sorted(points) for name, points in found.items() if points}


def plot(shapes: Mapping[str, Rows], changes: Mapping[int, Mapping[str, Figure]]) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 22, "Add a remote port: from the write until its flow is in Open vSwitch", "start", "#000"),
        *_grid(),
    ]
    for name, points in series(shapes, changes).items():
        parts += _line(name, points)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(ports: float, milliseconds: float) -> tuple[float, float]:
    return _scale(ports, X, LEFT, WIDTH - RIGHT), _scale(milliseconds, Y, HEIGHT - BOTTOM, TOP)


def _scale(value: float, ends: tuple[float, float], start: float, stop: float) -> float:
    low, high = map(math.log10, ends)
    return start + (math.log10(min(max(value, ends[0]), ends[1])) - low) / (high - low) * (stop - start)


def _grid() -> list[str]:
    parts = []
    for ports in (100, 1_000, 10_000, 50_000):
        x, _ = _place(ports, Y[0])
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 20, f"{ports:,}", "middle"))
    for milliseconds in (1, 10, 100, 1_000):
        _, y = _place(X[0], milliseconds)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{milliseconds:,} ms", "end"))
    return [*parts, _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "ports in the network", "middle")]


def _line(name: str, points: Points) -> list[str]:
    colour = COLOURS[name]
    placed = [_place(*point) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in placed]
    label = f"{name}, {number(points[-1][1])} ms"
    x, y = placed[-1]
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return [line, *dots, _text(x + 10, y + 4, label, "start", colour)]


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
