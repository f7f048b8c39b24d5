"""Zones of connection tracking: two for each router that translates on this host, the same after a restart.

The lowest free numbers from 1. A zone is flushed before it is used, whoever had it before; what a router in the same
batch gives up is free only afterwards, so that no packet of the one is tracked with those of the other. Pure but for
the file they are kept in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from retia.compile.compiler import LocalChange
from retia.compile.local import ZonesFact
from retia.daemons import kept
from retia.log import logger

HIGHEST = 0xFFFF

log = logger("agent")


class Settled(NamedTuple):
    """`fresh`: zones to be flushed before the rows are used."""

    changes: tuple[LocalChange, ...] = ()
    fresh: tuple[int, ...] = ()


class Zones:
    def __init__(self, host: str, file: Path) -> None:
        self._host, self._file = host, file
        self._of = self._read()

    def _read(self) -> dict[str, tuple[int, int]]:
        found = kept.read(self._file, dict[str, tuple[int, int]]) or {}
        numbers = [zone for pair in found.values() for zone in pair]
        if len(set(numbers)) == len(numbers) and all(0 < zone <= HIGHEST for zone in numbers):
            return found
        kept.refuse(self._file, "zones are given twice, or are none")
        return {}

    @property
    def in_use(self) -> int:
        return 2 * len(self._of)

    @property
    def rows(self) -> list[ZonesFact]:
        return [self._row(router) for router in self._of]

    def settle(self, routers: Collection[str]) -> Settled:
        """Exactly these are to have zones."""
        gone = [router for router in self._of if router not in routers]
        come = sorted(router for router in routers if router not in self._of)
        if not gone and not come:
            return Settled()
        given = self._give(come)
        drops = [self._row(router) for router in gone]
        for router in gone:
            del self._of[router]
        kept.write(self._file, self._of)
        return Settled(
            ((drops, [self._row(router) for router in given]),), tuple(z for one in given.values() for z in one)
        )

    def _give(self, routers: list[str]) -> dict[str, tuple[int, int]]:
        taken = {zone for pair in self._of.values() for zone in pair}
        free = _free(taken)
        given: dict[str, tuple[int, int]] = {}
        for router in routers:
            pair = next(free, 0), next(free, 0)
            if 0 in pair:
                log.error("no zones of connection tracking are left: a router does not translate", router=router)
                break
            given[router] = pair
        self._of |= given
        return given

    def _row(self, router: str) -> ZonesFact:
        return ZonesFact(self._host, router, *self._of[router])


def _free(taken: set[int]) -> Iterator[int]:
    for zone in count(1):
        if zone > HIGHEST:
            return
        if zone not in taken:
            yield zone
