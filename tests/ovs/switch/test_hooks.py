"""Tables where flows of others may be, and zones that are flushed: on a real Open vSwitch."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from retia.flows.actions import Goto, Output
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.flows.text import show_flow
from retia.switch.bridge import Wanted
from retia.switch.contract import ForeignChange
from retia.switch.ovs import OvsSwitch, Place
from tests.ovs.server import OvsServer
from tests.ovs.switch.test_agree import running as run

HOOK = 7
OURS = 0x51 << 56
MISS = Flow(HOOK, 0, match(), (Goto(8),), OURS | 1)
FLOWS = [MISS, *(Flow(3, 10, match(metadata=n), (Output(n + 1),), OURS | n) for n in range(5))]
THEIRS = [Flow(HOOK, 9, match(metadata=n), (Goto(9),), cookie) for n, cookie in enumerate((0, 0x77))]
FORMER = Flow(HOOK, 5, match(metadata=5), (Goto(11),), (0x52 << 56) | 5)
STRAY = Flow(3, 9, match(metadata=77), (Output(1),), 0)


running = partial(run, hooks=frozenset({HOOK}))


def add(ovs: OvsServer, bridge: str, *flows: Flow) -> None:
    for flow in flows:
        ovs.ofctl("add-flow", bridge, show_flow(flow))


def keyed(*flows: Flow) -> dict:
    return {flow.key: flow for flow in flows}


async def test_flows_of_others_stay_in_a_hook_and_nowhere_else(ovs: OvsServer, bridge: str) -> None:
    add(ovs, bridge, *THEIRS, FORMER, STRAY)
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS)
        assert await one.flows() == keyed(*FLOWS, *THEIRS), "where nothing was right, too"
        more = Flow(HOOK, 20, match(metadata=20), (Output(1),), 0x99)
        add(ovs, bridge, more, STRAY)
        await one.until(lambda: one.count(ForeignChange))
        assert await one.flows() == keyed(*FLOWS, *THEIRS, more)
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS[:-1])
        assert await one.flows() == keyed(*FLOWS[:-1], *THEIRS, more)


@pytest.mark.parametrize("spoil", ["del-flows", "add-flow"])
async def test_our_own_flow_in_a_hook_is_put_back(ovs: OvsServer, bridge: str, spoil: str) -> None:
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS)
        add(ovs, bridge, *THEIRS)
        if spoil == "add-flow":
            add(ovs, bridge, MISS._replace(actions=(Output(1),), cookie=0))
        else:
            ovs.ofctl("--strict", "del-flows", bridge, f"table={HOOK},priority=0")
        await one.until(lambda: one.count(ForeignChange))
        assert await one.flows() == keyed(*FLOWS, *THEIRS)


CONNECTION = "src=10.0.0.1,dst=10.0.0.2"
FRAME = (
    "020000000001" "020000000002" "0800" "4500001c000000004011" "66cf" "0a000001" "0a000002" "0fa00fa1" "0008" "0000"
)  # fmt: skip


def tracked(ovs: OvsServer, zone: int) -> bool:
    return CONNECTION in ovs.appctl("dpctl/dump-conntrack", "dummy@ovs-dummy", f"zone={zone}")


def track(ovs: OvsServer, bridge: str) -> None:
    for zone in (41, 42, 43):
        ovs.ofctl("add-flow", bridge, f"table=0,priority={zone},udp,metadata=0,actions=ct(commit,zone={zone})")
        ovs.appctl("netdev-dummy/receive", "pz", FRAME)
        ovs.appctl("revalidator/wait")
        ovs.ofctl("del-flows", bridge, "table=0")
        ovs.appctl("revalidator/purge")


async def test_zones_are_flushed_also_those_told_of_too_early(ovs: OvsServer, bridge: str) -> None:
    ovs.vsctl("add-port", bridge, "pz", "--", "set", "interface", "pz", "type=dummy")
    track(ovs, bridge)
    assert all(tracked(ovs, zone) for zone in (41, 42, 43))
    early = OvsSwitch(Place(ovs.dir, Wanted(bridge, "dummy")))
    await early.flush_zones([41])
    assert tracked(ovs, 41)
    async with running(ovs, bridge) as one:
        await one.switch.start([])
        await one.switch.flush_zones([42])
        assert not tracked(ovs, 42) and tracked(ovs, 43) and tracked(ovs, 41)
    running_early = asyncio.create_task(early.run(lambda event: None))
    await early.start([])
    try:
        async with asyncio.timeout(8):
            while tracked(ovs, 41):
                await asyncio.sleep(0.05)
    finally:
        running_early.cancel()
        await asyncio.gather(running_early, return_exceptions=True)
    assert tracked(ovs, 43)
