"""Physical neighbours, by a clock that is stepped: asked, held for, learned, refreshed, forgotten, bounded, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from scapy.layers.l2 import ARP, Ether
from structlog.testing import capture_logs

from retia.compile.compiler import LocalChange
from retia.compile.local import NeighbourFact
from retia.compile.outputs import Outside, WantsNeighbour
from retia.daemons import neighbours as parts
from retia.daemons.neighbours import FORGIVEN, REFRESH, Neighbours, Standing
from retia.flows.actions import Load, Output, Resubmit
from retia.flows.carrying import Punted
from retia.flows.fields import whole
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import NEXT_HOP
from retia.values import Ip, Mac
from tests.unit.daemons.remembering import Sender

GATEWAY, THERE = Ip.parse("203.0.113.254"), Mac.parse("06:00:00:00:01:00")
OUT = Outside("x", 7, 3, Mac.parse("02:00:00:00:00:01"), Ip.parse("203.0.113.2"), 9)
OTHER = Outside("y", 8, 3, Mac.parse("02:00:00:00:00:02"), Ip.parse("203.0.113.3"), 9)


class World(Sender):
    """A switch that remembers, rules that are told, and a clock."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.now, self.file = 1000.0, file
        self.told: list[tuple[list[LocalChange], Callable[[], None] | None]] = []
        self.unreachable: list[Punted] = []
        self.begin()

    def begin(self) -> None:
        self.neighbours = Neighbours(self, self.file, self.unreachable.append, lambda: self.now)  # type: ignore[arg-type]
        self.neighbours.tell = self.tell
        self.neighbours.note([(None, OUT.row), (None, OTHER.row)])

    def tell(self, changes: Iterable[LocalChange], then: Callable[[], None] | None) -> None:
        self.told.append((list(changes), then))

    def settle(self) -> list[LocalChange]:
        """The switch has the flows of all that was told."""
        told, self.told = self.told, []
        for _, then in told:
            if then is not None:
                then()
        return [change for changes, _ in told for change in changes]

    def step(self, seconds: float) -> None:
        self.now += seconds
        self.neighbours.look()

    def ask(self, frame: bytes = b"one", address: Ip = GATEWAY, router: int = 7, port: int = 3) -> None:
        fields = {"in_port": 4, "metadata": router, "reg1": port, "reg7": int(address), "reg11": 5, "tun_src": 6}
        self.neighbours.take(Punted(frame, fields, bytes([PuntKind.ASK_NEIGHBOUR]), 0, 0))

    def hear(self, address: Ip = GATEWAY, mac: Mac = THERE, op: int = 2, in_port: int = 9) -> None:
        frame = bytes(Ether(src=str(mac)) / ARP(op=op, psrc=str(address), hwsrc=str(mac), pdst="203.0.113.2"))
        self.neighbours.take(Punted(frame, {"in_port": in_port}, bytes([PuntKind.HEARD_NEIGHBOUR]), 0, 0))

    def requests(self) -> list[tuple[str, str, str]]:
        """Who was asked since the last look: Ethernet destination, sender, target."""
        found = [Ether(frame) for frame, actions in self.sent if actions == (Output(9),)]
        self.sent = [one for one in self.sent if one[1] != (Output(9),)]
        return [(one.dst, one[ARP].psrc, one[ARP].pdst) for one in found]

    def want(self, *addresses: Ip, port: str = "x") -> None:
        self.neighbours.note((), [(None, WantsNeighbour(port, address).row) for address in addresses])

    def unwant(self, *addresses: Ip) -> None:
        self.neighbours.note((), [(WantsNeighbour("x", address).row, None) for address in addresses])

    def known(self) -> None:
        self.ask()
        self.settle()
        self.hear()
        self.settle()
        self.sent.clear()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "neighbours-hv1.json")


EVERYONE = ("ff:ff:ff:ff:ff:ff", "203.0.113.2", "203.0.113.254")


def test_it_is_asked_once_its_answer_would_be_heard_and_the_packet_goes_on_once_the_flow_is_there(world: World) -> None:
    world.ask()
    assert not world.sent, "the answer would not be heard yet"
    assert world.settle() == [((), (NeighbourFact("x", GATEWAY, Mac(0)),))]
    assert world.requests() == [EVERYONE]
    world.hear()
    assert not world.sent, "the packet would come back: its flow is not there yet"
    assert world.settle() == [((NeighbourFact("x", GATEWAY, Mac(0)),), (NeighbourFact("x", GATEWAY, THERE),))]
    loads = (("metadata", 7), ("reg1", 3), ("reg7", int(GATEWAY)), ("reg11", 5))
    assert world.sent == [(b"one", (*(Load(whole(f), v) for f, v in loads), Resubmit(int(NEXT_HOP))))]


