"""What a stage is: a named OpenFlow table with the priorities its flows use and the stages it may go on to.

Table numbers come from the order of declaration in `stages.py` and are written nowhere else. A declaration
checks itself: names are unique, next stages exist, and only a stage that says `backwards` goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MISS, TRACE = "miss", "trace"


class PipelineError(Exception):
    """The pipeline is declared wrongly, or a flow does not obey its stage. A bug, never the user's fault."""


class Stage(int):
    """A table number that knows its name. `priorities` are named, highest first; `miss` is always 0, and `trace`, by
    which a traced packet is reported before anything else, the highest there is."""

    name: str
    doc: str
    priorities: dict[str, int]
    next: tuple[str, ...]
    backwards: tuple[str, ...]
    asks: tuple[str, ...]
    ranged: tuple[str, ...]

    def has(self, priority: int) -> bool:
        """Whether a flow may have this priority: a declared one or, of a ranged kind, one of the next above it."""
        if priority in self.priorities.values():
            return True
        above = priority // PRIORITY_STEP * PRIORITY_STEP
        return any(base == above and name.startswith(self.ranged) for name, base in self.priorities.items())

    def priority(self, name: str) -> int:
        """Raises PipelineError for a priority the stage does not declare."""
        try:
            return self.priorities[name]
        except KeyError:
            raise PipelineError(f"stage {self.name} declares no priority {name!r}") from None

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


class Declared:
    """A stage before it has its number."""

    def __init__(self, name: str, doc: str, **lists: Iterable[str]) -> None:
        """`next`: stages a flow may go on to; `backwards`: those it may resubmit to although they come earlier;
        `asks`: those it may resubmit to for an answer in a register; `priorities`: highest first; `ranged`: kinds of
        them that stand for a range, each up to the next."""
        self.name, self.doc = name, doc
        self.priorities, self.next, self.backwards, self.asks = (
            tuple(lists.pop(key, ())) for key in ("priorities", "next", "backwards", "asks")
        )
        self.ranged = tuple(lists.pop("ranged", ()))
        if lists:
            raise PipelineError(f"stage {name}: nothing is called {', '.join(lists)}")


PRIORITY_STEP = 100
HIGHEST_PRIORITY = 0xFFFF
LONGEST_PREFIX = 128


def by_length(*kinds: str) -> Iterator[str]:
    """Priorities for prefixes of both address families, the longest first; of one length in the order of `kinds`."""
    return (f"{kind}-{length}" for length in range(LONGEST_PREFIX, -1, -1) for kind in kinds)


def number(declared: Iterable[Declared]) -> dict[str, Stage]:
    """Give each stage its table number, in order. Raises PipelineError for a wrong declaration."""
    stages: dict[str, Stage] = {}
    for table, one in enumerate(declared):
        stage = Stage(table)
        stage.name, stage.doc = one.name, one.doc
        stage.next, stage.backwards, stage.asks, stage.ranged = one.next, one.backwards, one.asks, one.ranged
        ranked = {name: PRIORITY_STEP * (len(one.priorities) - rank) for rank, name in enumerate(one.priorities)}
        stage.priorities = {TRACE: HIGHEST_PRIORITY, **ranked, MISS: 0}
        if len(stage.priorities) != len(one.priorities) + 2 or max(ranked.values(), default=0) >= HIGHEST_PRIORITY:
            what = f"priorities are too many, declared twice, or called {MISS} or {TRACE}"
            raise PipelineError(f"stage {one.name}: {what}")
        if one.name in stages:
            raise PipelineError(f"stage {one.name} is declared twice")
        stages[one.name] = stage
    for stage in stages.values():
        _check_next(stage, stages)
    return stages


def _check_next(stage: Stage, stages: dict[str, Stage]) -> None:
    for name in (*stage.next, *stage.backwards, *stage.asks):
        if name not in stages:
            raise PipelineError(f"stage {stage.name} goes on to {name}, which is not declared")
    for name in stage.next:
        if stages[name] <= stage:
            raise PipelineError(f"stage {stage.name} goes back to {name} without saying so")
    for name in stage.backwards:
        if stages[name] > stage:
            raise PipelineError(f"stage {stage.name} says it goes backwards to {name}, which comes later")
