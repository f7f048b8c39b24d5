"""The worlds the contract is tried in, each with the switch running and its events kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from retia.flows.flow import Flow, FlowKey
from retia.model.local import Attachment, Interface
from retia.switch.contract import AttachmentsChanged, Connected, InterfacesChanged, Switch, SwitchEvent
from tests.contract.switch.worlds import WORLDS, World


class Agent:
    """Stands for the agent: runs a switch, keeps what it reports, and the interfaces and attachments it adds up to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.events: list[SwitchEvent] = []
        self.interfaces: dict[str, Interface] = {}
        self.attachments: dict[str, Attachment] = {}
        self.switch: Switch = world.switch()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self._task = asyncio.create_task(self.switch.run(self._report))
        await self.until(lambda: self.count(Connected) or self._task.done())

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def again(self) -> None:
        """The agent is stopped and started: nothing it knew is left."""
        await self.end()
        self.__init__(self.world)  # type: ignore[misc]
        await self.begin()

    def _report(self, event: SwitchEvent) -> None:
        self.events.append(event)
        if isinstance(event, InterfacesChanged):
            _add_up(self.interfaces, event)
        elif isinstance(event, AttachmentsChanged):
            _add_up(self.attachments, event)

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def until(self, ready: Callable[[], object], seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                await asyncio.sleep(0.01)

    async def flows(self) -> dict[FlowKey, Flow]:
        return {one.flow.key: one.flow for one in await self.switch.observed()}

    async def until_flows(self, wanted: dict[FlowKey, Flow], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while await self.flows() != wanted:
                await asyncio.sleep(0.02)


def _add_up(said: dict[str, Any], event: InterfacesChanged | AttachmentsChanged) -> None:
    for old, new in event.changes:
        if old is not None:
            assert said.pop(old.name) == old
        if new is not None:
            said[new.name] = new


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.ovs) if name == "ovs" else name for name in WORLDS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = WORLDS[request.param]()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
async def agent(world: World) -> AsyncIterator[Agent]:
    one = Agent(world)
    await one.begin()
    try:
        yield one
    finally:
        await one.end()