def test_three_packets_wait_and_the_oldest_makes_room(world: World) -> None:
    for frame in (b"1", b"2", b"3", b"4"):
        world.ask(frame)
    assert world.neighbours.waiting == 3
    world.settle()
    assert len(world.requests()) == 1
    world.hear()
    world.settle()
    assert [frame for frame, _ in world.sent] == [b"2", b"3", b"4"] and world.neighbours.waiting == 0
    world.ask(b"late")
    assert world.sent[-1][0] == b"late", "it was on its way while the flow was"


def test_three_tries_a_second_apart_then_it_is_unreachable_for_a_while(world: World) -> None:
    world.ask(b"1")
    world.ask(b"2")
    world.settle()
    world.step(0.9)
    assert len(world.requests()) == 1
    for _ in range(2):
        world.step(1.0)
        assert world.requests() == [EVERYONE]
    assert not world.unreachable
    world.step(1.0)
    assert [one.frame for one in world.unreachable] == [b"1", b"2"] and not world.requests()
    assert world.neighbours.counts["given-up"] == 1
    world.ask(b"3")
    assert len(world.unreachable) == 3 and not world.told
    world.step(FORGIVEN)
    assert world.settle() == [((NeighbourFact("x", GATEWAY, Mac(0)),), ())] and not world.neighbours.rows
    world.ask(b"4")
    world.settle()
    assert world.requests() == [EVERYONE]


def test_one_that_comes_after_all_is_learned(world: World) -> None:
    world.ask()
    world.settle()
    for _ in range(3):
        world.step(1.0)
    world.hear(op=1)
    assert world.settle()[-1][1] == (NeighbourFact("x", GATEWAY, THERE),)


def test_it_is_asked_again_alone_and_ages_out_when_it_does_not_answer(world: World) -> None:
    world.known()
    alone = (str(THERE), *EVERYONE[1:])
    world.step(REFRESH)
    assert world.requests() == [alone]
    world.hear()
    world.step(REFRESH - 1)
    assert not world.requests() and not world.told
    for _ in range(3):
        world.step(1.0)
    assert world.requests() == [alone] * 3
    world.step(1.0)
    assert world.settle() == [((NeighbourFact("x", GATEWAY, THERE),), ())]
    assert world.neighbours.counts["aged-out"] == 1


@pytest.mark.parametrize("op", [1, 2])
def test_it_may_move_to_another_mac(world: World, op: int) -> None:
    world.known()
    world.hear(mac=Mac(THERE + 1), op=op)
    assert world.settle() == [((NeighbourFact("x", GATEWAY, THERE),), (NeighbourFact("x", GATEWAY, Mac(THERE + 1)),))]
    world.hear(mac=Mac(THERE + 1), op=op)
    assert not world.told


def test_nobody_is_learned_who_was_not_asked_for(world: World) -> None:
    world.hear()
    world.ask()
    world.settle()
    world.hear(Ip.parse("203.0.113.253"))
    world.hear(in_port=8)
    world.hear(mac=Mac(0))
    world.hear(mac=Mac.parse("01:00:5e:00:00:01"))
    world.hear(mac=OUT.mac)
    world.neighbours.take(Punted(b"short", {"in_port": 9}, bytes([PuntKind.HEARD_NEIGHBOUR]), 0, 0))
    assert not world.told and world.neighbours.number() == {Standing.asked: 1}


def test_each_router_port_has_its_own(world: World) -> None:
    world.known()
    world.ask(router=8)
    world.settle()
    assert world.requests() == [("ff:ff:ff:ff:ff:ff", "203.0.113.3", "203.0.113.254")]
    world.hear()
    assert world.settle() == [((NeighbourFact("y", GATEWAY, Mac(0)),), (NeighbourFact("y", GATEWAY, THERE),))]


def test_what_no_router_port_here_asks_is_nothing(world: World) -> None:
    world.ask(port=4)
    world.ask(address=Ip.parse("0.0.0.0"))
    world.neighbours.note([(OUT.row, None)])
    world.ask()
    assert not world.told and not world.neighbours.rows


