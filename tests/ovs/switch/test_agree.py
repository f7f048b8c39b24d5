"""What the switch does that only a real Open vSwitch can show: silence, counters, its database, its restarts."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest

from retia.errors import Conflict, SwitchAway, Unsupported
from retia.flows.actions import Goto, Load, Output, Resubmit
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.model.local import Interface, InterfaceChange
from retia.switch.bridge import TUNNEL_OFPORT, TUNNEL_PORT, Wanted
from retia.switch.contract import Connected, Disconnected, Hindered, InterfacesChanged, SwitchEvent
from retia.switch.exports import Exports
from retia.switch.ovs import OvsSwitch, Place
from tests.ovs.server import OvsServer


def some_flows(count: int) -> list[Flow]:
    return [
        Flow(n % 9, 100, match(metadata=n, eth_dst=n), (Load(Subfield("reg1", 0, 16), n), Goto(20)), n)
        for n in range(count)
    ]


FLOWS = some_flows(500)


class Running:
    """A switch that runs, its events, and the interfaces they add up to."""

    def __init__(self, server: OvsServer, wanted: Wanted, hooks: frozenset[int] = frozenset()) -> None:
        self.switch = OvsSwitch(Place(server.dir, wanted), hooks=hooks)
        self.events: list[SwitchEvent] = []
        self.interfaces: dict[str, Interface] = {}

    def report(self, event: SwitchEvent) -> None:
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

    def changes(self) -> list[InterfaceChange]:
        return [change for event in self.events if isinstance(event, InterfacesChanged) for change in event.changes]

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def flows(self) -> dict:
        return {one.flow.key: one.flow for one in await self.switch.observed()}


@contextlib.asynccontextmanager
async def running(
    server: OvsServer,
    bridge: str,
    wait: bool = True,
    *,
    ready: Callable[[Running], object] = lambda one: one.count(Connected),
    hooks: frozenset[int] = frozenset(),
    exports: Exports | None = None,
) -> AsyncIterator[Running]:
    """`ready`: what is waited for."""
    one = Running(server, Wanted(bridge, "dummy", exports=exports or Exports()), hooks)
    task = asyncio.create_task(one.switch.run(one.report))
    try:
        await one.until(lambda: not wait or ready(one) or task.done())
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def bridge(ovs: OvsServer):
    """A fresh bridge of the shared server, which may have the one tunnel port while the test lasts."""
    yield ovs.bridge()
    ovs.vsctl("--if-exists", "del-port", TUNNEL_PORT)


def monitor(server: OvsServer, bridge: str) -> subprocess.Popen:
    command = ["ovs-ofctl", "-O", "OpenFlow14", "monitor", bridge, "watch:!initial", "--no-names"]
    return subprocess.Popen(
        command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


# -- the database ---------------------------------------------------------------------------------------------------


async def test_it_makes_its_bridge_and_tunnel_port(ovs: OvsServer) -> None:
    async with running(ovs, "brmade") as one:
        await one.until(lambda: TUNNEL_PORT in one.interfaces)
        assert one.interfaces[TUNNEL_PORT].ofport == TUNNEL_OFPORT
        assert ovs.vsctl("get", "bridge", "brmade", "fail_mode").strip() == "secure"
        assert "true" in ovs.vsctl("get", "bridge", "brmade", "other_config:disable-in-band")
        assert "tun_metadata0" in ovs.ofctl("dump-tlv-map", "brmade")
        ovs.vsctl("set", "interface", TUNNEL_PORT, "options:key=7")
        ovs.vsctl("set", "bridge", "brmade", "fail_mode=standalone", "other_config:disable-in-band=false")
    async with running(ovs, "brmade"):
        assert "flow" in ovs.vsctl("get", "interface", TUNNEL_PORT, "options:key")
        assert "true" in ovs.vsctl("get", "bridge", "brmade", "other_config:disable-in-band")
        assert ovs.vsctl("get", "bridge", "brmade", "fail_mode").strip() == "secure"
    ovs.vsctl("del-br", "brmade")


async def test_what_someone_removes_is_made_again(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        await one.until(lambda: TUNNEL_PORT in one.interfaces)
        own_ovs.vsctl("--no-wait", "del-port", TUNNEL_PORT)
        await one.until(lambda: any(change.new is None for change in one.changes()))
        await one.until(lambda: TUNNEL_PORT in one.interfaces, 2.0)
        assert one.interfaces[TUNNEL_PORT].ofport == TUNNEL_OFPORT
        own_ovs.vsctl("--no-wait", "del-br", bridge)
        await one.until(lambda: one.count(Disconnected))
        await one.until(lambda: one.count(Connected) == 2 and TUNNEL_PORT in one.interfaces, 3.0)
        assert await one.flows() == {flow.key: flow for flow in FLOWS}


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [
        ("interface", "options", "options:remote_ip=192.0.2.1"),
        ("interface", "options", "options:key=7"),
        ("bridge", "fail_mode", "fail_mode=standalone"),
        ("bridge", "protocols", "protocols=OpenFlow10"),
    ],
)
async def test_what_someone_changes_is_changed_back(
    ovs: OvsServer, bridge: str, table: str, column: str, change: str
) -> None:
    async with running(ovs, bridge) as one:
        await one.until(lambda: TUNNEL_PORT in one.interfaces)
        record = (table, TUNNEL_PORT if table == "interface" else bridge)
        right = ovs.vsctl("get", *record, column)
        ovs.vsctl("--no-wait", "set", *record, change)
        await one.until(lambda: ovs.vsctl("get", *record, column) == right, 1.0)
        assert one.switch.hindrance is None


async def test_a_controller_set_meanwhile_is_told_and_hinders_nothing_else(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        own_ovs.vsctl("set-controller", bridge, "tcp:127.0.0.1:9")
        await one.until(lambda: one.count(Hindered), 1.0)
        assert isinstance(one.switch.hindrance, Conflict) and "has a controller" in one.switch.hindrance.what
        own_ovs.vsctl("add-port", bridge, "guest", "--", "set", "interface", "guest", "type=dummy")
        await one.until(lambda: "guest" in one.interfaces)
        assert await one.flows() == {flow.key: flow for flow in FLOWS}
        own_ovs.vsctl("del-controller", bridge)
        await one.until(lambda: one.switch.hindrance is None, 1.0)
        assert one.events[-1] == Hindered(None)


async def test_an_interface_that_cannot_be_made_is_no_interface(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        own_ovs.vsctl("--no-wait", "add-port", bridge, "ghost", "--", "set", "interface", "ghost", "type=nonsense")
        await one.until(lambda: "ghost" in one.switch._interfaces.troubles)
        assert "ghost" not in one.interfaces
        own_ovs.vsctl("set", "interface", "ghost", "type=dummy")
        await one.until(lambda: "ghost" in one.interfaces)
        assert not one.switch._interfaces.troubles


async def test_a_restarted_database_ends_in_the_difference(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        for name in ("guest", "other"):
            own_ovs.vsctl("add-port", bridge, name, "--", "set", "interface", name, "type=dummy")
        await one.until(lambda: len(one.interfaces) == 3)
        ofport = one.interfaces["guest"].ofport
        await one.until(lambda: own_ovs.vsctl("get", "interface", "guest", "ofport_request").strip() == str(ofport))
        own_ovs.vsctl("add-br", "alien", "--", "set", "bridge", "alien", "datapath_type=dummy")
        own_ovs.vsctl("add-port", "alien", "elsewhere", "--", "set", "interface", "elsewhere", "type=dummy")
        seen = len(one.events)
        own_ovs.kill("ovsdb-server")
        await one.until(lambda: one.count(Disconnected))
        (own_ovs.dir / "db.sock").unlink(missing_ok=True)
        own_ovs.start_database()
        await one.until(lambda: any(isinstance(e, InterfacesChanged) and e.whole for e in one.events[seen:]))
        again = next(e for e in one.events[seen:] if isinstance(e, InterfacesChanged))
        assert again.changes == (), "nothing changed meanwhile"
        own_ovs.vsctl("del-port", bridge, "guest")
        await one.until(lambda: "guest" not in one.interfaces)
        assert set(one.interfaces) == {TUNNEL_PORT, "other"}


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
    async with running(own_ovs, bridge, wait=False) as one:
        await one.until(lambda: len(one.interfaces) >= 2000, 20)
        assert {i.iface_id for i in one.interfaces.values()} == {f"web/p{n}" for n in range(1, 2001)}
        requested = own_ovs.vsctl("--columns=ofport_request", "--format=csv", "--no-headings", "list", "interface")
        assert {str(n) for n in range(1, 2001)} <= set(requested.split())


async def check(server: OvsServer, bridge: str) -> None:
    await OvsSwitch(Place(server.dir, Wanted(bridge, "dummy"))).check()


async def test_what_is_away_says_what_to_start(own_ovs: OvsServer, tmp_path) -> None:
    with pytest.raises(SwitchAway, match="database does not answer") as raised:
        await OvsSwitch(Place(tmp_path, Wanted("br-int"))).check()
    assert "start ovsdb-server" in raised.value.advice and "db.sock" in raised.value.where
    bridge = own_ovs.bridge()
    own_ovs.vsctl("--no-wait", "set", "open_vswitch", ".", "ovs_version=2.5.0")
    with pytest.raises(Unsupported, match=r"2\.5\.0 is too old"):
        await check(own_ovs, bridge)


async def test_a_bridge_or_port_of_someone_else_is_left_alone(ovs: OvsServer) -> None:
    for setting, words in {
        "external_ids:ovn-bridge-mappings=a:b": "is OVN's",
        "external_ids:ct-zone-lp1=5": "is OVN's",
        "fail_mode=standalone": "switches by itself",
    }.items():
        bridge = ovs.bridge()
        ovs.vsctl("add-port", bridge, f"x{bridge}", "--", "set", "interface", f"x{bridge}", "type=dummy")
        ovs.vsctl("set", "bridge", bridge, setting)
        before = ovs.vsctl("list", "bridge", bridge)
        with pytest.raises(Conflict, match=words):
            await check(ovs, bridge)
        assert ovs.vsctl("list", "bridge", bridge) == before
    bridge = ovs.bridge()
    ovs.vsctl("set-controller", bridge, "tcp:127.0.0.1:9")
    with pytest.raises(Conflict, match="has a controller"):
        await check(ovs, bridge)


async def test_the_tunnel_port_s_name_may_be_taken(ovs: OvsServer) -> None:
    first, second = ovs.bridge(), ovs.bridge()
    ovs.vsctl("add-port", first, TUNNEL_PORT, "--", "set", "interface", TUNNEL_PORT, "type=dummy")
    with pytest.raises(Conflict, match="is no Geneve port"):
        await check(ovs, first)
    ovs.vsctl("del-port", TUNNEL_PORT)
    await check(ovs, first)
    with pytest.raises(Conflict, match=f"is a port of bridge {first}"):
        await check(ovs, second)
    with pytest.raises(Conflict, match=f"is a port of bridge {first}"):
        await check(ovs, "brnever")
    assert "brnever" not in ovs.vsctl("list-br"), "nothing is written where something is wrong"
    ovs.vsctl("del-port", TUNNEL_PORT)


async def test_a_datapath_that_is_not_there_is_named_and_nothing_is_made(ovs: OvsServer) -> None:
    switch = OvsSwitch(Place(ovs.dir, Wanted("brnever", "nonsense")))
    with pytest.raises(Unsupported, match="has no datapath of type nonsense, only") as raised:
        await switch.check()
    assert "--datapath" in raised.value.advice and "modprobe" not in raised.value.advice
    assert "brnever" not in ovs.vsctl("list-br")


async def test_run_ends_with_the_error_itself(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    ovs.vsctl("set-controller", bridge, "tcp:127.0.0.1:9")
    async with asyncio.timeout(5):
        with pytest.raises(Conflict):
            await OvsSwitch(Place(ovs.dir, Wanted(bridge, "dummy"))).run(lambda event: None)


# -- flows ----------------------------------------------------------------------------------------------------------


async def test_what_is_right_is_not_sent_again(ovs: OvsServer, bridge: str) -> None:
    async with running(ovs, bridge) as one:
        await one.switch.start(FLOWS)
    watcher = monitor(ovs, bridge)
    try:
        await asyncio.sleep(0.1)
        async with running(ovs, bridge) as one:
            await one.switch.start(FLOWS)
            await one.switch.apply(FLOWS, [])
            await asyncio.sleep(0.1)
            assert await one.flows() == {flow.key: flow for flow in FLOWS}
            await one.switch.apply([Flow(11, 1, (), (), 1)], [])
            await asyncio.sleep(0.1)
    finally:
        watcher.terminate()
    said = [line for line in watcher.communicate()[0].splitlines() if "event=" in line]
    assert len(said) == 1 and "table=11" in said[0], said


async def test_counters_survive_what_did_not_change_and_end_with_the_cookie(ovs: OvsServer, bridge: str) -> None:
    ovs.vsctl("add-port", bridge, f"p-{bridge}", "--", "set", "interface", f"p-{bridge}", "type=dummy")
    flow = Flow(0, 5, (), (Resubmit(4),), 1)
    async with running(ovs, bridge) as one:
        await one.switch.start([flow])
        ovs.appctl(
            "netdev-dummy/receive", f"p-{bridge}", "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x1234)"
        )

        async def packets() -> int:
            return next(seen.packets for seen in await one.switch.observed() if seen.flow.table == 0)

        async with asyncio.timeout(4):  # Open vSwitch brings counters up to date about once a second
            while await packets() != 1:
                await asyncio.sleep(0.05)
        await one.switch.apply([flow._replace(actions=(Output(3),))], [])
        assert await packets() == 1, "same cookie: the flow goes on counting"
    async with running(ovs, bridge) as one:
        await one.switch.start([flow._replace(actions=(Output(3),))])
        assert await packets() == 1, "a restart of the agent resets nothing"
        await one.switch.apply([flow._replace(cookie=2)], [])
        assert await packets() == 0, "a new cookie is a new flow"


async def test_ten_thousand_flows_cold(ovs: OvsServer, bridge: str) -> None:
    flows = some_flows(10_000)
    async with running(ovs, bridge) as one:
        async with asyncio.timeout(10):
            assert await one.switch.start(flows) == []
        assert await one.flows() == {flow.key: flow for flow in flows}


ODD = """table=0,ipv6,ipv6_dst=2001:db8::/64,actions=drop
table=1,tcp,tcp_flags=+syn,dl_vlan=5,actions=strip_vlan,mod_nw_tos:4,output:2
table=2,pkt_mark=5,ct_mark=4/0xf,ct_state=+trk,ip,actions=ct(commit,zone=1)
table=3,packet_type=(1,0x800),actions=drop
table=4,icmp6,icmp_type=135,nd_target=fe80::1,actions=CONTROLLER,CONTROLLER:77,normal,flood,ALL
table=5,actions=learn(table=1),note:00.01,write_metadata:5,goto_table:9"""


async def test_flows_with_fields_and_actions_that_are_not_ours_can_be_removed(ovs: OvsServer, bridge: str) -> None:
    def spoil() -> None:
        for line in ODD.splitlines():
            ovs.ofctl("add-flow", bridge, line)

    spoil()
    async with running(ovs, bridge) as one:
        assert len(await one.flows()) == 6
        await one.switch.start(FLOWS)
        wanted = {flow.key: flow for flow in FLOWS}
        assert await one.flows() == wanted
        spoil()
        ovs.ofctl("mod-flows", bridge, "table=7,actions=drop")
        ovs.ofctl("del-flows", bridge, "table=8")
        async with asyncio.timeout(1.0):
            while await one.flows() != wanted:
                await asyncio.sleep(0.02)


async def test_a_restarted_switch_gets_everything_back_soon(own_ovs: OvsServer) -> None:
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        for round_ in range(2, 5):
            own_ovs.kill("ovs-vswitchd")
            (own_ovs.dir / "ctl").unlink(missing_ok=True)
            await one.until(lambda round_=round_: one.count(Disconnected) == round_ - 1)
            own_ovs.start_switch()
            await one.until(lambda round_=round_: one.count(Connected) == round_, 3.0)
            assert await one.flows() == {flow.key: flow for flow in FLOWS}
            assert "tun_metadata0" in own_ovs.ofctl("dump-tlv-map", bridge)


async def test_an_interface_that_goes_in_the_middle_of_a_bundle_leaves_no_half_state(own_ovs: OvsServer) -> None:
    """Open vSwitch takes flows whose port is gone: nothing is refused, and they go when the agent drops them."""
    bridge = own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        for round_ in range(3):
            name = f"guest{round_}"
            own_ovs.vsctl("add-port", bridge, name, "--", "set", "interface", name, "type=dummy")
            await one.until(lambda name=name: name in one.interfaces)
            number = one.interfaces[name].ofport
            flows = [Flow(30, 1, match(in_port=number, metadata=n), (Output(number),), 7) for n in range(4000)]
            removing = asyncio.create_task(asyncio.to_thread(own_ovs.vsctl, "--no-wait", "del-port", bridge, name))
            assert await one.switch.apply(flows, []) == []
            await removing
            await one.until(lambda name=name: name not in one.interfaces)
            assert len(await one.flows()) == len(FLOWS) + len(flows)
            assert await one.switch.apply([], [flow.key for flow in flows]) == []
            assert await one.flows() == {flow.key: flow for flow in FLOWS} and not one.switch.refused
