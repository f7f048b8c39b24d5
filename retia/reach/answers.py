"""What `reach` answers: yes or no, the way there and back, and what is in the way. As values; the CLI shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Obstacle:
    """What stopped a packet: a sentence; where the flows say so, the host, stage, counted reason, rule and object."""

    what: str
    host: str = ""
    stage: str = ""
    reason: str = ""
    rule: str = ""
    object: str = ""
    advice: str = ""

    @property
    def where(self) -> str:
        at = " on ".join(filter(None, [self.stage, self.host]))
        return f"dropped at {at}" + (f", {self.object}" if self.object else "") if at else ""


@dataclass(frozen=True)
class Answer:
    """`there` and `back` are the way as far as it went; `obstacle` is None when they can talk."""

    source: str
    target: str
    probe: str
    there: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    obstacle: Obstacle | None = None
    on_return: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        return self.obstacle is None

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {"reachable": self.reachable, **asdict(self)}

    def lines(self) -> list[str]:
        """For people."""
        found = []
        if self.obstacle is None:
            found.append(f"yes: {self.source} reaches {self.target} ({self.probe})")
        else:
            direction = "the reply: " if self.on_return else ""
            found.append(f"no: {direction}{self.obstacle.what}")
            found += [f"  {self.obstacle.advice}"] if self.obstacle.advice else []
        found += [f"  there: {' > '.join(self.there)}"] if self.there else []
        found += [f"  back:  {' > '.join(self.back)}"] if self.back else []
        if self.obstacle is not None and self.obstacle.where:
            found.append(f"  {self.obstacle.where} ({self.obstacle.reason}, rule {self.obstacle.rule})")
        return [*found, *(f"note: {note}" for note in self.notes)]


class Stopped(Exception):
    """A packet that goes no further."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.what)
        self.obstacle = obstacle


def stopped(what: str, advice: str = "") -> Stopped:
    return Stopped(Obstacle(what, advice=advice))