def test_a_port_that_goes_takes_its_neighbours_along_in_the_end(world: World) -> None:
    world.known()
    world.neighbours.note([(OUT.row, None)])
    world.step(REFRESH)
    for _ in range(3):
        world.step(1.0)
    assert not world.requests() and not world.neighbours.rows


def test_over_its_bounds_the_one_goes_that_was_not_asked_for_longest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "OF_A_PORT", 3)
    world.known()
    addresses = [Ip.parse(f"203.0.113.{n}") for n in range(10, 13)]
    for address in addresses:
        world.now += 0.1
        world.ask(address=address)
    assert {row.address for row in world.neighbours.rows} == {GATEWAY, *addresses[1:]}, "who is known stays"
    assert world.neighbours.counts["crowded-out"] == 1
    monkeypatch.setattr(parts, "OF_ALL", 4)
    for number in range(20, 24):
        world.ask(address=Ip.parse(f"203.0.113.{number}"), router=8)
    assert len(world.neighbours.rows) == 4 and world.neighbours.counts["crowded-out"] == 4
    world.settle()


def test_what_goes_meanwhile_is_not_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "OF_A_PORT", 1)
    world.ask()
    world.ask(address=Ip.parse("203.0.113.9"))
    world.settle()
    assert world.requests() == [("ff:ff:ff:ff:ff:ff", "203.0.113.2", "203.0.113.9")]


def test_a_switch_that_is_away_costs_a_try(world: World) -> None:
    world.away = True
    world.ask()
    world.settle()
    world.away = False
    world.step(1.0)
    assert world.requests() == [EVERYONE]


def test_a_restart_knows_them_and_those_asked_for_are_asked_again(world: World) -> None:
    world.known()
    world.ask(address=Ip.parse("203.0.113.9"))
    world.settle()
    world.requests()
    rows = sorted(world.neighbours.rows, key=str)
    world.step(0.0)
    world.begin()
    assert sorted(world.neighbours.rows, key=str) == rows
    world.ask(b"at once")
    assert world.sent[0][0] == b"at once"
    world.step(1.0)
    assert world.requests() == [("ff:ff:ff:ff:ff:ff", "203.0.113.2", "203.0.113.9")]
    world.step(REFRESH)
    assert (str(THERE), *EVERYONE[1:]) in world.requests()


# -- those that are wanted ------------------------------------------------------------------------------------------

ASKED, KNOWN = NeighbourFact("x", GATEWAY, Mac(0)), NeighbourFact("x", GATEWAY, THERE)
SECOND = Ip.parse("203.0.113.253")


def test_one_that_is_wanted_is_asked_before_any_packet_once_its_answer_would_be_heard(world: World) -> None:
    world.want(GATEWAY, SECOND)
    assert not world.sent and len(world.told) == 1, "all of them are one change"
    assert world.settle() == [((), (ASKED, NeighbourFact("x", SECOND, Mac(0))))]
    assert world.requests() == [EVERYONE, (*EVERYONE[:2], str(SECOND))]
    world.hear()
    assert world.settle() == [((ASKED,), (KNOWN,))]
    world.ask(b"first")
    assert world.sent[-1][0] == b"first", "it waits for nothing"


def test_it_is_refreshed_as_any_other(world: World) -> None:
    world.want(GATEWAY)
    world.settle()
    world.hear()
    world.settle()
    world.requests()
    world.step(REFRESH)
    assert world.requests() == [(str(THERE), *EVERYONE[1:])]
    assert not world.neighbours.silent


def test_one_that_is_silent_is_named_and_asked_without_end_at_a_slow_pace(world: World) -> None:
    world.want(GATEWAY)
    world.settle()
    for _ in range(2):
        world.step(1.0)
    assert len(world.requests()) == 3 and not world.neighbours.silent
    world.step(1.0)
    assert list(world.neighbours.silent) == [("x", GATEWAY)] and world.told, "told, so that it is named"
    world.settle()
    world.ask(b"told at once")
    assert [one.frame for one in world.unreachable] == [b"told at once"]
    for _ in range(10):
        world.step(FORGIVEN - 0.1)
        assert not world.requests()
        world.step(0.1)
        assert world.requests() == [EVERYONE]
    assert world.neighbours.rows == [ASKED] and world.neighbours.counts["given-up"] == 1 and not world.told
    world.hear()
    assert world.settle() == [((ASKED,), (KNOWN,))] and not world.neighbours.silent


