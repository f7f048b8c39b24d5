"""A story for people (a tree: hosts, switches and routers, stages, what changed) and for programs (lines, data)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retia.flows.text import show_value
from retia.reach.answers import Obstacle
from retia.trace.names import UNKNOWN, Names, Where
from retia.trace.story import Ending, Point, Story

TYPES = {"switch": "LS", "router": "LR", "": UNKNOWN}


@dataclass(frozen=True)
class Told:
    """One way, with what it is called: `packet` in short, `source` the id of where it came in,
    `obstacle` where it did not arrive, notes worth knowing."""

    title: str
    packet: str
    story: Story
    obstacle: Obstacle | None
    live: bool
    source: str = ""
    delivers: bool = False
    notes: tuple[str, ...] = ()


def lines(told: Told, names: Names) -> Iterator[str]:
    """One line a trace point, in the form that TupleNet's tool made known."""
    for host, point in told.story.points:
        where = names.where(point)
        yield (
            f"type:{TYPES[where.kind]},pipeline:{where.datapath or UNKNOWN},from:{where.source or UNKNOWN},"
            f"to:{where.destination or UNKNOWN},stage:{point.stage},chassis:{host}"
        )


def tree(told: Told, names: Names) -> Iterator[str]:
    """For people."""
    yield f"{told.title} ({told.packet}, {'live' if told.live else 'what-if'})"
    before = ""
    for passage in told.story.passages:
        yield f"host {passage.host}" + (f"  by tunnel from {before}" if before else "")
        yield from _passage(passage.points, names)
        before = passage.host
    yield ending(told, names)
    if told.obstacle is not None:
        yield from _obstacle(told.obstacle)
    yield from (f"note: {note}" for note in told.notes)


def _passage(points: tuple[Point, ...], names: Names) -> Iterator[str]:
    here = Where("", "", "", "")
    width = max((len(point.stage) for point in points), default=0)
    for point in points:
        where = names.where(point)
        if where[:3] != here[:3]:
            source = f"  from {where.source}" if where.source else ""
            yield f"├─ {where.kind} {where.datapath}{source}" if where.kind else "├─ not known yet"
        news = [_change(name, change) for name, change in point.changed.items()]
        if where.destination and where.destination != here.destination:
            news.insert(0, f"to {where.destination}")
        here = where
        yield f"│    {point.stage:{width}}  {', '.join(news)}".rstrip()


def _change(name: str, change: tuple[int, int]) -> str:
    return f"{name} {show_value(name, change[0])} → {show_value(name, change[1])}"


def ending(told: Told, names: Names) -> str:
    """How it ended, in one line."""
    end = told.story.end
    if end.ending is Ending.unreported:
        return f"unfinished: no report from {end.host}"
    if end.ending is Ending.delivered:
        kept = "" if told.delivers or not told.live else " (kept back: --deliver hands it over)"
        answered = ", as a router's answer" if end.out == told.source else ""
        return f"delivered to {names.object(end.out)} on {end.host}{answered}{kept}"
    if end.ending is Ending.left:
        out = names.object(end.out) if end.out else "the host's own network"
        return f"left {end.host} by {out}"
    if end.ending is Ending.unsent:
        return "not sent"
    return f"dropped on {end.host}"


def _obstacle(obstacle: Obstacle) -> Iterator[str]:
    yield f"  {obstacle.what}"
    if obstacle.stage:
        blamed = f", {obstacle.object}" if obstacle.object else ""
        yield f"  at {obstacle.stage} on {obstacle.host}{blamed} ({obstacle.reason}, rule {obstacle.rule})"
    if obstacle.advice:
        yield f"  {obstacle.advice}"


def data(told: Told, names: Names) -> dict[str, Any]:
    """For programs."""
    end = told.story.end
    return {
        "trace": told.title,
        "packet": told.packet,
        "mode": "live" if told.live else "what-if",
        "arrived": told.story.arrived,
        "ending": str(end.ending),
        "host": end.host,
        "to": names.object(end.out) if end.out else "",
        "reason": end.reason.label if end.reason else "",
        "obstacle": _obstacle_data(told.obstacle),
        "points": [_point(host, point, names) for host, point in told.story.points],
        "notes": list(told.notes),
    }


def _obstacle_data(obstacle: Obstacle | None) -> dict[str, str] | None:
    if obstacle is None:
        return None
    return {name: getattr(obstacle, name) for name in ("what", "host", "stage", "reason", "rule", "object", "advice")}


def _point(host: str, point: Point, names: Names) -> dict[str, Any]:
    where = names.where(point)
    changed = {
        name: {"before": show_value(name, old), "after": show_value(name, new)}
        for name, (old, new) in point.changed.items()
    }
    return {"host": host, "stage": point.stage, **where._asdict(), "rule": point.rule, "changed": changed}
