"""What goes out comes back: the wire form is its own inverse."""

from __future__ import annotations

import random
import struct

import pytest

from retia.flows.actions import Actions, Goto, Output
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


ACTION_HEADERS = {0: 16, 24: 8, 25: 16, 28: 24, 0xFFFF: 16}


@pytest.mark.parametrize("seed", range(300))
def test_any_action_decodes(seed: int) -> None:
    """The switch may hold whatever others wrote: garbage within a known kind is Foreign, or a value that is ours."""
    rnd = random.Random(seed)
    body = b""
    for _ in range(3):
        kind = rnd.choice([*ACTION_HEADERS, rnd.randrange(1, 40)])
        size = ACTION_HEADERS.get(kind, 8 * rnd.randrange(1, 4))
        body += struct.pack("!HH", kind, size) + bytes(rnd.choice([0, 0, 1, 4, 255]) for _ in range(size - 4))
    actions = decode_instructions(struct.pack("!HHI", 4, 8 + len(body), 0) + body)
    assert len(actions) == 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ffff00180000232000230003000000000000ff0000000000", id="forced"),
        pytest.param("ffff00180000232000230001000000000000ff0000000015", id="with-a-helper"),
        pytest.param("ffff0028000023200023000000000000000704000000000000190010800000040000000000000000", id="marking"),
        pytest.param("ffff002000002320000d000000010000000000020000000f0001000400000000", id="another-hash"),
        pytest.param("ffff002000002320000a00030000000000020003000000010000000f00010004", id="with-an-argument"),
        pytest.param("ffff001000002320000a000300000000", id="cut"),
    ],
)
def test_another_form_of_an_edges_action_is_foreign(text: str) -> None:
    data = bytes.fromhex(text)
    (action,) = decode_instructions(struct.pack("!HHI", 4, 8 + len(data), 0) + data)
    assert action == Foreign(data)


def test_a_field_that_is_not_ours_keeps_its_bytes() -> None:
    """So that such a flow can be deleted: tcp_flags with a mask, ipv6_dst, an experimenter's field."""
    fields = bytes.fromhex("800055040002000280003610" + "20010db8" * 4 + "ffff020500005ad705")
    data = struct.pack("!HH", 1, 4 + len(fields)) + fields
    data += bytes(-len(data) % 8)
    wanted, at = decode_match(data, 0)
    assert at == len(data) and all(name.startswith("foreign-") for name, _, _ in wanted)
    assert encode_match(wanted) == data


def test_a_load_of_nothing_is_foreign() -> None:
    data = bytes.fromhex("00190010000101080000000000000000")
    assert decode_instructions(struct.pack("!HHI", 4, 24, 0) + data) == (Foreign(data),)


def test_what_is_not_ours_is_foreign_and_no_error() -> None:
    meter = bytes.fromhex("0006000800000001")
    assert decode_instructions(meter) == (Foreign(meter),)
    assert Flow(0, 0, (), (Foreign(meter),)) != Flow(0, 0, (), ())


@pytest.mark.parametrize("actions", [(Goto(3), Output(1)), (Foreign(b"12345678"),)], ids=["goto-first", "foreign"])
def test_what_has_no_wire_form_is_not_sent(actions: Actions) -> None:
    with pytest.raises(TypeError, match="no wire form"):
        encode_actions(actions)
