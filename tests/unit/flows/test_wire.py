"""What goes out comes back: the wire form is its own inverse."""

from __future__ import annotations

import random

import pytest

from retia.flows.flow import Flow
from retia.flows.wire import Foreign, decode_instructions, decode_match, encode_actions, encode_match, flow_mod
from tests.unit.flows.random_flows import random_flow


@pytest.mark.parametrize("seed", range(200))
def test_matches_and_actions_come_back(seed: int) -> None:
    flow = random_flow(random.Random(seed))
    data = encode_match(flow.match)
    assert decode_match(data, 0) == (flow.match, len(data))
    assert decode_instructions(encode_actions(flow.actions)) == flow.actions
    assert len(flow_mod(flow)) % 8 == 0


def test_what_is_not_ours_is_foreign_and_no_error() -> None:
    meter = bytes.fromhex("0006000800000001")
    assert decode_instructions(meter) == (Foreign(meter),)
    assert Flow(0, 0, (), (Foreign(meter),)) != Flow(0, 0, (), ())
