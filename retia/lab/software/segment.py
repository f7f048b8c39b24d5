"""A physical segment of a software lab: a switch that learns, as the real one is, and keeps VLANs apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

Hear = Callable[[bytes], None]


class Place(NamedTuple):
    """An end at a segment: whose, and in which VLAN (0: untagged). Ends of one owner are one wire."""

    owner: str
    vlan: int = 0


class Segment:
    """`down` are owners whose wire is cut."""

    def __init__(self) -> None:
        self._ends: dict[Place, Hear] = {}
        self._learned: dict[tuple[int, bytes], Place] = {}
        self.down: set[str] = set()

    def join(self, place: Place, hear: Hear) -> None:
        """Once more changes who hears."""
        self._ends[place] = hear

    def carry(self, source: Place, frame: bytes) -> None:
        """A frame from one end: to the end its destination was last heard from, else to all of the same VLAN."""
        if source.owner in self.down:
            return
        self._learned[source.vlan, frame[6:12]] = source
        known = self._learned.get((source.vlan, frame[:6]))
        every = [place for place in self._ends if place.vlan == source.vlan]
        for place in [known] if known in every else every:
            if place is not None and place != source and place.owner not in self.down:
                asyncio.get_running_loop().call_soon(self._ends[place], frame)
