"""Uplinks and peers on a real Open vSwitch: made, kept right, taken away, left alone by the agent that comes next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from retia.model.local import Attachment, WantedPeer, WantedUplink
from retia.switch.contract import AttachmentsChanged, Connected
from tests.ovs.server import OvsServer
from tests.ovs.switch.test_agree import FLOWS, Running, running

TUNNEL_PORT = "retia-geneve"
PEER = WantedPeer("bfd-00017", "127.0.0.17")


@pytest.fixture
def physical(ovs: OvsServer) -> Iterator[str]:
    yield (name := ovs.bridge())
    ovs.vsctl("--if-exists", "del-br", name)


def attached(one: Running) -> dict[str, Attachment]:
    """What all events together say is there."""
    said: dict[str, Attachment] = {}
    for event in one.events:
        if isinstance(event, AttachmentsChanged):
            for old, new in event.changes:
                if old is not None:
                    assert said.pop(old.name) == old
                if new is not None:
                    said[new.name] = new
    return said


def told(ovs: OvsServer, table: str, name: str, column: str) -> str:
    return ovs.vsctl("--if-exists", "get", table, name, column).strip()


def ports(ovs: OvsServer, bridge: str) -> set[str]:
    return set(ovs.vsctl("list-ports", bridge).split())


def uuids(ovs: OvsServer, *names: str) -> list[str]:
    return [told(ovs, table, name, "_uuid") for table in ("Port", "Interface") for name in names]


async def test_an_uplink_and_a_peer_are_made(ovs: OvsServer, bridge: str, physical: str) -> None:
    uplink = WantedUplink("up-000001", physical, 30)
    async with running(ovs, bridge) as one:
        await one.switch.attach([uplink], [PEER])
        await one.until(lambda: {"up-000001", "bfd-00017"} == attached(one).keys())
        assert not attached(one)["up-000001"].bfd
        assert attached(one)["bfd-00017"][2:] == ("down", False)
        assert not one.switch.attachment_problems
        assert told(ovs, "Port", "up-000001-p", "tag") == "30" and told(ovs, "Port", "up-000001", "tag") == "[]"
        assert "up-000001-p" in ports(ovs, physical) and "up-000001" in ports(ovs, bridge)
        assert told(ovs, "Interface", "bfd-00017", "options") == '{csum="true", key=flow, remote_ip="127.0.0.17"}'
        assert told(ovs, "Interface", "bfd-00017", "bfd") == '{enable="true", min_rx="200", min_tx="200"}'
        await one.until(lambda: told(ovs, "Interface", "bfd-00017", "ofport_request") != "[]")
        number = attached(one)["bfd-00017"].ofport
        assert told(ovs, "Interface", "bfd-00017", "ofport_request") == str(number)
        assert set(one.interfaces) == {TUNNEL_PORT}, "they are no interfaces"
        await one.switch.attach([], [])
        await one.until(lambda: not attached(one))
        assert ports(ovs, bridge) == {TUNNEL_PORT} and not ports(ovs, physical)


@pytest.mark.parametrize(
    "spoil",
    [
        ["del-port", "up-000001"],
        ["del-port", "up-000001-p"],
        ["del-port", "bfd-00017"],
        ["set", "port", "up-000001-p", "tag=31"],
        ["clear", "port", "up-000001-p", "tag"],
        ["set", "port", "up-000001", "tag=5"],
        ["set", "interface", "up-000001-p", "options:peer=nobody"],
        ["set", "interface", "bfd-00017", "options:remote_ip=127.0.0.18"],
        ["set", "interface", "bfd-00017", "bfd:min_rx=900"],
        ["clear", "interface", "bfd-00017", "bfd"],
        ["set", "interface", "bfd-00017", "type=vxlan"],
    ],
    ids=" ".join,
)
async def test_what_someone_spoils_is_put_right(ovs: OvsServer, bridge: str, physical: str, spoil: list[str]) -> None:
    async with running(ovs, bridge) as one:
        await one.switch.attach([WantedUplink("up-000001", physical, 30)], [PEER])
        await one.until(lambda: len(attached(one)) == 2)
        ovs.vsctl("--no-wait", *spoil)
        right = {
            ("Port", "up-000001-p", "tag"): "30",
            ("Port", "up-000001", "tag"): "[]",
            ("Interface", "up-000001", "options"): "{peer=up-000001-p}",
            ("Interface", "up-000001-p", "options"): "{peer=up-000001}",
            ("Interface", "bfd-00017", "type"): "geneve",
            ("Interface", "bfd-00017", "options"): '{csum="true", key=flow, remote_ip="127.0.0.17"}',
            ("Interface", "bfd-00017", "bfd"): '{enable="true", min_rx="200", min_tx="200"}',
        }
        await one.until(lambda: all(told(ovs, *what) == value for what, value in right.items()))
        await one.until(lambda: len(attached(one)) == 2)
        assert not one.switch.attachment_problems


async def test_a_bridge_that_goes_and_comes(ovs: OvsServer, bridge: str) -> None:
    async with running(ovs, bridge) as one:
        await one.switch.attach([WantedUplink("up-000001", "brlate", 4)], [PEER])
        await one.until(lambda: attached(one).keys() == {"bfd-00017"})
        assert one.switch.attachment_problems == {"up-000001": "bridge brlate is not there"}
        for _ in range(2):
            ovs.vsctl("add-br", "brlate", "--", "set", "bridge", "brlate", "datapath_type=dummy")
            await one.until(lambda: "up-000001" in attached(one) and not one.switch.attachment_problems)
            assert told(ovs, "Port", "up-000001-p", "tag") == "4"
            ovs.vsctl("del-br", "brlate")
            await one.until(lambda: "up-000001" not in attached(one))
            await one.until(lambda: one.switch.attachment_problems == {"up-000001": "bridge brlate is not there"})
        assert "bfd-00017" in attached(one)


async def test_the_bridge_of_another_datapath_is_named(ovs: OvsServer, bridge: str) -> None:
    ovs.vsctl("add-br", "brother", "--", "set", "bridge", "brother", "datapath_type=netdev")
    async with running(ovs, bridge) as one:
        await one.switch.attach([WantedUplink("up-000001", "brother"), WantedUplink("up-000002", bridge)], [])
        await one.until(lambda: len(one.switch.attachment_problems) == 2)
        assert "datapath type netdev" in one.switch.attachment_problems["up-000001"]
        assert "Retia's own" in one.switch.attachment_problems["up-000002"]
        await one.switch.attach([], [])
    ovs.vsctl("del-br", "brother")


async def test_an_agent_that_comes_next_touches_nothing_that_is_right(
    ovs: OvsServer, bridge: str, physical: str
) -> None:
    uplinks = [WantedUplink("up-000001", physical, 30), WantedUplink("up-000002", physical)]
    names = ["up-000001", "up-000001-p", "bfd-00017", "up-000002", "up-000002-p"]
    async with running(ovs, bridge) as one:
        await one.switch.attach(uplinks, [PEER])
        await one.until(lambda: len(attached(one)) == 3)
        before = uuids(ovs, *names)
        there = attached(one)
    async with running(ovs, bridge) as one:
        await one.until(lambda: attached(one) == there)
        await asyncio.sleep(0.2)
        assert uuids(ovs, *names) == before, "nothing goes before it is known what is wanted"
        await one.switch.attach(uplinks[:1], [PEER])
        await one.until(lambda: len(attached(one)) == 2)
        assert uuids(ovs, *names[:3]) == [*before[:3], *before[5:8]]
        assert ports(ovs, bridge) == {TUNNEL_PORT, *names[:1], "bfd-00017"}
        assert ports(ovs, physical) == {"up-000001-p"}
        again = [event for event in one.events if isinstance(event, AttachmentsChanged)]
        assert again[0].whole and len(again[0].changes) == 3


async def test_what_is_someone_elses_stays(ovs: OvsServer, bridge: str, physical: str) -> None:
    ovs.vsctl("add-port", bridge, "theirs", "--", "set", "interface", "theirs", "type=patch", "options:peer=theirs-p",
              "--", "add-port", physical, "theirs-p", "--", "set", "interface", "theirs-p", "type=patch",
              "options:peer=theirs", "--", "add-port", physical, "up-000007-p", "--", "set", "interface",
              "up-000007-p", "type=dummy", "--", "add-port", physical, "other", "--", "set", "interface", "other",
              "type=dummy", "external_ids:retia=integration")  # fmt: skip
    before = uuids(ovs, "theirs", "theirs-p", "up-000007-p", "other")
    async with running(ovs, bridge) as one:
        await one.switch.attach([WantedUplink("up-000007", physical)], [])
        await one.until(lambda: one.switch.attachment_problems)
        assert "not Retia's" in one.switch.attachment_problems["up-000007"]
        assert "theirs" in one.interfaces
        await one.switch.attach([], [])
        assert uuids(ovs, "theirs", "theirs-p", "up-000007-p", "other") == before


async def test_wishes_are_remembered_while_open_vswitch_is_away(own_ovs: OvsServer) -> None:
    bridge, physical = own_ovs.bridge(), own_ovs.bridge()
    async with running(own_ovs, bridge) as one:
        await one.switch.start(FLOWS)
        await one.switch.attach([WantedUplink("up-000001", physical)], [])
        await one.until(lambda: "up-000001" in attached(one))
        number = attached(one)["up-000001"].ofport
        own_ovs.kill("ovsdb-server")
        (own_ovs.dir / "db.sock").unlink(missing_ok=True)
        (own_ovs.dir / "db.ctl").unlink(missing_ok=True)
        await one.switch.attach([WantedUplink("up-000001", physical), WantedUplink("up-000002", physical)], [PEER])
        own_ovs.start_database()
        await one.until(lambda: attached(one).keys() == {"up-000001", "up-000002", "bfd-00017"}, 15.0)
        assert attached(one)["up-000001"].ofport == number
        own_ovs.vsctl("--no-wait", "del-br", bridge)
        await one.until(lambda: not attached(one))
        await one.until(lambda: len(attached(one)) == 3 and one.count(Connected) >= 2, 15.0)


async def test_many_peers_come_and_go(ovs: OvsServer, bridge: str) -> None:
    peers = [WantedPeer(f"bfd-{n:05}", f"127.1.{n // 250}.{n % 250 + 1}") for n in range(100)]
    async with running(ovs, bridge) as one:
        await one.switch.attach([], peers)
        await one.until(lambda: len(attached(one)) == len(peers), 20.0)
        await one.switch.attach([], peers[:3])
        await one.until(lambda: len(attached(one)) == 3, 20.0)


async def test_the_bridges_own_port_keeps_its_mac(ovs: OvsServer, bridge: str) -> None:
    async with running(ovs, bridge) as one:
        assert not one.switch.local_mac
        mac = await one.switch.open_local()
        assert one.switch.local_mac == mac
        assert json.loads(told(ovs, "Interface", bridge, "mac_in_use")) == mac
        assert json.loads(told(ovs, "Bridge", bridge, "other_config:hwaddr")) == mac
        assert await one.switch.open_local() == mac
