"""Each action of the walk does what Open vSwitch does; tests/ovs/flows compares them on a real one."""

from __future__ import annotations

import time

import pytest

from retia.flows.actions import IN_PORT, LOCAL, DecTtl, ForgetInPort, Goto, Load, Move, Output, Resubmit
from retia.flows.fields import ARP, FIELDS, IPV4, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import DEPTH_LIMIT, LOOKUP_LIMIT, Fate, Walk, walk
from retia.flows.wire import Foreign
from tests.unit.flows.test_packet import FRAMES

ICMP = bytes(FRAMES["icmp"])
LOW = ICMP[:22] + b"\1" + ICMP[23:]


def run(*flows: Flow, frame: bytes = ICMP, in_port: int = 1, **tunnel: int) -> Walk:
    return walk(FlowTable(flows), frame, in_port, tunnel)


def ports(story: Walk) -> list[int]:
    return [sent.port for sent in story.sent]


def test_goto_ends_a_flow_and_resubmit_returns() -> None:
    flows = [
        Flow(0, 1, (), (Resubmit(5), Output(2), Goto(3))),
        Flow(5, 1, (), (Output(7),)),
        Flow(3, 1, (), (Output(8),)),
    ]
    story = run(*flows)
    assert ports(story) == [7, 2, 8]
    assert [(step.table, step.depth) for step in story.steps] == [(0, 0), (5, 1), (3, 0)]


def test_what_a_resubmit_changed_stays_changed() -> None:
    flows = [
        Flow(0, 1, (), (Resubmit(5), Goto(6))),
        Flow(5, 1, (), (Load(whole("reg4"), 9),)),
        Flow(6, 1, match(reg4=9), (Output(2),)),
    ]
    story = run(*flows)
    assert ports(story) == [2]
    assert story.steps[1].changed == {"reg4": (0, 9)} and story.fields["reg4"] == 9


def test_the_highest_priority_wins() -> None:
    flows = [Flow(0, 1, (), (Output(2),)), Flow(0, 9, match(eth_type=IPV4), (Output(3),)), Flow(0, 8, (), ())]
    assert ports(run(*flows)) == [3]


@pytest.mark.parametrize(
    ("fate", "flows", "frame"),
    [
        pytest.param(Fate.SENT, [Flow(0, 1, (), (Output(2), Goto(1)))], ICMP, id="sent"),
        pytest.param(Fate.DROPPED, [Flow(0, 1, (), (Goto(1),)), Flow(1, 0, (), ())], ICMP, id="dropped"),
        pytest.param(Fate.MISSED, [Flow(0, 9, match(eth_type=ARP), (Output(3),))], ICMP, id="missed"),
        pytest.param(Fate.MISSED, [], ICMP, id="no-flow-at-all"),
        pytest.param(Fate.EXPIRED, [Flow(0, 1, match(eth_type=IPV4), (DecTtl(), Output(2)))], LOW, id="expired"),
        pytest.param(Fate.TOO_DEEP, [Flow(0, 1, (), (Output(2), Resubmit(0)))], ICMP, id="too-deep"),
        pytest.param(Fate.TOO_LONG, [Flow(n, 1, (), (Resubmit(n + 1),) * 2) for n in range(12)], ICMP, id="too-long"),
    ],
)
def test_every_fate(fate: Fate, flows: list[Flow], frame: bytes) -> None:
    story = run(*flows, frame=frame)
    assert story.fate is fate
    assert bool(story.sent) is (fate is Fate.SENT)  # a packet that ran into a limit is sent nowhere at all


def test_the_limits_count_as_open_vswitch_counts() -> None:
    assert len(run(Flow(0, 1, (), (Resubmit(0),))).steps) == DEPTH_LIMIT + 1
    forwards = [Flow(n, 1, (), (Resubmit(n + 1),)) for n in range(253)]
    assert run(*forwards).fate is Fate.MISSED  # only steps backwards are deep
    doubling = [Flow(n, 1, (), (Resubmit(n + 1), Resubmit(n + 1))) for n in range(12)]
    assert len(run(*doubling).steps) == LOOKUP_LIMIT + 1


@pytest.mark.parametrize(
    ("actions", "wanted"),
    [
        pytest.param((Output(1),), [], id="back-by-number"),
        pytest.param((ForgetInPort(), Output(1)), [1], id="back-when-forgotten"),
        pytest.param((Output(IN_PORT),), [1], id="back-by-name"),
        pytest.param((ForgetInPort(), Output(IN_PORT)), [], id="nowhere-to-go-back-to"),
        pytest.param((Output(LOCAL), Output(2)), [LOCAL, 2], id="local"),
    ],
)
def test_output_and_the_port_it_came_by(actions: tuple, wanted: list[int]) -> None:
    assert ports(run(Flow(0, 1, (), actions))) == wanted


def test_a_forgotten_port_matches_no_more() -> None:
    flows = [Flow(0, 1, (), (ForgetInPort(), Goto(1))), Flow(1, 2, match(in_port=1), (Output(9),))]
    assert ports(run(*flows, Flow(1, 1, match(in_port=0), (Output(8),)))) == [8]


