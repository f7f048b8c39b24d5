"""Samples in turns, until there are enough or a contender's time is used up; disagreements are named."""

from __future__ import annotations

import random
import time

import pytest

from bench import gateway, ovn_network
from bench.network import Size, host_of, tunnel
from bench.rounds import SLICES, Effort, Rounds
from retia.model.kinds import RouterPort


class Still:
    """Processes that never do anything."""

    def settle(self, quiet: int = 3, seconds: float = 1.0, slot: float = 0.1) -> None:
        return None


class Told:
    """An observer who saw two flows change."""

    def watch(self) -> None:
        return None

    unwatch = watch

    def events(self) -> list[str]:
        return ["added", "removed"]


class Fake:
    """A contender that takes `cost` seconds a change and notes who was asked when."""

    agent = "agent"

    def __init__(self, name: str, asked: list[str], cost: float = 0.0) -> None:
        self.name, self._asked, self._cost, self.processes = name, asked, cost, Still()
        self.answer = ""
        self.observer = Told()

    def add(self, n: int) -> dict[str, float]:
        self._asked.append(self.name)
        time.sleep(self._cost)
        return {"flow": 0.001 * (n + 1)}

    def meet_outside(self) -> None:
        self._asked.append("outside")

    def floating(self, n: int) -> dict[str, float]:
        return {"flow": 0.001, "confirmed": 0.002}

    snat = floating

    def edge(self) -> dict[str, float]:
        self._asked.append("edge")
        return {"confirmed": 0.001}

    def remove_edge(self) -> None:
        self._asked.append("no edge")

    def reached(self, packet: str) -> str:
        return self.answer


def test_contenders_take_turns_and_get_the_same_number_of_samples() -> None:
    asked: list[str] = []
    rounds = Rounds([Fake("OVN", asked), Fake("Retia", asked)], Size(100), Effort(10, 60, 1))
    assert rounds._row("add", lambda who: who.add) == {"OVN": 10, "Retia": 10}
    assert asked == (["OVN"] * 2 + ["Retia"] * 2) * SLICES
    assert rounds.rows["add, flow"]["OVN"].median == pytest.approx(5.5)


def test_who_is_slow_has_fewer_samples_and_who_gave_none_has_no_figure() -> None:
    asked: list[str] = []
    rounds = Rounds([Fake("OVN", asked, 0.02), Fake("Retia", asked)], Size(100), Effort(50, 0.1, 1))
    counts = rounds._row("add", lambda who: who.add)
    assert counts["OVN"] <= 10 < counts["Retia"]
    rounds.put("cold", rounds._contenders[0], [], "s")
    assert "cold" not in rounds.rows


def test_an_edge_is_added_to_the_same_network_each_time_and_what_it_changes_is_counted() -> None:
    asked: list[str] = []
    who = Fake("Retia", asked)
    rounds = Rounds([who], Size(100), Effort(5, 60, 1))
    rounds.meet_outside()
    there = [word for word in asked if word in ("outside", "edge", "no edge")]
    assert there == ["outside", "edge", *["no edge", "edge"] * 4]
    assert rounds.rows["edge added, flows changed"]["Retia"].median == 2
    assert rounds.rows["floating IP, flow"]["Retia"].samples == rounds.rows["SNAT, confirmed"]["Retia"].samples == 5


def test_both_give_the_router_the_same_outside() -> None:
    said = str(ovn_network.outside())
    ports = [thing for thing in gateway.objects() if isinstance(thing, RouterPort)]
    assert str(ports[0].addresses[0]) in said and str(ports[0].mac) in said and "10.0.0.0/8" in said
    assert gateway.priority("me") > gateway.priority("h0") > gateway.priority(gateway.ADDED)
    size = Size(1000)
    hundred = [gateway.floating(size, n) for n in range(100)]
    assert len({one.internal.address for one in hundred}) == len({one.external for one in hundred}) == 100
    assert {gateway.snat(size, n).internal.length for n in range(100)} == {26}
    assert len({gateway.snat(size, n).internal for n in range(100)}) == 100


def test_a_packet_that_goes_elsewhere_is_named() -> None:
    size = Size(100)
    wrong = Fake("OVN", [])
    wrong.answer = "nowhere"
    found = Rounds([wrong], size, Effort(1, 1, 1)).compare(random.Random(1))
    assert found and all("goes to nowhere, not to" in line for line in found)


def test_a_ping_goes_to_the_router_only_when_it_leaves_its_switch() -> None:
    rounds = Rounds([], Size(1000), Effort(1, 1, 1))
    assert "dl_dst=02:00:00:00:00:02" in rounds.packet(0, 1)
    assert "dl_dst=0a:00:00:00:00:00" in rounds.packet(0, 101)
    assert str(tunnel(host_of(Size(1000), 1))) == "198.51.0.1"
