"""One packet's story twice: as hosts reported it, and walked over the flows they would have. They must be the same.

Three things differ, and no more. A real packet whose next hop on a physical network is not known waits in a drop,
`neighbour-asked`, and goes on once that is answered by ARP, if it is; the walk takes the answer for granted. Whoever
is outside has a MAC in the walk that is made from its address. And whom hosts have learned, and so listen to in ARP
(`hear_neighbour`), is what they were asked for before: the walk's hosts and the real ones were not asked for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from retia.compile.reasons import Reason
from retia.lab.physical import Outside
from retia.pipeline.stages import DROP, NEIGHBOUR
from retia.reach.physical import stranger
from retia.trace.story import Change, Ending, Point, Story
from retia.values import Mac

Macs = Mapping[int, int]
"""What those outside really have, by what the walk gives them."""


def macs(outside: Iterable[Outside]) -> dict[int, int]:
    """Of the outside nodes of a lab file."""
    found: dict[int, int] = {}
    for number, wish in enumerate(outside, 1):
        interfaces = wish.interfaces(number)
        found |= {stranger(each.address.address): each.mac for each in interfaces}
        found |= {stranger(address.address): interfaces[0].mac for address in wish.addresses}
    return found


def without_waiting(story: Story) -> Story:
    """As if all next hops had been known; as far as it came, where one never was."""
    passages = [replace(one, points=_not_waiting(one.points)) for one in story.passages]
    if story.end.reason is Reason.NEIGHBOUR_ASKED:
        points = passages[-1].points
        asked = max(number for number, point in enumerate(points) if point.stage == NEIGHBOUR.name)
        passages[-1] = replace(passages[-1], points=points[:asked])
    return replace(story, passages=tuple(passages))


def _not_waiting(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """What was told before the wait is told once more after it, from the stage on where the packet goes on; what had
    been changed by then is not changed again."""
    kept: list[Point] = []
    for point in points:
        first = next((n for n in reversed(range(len(kept))) if kept[n].stage == point.stage), None)
        if not kept or kept[-1].stage != DROP.name or first is None:
            kept.append(point)
            continue
        changed: dict[str, Change] = {}
        for before in kept[first:]:
            changed |= before.changed
        kept[first:] = [replace(point, changed={**changed, **point.changed})]
    return tuple(kept)


def with_macs(story: Story, known: Macs) -> Story:
    """The walk's, with the MACs that are really there."""
    passages = (replace(one, points=tuple(_renamed(one.points, known))) for one in story.passages)
    frame = story.end.frame
    for assumed, real in known.items():
        frame = frame.replace(Mac(assumed).to_bytes(6, "big"), Mac(real).to_bytes(6, "big"))
    return Story(tuple(passages), story.end._replace(frame=frame))


def _renamed(points: Iterable[Point], known: Macs) -> Iterable[Point]:
    def change(values: Change) -> Change:
        return known.get(values[0], values[0]), known.get(values[1], values[1])

    for point in points:
        yield replace(point, changed={name: change(values) for name, values in point.changed.items()})


def difference(live: Story, walk: Story) -> str:
    """The first, in words; "" for none. One that nobody ended is as far as it goes."""
    told, wanted = list(_unlearned(live)), list(_unlearned(walk))
    for number, (one, other) in enumerate(zip(told, wanted, strict=False)):
        if one != other:
            return f"point {number}: live {_show(*one)}, what-if {_show(*other)}; live ends {live.end}"
    unfinished = live.end.ending is Ending.unreported or live.end.reason is Reason.NEIGHBOUR_ASKED
    if len(told) > len(wanted) or (len(told) < len(wanted) and not unfinished):
        stages = [" ".join(f"{host}/{point.stage}" for host, point in points) for points in (told, wanted)]
        return f"live {stages[0]}, what-if {stages[1]}"
    if unfinished or live.end._replace(ofport=0) == walk.end._replace(ofport=0):
        return ""
    return f"live ends {live.end}, what-if {walk.end}"


def _unlearned(story: Story) -> Iterator[tuple[str, Point]]:
    """As if no host had learned any neighbour."""
    for host, point in story.points:
        yield host, replace(point, rule="hear_others", origin=host) if point.rule == "hear_neighbour" else point


def _show(host: str, point: Point) -> str:
    return f"{host} {point}"
