"""Each action of the walk does what Open vSwitch does; tests/ovs compares them on a real one."""

from __future__ import annotations

from retia.flows.actions import IN_PORT, DecTtl, ForgetInPort, Goto, Load, Move, Output, Resubmit
from retia.flows.fields import Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.flows.walk import FlowTable, walk
from tests.unit.flows.test_packet import FRAMES

ICMP = bytes(FRAMES["icmp"])


def run(*flows: Flow, frame: bytes = ICMP, in_port: int = 1):
    return walk(FlowTable(flows), frame, in_port)


def test_goto_ends_a_flow_and_resubmit_returns() -> None:
    flows = [
        Flow(0, 1, (), (Resubmit(5), Output(2), Goto(3))),
        Flow(5, 1, (), (Output(7),)),
        Flow(3, 1, (), (Output(8),)),
    ]
    assert [sent.port for sent in run(*flows).sent] == [7, 2, 8]


def test_the_highest_priority_wins_and_a_miss_drops() -> None:
    flows = [Flow(0, 1, (), (Output(2),)), Flow(0, 9, match(eth_type=0x800), (Output(3),)), Flow(0, 8, (), ())]
    assert [sent.port for sent in run(*flows).sent] == [3]
    assert run(Flow(0, 9, match(eth_type=0x806), (Output(3),))).last.flow is None


def test_output_to_the_port_it_came_by_is_suppressed_unless_forgotten() -> None:
    assert run(Flow(0, 1, (), (Output(1),))).sent == []
    assert [sent.port for sent in run(Flow(0, 1, (), (ForgetInPort(), Output(1)))).sent] == [1]
    assert [sent.port for sent in run(Flow(0, 1, (), (Output(IN_PORT),))).sent] == [1]


def test_ttl_stops_at_one() -> None:
    assert run(Flow(0, 1, (), (DecTtl(), Output(2)))).sent[0].frame[22] == 8
    low = ICMP[:22] + b"\1" + ICMP[23:]
    story = run(Flow(0, 1, (), (DecTtl(), Output(2))), frame=low)
    assert story.sent == [] and story.stopped == "ttl"


def test_wide_registers_are_the_narrow_ones() -> None:
    flows = [
        Flow(0, 1, (), (Load(Subfield("xreg4", 0, 48), 0x0200DEADBEEF), Goto(1))),
        Flow(1, 1, match(reg8=0x0200, reg9=0xDEADBEEF), (Move(Subfield("xreg4", 0, 48), whole("eth_dst")), Output(2))),
    ]
    assert run(*flows).sent[0].frame[:6].hex() == "0200deadbeef"


def test_endless_resubmits_stop() -> None:
    assert run(Flow(0, 1, (), (Resubmit(0),))).stopped == "resubmit-depth"


def test_a_field_the_packet_lacks_matches_nothing_and_is_not_written() -> None:
    frame = bytes(FRAMES["other"])
    flows = [Flow(0, 2, match(eth_type=0x88CC), (Load(whole("ip_src"), 7), Output(2))), Flow(0, 1, (), ())]
    assert run(*flows, frame=frame).sent[0].frame == frame


def test_dropping_a_flow_from_the_table() -> None:
    flow = Flow(0, 1, (), (Output(2),))
    table = FlowTable([flow])
    table.drop(flow.key)
    table.drop(flow.key)
    assert walk(table, ICMP, 1).sent == []
