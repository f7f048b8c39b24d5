"""Punts in, answers out: from whom, to where, and what a flood or a switch that is away costs."""

from __future__ import annotations

import asyncio

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from retia.daemons.answerer import WAITING, Answerer
from retia.errors import SwitchAway
from retia.flows.actions import Actions
from retia.flows.carrying import Punted
from retia.flows.lookup import FlowTable
from retia.flows.packet import parse
from retia.flows.walk import Walk, walk, walk_out
from retia.pipeline.punts import PuntKind
from retia.pipeline.stage import Stage
from retia.pipeline.stages import ROUTE, ZONES
from tests.network import Network

NET = {
    "switches": {
        "web": {"subnets": {"n": {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1"}}, "ports": {"a": {}}},
        "link": {"subnets": {"n": {"cidr": "10.9.0.0/24"}}},
        "db": {
            "mtu": 1000,
            "subnets": {"n": {"cidr": "10.0.2.0/24", "gateway": "10.0.2.1"}},
            "ports": {"d": {}, "nowhere": {}},
        },
    },
    "routers": {
        "r1": {
            "ports": {"to-web": {"switch": "web"}, "on": {"switch": "link", "addresses": "10.9.0.1/24"}},
            "routes": {"on": {"prefix": "10.0.2.0/24", "next_hop": "10.9.0.2"}},
        },
        "r2": {
            "ports": {"back": {"switch": "link", "addresses": "10.9.0.2/24"}, "to-db": {"switch": "db"}},
            "routes": {"back": {"prefix": "10.0.1.0/24", "next_hop": "10.9.0.1"}},
        },
    },
}


class Sending:
    """The part of a switch that answers go to: the flows of hv1, with no switch."""

    def __init__(self, table: FlowTable) -> None:
        self.table, self.walks, self.away = table, list[Walk](), False

    def send(self, frame: bytes, actions: Actions, in_port: int = 0) -> None:
        if self.away:
            raise SwitchAway("away")
        self.walks.append(walk_out(self.table, frame, actions))


class World:
    def __init__(self) -> None:
        self.network = Network()
        self.network.add_host("hv1")
        self.network.apply(NET)
        self.network.plug("hv1", "web/a")
        self.network.plug("hv1", "db/d")
        compiler = self.network.compilers["hv1"]
        self.switch = Sending(FlowTable(compiler.flows.values()))
        self.answerer = Answerer(compiler, self.switch)  # type: ignore[arg-type]

    def punts(self, frame: bytes) -> list[Punted]:
        seen = walk(self.switch.table, frame, 1).punted
        return [Punted(one.frame, one.fields, one.action.userdata, 0, 0) for one in seen]

    def ask(self, target: str, **how: int) -> list[Ether]:
        """What guest a hears of its packet."""
        for punt in self.punts(self.network.frame("web/a", target, via="r1/to-web", **how)):
            self.answerer.answer(punt)
        return [Ether(sent.frame) for story in self.switch.walks for sent in story.sent if sent.port == 1]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("target", "how", "by", "said"),
    [
        pytest.param("db/d", {"ttl": 1}, "10.0.1.1", (11, 0, 0), id="first-hop"),
        pytest.param("db/d", {"ttl": 2}, "10.9.0.2", (11, 0, 0), id="second-hop"),
        pytest.param("203.0.113.9", {}, "10.0.1.1", (3, 0, 0), id="no-route"),
        pytest.param("10.0.2.99", {}, "10.9.0.2", (3, 1, 0), id="nobody"),
        pytest.param("db/nowhere", {}, "10.9.0.2", (3, 1, 0), id="unbound"),
        pytest.param("10.0.2.1", {}, "10.0.2.1", (3, 3, 0), id="router-itself"),
        pytest.param("db/d", {"size": 1001}, "10.9.0.2", (3, 4, 1000), id="too-big"),
    ],
)
def test_the_sender_hears_it(world: World, target: str, how: dict[str, int], by: str, said: tuple[int, ...]) -> None:
    (heard,) = world.ask(target, **how)
    port = world.network.port("web/a")
    assert heard.dst == str(port.mac) and heard.src == str(world.network.router_port("r1/to-web").mac)
    assert (heard[IP].src, heard[IP].dst) == (by, str(port.addresses[0]))
    assert (heard[ICMP].type, heard[ICMP].code, heard[ICMP].nexthopmtu or 0) == said
    assert sum(world.answerer.answered.values()) == 1


def test_what_arrives_is_not_spoken_of(world: World) -> None:
    assert world.ask("db/d") == world.ask("db/d", size=1000) == []


def test_an_answer_that_cannot_be_carried_is_not_answered(world: World) -> None:
    port = world.network.port("web/a")
    head = Ether(src=str(port.mac), dst=str(world.network.router_port("r1/to-web").mac))
    frame = bytes(head / IP(src="198.51.100.7", dst="10.0.2.2", ttl=1) / UDP())
    (punt,) = world.punts(frame)
    world.answerer.answer(punt)
    (story,) = world.switch.walks
    assert not story.sent and not story.punted and parse(frame).fields["nw_ttl"] == 1


def test_a_router_that_is_gone_says_nothing(world: World) -> None:
    (punt,) = world.punts(world.network.frame("web/a", "db/d", via="r1/to-web", ttl=1))
    for fields in ({**punt.fields, "metadata": 999}, {**punt.fields, "reg0": 999}, {}):
        world.answerer.answer(punt._replace(fields=fields))
    world.answerer.answer(punt._replace(userdata=b"\xff"))
    world.answerer.answer(punt._replace(userdata=b"another's"))
    world.answerer.answer(punt._replace(frame=b"short"))
    assert not world.switch.walks and not world.answerer.answered


async def test_a_flood_is_let_go_and_a_switch_that_is_away_is_waited_for(world: World) -> None:
    (punt,) = world.punts(world.network.frame("web/a", "db/d", via="r1/to-web", ttl=1))
    for _ in range(WAITING + 100):
        world.answerer.take(punt)
    world.switch.away = True
    running = asyncio.create_task(world.answerer.run())
    await asyncio.sleep(0)
    world.switch.away = False
    async with asyncio.timeout(20):
        while world.answerer.heard[PuntKind.TIME_EXCEEDED] < WAITING:
            await asyncio.sleep(0.01)
    running.cancel()
    assert world.answerer.answered[PuntKind.TIME_EXCEEDED] == len(world.switch.walks) == WAITING - 1


def test_kinds_of_another_part_are_handed_on(world: World) -> None:
    taken: list[Punted] = []
    world.answerer.elsewhere = {PuntKind.ASK_NEIGHBOUR: taken.append}
    punt = Punted(b"frame", {}, bytes([PuntKind.ASK_NEIGHBOUR]), 0, 0)
    world.answerer.answer(punt)
    assert taken == [punt] and world.answerer.heard[PuntKind.ASK_NEIGHBOUR] == 1 and not world.switch.walks


@pytest.mark.parametrize(("zones", "begins"), [(0, ROUTE), (2 << 16 | 1, ZONES)])
def test_a_neighbour_that_is_not_there_is_unreachable_by_the_way_that_translates_back(
    world: World, zones: int, begins: Stage
) -> None:
    (punt,) = world.punts(world.network.frame("web/a", "10.0.2.99", via="r1/to-web"))
    world.answerer.unreachable(punt._replace(fields={**punt.fields, "reg11": zones}))
    (story,) = world.switch.walks
    assert story.steps[1].table == int(begins)
    assert world.answerer.answered == {PuntKind.ASK_NEIGHBOUR: 1}
    world.switch.away = True
    world.answerer.unreachable(punt)
    assert world.answerer.answered == {PuntKind.ASK_NEIGHBOUR: 1}