def test_one_that_falls_silent_stays_without_its_mac(world: World) -> None:
    world.want(GATEWAY)
    world.settle()
    world.hear()
    world.settle()
    world.step(REFRESH)
    for _ in range(3):
        world.step(1.0)
    assert world.settle() == [((KNOWN,), (ASKED,))] and world.neighbours.silent
    assert world.neighbours.counts["aged-out"] == 1 and world.neighbours.counts["given-up"] == 0
    world.hear()
    world.ask(b"waits")
    assert world.neighbours.waiting == 1, "its flow is not there yet"
    assert world.settle() == [((ASKED,), (KNOWN,))] and world.sent[-1][0] == b"waits"


def test_one_that_is_no_longer_wanted_goes_when_it_would_be_asked_again(world: World) -> None:
    world.want(GATEWAY, SECOND)
    world.settle()
    world.hear()
    world.settle()
    world.requests()
    world.unwant(GATEWAY, SECOND)
    world.step(1.0)
    assert not world.requests() and world.settle() == [((NeighbourFact("x", SECOND, Mac(0)),), ())]
    world.step(REFRESH - 2)
    assert world.neighbours.rows == [KNOWN], "an uplink that is away for a moment costs nothing"
    world.step(1.0)
    assert world.settle() == [((KNOWN,), ())] and not world.requests()


def test_one_that_packets_asked_for_stays_as_any_other(world: World) -> None:
    world.want(GATEWAY)
    world.ask()
    world.settle()
    world.hear()
    world.settle()
    world.requests()
    world.unwant(GATEWAY)
    world.step(REFRESH)
    assert world.requests() == [(str(THERE), *EVERYONE[1:])] and world.neighbours.rows == [KNOWN]
    for _ in range(3):
        world.step(1.0)
    assert world.settle() == [((KNOWN,), ())]


def test_a_silent_one_that_is_no_longer_wanted_is_not_named(world: World) -> None:
    world.ask()
    world.settle()
    for _ in range(3):
        world.step(1.0)
    assert not world.neighbours.silent, "nobody wants it"
    world.want(GATEWAY)
    assert world.neighbours.silent
    world.unwant(GATEWAY)
    assert not world.neighbours.silent
    world.requests()
    world.step(FORGIVEN)
    assert not world.neighbours.rows and not world.requests()


def test_those_wanted_keep_to_the_bounds_and_go_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "OF_A_PORT", 2)
    world.want(GATEWAY, SECOND, Ip.parse("203.0.113.252"))
    assert {row.address for row in world.neighbours.rows} == {GATEWAY, SECOND}
    assert world.neighbours.counts["crowded-out"] == 0, "for one that is wanted nobody is crowded out"
    world.unwant(SECOND)
    world.hear(SECOND)
    for number in range(10, 13):
        world.ask(address=Ip.parse(f"203.0.113.{number}"))
    assert GATEWAY in {row.address for row in world.neighbours.rows}, "though it is not known, and SECOND was"
    world.settle()


def test_a_restart_wants_what_it_knows_already(world: World) -> None:
    world.want(GATEWAY)
    world.settle()
    world.hear()
    world.settle()
    world.neighbours.save()
    world.requests()
    world.begin()
    world.want(GATEWAY)
    assert not world.told and not world.sent and world.neighbours.rows == [KNOWN]


@pytest.mark.parametrize("text", ["{", "{}", '[["x", "203.0.113.9"]]', '[["x", "nine", "06:00:00:00:00:01"]]'])
def test_a_broken_file_is_named_and_started_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "neighbours-hv1.json"
    file.write_text(text)
    with capture_logs() as said:
        world = World(file)
    assert not world.neighbours.rows and [one["file"] for one in said] == [str(file)]
    world.known()
    world.neighbours.save()
    world.begin()
    assert world.neighbours.number() == {Standing.known: 1}


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_when_it_is_told_to_just_as_something_is_to_be_done(world: World, turns: int) -> None:
    world.known()
    task = asyncio.create_task(world.neighbours.run())
    for _ in range(5):
        await asyncio.sleep(0)
    world.ask(address=Ip.parse("203.0.113.9"))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=2.0)
    assert done
