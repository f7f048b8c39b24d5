"""The text form is what ovs-ofctl takes, and comes back."""

from __future__ import annotations

import random

import pytest

from retia.errors import InvalidInput
from retia.flows.fields import Subfield
from retia.flows.match import match
from retia.flows.text import parse_flow, show_flow
from tests.unit.flows.random_flows import random_flow


@pytest.mark.parametrize("seed", range(200))
def test_flows_come_back(seed: int) -> None:
    flow = random_flow(random.Random(seed))
    assert parse_flow(show_flow(flow)).flow == flow


def test_a_line_of_dump_flows_with_its_counters() -> None:
    line = (
        " cookie=0x2a, duration=1.5s, table=3, n_packets=7, n_bytes=98, idle_age=0, priority=100,icmp,metadata=0x5,"
        "nw_dst=10.0.0.0/24,icmp_type=8 actions=dec_ttl,move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[],goto_table:4"
    )
    seen = parse_flow(line)
    assert (seen.packets, seen.octets, seen.seconds, seen.flow.cookie, seen.flow.table) == (7, 98, 1.5, 42, 3)
    wanted = match(metadata=5, eth_type=0x800, nw_proto=1, ip_dst=(0x0A000000, 0xFFFFFF00), icmp_type=8)
    assert seen.flow.match == wanted


@pytest.mark.parametrize("line", ["", "hello", "table=1 actions=fly", "table=1,vlan_tci=3 actions=drop"])
def test_what_is_no_flow_of_ours_is_said_so(line: str) -> None:
    with pytest.raises(InvalidInput):
        parse_flow(line)


def test_parts_of_fields_show_their_bits() -> None:
    assert str(Subfield("reg0", 16, 1)) == "reg0[16]" and str(Subfield("reg0", 0, 16)) == "reg0[0..15]"
