"""What an agent does with traces: flows, injection, reports, and what lets a packet go on; whatever is written."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from retia.compile.presence import Working
from retia.daemons.answerer import Answerer
from retia.flows.actions import Load, Resubmit
from retia.flows.carrying import Punted
from retia.flows.fields import UDP, whole
from retia.model.local import Interface
from retia.model.state import Alive, Trace, TraceReport
from retia.pipeline.fields import COMMAND, TRACED
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import ADMIT, DELIVER, LOOKUP
from retia.reach.probes import Addresses, Probe, packet
from retia.store.contract import Transaction, put_all
from retia.store.memory import MemoryStore
from retia.store.records import TRACED as REPORTS
from retia.store.records import decode, encode, key_of
from retia.store.traces import Entry, tracing
from retia.values import Ip4, Mac
from tests.unit.daemons.test_loop import port, running, until
from tests.unit.daemons.test_loop import store as store  # noqa: PLC0414 - a fixture

FRAME = packet(Addresses(Mac(2), Mac(4), Ip4(1), Ip4(2)), Probe())
REGISTERS = {"reg0": TRACED.mask, "reg13": 7, "metadata": 1}


def punt(stage: int, frame: bytes = FRAME, **fields: int) -> Punted:
    return Punted(frame, {**REGISTERS, **fields}, bytes([PuntKind.TRACED]), int(stage), 0)


async def ask(store: MemoryStore, deliver: bool = False, **other: object) -> Trace:
    lease = await store.lease(5)
    place = (await port(store, "web/one")).id
    trace = Trace(
        **{"id": 7, "host": "hv1", "place": place, "frame": FRAME.hex(), "lease": lease.id, "deliver": deliver, **other}
    )  # type: ignore[arg-type]
    await store.commit(put_all({key_of(trace): encode(trace)}))
    return trace


async def go(store: MemoryStore, trace: Trace) -> None:
    begun = Trace(**{name: getattr(trace, name) for name in trace.__struct_fields__} | {"go": True})
    await store.commit(put_all({key_of(begun): encode(begun)}))


async def reports(store: MemoryStore) -> list[TraceReport]:
    records = (await store.snapshot(REPORTS)).records
    found = [decode(key, record.value) for key, record in records.items()]
    return [one for one in found if isinstance(one, TraceReport)]


async def until_told(store: MemoryStore) -> TraceReport:
    async with asyncio.timeout(5):
        while not (found := await reports(store)):
            await asyncio.sleep(0.005)
    return found[-1]


async def test_flows_are_there_while_a_trace_is_and_its_packet_comes_in_once_it_is_begun(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        before = dict(agent.switch.flows)
        trace = await ask(store)
        await until(lambda: len(agent.switch.flows) > len(before))
        assert not agent.switch.sent, "it waits until every host reports"
        await go(store, trace)
        await until(lambda: agent.switch.sent)
        assert agent.switch.sent == [(FRAME, (Load(TRACED, 1), Load(COMMAND, 7), Resubmit(int(ADMIT))))]
        await store.commit(Transaction(deletes={key_of(trace)}))
        await until(lambda: agent.switch.flows == before)


async def test_a_packet_comes_in_at_a_port_that_is_down(store: MemoryStore) -> None:
    """It is dropped there, as the guest's own are, and why is for the story to say."""
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        one = await port(store, "web/one")
        down = msgspec.structs.replace(one, admin_state=False)
        await store.commit(put_all({key_of(down): encode(down)}))
        await until(lambda: not agent.compiler.program.find(Working, port=one.id))
        trace = await ask(store)
        await until(lambda: agent.tracer._followed)
        await go(store, trace)
        await until(lambda: agent.switch.sent)
        assert agent.switch.sent == [(FRAME, (Load(TRACED, 1), Load(COMMAND, 7), Resubmit(int(ADMIT))))]


