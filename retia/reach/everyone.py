"""Every pair of ports: who can talk, and the others grouped by what is in the way. Each pair is asked once, from the
first by name; a group is explained by its first pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from retia.model.kinds import Port
from retia.reach.answers import Obstacle
from retia.reach.probes import Probe
from retia.reach.question import Asker
from retia.reach.world import World

SHOWN = 5


@dataclass(frozen=True)
class Group:
    """Pairs that one obstacle keeps apart; `first` is what is in the way of the first of them, down to its objects."""

    obstacle: Obstacle
    first: Obstacle
    on_return: bool
    pairs: tuple[tuple[str, str], ...]

    def lines(self) -> list[str]:
        direction = "the reply: " if self.on_return else ""
        number = f"{len(self.pairs)} pair{'s' if len(self.pairs) > 1 else ''}"
        found = [f"{number}: {direction}{self.obstacle.what}"]
        found += [f"  {self.obstacle.where}"] if self.obstacle.where else []
        more = f" and {len(self.pairs) - SHOWN} more" if len(self.pairs) > SHOWN else ""
        names = ", ".join(f"{a} - {b}" for a, b in self.pairs[:SHOWN])
        found.append(f"  {self._everyone() or names + more}")
        if self.first.what != self.obstacle.what:
            found.append(f"  {' - '.join(self.pairs[0])}: {self.first.what}")
        return [*found, *([f"  {self.first.advice}"] if self.first.advice else [])]

    def _everyone(self) -> str:
        """In short where one port is in every pair."""
        common = set(self.pairs[0]).intersection(*self.pairs[1:]) if len(self.pairs) > SHOWN else set()
        return f"{common.pop()} with {len(self.pairs)} others" if len(common) == 1 else ""


@dataclass(frozen=True)
class Everyone:
    """`unbound` are ports that live on no registered host: no pair of theirs is asked."""

    ports: int
    pairs: int
    reachable: int
    groups: tuple[Group, ...]
    unbound: tuple[str, ...] = ()

    @property
    def all_reachable(self) -> bool:
        return self.reachable == self.pairs and not self.unbound

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {"all_reachable": self.all_reachable, **asdict(self)}

    def lines(self) -> list[str]:
        """For people."""
        found = [f"{self.reachable} of {self.pairs} pairs of {self.ports} ports can talk"]
        if self.unbound:
            names = ", ".join(self.unbound[:SHOWN])
            more = f" and {len(self.unbound) - SHOWN} more" if len(self.unbound) > SHOWN else ""
            found.append(f"{len(self.unbound)} ports live on no registered host: {names}{more}")
        return [*found, *(line for group in self.groups for line in group.lines())]


def ask_all(world: World, ports: Sequence[Port], probe: Probe) -> Everyone:
    """Every pair of these ports."""
    ordered = sorted(ports, key=world.name)
    bound = [port for port in ordered if port.id in world.places]
    asker = Asker(world, explains=False)
    groups: dict[tuple[Obstacle, bool], list[tuple[Port, Port]]] = {}
    pairs = reachable = 0
    for source, target in combinations(bound, 2):
        answer = asker.ask(source, target, probe)
        pairs += 1
        if answer.obstacle is None:
            reachable += 1
        else:
            anywhere = replace(answer.obstacle, host="")  # on whichever host: the obstacle is the same
            groups.setdefault((anywhere, answer.on_return), []).append((source, target))
    made = [_group(world, *key, found, probe) for key, found in groups.items()]
    unbound = tuple(world.name(port) for port in ordered if port.id not in world.places)
    return Everyone(len(ordered), pairs, reachable, tuple(sorted(made, key=lambda one: -len(one.pairs))), unbound)


def _group(
    world: World, obstacle: Obstacle, on_return: bool, pairs: Sequence[tuple[Port, Port]], probe: Probe
) -> Group:
    first = Asker(world).ask(*pairs[0], probe).obstacle or obstacle
    return Group(obstacle, first, on_return, tuple((world.name(a), world.name(b)) for a, b in pairs))
