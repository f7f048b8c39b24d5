"""A packet's way as values: the stages it came to, host by host, and how it ended. Live or walked, told alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from retia.compile.reasons import Reason

Change = tuple[int, int]
"""A field's value before and after."""


@dataclass(frozen=True)
class Point:
    """A stage that the packet came to: where it was then (keys of its switch or router, of the ports it came from and
    goes to there; 0: not known yet), the rule and the object (its id) of the flow that took it on ("" where none did),
    and what that changed in its headers."""

    stage: str
    datapath: int = 0
    source: int = 0
    destination: int = 0
    rule: str = ""
    origin: str = ""
    changed: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True)
class Passage:
    """The way through one host's switch."""

    host: str
    points: tuple[Point, ...] = ()


class Ending(StrEnum):
    """How a way ends."""

    delivered = "delivered"
    left = "left"
    dropped = "dropped"
    suppressed = "suppressed"
    missed = "missed"
    lost = "lost"
    unreported = "unreported"
    unsent = "unsent"
    endless = "endless"
    limit = "limit"


class End(NamedTuple):
    """`host` is where; of what is `unreported`, who did not say; of what is `unsent`, where it should have come in.
    `out`: the id of the port or uplink it came out of, or "" where it left by the host's own stack. `router`: the key
    of that whose edges were looked for. `detail`: which address, or limit."""

    ending: Ending
    host: str
    out: str = ""
    ofport: int = 0
    frame: bytes = b""
    reason: Reason | None = None
    router: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Story:
    passages: tuple[Passage, ...]
    end: End

    @property
    def arrived(self) -> bool:
        return self.end.ending in (Ending.delivered, Ending.left)

    @property
    def points(self) -> Iterator[tuple[str, Point]]:
        """Each with its host."""
        return ((passage.host, point) for passage in self.passages for point in passage.points)
