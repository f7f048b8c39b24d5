"""Which pipeline a flow belongs to: 8 bits at the top of its cookie, a digest of all that gives tables and registers
their meaning. Flows of two generations are never mixed: `switch.reconciler` replaces the former ones at one moment.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from retia.flows.fields import Subfield
from retia.pipeline import fields
from retia.pipeline.stage import Stage
from retia.pipeline.stages import STAGES

BITS = 8


def meaning(stages: Mapping[str, Stage], places: Mapping[str, Subfield]) -> Iterator[str]:
    """Every stage with its table, priorities and ways, and every place a packet's registers and option have."""
    for name, stage in stages.items():
        yield f"{int(stage)} {name} {stage.priorities} {stage.next} {stage.backwards} {stage.asks}"
    for name, place in sorted(places.items()):
        yield f"{name} {place.field} {place.start} {place.bits}"


def digest(stages: Mapping[str, Stage], places: Mapping[str, Subfield]) -> int:
    """Never 0, which is the cookie of flows that are not Retia's."""
    return zlib.crc32("\n".join(meaning(stages, places)).encode()) % ((1 << BITS) - 1) + 1


PLACES = {name: place for name, place in vars(fields).items() if isinstance(place, Subfield)}
GENERATION = digest(STAGES, PLACES)
