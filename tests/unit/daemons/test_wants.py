"""Wants: punts become records, idle ones go, a restart keeps them; and an on-demand agent over a memory store."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from pathlib import Path

import pytest

from retia.compile.cookies import cookie
from retia.daemons import metrics
from retia.daemons import wants as module
from retia.daemons.wants import Wants, remembered
from retia.errors import SwitchAway
from retia.flows.carrying import Punted
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.wire import Observed
from retia.model.document import parse
from retia.model.kinds import Port, Switch
from retia.model.local import Interface
from retia.model.state import ON_DEMAND, Binding, HostProblem
from retia.pipeline.fields import DATAPATH, NEIGHBOUR_DATAPATH, NEIGHBOUR_IP4
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import ADDRESS, LOOKUP
from retia.store import catalog
from retia.store.contract import Transaction
from retia.store.host import register
from retia.store.index import address_key, mac_key
from retia.store.memory import MemoryStore
from retia.store.partial import PartialSync
from retia.store.records import encode, key_of
from retia.store.sync import Sync
from retia.store.view import View
from retia.switch.contract import InterfacesChanged
from retia.values import Ip, Ip4, Mac
from tests.unit.daemons.test_loop import Agent, binding, running, until

HERE, FAR = "02:00:00:00:00:01", "02:00:00:00:00:02"
DOCUMENT = f"""
retia: 1
document: test
switches:
  web:
    subnets: {{n: {{cidr: 10.0.1.0/24}}}}
    ports:
      here: {{mac: "{HERE}", addresses: [10.0.1.1]}}
      far: {{mac: "{FAR}", addresses: [10.0.1.2]}}
      else: {{mac: "02:00:00:00:00:03", addresses: [10.0.1.3]}}
