"""All declared objects as the store had them at one revision: what a plan starts from and a transaction compares.

    fences, then objects ──► View(network, revision of each object, fences)
    states ──► what agents say of themselves, for a forecast

Called by the CLI and the lab before they plan. Reads only. The fences (see `fence`) are read before the objects, so
that a change between the two makes a later transaction stale, never blind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retia.errors import Problem
from retia.model.kinds import DEFAULT_PROJECT, Object
from retia.model.network import Kind, Network
from retia.model.state import State
from retia.store import records
from retia.store.contract import Store
from retia.store.fence import FENCES


@dataclass(frozen=True)
class View:
    """`revisions` are those of the records of objects and fences, by key; malformed records are `problems`."""

    network: Network = field(default_factory=Network)
    revision: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def find(self, kind: type[Kind], text: str, project: str = DEFAULT_PROJECT) -> Kind:
        """What a user names. Raises NotFound with near misses, or InvalidInput."""
        return self.network.find(kind, text, project)

    @staticmethod
    async def load(store: Store) -> View:
        fences = await store.snapshot(FENCES)
        snapshot = await store.snapshot(records.OBJECTS)
        network, revisions, problems = Network(), dict[str, int](), list[Problem]()
        for key, record in snapshot.records.items():
            item = records.decode(key, record.value)
            if isinstance(item, Problem):
                problems.append(item)
            elif isinstance(item, Object):
                network.put(item)
                revisions[key] = record.revision
        raised = {key: record.revision for key, record in fences.records.items()}
        return View(network, snapshot.revision, revisions | raised, tuple(problems))


async def states(store: Store) -> list[State]:
    """What agents say: hosts and bindings. A record that cannot be read is left out."""
    found = await store.snapshot(records.STATES)
    things = (records.decode(key, record.value) for key, record in found.records.items())
    return [thing for thing in things if isinstance(thing, State)]
