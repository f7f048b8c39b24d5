"""BFD between two hosts, each with its own Open vSwitch: up, down when one dies, undisturbed by agents that restart."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import pytest

from retia.model.local import Attachment, WantedPeer
from retia.switch.bridge import Wanted
from retia.switch.contract import AttachmentsChanged
from retia.switch.ovs import OvsSwitch, Place
from tests.ovs.switch.hosts import ROOT, Host, ip, two_hosts
from tests.ovs.switch.test_agree import Running
from tests.ovs.switch.test_attach import attached

INTERVAL = 200


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts() as both:
        yield both


def peer_of(host: Host) -> WantedPeer:
    return WantedPeer(f"bfd-{3 - host.number:05}", f"192.168.79.{3 - host.number}")


class Both:
    """An agent's switch on each host."""

    def __init__(self, hosts: tuple[Host, Host]) -> None:
        self._hosts = hosts

    async def __aenter__(self) -> list[Running]:
        self._agents = [Running(host, Wanted("br-int", "dummy")) for host in self._hosts]
        for host, one in zip(self._hosts, self._agents, strict=True):
            one.switch = OvsSwitch(Place(host.dir, Wanted("br-int", "netdev", INTERVAL)))
        self._tasks = [asyncio.create_task(one.switch.run(one.report)) for one in self._agents]
        for host, one in zip(self._hosts, self._agents, strict=True):
            await one.until(lambda one=one: one.interfaces)
            await one.switch.attach([], [peer_of(host)])
        return self._agents

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def session(one: Running, host: Host) -> Attachment | None:
    return attached(one).get(peer_of(host).name)


def is_up(one: Running, host: Host) -> bool:
    there = session(one, host)
    return there is not None and there.bfd == "up" and there.seen


def reports(one: Running) -> int:
    return sum(isinstance(event, AttachmentsChanged) for event in one.events)


async def test_a_dead_host_is_down_and_one_that_is_back_is_up(hosts: tuple[Host, Host]) -> None:
    async with Both(hosts) as agents:
        for one, host in zip(agents, hosts, strict=True):
            await one.until(lambda one=one, host=host: is_up(one, host), 20.0)
        quiet = reports(agents[0])
        await asyncio.sleep(2.0)
        assert reports(agents[0]) == quiet, "a busy session is no storm of events"
        hosts[1].kill("ovs-vswitchd")
        start = time.monotonic()
        await agents[0].until(lambda: not is_up(agents[0], hosts[0]), 5.0)
        assert time.monotonic() - start < 3.0
        there = session(agents[0], hosts[0])
        assert there is not None and (there.bfd, there.seen) == ("down", True)
        hosts[1].start_switch()
        hosts[1].address_up()
        for one, host in zip(agents, hosts, strict=True):
            await one.until(lambda one=one, host=host: is_up(one, host), 20.0)


async def test_an_agent_that_restarts_leaves_sessions_alone(hosts: tuple[Host, Host]) -> None:
    async with Both(hosts) as agents:
        for one, host in zip(agents, hosts, strict=True):
            await one.until(lambda one=one, host=host: is_up(one, host), 20.0)
    before = [host.vsctl("get", "interface", peer_of(host).name, "_uuid", "bfd_status:flap_count") for host in hosts]
    async with Both(hosts) as agents:
        for one, host in zip(agents, hosts, strict=True):
            first = next(event for event in one.events if isinstance(event, AttachmentsChanged))
            assert first.whole and first.changes[0].new == session(one, host) and is_up(one, host)
        await asyncio.sleep(1.0)
        assert all(reports(one) == 1 for one in agents)
    after = [host.vsctl("get", "interface", peer_of(host).name, "_uuid", "bfd_status:flap_count") for host in hosts]
    assert after == before


OPEN = """
import asyncio
from pathlib import Path
from retia.switch.bridge import Wanted
from retia.switch.ovs import OvsSwitch, Place
print(asyncio.run(OvsSwitch(Place(Path({run_dir!r}), Wanted("br-int", "netdev"))).open_local()))
"""


def test_the_bridges_own_port_is_brought_up(hosts: tuple[Host, Host]) -> None:
    host = hosts[0]
    ip("-n", host.name, "link", "set", "br-int", "down")
    mac = host.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", OPEN.format(run_dir=str(host.dir))).strip()
    shown = ip("-n", host.name, "link", "show", "br-int")
    assert mac in shown and ",UP" in shown
