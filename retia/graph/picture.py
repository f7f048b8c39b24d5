"""A picture as a value: boxes with rows, and lines between them. `draw` makes it, `dot` writes it.

A box is a switch, a router, a host, or many like ones; a row of it is what lives there. What a box or row stands for is
named in full in its `names`, however much is folded into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from retia.model.kinds import DEFAULT_PROJECT


class Tone(Enum):
    """How a state is coloured; its text says it too. The value is the line of the legend, worst last."""

    PLAIN = ""
    GOOD = "bound, alive, in service"
    OFF = "down, drained, out of service"
    WAITING = "unbound, never registered"
    BAD = "dead, or has a problem"


def worst(*tones: Tone) -> Tone:
    return max(tones, key=list(Tone).index, default=Tone.PLAIN)


class Style(StrEnum):
    """What a line says; its value is the line of the legend."""

    LINK = "router port"
    EDGE = "edge: a host that runs a router"
    UPLINK = "uplink: a switch's way out by a host"
    BINDING = "port on its host"


@dataclass(frozen=True)
class Row:
    """A line of a box; of no kind, it runs over all its width. `names`: of what it stands for, each with its state."""

    kind: str
    name: str = ""
    detail: str = ""
    state: str = ""
    tone: Tone = Tone.PLAIN
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Box:
    """`id` is its one name in the picture (`switch web`), `title` its heading; `project` the frame it is drawn in."""

    id: str
    kind: str
    title: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    rows: tuple[Row, ...] = ()
    names: tuple[str, ...] = ()
    project: str = ""
    marked: bool = False

    @property
    def all_names(self) -> tuple[str, ...]:
        return (*self.names, *(name for row in self.rows for name in row.names))


@dataclass(frozen=True, order=True)
class End:
    """Where a line ends: at the heading of a box, or at one of its rows."""

    box: str
    row: int = -1


@dataclass(frozen=True, order=True)
class Line:
    """From left to right. `length`: over how many columns; a `loose` one moves no box."""

    start: End
    end: End
    style: Style
    length: int = 1
    loose: bool = False


@dataclass(frozen=True)
class Picture:
    title: str
    counts: str
    notes: tuple[str, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]

    @property
    def frames(self) -> tuple[str, ...]:
        """Projects that are framed: all, but for the default one where there is no other."""
        projects = sorted({box.project for box in self.boxes if box.project})
        return () if projects == [DEFAULT_PROJECT] else tuple(projects)

    @property
    def pieces(self) -> int:
        """How many parts it has that neither a line nor a frame joins."""
        joined = [(line.start.box, line.end.box) for line in self.lines]
        framed = set(self.frames)
        joined += [(box.id, f"project {box.project}") for box in self.boxes if box.project in framed]
        roots: dict[str, str] = {}

        def root(name: str) -> str:
            while name in roots:
                name = roots[name]
            return name

        for one, other in joined:
            first, second = root(one), root(other)
            if first != second:
                roots[first] = second
        return len({root(box.id) for box in self.boxes})
