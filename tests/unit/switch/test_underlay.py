"""The kernel's tables: who is the next hop, and who is resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from retia.switch import underlay
from retia.switch.underlay import Neighbour, Underlay

ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 FE01A8C0 0003 0 0 100 00000000 0 0 0
eth0 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0
eth1 0000090A 0201A8C0 0003 0 0 50 0000FFFF 0 0 0
eth1 0000090A 0301A8C0 0003 0 0 10 0000FFFF 0 0 0
eth2 00000A0A 0401A8C0 0002 0 0 0 0000FFFF 0 0 0
"""
NEIGHBOURS = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.2      0x1         0x2         02:00:00:00:00:02     *        eth0
192.168.1.3      0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.4      0x1         0x6         02:00:00:00:00:04     *        eth0
"""


@pytest.fixture(autouse=True)
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("_ROUTES", ROUTES), ("_NEIGHBOURS", NEIGHBOURS)):
        (tmp_path / name).write_text(text, encoding="ascii")
        monkeypatch.setattr(underlay, name, tmp_path / name)
    monkeypatch.setattr(underlay, "ask", lambda peers: set())
    monkeypatch.setattr(underlay, "PATIENCE", 0.05)


@pytest.mark.parametrize(
    ("peer", "hop"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("8.8.8.8", "192.168.1.254"),
        ("10.9.1.1", "192.168.1.3"),
        ("10.10.1.1", "192.168.1.254"),
    ],
    ids=["on-link", "default", "lowest-metric", "route-down"],
)
def test_the_next_hop_is_the_kernels(peer: str, hop: str) -> None:
    assert underlay.next_hops([peer]) == {peer: hop}


def test_neighbours_say_whether_they_are_resolved() -> None:
    assert underlay.neighbours() == [
        Neighbour("192.168.1.2", "02:00:00:00:00:02", "eth0"),
        Neighbour("192.168.1.3", "", "eth0"),
        Neighbour("192.168.1.4", "02:00:00:00:00:04", "eth0"),
    ]


async def test_the_wait_is_short_and_names_whom_it_waited_for() -> None:
    """192.168.1.9 is listed nowhere: it needs no neighbour."""
    wanted = {"192.168.1.2", "10.9.1.1", "192.168.1.9"}
    one = Underlay(None)
    assert await one.warm(wanted) == {"10.9.1.1"}
    assert await one.warm(wanted) == set(), "asked for already, so it is not waited for again"


async def test_a_peer_that_did_not_answer_is_asked_again_soon_until_it_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[set[str]] = []

    def ask(peers: Iterable[str]) -> set[str]:
        asked.append(set(peers))
        return set()

    monkeypatch.setattr(underlay, "ask", ask)
    one = Underlay(None)
    running = asyncio.create_task(one.run())
    assert await one.warm({"192.168.1.2", "10.9.1.1"}) == {"10.9.1.1"}
    async with asyncio.timeout(5):
        while len(asked) < 3:
            await asyncio.sleep(0.01)
    assert asked[1:] == [{"10.9.1.1"}] * 2, "only the one that is late"
    (tmp_path / "_NEIGHBOURS").write_text(NEIGHBOURS.replace("0x0         00:00:00:00:00:00", "0x2  02:00:00:00:00:03"))
    async with asyncio.timeout(5):
        while one._late:
            await asyncio.sleep(0.01)
    count = len(asked)
    await asyncio.sleep(0.5)
    assert len(asked) == count and not running.done()
    running.cancel()


async def test_a_peer_without_a_way_is_asked_again_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open vSwitch comes back before its host has its address again: the neighbour would be cold for 20 s."""
    ways: set[str] = {"192.168.1.2"}
    asked: list[set[str]] = []

    def ask(peers: Iterable[str]) -> set[str]:
        asked.append(set(peers))
        return asked[-1] - ways

    monkeypatch.setattr(underlay, "ask", ask)
    one = Underlay(None)
    await one.warm({"192.168.1.2"})
    running = asyncio.create_task(one.run())
    ways.clear()
    await one.again()
    async with asyncio.timeout(5):
        while len(asked) < 4:
            await asyncio.sleep(0.01)
    ways.add("192.168.1.2")
    async with asyncio.timeout(5):
        while one._late:
            await asyncio.sleep(0.01)
    assert asked == [{"192.168.1.2"}] * len(asked) and not running.done()
    running.cancel()
