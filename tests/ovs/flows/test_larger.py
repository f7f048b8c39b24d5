"""A check of a frame's size: both sizes go the way the walk has it, and the flow is read back as it was sent."""

from __future__ import annotations

import pytest

from retia.flows.actions import CheckLarger, Goto, Output
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.text import parse_flow
from retia.flows.walk import walk
from tests.ovs.flows.pipelines import SENTINEL
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer

LIMIT = 100
HEAD = bytes.fromhex("02000000000102000000000288cc")
FLOWS = [
    SENTINEL,
    Flow(0, 1, (), (CheckLarger(LIMIT, Subfield("reg3", 16, 1)), Goto(1)), 1),
    Flow(1, 2, match(reg3=(1 << 16, 1 << 16)), (Output(2),), 2),
    Flow(1, 1, (), (Output(3),), 3),
]


@pytest.fixture(scope="module")
def switch(ovs: OvsServer) -> Switch:
    return Switch(ovs, FLOWS)


def test_frames_of_either_size_take_the_same_way_as_in_the_walk(switch: Switch) -> None:
    wanted = {LIMIT - 1: 3, LIMIT: 3, LIMIT + 1: 2}
    frames = {size: HEAD + bytes(size - 18) + size.to_bytes(4, "big") for size in wanted}
    for frame in frames.values():
        switch.send(frame, 1)
    sent = switch.sent()
    for size, frame in frames.items():
        assert sent[size] == [(wanted[size], frame)]
        assert [one.port for one in walk(FlowTable(FLOWS), frame, 1).sent] == [wanted[size]]


def test_it_is_read_back(switch: Switch) -> None:
    dump = switch.ovs.ofctl("dump-flows", switch.bridge)
    assert {parse_flow(line).flow for line in dump.splitlines() if "actions=" in line} == set(FLOWS)
