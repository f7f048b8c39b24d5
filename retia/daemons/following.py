"""Traces run: a real packet followed by what hosts report, or the same one walked over the flows they would have.

Both give a `Way`: its story, and where its answer would come in. Used by `retia trace`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from retia.compile.explain import Things
from retia.model.state import HostState, Trace
from retia.reach.world import Place, World
from retia.store.traces import Entry, Traces
from retia.trace import packets
from retia.trace.names import tunnels
from retia.trace.reported import reported
from retia.trace.story import Story
from retia.trace.walked import walked

TOGETHER = 32
"""Packets that are followed at once."""


class Way(NamedTuple):
    """One packet's way, and the other way round what answers it."""

    packet: packets.Made
    story: Story


class Live:
    """By traces in a store. `patience`: seconds that one packet gets to come to its end."""

    def __init__(self, traces: Traces, things: Things, patience: float, deliver: bool = False) -> None:
        self._traces, self._patience, self._deliver = traces, patience, deliver
        self._tunnels = tunnels([thing for thing in things.values() if isinstance(thing, HostState)])

    @property
    def unready(self) -> str:
        """What is to be said of hosts that may not report."""
        return self._traces.unready

    async def follow(self, entries: Sequence[Entry]) -> list[Story]:
        """What becomes of each. Raises Conflict, StoreAway."""
        stories: list[Story] = []
        for start in range(0, len(entries), TOGETHER):
            begun = await self._traces.prepare(entries[start : start + TOGETHER], self._deliver)
            await self._traces.go(begun)
            stories += await asyncio.gather(*map(self._follow, begun))
            await self._traces.end(begun)
        return stories

    async def _follow(self, trace: Trace) -> Story:
        points = self._traces.heard(trace.id)
        heard = reported(trace, points, self._tunnels)
        try:
            async with asyncio.timeout(self._patience):
                while not heard.complete:
                    await self._traces.news()
                    if (now := self._traces.heard(trace.id)) != points:  # else it was news of another
                        points, heard = now, reported(trace, now, self._tunnels)
        except TimeoutError:
            pass
        return heard.story

    async def ways(self, sent: Sequence[tuple[Entry, packets.Made]], back: bool) -> list[list[Way]]:
        """Of each there and, if it arrives and is answered, `back`."""
        stories = await self.follow([entry for entry, _ in sent])
        found = [[Way(packet, story)] for (_, packet), story in zip(sent, stories, strict=True)]
        answered = [(ways, said) for ways in found if back and (said := _answer(ways[0].story)) is not None]
        ends = [(ways[0].story.end, said) for ways, said in answered]
        replies = await self.follow([Entry(end.host, end.out, said.frame) for end, said in ends])
        for (ways, said), story in zip(answered, replies, strict=True):
            ways.append(Way(said, story))
        return found


def walk_ways(world: World, place: Place, packet: packets.Made, back: bool) -> list[Way]:
    """The same over compiled flows."""
    found = [Way(packet, walked(world, place, packet.frame))]
    said = _answer(found[0].story) if back else None
    if said is not None:
        end = found[0].story.end
        found.append(Way(said, walked(world, Place(end.host, end.ofport), said.frame)))
    return found


def _answer(story: Story) -> packets.Made | None:
    return packets.reply(story.end.frame) if story.arrived and story.end.out else None