def test_each_output_has_the_packet_of_its_moment() -> None:
    flow = Flow(0, 1, match(eth_type=IPV4), (Output(2), Load(whole("eth_src"), 5), DecTtl(), Output(3)))
    first, second = run(flow).sent
    assert first.frame == ICMP and second.frame[6:12] == b"\0\0\0\0\0\5" and second.frame[22] == ICMP[22] - 1


def test_an_expired_ttl_ends_its_flow_but_not_the_one_that_asked() -> None:
    flows = [Flow(0, 1, (), (Resubmit(5), Output(2))), Flow(5, 1, match(eth_type=IPV4), (DecTtl(), Output(3)))]
    story = run(*flows, frame=LOW)
    assert ports(story) == [2] and story.steps[1].expired


def test_wide_registers_are_the_narrow_ones() -> None:
    flows = [
        Flow(0, 1, (), (Load(Subfield("xreg4", 0, 48), 0x0200DEADBEEF), Goto(1))),
        Flow(1, 1, match(reg8=0x0200, reg9=0xDEADBEEF), (Move(Subfield("xreg4", 0, 48), whole("eth_dst")), Output(2))),
    ]
    assert run(*flows).sent[0].frame[:6].hex() == "0200deadbeef"
    story = run(Flow(0, 1, (), (Load(Subfield("xxreg1", 32, 64), 0x1111111122222222),)))
    assert (story.fields["reg5"], story.fields["reg6"]) == (0x11111111, 0x22222222)
    assert story.read(Subfield("xxreg1", 32, 64)) == 0x1111111122222222


def test_a_part_of_a_field_leaves_the_rest() -> None:
    flow = Flow(0, 1, (), (Load(whole("reg0"), 0xAABBCCDD), Load(Subfield("reg0", 8, 8), 0x11)))
    assert run(flow).fields["reg0"] == 0xAABB11DD
    move = Flow(0, 1, (), (Load(whole("reg0"), 0xAB0), Move(Subfield("reg0", 4, 8), Subfield("metadata", 16, 8))))
    assert run(move).fields["metadata"] == 0xAB0000


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if name.startswith("arp_")])
def test_a_field_the_packet_lacks_is_not_written(name: str) -> None:
    story = run(Flow(0, 1, match(eth_type=ARP), ()), Flow(0, 0, (), (Load(whole(name), 1), Output(2))))
    assert story.sent[0].frame == ICMP


def test_a_later_fragment_has_no_ports() -> None:
    flow = Flow(0, 1, match(eth_type=IPV4, nw_proto=17, udp_dst=0), (Load(whole("udp_dst"), 7), Output(2)))
    frame = bytes(FRAMES["fragment"])
    assert run(flow, frame=frame).sent[0].frame == frame


def test_a_first_fragment_has_ports_but_is_not_matched_by_them() -> None:
    udp = {"eth_type": IPV4, "nw_proto": 17}
    flows = [
        Flow(0, 2, match(**udp, udp_dst=9), (Output(3),)),
        Flow(0, 1, match(**udp, udp_dst=0), (Load(whole("udp_dst"), 10), Output(2))),
    ]
    (sent,) = run(*flows, frame=bytes(FRAMES["first-fragment"])).sent
    assert sent.port == 2 and sent.frame[36:38] == b"\0\n"


def test_a_tagged_frame_is_looked_into_and_keeps_its_tag() -> None:
    frame = bytes(FRAMES["tagged"])
    flow = Flow(0, 1, match(eth_type=IPV4, ip_dst=0x0A000002), (Load(whole("eth_src"), 1), Output(2)))
    assert run(flow, frame=frame).sent[0].frame == frame[:6] + b"\0\0\0\0\0\1" + frame[12:]


def test_tunnel_fields_come_in_and_go_out() -> None:
    flow = Flow(0, 1, match(tun_id=5), (Load(whole("tun_dst"), 0x0A0A0A0A), Output(9)))
    (sent,) = run(flow, tun_id=5, tun_src=7, tun_metadata0=0x1234).sent
    assert sent.tunnel == {"tun_id": 5, "tun_src": 7, "tun_dst": 0x0A0A0A0A, "tun_metadata0": 0x1234}


def test_an_unknown_action_is_a_bug_not_a_silence() -> None:
    with pytest.raises(TypeError, match="Foreign"):
        run(Flow(0, 1, (), (Foreign(b"x"),)))


def test_a_walk_on_thirty_thousand_flows_is_quick() -> None:
    flows = FlowTable(Flow(0, 100, match(metadata=n // 100, eth_dst=n), (Output(n),)) for n in range(1, 30_000))
    flows.put(Flow(0, 50, match(in_port=1), (Output(7),)))
    begin = time.perf_counter()
    for _ in range(100):
        assert ports(walk(flows, ICMP, 1)) == [7]
    assert time.perf_counter() - begin < 1.0  # 10 ms each; a scan takes more than that