async def test_a_packet_is_told_of_and_goes_on_where_it_does_not_leave(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        await ask(store)
        own = await port(store, "web/one")
        await until(lambda: agent.tracer._followed)
        agent.tracer.take(punt(LOOKUP, FRAME))
        agent.tracer.take(punt(DELIVER, reg1=77))  # a port key that nobody has: forwarded once more
        (frame, actions) = agent.switch.sent.pop()
        assert frame == FRAME and actions[-1] == Resubmit(int(DELIVER))
        assert Load(whole("reg1"), 77) in actions and Load(whole("metadata"), 1) in actions
        switch = agent.compiler.program.find(Working, port=own.id)[0]
        agent.tracer.take(punt(DELIVER, metadata=switch.datapath, reg1=own.key))
        assert not agent.switch.sent, "it would leave by a port, and nobody asked for that"
        told = await until_told(store)
        assert [one.stage for one in told.points] == ["LOOKUP", "DELIVER", "DELIVER"]
        assert (told.points[-1].rule, told.points[-1].origin, told.points[-1].out) == ("deliver_port", own.id, 4)
        assert told.points[0].rule == "lookup_nothing" and told.points[1].out == 0


async def test_it_is_handed_over_where_that_is_asked_for(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        await ask(store, deliver=True)
        await until(lambda: agent.tracer._followed)
        own = await port(store, "web/one")
        switch = agent.compiler.program.find(Working, port=own.id)[0]
        agent.tracer.take(punt(DELIVER, metadata=switch.datapath, reg1=own.key, in_port=4))
        assert not agent.switch.sent, "a switch never sends it back to where it came by"
        agent.tracer.take(punt(DELIVER, metadata=switch.datapath, reg1=own.key))
        assert agent.switch.sent


@pytest.mark.parametrize(
    "wrong", [{"place": "gone"}, {"frame": "zz"}, {"frame": "00"}], ids=["gone", "no-hex", "no-frame"]
)
async def test_what_cannot_come_in_is_told_by_a_report_of_nothing(store: MemoryStore, wrong: dict[str, object]) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        trace = await ask(store, **wrong)
        await until(lambda: agent.tracer._followed)
        await go(store, trace)
        assert (await until_told(store)).points == () and not agent.switch.sent


async def test_a_trace_no_register_could_hold_and_a_strange_punt_are_nothing(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        trace = await ask(store, id=70000)
        await go(store, trace)
        await asyncio.sleep(0.05)
        agent.tracer.take(punt(LOOKUP))
        assert not agent.tracer._followed and not agent.switch.sent and not await reports(store)


async def test_an_agent_that_starts_amid_a_trace_sends_nothing(store: MemoryStore) -> None:
    trace = await ask(store)
    await go(store, trace)
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started and agent.tracer._followed)
        assert not agent.switch.sent


async def test_a_trace_that_is_over_costs_its_report_only(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 4, "web/one"), whole=True)
        await until(lambda: agent.loop.started)
        trace = await ask(store)
        await until(lambda: agent.tracer._followed)
        store.end(trace.lease)
        agent.tracer.take(punt(LOOKUP))
        await asyncio.sleep(0.05)
        assert not await reports(store)  # and `running` finds its task alive


def test_nobody_is_answered_for_a_traced_packet() -> None:
    sent: list[bytes] = []

    class Switch:
        def send(self, frame: bytes, actions: tuple, in_port: int = 0) -> None:
            sent.append(frame)

    answerer = Answerer(None, Switch())  # type: ignore[arg-type]
    refused = Punted(
        packet(Addresses(Mac(2), Mac(4), Ip4(1 << 24), Ip4(2 << 24)), Probe(UDP, 53)),
        dict(REGISTERS),
        bytes([PuntKind.REFUSED]),
        0,
        0,
    )
    answerer.answer(refused)
    assert not sent
    answerer.answer(refused._replace(fields={"metadata": 1}))
    assert sent


async def test_two_askers_do_not_hear_each_other_and_leave_nothing(store: MemoryStore) -> None:
    entry = Entry("hv1", (await port(store, "web/one")).id, FRAME)
    async with tracing(store) as one, tracing(store) as other:
        (first,), (second,) = await one.prepare([entry]), await other.prepare([entry])
        assert first.id != second.id
        for trace in (first, second):
            report = TraceReport(host="hv1", trace=trace.id, number=1)
            await store.commit(Transaction(puts={key_of(report): encode(report)}, lease=trace.lease))
        await one.news()
        assert one.heard(first.id) == {"hv1": []} and other.heard(first.id).keys() <= {"hv1"}
    assert not [key for key in (await store.snapshot("/")).records if "trace" in key]


async def test_a_host_that_is_not_ready_is_named(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retia.store.traces.AGREED", 0.1)
    await store.commit(put_all({key_of(Alive(host="slow")): encode(Alive(host="slow"))}))
    async with tracing(store) as traces:
        await traces.prepare([Entry("hv1", "p", FRAME)])
        assert "slow" in traces.unready
