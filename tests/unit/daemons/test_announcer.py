"""Gratuitous ARP, by a clock that is stepped: three times for each row, again when the switch is back."""

from __future__ import annotations

import asyncio

import pytest
from scapy.layers.l2 import ARP, Ether

from retia.compile.outputs import Announce
from retia.daemons.announcer import AT_ONCE, Announcer
from retia.values import Ip, Mac
from tests.unit.daemons.remembering import Sender

ROW = Announce(Ip.parse("203.0.113.10"), 9, Mac.parse("02:00:00:00:00:01"))


class World(Sender):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.announcer = Announcer(self, lambda: self.now)  # type: ignore[arg-type]

    def until(self, end: float) -> list[tuple[float, str]]:
        """When which MAC was announced."""
        found = []
        while self.now <= end:
            self.sent.clear()
            self.announcer.announce()
            found += [(self.now, Ether(frame).src) for frame, _ in self.sent]
            self.now += 0.5
        return found


def test_at_once_and_after_one_and_three_seconds() -> None:
    world = World()
    world.announcer.note([(None, ROW.row)], True)
    world.announcer.announce()
    frame, ((port,),) = Ether(world.sent[0][0]), [(one.port,) for one in world.sent[0][1]]
    assert (frame.dst, frame.src, port) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01", 9)
    assert (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, "203.0.113.10", "203.0.113.10")
    assert [when for when, _ in world.until(5.0)] == [1.0, 3.0] and world.announcer.sent == 3


def test_what_went_is_not_announced_and_what_moved_only_as_it_is_now() -> None:
    world = World()
    world.announcer.note([(None, ROW.row)], True)
    moved = Announce(ROW.address, ROW.ofport, Mac.parse("02:00:00:00:00:02"))
    world.announcer.note([(ROW.row, moved.row)], True)
    assert world.until(1.0) == [(0.0, str(moved.mac)), (1.0, str(moved.mac))]
    world.announcer.note([(moved.row, None)], True)
    assert not world.until(9.0)


def test_nothing_before_the_flows_are_there_and_all_again_when_the_switch_is_back() -> None:
    world = World()
    world.announcer.note([(None, ROW.row)], False)
    assert not world.until(1.0)
    world.announcer.again()
    world.away = True
    assert not world.until(9.0)
    world.away = False
    world.announcer.again()
    assert len(world.until(20.0)) == 3


def test_many_leave_room_for_other_work() -> None:
    world = World()
    rows = [Announce(Ip.parse(f"203.0.{n // 250}.{n % 250}"), 9, ROW.mac) for n in range(1, 3 * AT_ONCE)]
    world.announcer.note([(None, row.row) for row in rows], True)
    world.announcer.announce()
    assert len(world.sent) == AT_ONCE
    world.until(9.0)
    assert world.announcer.sent == 3 * len(rows)


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_when_it_is_told_to_just_as_something_is_to_be_announced(turns: int) -> None:
    world = World()
    world.announcer.note([(None, ROW.row)], True)
    task = asyncio.create_task(world.announcer.run())
    for _ in range(5):
        await asyncio.sleep(0)
    world.announcer.note([(None, ROW.row)], True)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=2.0)
    assert done