"""


def punt(frame: bytes = bytes(14), **fields: int) -> Punted:
    found: dict[str, int] = {}
    for name, value in fields.items():
        part: Subfield = {"datapath": DATAPATH, "neighbours": NEIGHBOUR_DATAPATH, "address": NEIGHBOUR_IP4}[name]
        found[part.field] = found.get(part.field, 0) | value << part.start
    return Punted(frame, found, bytes([PuntKind.WANTED]), int(LOOKUP), 0)


def to(mac: str) -> bytes:
    return int(Mac.parse(mac)).to_bytes(6, "big") + bytes(8)


class Counting:
    """A switch that counted packets of flows for ports."""

    def __init__(self) -> None:
        self.packets: dict[tuple[int, str], int] = {}
        self.away = False

    async def observed(self, table: int) -> list[Observed]:
        if self.away:
            raise SwitchAway("away")
        rule = {int(LOOKUP): "lookup_port", int(ADDRESS): "address_of_port"}[table]
        return [
            Observed(Flow(table, 1, (), (), cookie(rule, port)), packets, 64 * packets, 0.0)
            for (stage, port), packets in self.packets.items()
            if stage == table
        ]


class Bench:
    """Wants without an agent; `asked` is what the sync was told to look up."""

    def __init__(self, tmp_path: Path, *wanted: str) -> None:
        self.now, self.switch, self.asked = 0.0, Counting(), list[str]()
        self.sync = PartialSync(MemoryStore(), "me", wanted)
        self.sync.interest.note(None, Switch(id="s", name="web", key=7))
        self.sync.want = self.asked.append
        self.file = tmp_path / "wants.json"
        self.wants = Wants(self.sync, self.switch, self.file, 100.0, lambda: self.now)

    async def look(self, now: float) -> set[str]:
        self.now = now
        await self.wants.look()
        return set(self.sync.interest.wanted)


def test_a_punt_says_whose_port_is_wanted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    address = int(Ip4.parse("10.0.1.2"))
    bench.wants.take(punt(to(FAR), neighbours=7, address=address, datapath=1))
    bench.wants.take(punt(to(FAR), datapath=7))
    assert bench.asked == [address_key("s", Ip.parse("10.0.1.2")), mac_key("s", Mac.parse(FAR))]
    bench.asked.clear()
    for nothing in (punt(to(FAR), datapath=8), punt(to("ff:ff:ff:ff:ff:ff"), datapath=7), punt(datapath=7)):
        bench.wants.take(nothing)
    bench.wants.take(punt(to(FAR), neighbours=8, address=address))
    bench.wants.take(punt(to(FAR), neighbours=7))
    bench.wants.take(punt(b"", datapath=7))
    assert not bench.asked


async def test_what_no_packet_was_for_is_let_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a", "b", "c")
    bench.switch.packets = {
        (int(LOOKUP), "a"): 5,
        (int(ADDRESS), "b"): 5,
        (int(LOOKUP), "c"): 5,
        (int(ADDRESS), "c"): 2,
    }
    assert await bench.look(10) == {"a", "b", "c"}, "they have all counted since they were not looked at"
    bench.switch.packets[int(ADDRESS), "c"] = 3
    assert await bench.look(60) == {"a", "b", "c"}
    bench.switch.packets[int(ADDRESS), "b"] = 6
    assert await bench.look(109) == {"a", "b", "c"}
    assert await bench.look(110) == {"b", "c"}
    assert await bench.look(160) == {"b"}, "c counted last before it was looked at at 60"
    bench.switch.packets[int(ADDRESS), "b"] = 0
    assert await bench.look(209) == {"b"}, "Open vSwitch began anew: what it counts is other, so something was for it"
    bench.switch.away = True
    assert await bench.look(1000) == {"b"}, "nobody knows"
    assert bench.wants.counts["aged-out"] == 2
    assert bench.sync._touched == {"a", "c"}


async def test_too_many_crowd_out_those_that_were_idle_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 6)
    monkeypatch.setattr(module, "ROOM", 2)
    bench = Bench(tmp_path, *"abcdef")
    await bench.look(1)
    bench.switch.packets = {(int(LOOKUP), port): 1 for port in "acef"}
    await bench.look(2)
    bench.wants.take(punt(to(FAR), datapath=7))
    assert set(bench.sync.interest.wanted) == set("acef") and len(bench.asked) == 1
    assert bench.wants.counts["crowded-out"] == 2


def test_what_is_wanted_is_kept_for_the_next_agent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a", "b")
    bench.wants.save()
    assert not bench.file.exists(), "nothing new"
    bench.sync.interest.wanted.pop("a")
    bench.wants.save()
    assert remembered(bench.file) == ["b"]
    bench.file.write_text("[")
    assert remembered(bench.file) == []


# -- a whole agent -----------------------------------------------------------------------------------------------------


class Modest(Agent):
    mode = ON_DEMAND

    def make_sync(self, run_dir: Path) -> Sync:
        file = run_dir / "wants.json"
        self.wants = Wants(PartialSync(self.store, self.compiler.host, remembered(file)), self.switch, file, 300.0)
        return self.wants.sync

    def more(self) -> list[Coroutine]:
        return [self.wants.run()]

    def report(self, event: InterfacesChanged) -> None:
        self.wants.sync.plug(event.changes, event.whole, partial(self.loop.inbox.put_nowait, event))

    def flows_for(self, port: str) -> int:
        digest = module.digest_of(port)
        return sum(module.object_in(flow.cookie) == digest for flow in self.compiler.flows.values())


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await catalog.change(made, lambda view: catalog.plan(view, parse(DOCUMENT, "test.yaml")))
    await register(made, "hv2", Ip.parse("192.0.2.2"), "test")
    ports = (await View.load(made)).network
    for name in ("far", "else"):
        bound = Binding(port=ports.find(Port, f"web/{name}").id, host="hv2")
        await made.commit(Transaction(puts={key_of(bound): encode(bound)}))
    return made


async def ids(store: MemoryStore) -> dict[str, str]:
    return {port.name: port.id for port in (await View.load(store)).network.of(Port)}


async def key(store: MemoryStore) -> int:
    return (await View.load(store)).find(Switch, "web").key


async def test_a_punt_makes_flows_and_another_none(store: MemoryStore) -> None:
    known = await ids(store)
    async with running(store, "hv1", kind=Modest) as agent:
        agent.plug(Interface("g1", 1, "web/here"), whole=True)
        await until(lambda: agent.loop.started and agent.flows_for(known["here"]))
        assert not agent.flows_for(known["far"]) and not agent.flows_for(known["else"])
        for _ in range(50):
            agent.wants.take(punt(to(FAR), datapath=await key(store)))
        await until(lambda: agent.flows_for(known["far"]))
        await until(lambda: agent.switch.flows == agent.compiler.flows)
        assert agent.wants.counts["looked-up"] == 1 and not agent.flows_for(known["else"])
        assert agent.loop.tally.histograms[metrics.WANT].counts.count(1) == 1
        moved = Binding(port=known["far"], host="nowhere")
        await store.commit(Transaction(puts={key_of(moved): encode(moved)}))
        await until(lambda: not agent.flows_for(known["far"]))


async def test_a_restart_changes_no_flow(store: MemoryStore, tmp_path: Path) -> None:
    known = await ids(store)
    async with running(store, "hv1", str(tmp_path), kind=Modest) as agent:
        agent.plug(Interface("g1", 1, "web/here"), whole=True)
        agent.wants.take(punt())
        await until(lambda: agent.loop.started)
        agent.wants.take(punt(to(FAR), datapath=await key(store)))
        await until(lambda: agent.flows_for(known["far"]))
        await until(lambda: agent.duties.bound == 1)
        await until(lambda: agent.switch.flows == agent.compiler.flows)
        before = agent.switch.flows
    async with running(store, "hv1", str(tmp_path), kind=Modest) as agent:
        await asyncio.sleep(0.05)
        assert not agent.sync.view, "nothing is read before it is known what is here"
        agent.plug(Interface("g1", 1, "web/here"), whole=True)
        await until(lambda: agent.loop.started)
        assert agent.switch.flows == before and "apply" not in agent.switch.log
        assert list(agent.sync.interest.wanted) == [known["far"]]


async def test_a_port_plugged_in_is_no_problem_for_a_moment(store: MemoryStore) -> None:
    async with running(store, "hv1", kind=Modest) as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        agent.plug(Interface("g1", 1, "web/here"))
        await until(lambda: agent.duties.bound == 1)
        problems = [event for batch in store._history for event in batch.events if "/problem/" in event.key]
        assert not problems
        agent.plug(Interface("g2", 2, "web/none"))
        await until(lambda: any(isinstance(one, HostProblem) for one in agent.sync.view.values()))


async def test_a_port_unplugged_is_released_and_followed_for_a_while(store: MemoryStore) -> None:
    known = await ids(store)
    async with running(store, "hv1", kind=Modest) as agent:
        agent.plug(Interface("g1", 1, "web/here"), whole=True)
        await until(lambda: agent.duties.bound == 1)
        agent.unplug(Interface("g1", 1, "web/here"))
        async with asyncio.timeout(5):
            while await binding(store, "web/here") is not None:
                await asyncio.sleep(0.01)
        moved = Binding(port=known["here"], host="hv2")
        await store.commit(Transaction(puts={key_of(moved): encode(moved)}))
        await until(lambda: moved in agent.sync.view.values())
        await until(lambda: list(agent.sync.interest.wanted) == [known["here"]])
