"""The switch on a real Open vSwitch: it agrees, stays silent when it does, and repairs what others break."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator

import pytest

from retia.errors import Conflict, NotAllowed, SwitchAway, Unsupported
from retia.flows.actions import Goto, Load, Output, Resubmit
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.model.local import Interface
from retia.switch.bridge import TUNNEL_OFPORT, TUNNEL_PORT, Wanted
from retia.switch.contract import Connected, Disconnected, InterfacesChanged
from retia.switch.ovs import OvsSwitch, Place
from tests.ovs.server import OvsServer

FLOWS = [
    Flow(n % 9, 100, match(metadata=n, eth_dst=n), (Load(Subfield("reg1", 0, 16), n), Goto(20)), n) for n in range(500)
]
BAD = Flow(3, 7, match(metadata=3), (Goto(2),), 99)


class Running:
    """A switch that runs, its events, and the interfaces they add up to."""

    def __init__(self, server: OvsServer, bridge: str) -> None:
        self.switch = OvsSwitch(Place(server.dir, Wanted(bridge, "dummy")))
        self.bridge, self.server = bridge, server
        self.events: list = []
        self.interfaces: dict[str, Interface] = {}

    def report(self, event) -> None:
        self.events.append(event)
        if isinstance(event, InterfacesChanged):
            for old, new in event.changes:
                if old is not None:
                    assert self.interfaces.pop(old.name) == old
                if new is not None:
                    self.interfaces[new.name] = new

    async def until(self, ready, seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                await asyncio.sleep(0.01)

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def flows(self) -> dict:
        return {one.flow.key: one.flow for one in await self.switch.observed()}


@contextlib.asynccontextmanager
async def running(server: OvsServer, bridge: str) -> AsyncIterator[Running]:
    one = Running(server, bridge)
    task = asyncio.create_task(one.switch.run(one.report))
    try:
        await one.until(lambda: one.count(Connected) or task.done())
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def monitor(server: OvsServer, bridge: str) -> subprocess.Popen:
    command = ["ovs-ofctl", "-O", "OpenFlow14", "monitor", bridge, "watch:!initial", "--no-names"]
    return subprocess.Popen(
        command, env=server._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


async def test_it_makes_its_bridge_and_tunnel_port(ovs: OvsServer) -> None:
    async with running(ovs, "brmade") as one:
        await one.until(lambda: TUNNEL_PORT in one.interfaces)
        assert one.interfaces[TUNNEL_PORT].ofport == TUNNEL_OFPORT
        assert ovs.vsctl("get", "bridge", "brmade", "fail_mode").strip() == "secure"
        assert "tun_metadata0" in ovs.ofctl("dump-tlv-map", "brmade")
    ovs.vsctl("del-br", "brmade")


async def test_flows_arrive_and_a_second_start_is_silent(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    ovs.ofctl("add-flow", bridge, "table=7,actions=drop")
    async with running(ovs, bridge) as one:
        assert len(await one.flows()) == 1, "nothing is removed before the first whole desired set"
        assert await one.switch.start(FLOWS) == []
        assert await one.flows() == {flow.key: flow for flow in FLOWS}
    watcher = monitor(ovs, bridge)
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS)
        await one.switch.apply(FLOWS, [])
    watcher.terminate()
    said = watcher.communicate()[0]
    assert "event=" not in said, said
    ovs.vsctl("del-port", TUNNEL_PORT)


async def test_a_refused_flow_is_named_and_the_rest_goes_in(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    async with running(ovs, bridge) as one:
        (refusal,) = await one.switch.start([*FLOWS[:20], BAD])
        assert refusal.flow == BAD and "table 3" in str(refusal.error)
        assert len(await one.flows()) == 20 and list(one.switch.refused) == [BAD.key]
        assert await one.switch.apply([], [BAD.key]) == [] and not one.switch.refused
    ovs.vsctl("del-port", TUNNEL_PORT)


async def test_counters_survive_what_did_not_change_and_end_with_the_cookie(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    ovs.vsctl("add-port", bridge, f"p-{bridge}", "--", "set", "interface", f"p-{bridge}", "type=dummy")
    flow = Flow(0, 5, (), (Resubmit(4),), 1)
    async with running(ovs, bridge) as one:
        await one.switch.start([flow])
        ovs.appctl(
            "netdev-dummy/receive", f"p-{bridge}", "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x1234)"
        )
        await asyncio.sleep(1.2)  # Open vSwitch brings counters up to date about once a second

        async def packets() -> int:
            return next(seen.packets for seen in await one.switch.observed() if seen.flow.table == 0)

        assert await packets() == 1
        await one.switch.apply([flow._replace(actions=(Output(3),))], [])
        assert await packets() == 1, "same cookie: the flow goes on counting"
        await one.switch.apply([flow._replace(cookie=2)], [])
        assert await packets() == 0, "a new cookie is a new flow"
    ovs.vsctl("del-port", TUNNEL_PORT)


async def test_foreign_changes_are_repaired(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS)
        wanted = {flow.key: flow for flow in FLOWS}
        for command in (["del-flows", bridge, "table=3"], ["add-flow", bridge, "table=9,actions=drop"],
                        ["mod-flows", bridge, "table=4,actions=drop"]):  # fmt: skip
            ovs.ofctl(*command)
            assert await one.flows() != wanted
            async with asyncio.timeout(1.0):
                while await one.flows() != wanted:
                    await asyncio.sleep(0.02)
    ovs.vsctl("del-port", TUNNEL_PORT)


@pytest.mark.parametrize("name", ["ovs-vswitchd"])
async def test_tuplenet_d6_a_restarted_switch_gets_its_flows_back(own_ovs: OvsServer, name: str) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        own_ovs.kill(name)
        (own_ovs.dir / "ctl").unlink(missing_ok=True)
        await one.until(lambda: one.count(Disconnected))
        late = Flow(8, 1, match(metadata=1), (), 5)
        assert await one.switch.apply([late], []) == [], "a change while it is away is kept"
        own_ovs.start_switch()
        await one.until(lambda: one.count(Connected) == 2)
        assert await one.flows() == {flow.key: flow for flow in [*FLOWS, late]}
        assert "tun_metadata0" in own_ovs.ofctl("dump-tlv-map", bridge)


async def test_interfaces_come_change_and_go(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        own_ovs.vsctl("add-port", bridge, "guest", "--", "set", "interface", "guest", "type=dummy")
        await one.until(lambda: "guest" in one.interfaces)
        ofport = one.interfaces["guest"].ofport
        own_ovs.vsctl("set", "interface", "guest", "external_ids:iface-id=web/web1")
        await one.until(lambda: one.interfaces["guest"].iface_id == "web/web1")
        await one.until(lambda: own_ovs.vsctl("get", "interface", "guest", "ofport_request").strip() == str(ofport))
        own_ovs.vsctl("add-br", "other", "--", "set", "bridge", "other", "datapath_type=dummy")
        own_ovs.vsctl("add-port", "other", "alien", "--", "set", "interface", "alien", "type=dummy")
        own_ovs.kill("ovsdb-server")
        await one.until(lambda: one.count(Disconnected))
        (own_ovs.dir / "db.sock").unlink(missing_ok=True)
        own_ovs.start_database()
        await one.until(lambda: any(isinstance(e, InterfacesChanged) and e.whole for e in one.events[3:]))
        own_ovs.vsctl("del-port", bridge, "guest")
        await one.until(lambda: "guest" not in one.interfaces)
        assert set(one.interfaces) == {TUNNEL_PORT}


async def test_tuplenet_d9_two_thousand_interfaces_at_start(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    own_ovs.kill("ovs-vswitchd")
    words: list[str] = []
    for n in range(1, 2001):
        words += ["--", "add-port", bridge, f"g{n}", "--", "set", "interface", f"g{n}", "type=dummy",
                  f"ofport={n}", f"external_ids:iface-id=web/p{n}"]  # fmt: skip
        if n % 500 == 0:
            own_ovs.vsctl("--no-wait", *words[1:])
            words = []
    one = Running(own_ovs, bridge)
    task = asyncio.create_task(one.switch.run(one.report))
    try:
        await one.until(lambda: len(one.interfaces) >= 2000, 20)
        assert {i.iface_id for i in one.interfaces.values()} == {f"web/p{n}" for n in range(1, 2001)}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_away_or_someone_elses_is_said(own_ovs: OvsServer, tmp_path) -> None:
    with pytest.raises(SwitchAway, match="does not answer"):
        await OvsSwitch(Place(tmp_path, Wanted("br-int"))).check()
    bridge = own_ovs.bridge()
    own_ovs.vsctl("set-controller", bridge, "tcp:127.0.0.1:9")
    with pytest.raises(Conflict, match="has a controller"):
        await OvsSwitch(Place(own_ovs.dir, Wanted(bridge, "dummy"))).check()
    own_ovs.vsctl("del-controller", bridge)
    own_ovs.vsctl("add-port", bridge, TUNNEL_PORT, "--", "set", "interface", TUNNEL_PORT, "type=dummy")
    with pytest.raises(Conflict, match="is no flow-based Geneve port"):
        await OvsSwitch(Place(own_ovs.dir, Wanted(bridge, "dummy"))).check()
    own_ovs.vsctl("--no-wait", "set", "open_vswitch", ".", "ovs_version=2.5.0")
    with pytest.raises(Unsupported, match=r"2\.5\.0 is too old"):
        await OvsSwitch(Place(own_ovs.dir, Wanted(bridge, "dummy"))).check()
    assert NotAllowed.exit_code == 6
