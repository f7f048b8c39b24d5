"""What agents write, over every store."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from retia.errors import Timeout
from retia.model.state import ON_DEMAND, Alive, Barrier, Binding, HostProblem
from retia.store import barrier
from retia.store.contract import Store, Transaction
from retia.store.host import HostAgent, register
from retia.store.records import STATES, decode, encode, key_of
from retia.values import Ip


@contextlib.asynccontextmanager
async def alive(store: Store, host: str):
    agent = HostAgent(store, host, ttl=2)
    task = asyncio.create_task(agent.run())
    async with asyncio.timeout(5):
        while await store.get(key_of(Alive(host=host))) is None:
            await asyncio.sleep(0.01)
    try:
        yield agent
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def revision(store: Store) -> int:
    return (await store.snapshot(STATES)).revision


async def test_a_host_keeps_its_key(store: Store) -> None:
    one = await register(store, "hv1", Ip.parse("192.0.2.1"), "1")
    before = await revision(store)
    assert await register(store, "hv1", Ip.parse("192.0.2.1"), "1") == one
    assert await revision(store) == before, "nothing new, nothing written"
    moved = await register(store, "hv1", Ip.parse("192.0.2.9"), "1")
    assert moved.key == one.key and str(moved.tunnel) == "192.0.2.9"
    modest = await register(store, "hv1", Ip.parse("192.0.2.9"), "1", ON_DEMAND)
    assert (modest.key, modest.mode) == (one.key, ON_DEMAND)
    assert (await store.get(key_of(modest))).value == encode(modest)
    two = await register(store, "hv2", Ip.parse("192.0.2.2"), "1")
    assert two.key != one.key


async def test_many_hosts_at_once_get_keys_of_their_own(store: Store) -> None:
    states = await asyncio.gather(*[register(store, f"h{n}", Ip.parse(f"192.0.2.{n}"), "1") for n in range(12)])
    assert len({state.key for state in states}) == 12


async def test_tuplenet_d8_two_hosts_claim_one_port_and_settle_it_once(store: Store) -> None:
    async with alive(store, "hv1") as one, alive(store, "hv2") as two:
        first, second = await asyncio.gather(one.claim("port-1", "a"), two.claim("port-1", "b"))
        assert first.host == second.host, "both know who has it"
        before = await revision(store)
        for _ in range(20):
            assert (await one.claim("port-1", "a")).host == first.host
            assert (await two.claim("port-1", "b")).host == first.host
        assert await revision(store) == before, "no write storm"


async def test_a_binding_is_taken_over_when_its_holder_is_dead_or_lets_go(store: Store) -> None:
    async with alive(store, "hv2") as two:
        async with alive(store, "hv1") as one:
            await one.claim("p", "a")
            assert (await two.claim("p", "b")).host == "hv1"
        assert (await two.claim("p", "b")).host == "hv2", "hv1 is not alive any more"
        async with alive(store, "hv1") as one:
            await one.release("p")
            assert (await one.claim("p", "a")).host == "hv2", "releasing what another has changes nothing"
            await two.release("p")
            assert (await one.claim("p", "a")).host == "hv1"


async def test_problems_are_written_once_and_removed_when_mended(store: Store) -> None:
    agent = HostAgent(store, "hv1", 5)
    problem = HostProblem(host="hv1", about="bound-elsewhere-x", what="port x lives on hv2")
    await agent.report({problem.about: problem})
    before = await revision(store)
    await agent.report({problem.about: problem})
    restarted = HostAgent(store, "hv1", 5)
    await restarted.report({problem.about: problem})
    assert await revision(store) == before
    await restarted.report({})
    assert not (await store.snapshot(f"{STATES}problem/")).records


async def test_what_was_mended_while_no_agent_ran_is_no_problem_of_the_next(store: Store) -> None:
    problem = HostProblem(host="hv1", about="bridge", what="the bridge is someone else's")
    await HostAgent(store, "hv1", 5.0).report({problem.about: problem})
    await HostAgent(store, "hv1", 5.0).report({})
    assert (await store.snapshot(f"{STATES}problem/")).records == {}


async def test_a_barrier_waits_for_those_who_live_and_names_those_who_do_not_answer(store: Store) -> None:
    assert await barrier.wait(store, 1) == []
    async with alive(store, "hv1"), alive(store, "hv2"):

        async def answer(hosts: list[str]) -> None:
            async for batch in store.watch("/retia/v1/data/barrier", (await revision(store)) + 1):
                assert isinstance(decode(*batch.events[0]), Barrier)
                for host in hosts:
                    await HostAgent(store, host, 5).applied(batch.revision)
                return

        task = asyncio.create_task(answer(["hv1", "hv2"]))
        await asyncio.sleep(0.1)
        assert [one.host for one in await barrier.wait(store, 5)] == ["hv1", "hv2"]
        await task
        task = asyncio.create_task(answer(["hv2"]))
        await asyncio.sleep(0.1)
        with pytest.raises(Timeout, match="from hv1"):
            await barrier.wait(store, 0.5)
        await task


async def test_an_answer_given_at_once_is_heard_at_once(store: Store) -> None:
    """Also one that comes before the asker listens: etcd's watches hear of the past only ten times a second."""
    async with alive(store, "hv1") as host:
        start = asyncio.get_running_loop().time()
        for _ in range(20):
            asked = await store.commit(Transaction(puts=barrier.question()))
            await host.applied(asked)
            assert [one.revision for one in await barrier.wait(store, 5, asked)] == [asked]
        assert asyncio.get_running_loop().time() - start < 1


async def test_who_listens_hears_every_answer_and_asks_as_often_as_it_likes(store: Store) -> None:
    async with alive(store, "hv1") as one, alive(store, "hv2") as two, barrier.listening(store) as answers:
        for _ in range(5):
            asked = await store.commit(Transaction(puts=barrier.question()))
            waiting = [asyncio.create_task(answers.wait(5, asked)) for _ in range(2)]
            await one.applied(asked)
            await asyncio.sleep(0.02)
            assert not any(task.done() for task in waiting), "hv2 has not answered"
            await two.applied(asked)
            for told in await asyncio.gather(*waiting):
                assert [(answer.host, answer.revision) for answer in told] == [("hv1", asked), ("hv2", asked)]
        with pytest.raises(Timeout, match="from hv1, hv2"):
            await answers.wait(0.1)


async def test_a_binding_that_cannot_be_read_is_replaced(store: Store) -> None:
    key = key_of(Binding(port="p", host="x"))
    await store.commit(Transaction(puts={key: b"garbage"}))
    assert (await HostAgent(store, "hv1", 5).claim("p", "a")).host == "hv1"
    assert encode(Binding(port="p", host="hv1", interface="a")) == (await store.get(key)).value
