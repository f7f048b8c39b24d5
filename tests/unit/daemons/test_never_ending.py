"""A part of the agent that ends by itself ends the agent; one that is told to end does so in silence."""

from __future__ import annotations

import asyncio

import pytest

from retia.daemons.agent import never_ending


async def cancelled_from_inside() -> None:
    """As gRPC does to a watch whose channel another call has closed."""
    raise asyncio.CancelledError


async def over() -> None:
    return


@pytest.mark.parametrize("work", [cancelled_from_inside, over])
async def test_an_end_that_nobody_asked_for_is_a_fault(work) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(never_ending(work()), name="store")
            tasks.create_task(never_ending(asyncio.sleep(60)), name="loop")
    assert "part store has ended" in str(raised.value.exceptions[0])


async def test_one_that_is_told_to_end_ends() -> None:
    task = asyncio.create_task(never_ending(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
