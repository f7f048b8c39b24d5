"""IPFIX and sFlow: rows written, changed and taken away, and those of someone else left alone."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractAsyncContextManager

import pytest

from retia.config import Settings
from retia.errors import InvalidInput
from retia.flows.actions import Output
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.switch.contract import Hindered
from retia.switch.exports import read
from tests.ovs.server import OvsServer
from tests.ovs.switch.test_agree import Running
from tests.ovs.switch.test_agree import running as run

OFF = Settings(tunnel_address="192.0.2.1")
ON = Settings(tunnel_address="192.0.2.1", ipfix_collector="127.0.0.1:4739", sflow_collector="127.0.0.1:6343")


def running(ovs: OvsServer, bridge: str, settings: Settings) -> AbstractAsyncContextManager[Running]:
    """Ready when its interfaces are known, which problems do not hinder."""
    return run(ovs, bridge, ready=lambda one: one.switch._made.is_set() and one.interfaces, exports=read(settings))


def told(ovs: OvsServer, table: str, *columns: str) -> list[str]:
    return ovs.vsctl("--bare", f"--columns={','.join(columns)}", "list", table).split("\n")[:-1]


async def test_rows_are_written_changed_and_taken_away(ovs: OvsServer, bridge: str) -> None:
    async with running(ovs, bridge, ON):
        assert told(ovs, "IPFIX", "targets", "sampling", "obs_domain_id", "external_ids") == [
            "127.0.0.1:4739", "64", str(0xC0000201), "retia=ipfix",
        ]  # fmt: skip
        assert told(ovs, "sFlow", "targets", "sampling", "polling", "external_ids") == [
            "127.0.0.1:6343", "64", "10", "retia=sflow",
        ]  # fmt: skip
        before = told(ovs, "IPFIX", "_uuid") + told(ovs, "sFlow", "_uuid")
    async with running(ovs, bridge, ON):
        assert told(ovs, "IPFIX", "_uuid") + told(ovs, "sFlow", "_uuid") == before, "what is right stays"
    other = Settings(tunnel_address="192.0.2.1", ipfix_collector="[2001:db8::9]:2055", ipfix_sampling=1)
    async with running(ovs, bridge, other):
        assert told(ovs, "IPFIX", "targets", "sampling") == ["[2001:db8::9]:2055", "1"]
        assert told(ovs, "IPFIX", "_uuid") == before[:1] and told(ovs, "sFlow", "_uuid") == []
    async with running(ovs, bridge, OFF):
        assert told(ovs, "IPFIX", "_uuid") == []


async def test_what_someone_takes_away_comes_back(ovs: OvsServer, bridge: str) -> None:
    async with running(ovs, bridge, ON) as one:
        ovs.vsctl("--no-wait", "clear", "bridge", bridge, "ipfix")
        await one.until(lambda: told(ovs, "IPFIX", "targets") == ["127.0.0.1:4739"])
    async with running(ovs, bridge, OFF):
        pass


async def test_someone_elses_row_stays_and_is_named(ovs: OvsServer, bridge: str) -> None:
    ovs.vsctl("--", "--id=@i", "create", "IPFIX", 'targets="192.0.2.9:99"', "--", "set", "bridge", bridge, "ipfix=@i")
    before = told(ovs, "IPFIX", "_uuid", "targets")
    async with running(ovs, bridge, OFF) as one:
        assert told(ovs, "IPFIX", "_uuid", "targets") == before and one.switch.hindrance is None
    async with running(ovs, bridge, ON) as one:
        assert told(ovs, "IPFIX", "_uuid", "targets") == before
        assert told(ovs, "sFlow", "targets") == ["127.0.0.1:6343"], "what can be is"
        assert "IPFIX" in str(one.switch.hindrance) and one.count(Hindered) == 1
        await one.until(lambda: one.switch.connected or one.count(Hindered))
        ovs.vsctl("--no-wait", "clear", "bridge", bridge, "ipfix")
        await one.until(lambda: one.switch.hindrance is None)
        assert told(ovs, "IPFIX", "targets") == ["127.0.0.1:4739"]
    async with running(ovs, bridge, OFF):
        pass


async def test_a_collector_hears_of_packets(ovs: OvsServer, bridge: str) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ipfix,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sflow,
    ):
        for one in (ipfix, sflow):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        places = [f"127.0.0.1:{one.getsockname()[1]}" for one in (ipfix, sflow)]
        every = {"ipfix_sampling": 1, "sflow_sampling": 1, "sflow_polling": 1, "tunnel_address": "192.0.2.1"}
        settings = Settings(ipfix_collector=places[0], sflow_collector=places[1], **every)
        ovs.vsctl("add-port", bridge, "p1", "--", "set", "interface", "p1", "type=dummy")
        async with running(ovs, bridge, settings) as agent:
            await agent.switch.start([Flow(0, 1, match(), (Output(0xFFFFFFFE),), 1)])
            await agent.until(lambda: agent.switch.connected)
            ovs.vsctl("set", "IPFIX", told(ovs, "IPFIX", "_uuid")[0], "cache_active_timeout=1")  # nobody waits a minute
            for _ in range(5):
                ovs.appctl("netdev-dummy/receive", "p1", "02000000000102000000000288b5" + "00" * 46)
            async with asyncio.timeout(10):
                loop = asyncio.get_running_loop()
                assert (await loop.sock_recv(ipfix, 9000))[:2] == b"\0\x0a", "IPFIX's version"
                assert (await loop.sock_recv(sflow, 9000))[:4] == b"\0\0\0\5", "sFlow's version"
        async with running(ovs, bridge, OFF):
            pass


@pytest.mark.parametrize(
    "text",
    [
        "collector:4739",
        "192.0.2.9",
        "192.0.2.9:",
        "192.0.2.9:0",
        "192.0.2.9:99999",
        "2001:db8::9:4739",
        ":1",
        "[192.0.2.9]:1",
    ],
)
def test_a_wrong_collector_is_refused_with_advice(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.9:4739") as error:
        read(Settings(ipfix_collector=text))
    assert error.value.where == "ipfix_collector"
    with pytest.raises(InvalidInput, match="6343"):
        read(Settings(sflow_collector=text))
