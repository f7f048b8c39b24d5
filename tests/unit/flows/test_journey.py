"""The walk from host to host."""

from __future__ import annotations

from retia.flows.actions import Actions, Load, Output
from retia.flows.fields import whole
from retia.flows.flow import Flow
from retia.flows.journey import LEG_LIMIT, Arrival, HostFlows, walk_hosts
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import Fate
from tests.unit.flows.test_packet import FRAMES

ICMP = bytes(FRAMES["icmp"])
TUNNEL = 100
ADDRESS = {"hv1": 0xC0000201, "hv2": 0xC0000202}


def to_host(address: int, vni: int = 7) -> Actions:
    return (Load(whole("tun_id"), vni), Load(whole("tun_dst"), address), Output(TUNNEL))


def hosts(hv1: list[Flow], hv2: list[Flow]) -> dict[str, HostFlows]:
    both = {"hv1": hv1, "hv2": hv2}
    return {name: HostFlows(FlowTable(flows), ADDRESS[name], TUNNEL) for name, flows in both.items()}


def test_a_packet_crosses_and_arrives() -> None:
    there = Flow(0, 1, match(in_port=TUNNEL, tun_id=7, tun_src=ADDRESS["hv1"]), (Load(whole("eth_src"), 9), Output(5)))
    journey = walk_hosts(hosts([Flow(0, 1, (), to_host(ADDRESS["hv2"]))], [there]), "hv1", ICMP, 1)
    frame = ICMP[:6] + b"\0\0\0\0\0\t" + ICMP[12:]
    assert journey.arrivals == [Arrival("hv2", 5, frame)]
    assert [(leg.host, leg.cause) for leg in journey.legs] == [("hv1", None), ("hv2", 0)]
    assert not journey.dropped and not journey.lost


def test_a_key_is_cut_to_what_geneve_carries() -> None:
    wide = Flow(0, 1, (), to_host(ADDRESS["hv2"], 0x1000007))
    journey = walk_hosts(hosts([wide], [Flow(0, 1, match(tun_id=7), (Output(5),))]), "hv1", ICMP, 1)
    assert [arrival.port for arrival in journey.arrivals] == [5]


def test_a_copy_for_each_side() -> None:
    both = Flow(0, 1, (), (Output(3), *to_host(ADDRESS["hv2"])))
    journey = walk_hosts(hosts([both], [Flow(0, 1, (), (Output(5),))]), "hv1", ICMP, 1)
    assert journey.arrivals == [Arrival("hv1", 3, ICMP), Arrival("hv2", 5, ICMP)]


def test_an_address_that_no_host_has_loses_it() -> None:
    journey = walk_hosts(hosts([Flow(0, 1, (), to_host(1))], []), "hv1", ICMP, 1)
    assert [(host, sent.tunnel["tun_dst"]) for host, sent in journey.lost] == [("hv1", 1)]


def test_a_drop_on_the_far_side_is_told() -> None:
    journey = walk_hosts(hosts([Flow(0, 1, (), to_host(ADDRESS["hv2"]))], []), "hv1", ICMP, 1)
    assert [(leg.host, leg.walk.fate) for leg in journey.dropped] == [("hv2", Fate.MISSED)]


def test_a_circle_is_cut() -> None:
    one, other = ((Flow(0, 2, match(in_port=1), to_host(ADDRESS[name])), Flow(0, 1, (), (Load(whole("reg0"), 1),)))
                  for name in ("hv2", "hv1"))  # fmt: skip
    assert len(walk_hosts(hosts([*one], [*other]), "hv1", ICMP, 1).legs) == 2  # never back out of the tunnel port
    back = (Load(whole("tun_dst"), ADDRESS["hv1"]), Output(0xFFFFFFF8))
    forth = (Load(whole("tun_dst"), ADDRESS["hv2"]), Output(0xFFFFFFF8))
    start = Flow(0, 2, match(in_port=1), to_host(ADDRESS["hv2"]))
    journey = walk_hosts(hosts([start, Flow(0, 1, (), forth)], [Flow(0, 1, (), back)]), "hv1", ICMP, 1)
    assert journey.endless and len(journey.legs) == LEG_LIMIT
