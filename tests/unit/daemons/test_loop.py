"""The agent's loop and duties over a memory store and a switch that only remembers: order, claims, barriers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from retia.compile.compiler import Compiler
from retia.daemons.duties import Duties
from retia.daemons.gateways import Gateways, Wish
from retia.daemons.loop import Loop
from retia.daemons.tracer import Tracer
from retia.errors import SwitchAway, Timeout
from retia.flows.carrying import Punted
from retia.flows.flow import Flow, FlowKey
from retia.model.document import parse
from retia.model.kinds import Port
from retia.model.local import Interface, InterfaceChange
from retia.model.state import FULL, Alive, Binding, HostProblem
from retia.store import barrier, catalog
from retia.store.changes import Changes
from retia.store.contract import Transaction
from retia.store.host import HostAgent, register
from retia.store.memory import MemoryStore
from retia.store.records import encode, key_of
from retia.store.sync import Sync
from retia.store.view import View
from retia.switch.contract import AttachmentsChanged, Connected, InterfacesChanged
from retia.values import Ip
from tests.unit.daemons.remembering import Sender

DOCUMENT = """
retia: 1
document: test
switches:
  web: {subnets: {n: {cidr: 10.0.1.0/24}}, ports: {one: {}, two: {}}}
"""


class Remembering(Sender):
    """A switch that takes everything and remembers in what order."""

    def __init__(self) -> None:
        super().__init__()
        self.flows: dict[FlowKey, Flow] = {}
        self.refused: dict = {}
        self.hindrance = None
        self.attachment_problems: dict[str, str] = {}
        self.attached: tuple = ((), ())
        self.flushed: list[int] = []
        self.connected = False
        self.log: list[str] = []

    async def run(self, report) -> None:
        await asyncio.Event().wait()

    async def start(self, flows: Iterable[Flow]) -> list:
        self.flows = {flow.key: flow for flow in flows}
        self.connected = True
        self.log.append("start")
        return []

    async def apply(self, puts, drops) -> list:
        self.log.append("apply")
        self.flows.update({flow.key: flow for flow in puts})
        for key in drops:
            del self.flows[key]
        return []

    async def attach(self, uplinks, peers) -> None:
        self.log.append("attach")
        self.attached = tuple(uplinks), tuple(peers)

    async def flush_zones(self, zones) -> None:
        self.log.append("flush")
        self.flushed += zones

    async def open_local(self) -> str:
        if self.away:
            raise SwitchAway("away")
        return "0a:00:00:00:00:fe"

    async def warm(self, peers: set[str]) -> None:
        self.log.append("warm")

    async def observed(self, table: int | None = None) -> list:
        return []

    async def sizes(self) -> dict[int, int]:
        return dict(Counter(key.table for key in self.flows))


class Agent:
    mode = FULL

    def __init__(self, store: MemoryStore, host: str, run_dir: str, direct_exit: bool = False) -> None:
        self.store, self.switch = store, Remembering()
        self.compiler = Compiler(host)
        self.sync = self.make_sync(Path(run_dir))
        self.unreachable: list[Punted] = []
        self.host = HostAgent(store, host, 5)
        self.duties = Duties(self.host, self.compiler, self.switch)
        wish = Wish(Path(run_dir), direct_exit, lambda: False)
        self.gateways = Gateways(self.compiler, self.switch, wish, self.unreachable.append)
        self.tracer = Tracer(self.compiler, self.switch, store)
        self.loop = Loop(self.compiler, self.switch, self.duties, self.gateways, self.tracer)

    def make_sync(self, run_dir: Path) -> Sync:
        return Sync(self.store)

    async def follow(self) -> None:
        async for delta in self.sync.deltas():
            self.loop.inbox.put_nowait(delta)

    def more(self) -> list[Coroutine]:
        """What else it does."""
        return []

    def report(self, event: InterfacesChanged) -> None:
        self.loop.inbox.put_nowait(event)

    def plug(self, *interfaces: Interface, whole: bool = False) -> None:
        changes = tuple(InterfaceChange(None, one) for one in interfaces)
        self.report(InterfacesChanged(changes, whole))
        if whole:
            self.loop.inbox.put_nowait(AttachmentsChanged((), True))

    def unplug(self, interface: Interface) -> None:
        self.report(InterfacesChanged((InterfaceChange(interface, None),)))


@contextlib.asynccontextmanager
async def running(
    store: MemoryStore, name: str, run_dir: str | None = None, direct_exit: bool = False, kind: type[Agent] = Agent
):
    await register(store, name, Ip.parse("192.0.2.1" if name == "hv1" else "192.0.2.2"), "test", kind.mode)
    own = TemporaryDirectory()
    agent = kind(store, name, run_dir or own.name, direct_exit)
    gateways = agent.gateways
    works = [agent.follow(), agent.loop.run(), agent.duties.run(), agent.host.run()]
    works += [
        gateways.neighbours.run(),
        gateways.announcer.run(),
        gateways.direct.run(),
        agent.tracer.run(),
        *agent.more(),
    ]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield agent
        for task in tasks:
            assert not task.done() or task.result() is None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        own.cleanup()


async def until(ready, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not ready():
            await asyncio.sleep(0.01)


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await catalog.change(made, lambda view: catalog.plan(view, parse(DOCUMENT, "test.yaml")))
    return made


async def port(store: MemoryStore, path: str) -> Port:
    return (await View.load(store)).find(Port, path)


async def binding(store: MemoryStore, path: str) -> bytes | None:
    found = await store.get(key_of(Binding(port=(await port(store, path)).id, host="")))
    return found.value if found else None


async def test_nothing_is_sent_before_records_and_interfaces_are_known(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        await until(lambda: agent.sync.view)
        await asyncio.sleep(0.05)
        assert "start" not in agent.switch.log
        agent.plug(Interface("g1", 1, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        assert agent.switch.log.index("warm") < agent.switch.log.index("start")
        assert agent.switch.flows == agent.compiler.flows


async def test_tuplenet_18_a_port_binds_whichever_came_first(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 1, "web/one"), Interface("g9", 9, "web/late"), whole=True)
        wanted = encode(Binding(port=(await port(store, "web/one")).id, host="hv1", interface="g1"))
        async with asyncio.timeout(5):
            while await binding(store, "web/one") != wanted:
                await asyncio.sleep(0.01)
        await catalog.change(store, lambda view: catalog.create(view, Port, "web/late", {}))
        async with asyncio.timeout(5):
            while await binding(store, "web/late") is None:
                await asyncio.sleep(0.01)


async def test_an_unplugged_port_is_released_and_its_flows_go(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        interface = Interface("g1", 1, "web/one")
        agent.plug(interface, whole=True)
        async with asyncio.timeout(5):
            while await binding(store, "web/one") is None:
                await asyncio.sleep(0.01)
        agent.unplug(interface)
        async with asyncio.timeout(5):
            while await binding(store, "web/one") is not None:
                await asyncio.sleep(0.01)
        await until(lambda: agent.switch.flows == agent.compiler.flows)


async def test_tuplenet_d8_a_port_on_two_hosts_is_settled_and_named_once(store: MemoryStore) -> None:
    async with running(store, "hv1") as one, running(store, "hv2") as two:
        for agent in (one, two):
            agent.plug(Interface("g1", 1, "web/one"), whole=True)
        await until(lambda: any(isinstance(t, HostProblem) for t in one.sync.view.values()))
        (problem,) = [t for t in one.sync.view.values() if isinstance(t, HostProblem)]
        assert problem.about.startswith("bound-elsewhere")
        await asyncio.sleep(0.3)
        before = (await store.snapshot("/")).revision
        await asyncio.sleep(1.0)
        after = (await store.snapshot("/")).revision
        assert after == before, "no write storm"
        (holder,) = [t for t in one.sync.view.values() if isinstance(t, Binding)]
        winner, loser = (one, two) if holder.host == "hv1" else (two, one)
        winner.unplug(Interface("g1", 1, "web/one"))
        await until(
            lambda: any(isinstance(t, Binding) and t.host == loser.compiler.host for t in one.sync.view.values())
        )
        await until(lambda: not any(isinstance(t, HostProblem) for t in one.sync.view.values()))


async def test_a_barrier_is_answered_when_the_switch_has_it(store: MemoryStore) -> None:
    async with running(store, "hv1") as one, running(store, "hv2") as two:
        for agent in (one, two):
            agent.plug(whole=True)
            await until(lambda agent=agent: agent.loop.started)
        await until(lambda: sum(isinstance(t, Alive) for t in one.sync.view.values()) == 2)
        answers = await barrier.wait(store, 5)
        assert [answer.host for answer in answers] == ["hv1", "hv2"]


async def test_a_barrier_is_not_answered_while_the_switch_is_away(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        await until(lambda: any(isinstance(t, Alive) for t in agent.sync.view.values()))
        agent.switch.connected = False
        with pytest.raises(Timeout, match="from hv1"):
            await barrier.wait(store, 0.5)
        waiting = asyncio.create_task(barrier.wait(store, 5))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        agent.switch.connected = True
        agent.loop.inbox.put_nowait(Connected(()))
        assert [answer.host for answer in await waiting] == ["hv1"]


async def test_a_restarted_agent_releases_nothing_before_it_knows_its_interfaces(store: MemoryStore) -> None:
    interface = Interface("g1", 1, "web/one")
    async with running(store, "hv1") as agent:
        agent.plug(interface, whole=True)
        async with asyncio.timeout(5):
            while (held := await binding(store, "web/one")) is None:
                await asyncio.sleep(0.01)
    async with running(store, "hv1") as agent:
        await until(lambda: agent.sync.view and agent.loop.inbox.empty())
        await asyncio.sleep(0.1)
        assert await binding(store, "web/one") == held
        agent.plug(interface, whole=True)
        await until(lambda: agent.loop.started)
        await asyncio.sleep(0.1)
        assert await binding(store, "web/one") == held


async def test_a_barrier_travels_with_a_change_and_is_asked_even_when_nothing_changes(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        await until(lambda: any(isinstance(t, Alive) for t in agent.sync.view.values()))

        def disable(view: View) -> Changes:
            return catalog.set_fields(view, view.find(Port, "web/one", "default"), {"admin_state": "false"})

        changes, revision = await catalog.change(store, disable, ask=True)
        assert changes
        (answer,) = await barrier.wait(store, 5, revision)
        assert answer.revision >= revision
        nothing, later = await catalog.change(store, lambda view: Changes(), ask=True)
        assert not nothing.objects and later > revision
        assert (await barrier.wait(store, 5, later))[0].revision >= later


async def test_questions_asked_together_are_all_answered(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        await until(lambda: any(isinstance(t, Alive) for t in agent.sync.view.values()))
        before = (await store.snapshot("/")).revision
        answers = await asyncio.gather(*(barrier.wait(store, 5) for _ in range(20)))
        assert all(len(one) == 1 for one in answers)
        after = (await store.snapshot("/")).revision
        assert 21 <= after - before <= 40, "at most one answer a question, fewer when they come together"


async def test_a_malformed_record_is_a_problem_and_goes_when_mended(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        agent.duties.records = agent.sync.problems
        key = key_of(await port(store, "web/one"))
        good = (await store.get(key)).value
        await store.commit(Transaction(puts={key: b"{bad"}))
        await until(lambda: agent.sync.problems)
        agent.duties.records = agent.sync.problems
        assert any("record-" in problem.about for problem in agent.duties.problems())
        await store.commit(Transaction(puts={key: good}))
        await until(lambda: not agent.sync.problems)
