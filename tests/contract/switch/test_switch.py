"""What every switch does for the agent, real or software."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from retia.errors import SwitchAway
from retia.flows.actions import CONTROLLER, Goto, Load, Metered, Output, Punt, Resubmit
from retia.flows.fields import Subfield, whole
from retia.flows.flow import Flow, FlowKey
from retia.flows.match import match
from retia.flows.meter import Meter
from retia.model.local import Attachment, WantedPeer, WantedUplink
from retia.switch.contract import (
    AttachmentsChanged,
    Connected,
    Disconnected,
    ForeignChange,
    InterfacesChanged,
    Punted,
    events,
)
from tests.contract.switch.conftest import Agent
from tests.contract.switch.worlds import HOOKS, World

FLOWS = [
    Flow(n % 9, 100, match(metadata=n, eth_dst=n), (Load(Subfield("reg1", 0, 16), n), Goto(20)), n) for n in range(200)
]
WANTED = {flow.key: flow for flow in FLOWS}
BACKWARDS = Flow(3, 7, match(metadata=3), (Goto(2),), 99)
ALIEN = Flow(9, 9, match(metadata=9), (Output(1),), 0)


async def test_nothing_is_removed_before_the_first_whole_set(agent: Agent) -> None:
    agent.world.add_flow(ALIEN)
    assert await agent.switch.apply(FLOWS[:3], []) == []
    await asyncio.sleep(0.1)
    assert await agent.flows() == {ALIEN.key: ALIEN}
    assert not agent.switch.connected
    assert await agent.switch.start(FLOWS) == []
    assert await agent.flows() == WANTED and agent.switch.connected


async def test_a_delta_changes_what_it_says(agent: Agent) -> None:
    await agent.switch.start(FLOWS[:100])
    changed = FLOWS[5]._replace(actions=(Output(7),), cookie=5000)
    await agent.switch.apply([changed, *FLOWS[100:]], [FLOWS[7].key, ALIEN.key])
    wanted = {**WANTED, changed.key: changed}
    del wanted[FLOWS[7].key]
    assert await agent.flows() == wanted


async def test_dropped_and_put_in_one_delta_stays(agent: Agent) -> None:
    await agent.switch.start(FLOWS)
    await agent.switch.apply([FLOWS[4]], [FLOWS[4].key, FLOWS[5].key])
    assert await agent.flows() == {key: flow for key, flow in WANTED.items() if key != FLOWS[5].key}


async def test_a_refused_flow_is_named_and_holds_up_no_other(agent: Agent) -> None:
    (refusal,) = await agent.switch.start([*FLOWS, BACKWARDS])
    assert refusal.flow == BACKWARDS and refusal.key == BACKWARDS.key
    assert hex(BACKWARDS.cookie) in str(refusal.error) and "table 3" in str(refusal.error)
    assert await agent.flows() == WANTED and list(agent.switch.refused) == [BACKWARDS.key]
    mended = BACKWARDS._replace(actions=(Goto(4),))
    assert await agent.switch.apply([mended], []) == [] and not agent.switch.refused
    assert await agent.flows() == {**WANTED, mended.key: mended}


async def test_what_someone_else_does_is_undone_within_a_second(agent: Agent) -> None:
    await agent.switch.start(FLOWS)
    for spoil in (
        lambda: agent.world.remove_flow(FLOWS[3].key),
        lambda: agent.world.add_flow(ALIEN),
        lambda: agent.world.add_flow(FLOWS[6]._replace(actions=(Output(1),))),
    ):
        before = agent.count(ForeignChange)
        spoil()
        await agent.until(lambda before=before: agent.count(ForeignChange) > before, 1.0)
        await agent.until_flows(WANTED, 1.0)


async def test_a_restarted_agent_finds_its_flows(agent: Agent) -> None:
    await agent.switch.start(FLOWS)
    await agent.again()
    assert await agent.flows() == WANTED
    await agent.switch.start(FLOWS[1:])
    assert await agent.flows() == {flow.key: flow for flow in FLOWS[1:]}


async def test_tuplenet_d6_changes_while_it_is_away_are_in_when_it_is_back(agent: Agent) -> None:
    await agent.switch.start(FLOWS)
    agent.world.stop()
    await agent.until(lambda: agent.count(Disconnected))
    assert not agent.switch.connected
    with pytest.raises(SwitchAway):
        await agent.switch.observed()
    assert await agent.switch.apply([ALIEN], [FLOWS[0].key]) == []
    agent.world.start()
    await agent.until(lambda: agent.count(Connected) == 2)
    wanted = {**WANTED, ALIEN.key: ALIEN}
    del wanted[FLOWS[0].key]
    assert await agent.flows() == wanted and agent.switch.connected


async def test_interfaces_come_change_and_go(agent: Agent) -> None:
    await agent.until(lambda: agent.count(InterfacesChanged))
    first = next(event for event in agent.events if isinstance(event, InterfacesChanged))
    assert first.whole
    agent.world.add_interface("guest", "web/web1")
    await agent.until(lambda: "guest" in agent.interfaces)
    number = agent.interfaces["guest"].ofport
    assert number > 0 and agent.interfaces["guest"].iface_id == "web/web1"
    agent.world.name_interface("guest", "web/web2")
    await agent.until(lambda: agent.interfaces["guest"].iface_id == "web/web2")
    agent.world.lose_flows()
    await agent.until(lambda: agent.count(Connected) == 2)
    await agent.until(lambda: "guest" in agent.interfaces)
    assert agent.interfaces["guest"].ofport == number, "its number survives a restart of the switch"
    agent.world.remove_interface("guest")
    await agent.until(lambda: "guest" not in agent.interfaces)


async def test_events_can_be_iterated(world: World) -> None:
    switch = world.switch()
    async with asyncio.timeout(8), aclosing(events(switch)) as stream:
        kinds = set()
        async for event in stream:
            kinds.add(type(event))
            if kinds >= {Connected, InterfacesChanged}:
                break
    with pytest.raises(SwitchAway):
        await switch.observed()


async def test_a_match_without_what_it_needs_is_refused(agent: Agent) -> None:
    bare = Flow(4, 4, (("ip_dst", 5, 0xFFFFFFFF),), (Goto(20),), 77)
    (refusal,) = await agent.switch.start([*FLOWS, bare])
    assert refusal.flow == bare and hex(bare.cookie) in str(refusal.error)
    assert await agent.flows() == WANTED


async def test_one_table_is_dumped_and_all_are_counted_alone(agent: Agent) -> None:
    await agent.switch.start(FLOWS)
    tables = {flow.table for flow in FLOWS}
    for table in tables:
        assert {one.flow for one in await agent.switch.observed(table)} == {
            flow for flow in FLOWS if flow.table == table
        }
    counted = {table: sum(flow.table == table for flow in FLOWS) for table in tables}
    assert len(tables) > 1 and await agent.switch.sizes() == counted


FRAME = bytes.fromhex("02000000000102000000000288b5") + b"x" * 46
WAY = [Flow(0, 10, match(eth_dst=0x020000000001), (Goto(1),), 1), Flow(1, 10, match(), (), 2)]


async def counted(agent: Agent) -> dict[FlowKey, tuple[int, int]]:
    return {one.flow.key: (one.packets, one.octets) for one in await agent.switch.observed()}


async def test_counters_live_as_long_as_what_they_count(agent: Agent) -> None:
    agent.world.add_interface("guest", "web/web1")
    await agent.switch.start(WAY)
    for _ in range(3):
        agent.world.receive("guest", FRAME)
    three = {flow.key: (3, 3 * len(FRAME)) for flow in WAY}
    assert await counted(agent) == three
    await agent.again()
    await agent.switch.start([*WAY, FLOWS[9]])
    assert await counted(agent) == three | {FLOWS[9].key: (0, 0)}, "a restarted agent touches nothing that is right"
    agent.world.remove_flow(WAY[1].key)
    await agent.until(lambda: agent.count(ForeignChange))
    assert await counted(agent) == three | {FLOWS[9].key: (0, 0), WAY[1].key: (0, 0)}, "nor does a repair"
    await agent.switch.apply([WAY[0]._replace(cookie=8)], [])
    assert (await counted(agent))[WAY[0].key] == (0, 0), "another object's flow does not show this one's packets"


async def test_a_database_that_goes_and_comes_back_changes_nothing(agent: Agent) -> None:
    agent.world.add_interface("guest", "web/web1")
    await agent.switch.start(WAY)
    await agent.until(lambda: "guest" in agent.interfaces)
    known = dict(agent.interfaces)
    agent.world.receive("guest", FRAME)
    agent.world.stop_database()
    await agent.until(lambda: agent.count(Disconnected))
    assert Disconnected("ovsdb-server") in agent.events
    assert await agent.switch.apply([FLOWS[9]], []) == []
    before = len(agent.events)
    agent.world.start_database()
    await agent.until(lambda: any(isinstance(event, InterfacesChanged) for event in agent.events[before:]), 15.0)
    assert agent.interfaces == known
    await agent.until(lambda: agent.switch.connected, 15.0)  # Open vSwitch answers no OpenFlow without its database
    assert await counted(agent) == {flow.key: (1, len(FRAME)) for flow in WAY} | {FLOWS[9].key: (0, 0)}


DATAPATH = Subfield("metadata", 0, 24)
METERS = [Meter(1, 5, 10), Meter(2, 1000, 1000)]
PUNTS = [
    Flow(0, 10, match(eth_dst=0x020000000001), (Load(DATAPATH, 7), Load(whole("reg3"), 9), Goto(1)), 1),
    Flow(1, 10, match(), (Metered(2), Punt(b"\x01\x02"), Goto(2)), 0xABC),
    Flow(2, 10, match(), (), 3),
]


def punts(agent: Agent) -> list[Punted]:
    return [event for event in agent.events if isinstance(event, Punted)]


async def test_a_punt_brings_the_frame_and_all_that_is_known_of_it(agent: Agent) -> None:
    agent.world.add_interface("guest", "web/web1")
    await agent.until(lambda: "guest" in agent.interfaces)
    await agent.switch.limit(METERS)
    assert await agent.switch.start(PUNTS) == []
    agent.world.receive("guest", FRAME)
    await agent.until(lambda: punts(agent))
    (punt,) = punts(agent)
    fields = {"in_port": agent.interfaces["guest"].ofport, "metadata": 7, "reg3": 9}
    assert punt == Punted(FRAME, fields, b"\x01\x02", 1, 0xABC)
    assert (await counted(agent))[PUNTS[2].key] == (1, len(FRAME)), "the packet itself went on"


async def test_a_meter_limits_punts_and_nothing_else(agent: Agent) -> None:
    agent.world.add_interface("guest", "web/web1")
    await agent.switch.limit(METERS)
    limited = PUNTS[1]._replace(actions=(Metered(1), Punt(b"x"), Goto(2)))
    assert await agent.switch.start([PUNTS[0], limited, PUNTS[2]]) == []
    start = time.monotonic()
    for _ in range(40):
        agent.world.receive("guest", FRAME)
    await asyncio.sleep(0.2)
    most = 10 + 5 * (time.monotonic() - start) + 1
    assert 10 <= len(punts(agent)) <= most
    assert (await counted(agent))[PUNTS[2].key] == (40, 40 * len(FRAME))


async def test_a_flow_whose_meter_is_missing_is_refused(agent: Agent) -> None:
    await agent.switch.limit(METERS[:1])
    (refusal,) = await agent.switch.start(PUNTS)
    assert refusal.key == PUNTS[1].key and "meter" in str(refusal.error)
    await agent.switch.limit(METERS)
    assert await agent.switch.apply([PUNTS[1]._replace(cookie=5)], []) == []
    await agent.switch.apply([], [PUNTS[1].key])
    await agent.switch.limit([])
    await asyncio.sleep(0.1)
    (refusal,) = await agent.switch.apply([PUNTS[1]], [])
    assert "meter" in str(refusal.error), "a meter that is not wanted any more is gone"


async def test_meters_are_there_before_the_flows_of_a_switch_that_lost_all(agent: Agent) -> None:
    await agent.switch.limit(METERS)
    assert await agent.switch.start(PUNTS) == []
    agent.world.lose_flows()
    await agent.until(lambda: agent.count(Connected) == 2)
    assert not agent.switch.refused and await agent.flows() == {flow.key: flow for flow in PUNTS}
    await agent.again()
    await agent.switch.limit(METERS)
    assert await agent.switch.start(PUNTS) == []
    assert await agent.flows() == {flow.key: flow for flow in PUNTS}


async def test_a_meter_that_someone_takes_away_comes_back_with_its_flows(agent: Agent) -> None:
    await agent.switch.limit(METERS)
    assert await agent.switch.start(PUNTS) == []
    agent.world.remove_meter(2)
    await agent.until(lambda: agent.count(ForeignChange), 1.0)
    await agent.until_flows({flow.key: flow for flow in PUNTS}, 1.0)
    assert not agent.switch.refused


async def test_what_the_agent_sends_goes_through_the_flows(agent: Agent) -> None:
    await agent.switch.limit(METERS)
    await agent.switch.start(PUNTS)
    agent.switch.send(FRAME, (Load(DATAPATH, 5), Load(whole("reg4"), 6), Resubmit(1)))
    await agent.until(lambda: punts(agent))
    assert punts(agent) == [Punted(FRAME, {"in_port": CONTROLLER, "metadata": 5, "reg4": 6}, b"\1\2", 1, 0xABC)]
    agent.world.stop()
    await agent.until(lambda: agent.count(Disconnected))
    with pytest.raises(SwitchAway):
        agent.switch.send(FRAME, (Resubmit(1),))


UPLINK = WantedUplink("up-000001", "br-phys", 30)
PEER = WantedPeer("bfd-00017", "127.0.0.17")


async def test_attachments_are_made_kept_and_taken_away(agent: Agent) -> None:
    agent.world.add_bridge("br-phys")
    agent.world.add_interface("guest", "web/web1")
    await agent.until(lambda: "guest" in agent.interfaces)
    known = dict(agent.interfaces)
    await agent.switch.attach([UPLINK], [PEER])
    await agent.until(lambda: agent.attachments.keys() == {UPLINK.name, PEER.name})
    uplink, peer = agent.attachments[UPLINK.name], agent.attachments[PEER.name]
    assert uplink == Attachment(UPLINK.name, uplink.ofport) and peer == Attachment(PEER.name, peer.ofport, "down")
    assert len({uplink.ofport, peer.ofport, *(one.ofport for one in known.values())}) == 2 + len(known)
    assert agent.interfaces == known, "they are no interfaces"
    for name in (UPLINK.name, PEER.name):
        agent.world.detach(name)
        await asyncio.sleep(0.2)
        await agent.until(lambda: agent.attachments == {UPLINK.name: uplink, PEER.name: peer})
    await agent.switch.attach([], [PEER])
    await agent.until(lambda: agent.attachments == {PEER.name: peer})
    assert not agent.switch.attachment_problems


async def test_an_uplink_waits_for_its_bridge(agent: Agent) -> None:
    await agent.switch.attach([UPLINK], [])
    missing = {UPLINK.name: "bridge br-phys is not there"}
    await agent.until(lambda: agent.switch.attachment_problems == missing)
    assert AttachmentsChanged(()) in agent.events and not agent.attachments
    agent.world.add_bridge("br-phys")
    await agent.until(lambda: UPLINK.name in agent.attachments and not agent.switch.attachment_problems)
    agent.world.remove_bridge("br-phys")
    await agent.until(lambda: not agent.attachments and agent.switch.attachment_problems == missing)


async def test_a_restarted_agent_finds_its_attachments(agent: Agent) -> None:
    agent.world.add_bridge("br-phys")
    await agent.switch.attach([UPLINK], [PEER])
    await agent.until(lambda: len(agent.attachments) == 2)
    there = dict(agent.attachments)
    await agent.again()
    await agent.until(lambda: agent.attachments == there)
    first = next(event for event in agent.events if isinstance(event, AttachmentsChanged))
    assert first.whole and len(first.changes) == 2
    await asyncio.sleep(0.1)
    assert agent.attachments == there, "nothing goes before it is known what is wanted"
    await agent.switch.attach([UPLINK], [])
    await agent.until(lambda: agent.attachments.keys() == {UPLINK.name})


async def test_attachments_wanted_while_the_database_is_away_are_made_when_it_is_back(agent: Agent) -> None:
    agent.world.add_bridge("br-phys")
    agent.world.stop_database()
    await agent.until(lambda: agent.count(Disconnected))
    await agent.switch.attach([UPLINK], [PEER])
    with pytest.raises(SwitchAway):
        await agent.switch.open_local()
    agent.world.start_database()
    await agent.until(lambda: len(agent.attachments) == 2, 15.0)


async def test_the_bridges_own_port_has_a_mac(agent: Agent) -> None:
    assert agent.switch.local_mac == ""
    mac = await agent.switch.open_local()
    assert len(bytes.fromhex(mac.replace(":", ""))) == 6
    assert agent.switch.local_mac == mac == await agent.switch.open_local()


async def test_zones_may_be_flushed_at_any_time(agent: Agent) -> None:
    """What becomes of connections: `tests/ovs/switch/test_hooks.py` and `tests/unit/switch/test_software.py`."""
    await agent.switch.flush_zones([1, 65535])
    agent.world.stop()
    await agent.until(lambda: agent.count(Disconnected))
    await agent.switch.flush_zones([2])


async def test_flows_of_others_stay_in_hooks(agent: Agent) -> None:
    (hook,) = HOOKS
    miss = Flow(hook, 0, match(), (Goto(hook + 1),), 1)
    theirs = Flow(hook, 9, match(metadata=9), (Output(1),), 0)
    agent.world.add_flow(theirs)
    agent.world.add_flow(ALIEN)
    await agent.switch.start([*FLOWS, miss])
    wanted = {**WANTED, miss.key: miss, theirs.key: theirs}
    assert await agent.flows() == wanted
    agent.world.remove_flow(miss.key)
    await agent.until_flows(wanted, 1.0)
    agent.world.remove_flow(theirs.key)
    await asyncio.sleep(0.3)
    del wanted[theirs.key]
    assert await agent.flows() == wanted
