"""Tunnel fields in the walk: they are matched, read and rewritten as in a trace of a packet that came by Geneve."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retia.flows.actions import Goto, Load, Move
from retia.flows.fields import Subfield, whole
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import walk
from tests.ovs.flows.switch import Switch
from tests.ovs.flows.test_walk import compare
from tests.ovs.server import OvsServer
from tests.unit.flows.test_packet import FRAMES

GENEVE = 9
ARRIVED = {"tun_id": 5, "tun_src": 0x0A000001, "tun_dst": 0x0A000002}
OPTION = {"tun_metadata0": 0x0001000200030004}
FLOWS = [
    Flow(0, 2, match(in_port=GENEVE, tun_id=5), (Move(whole("tun_id"), whole("metadata")), Goto(1)), 1),
    Flow(0, 1, (), (), 2),
    Flow(1, 3, match(tun_metadata0=(0x1000000000000, 0xFFFF000000000000)), (Goto(2),), 3),
    Flow(1, 2, match(tun_metadata0=0), (Load(whole("reg5"), 7),), 4),
    Flow(1, 1, (), (Load(Subfield("tun_metadata0", 16, 16), 9), Goto(2)), 5),
    Flow(2, 2, match(tun_metadata0=(9 << 16, 0xFFFF << 16)), (Load(whole("reg6"), 7),), 6),
    Flow(2, 1, (), (Move(Subfield("tun_metadata0", 48, 16), Subfield("reg0", 0, 16)), Load(whole("tun_dst"), 1)), 7),
]


@pytest.fixture(scope="module")
def switch(ovs: OvsServer) -> Iterator[Switch]:
    made = Switch(ovs, FLOWS)
    name = f"{made.bridge}-geneve"  # a worker may come back to this module: then the fixture is made once more
    settings = ["type=geneve", f"ofport_request={GENEVE}", "options:remote_ip=flow", "options:key=flow"]
    ovs.vsctl("add-port", made.bridge, name, "--", "set", "interface", name, *settings)
    yield made
    ovs.vsctl("del-port", name)


@pytest.mark.parametrize(
    ("came", "hits"),
    [
        pytest.param({**ARRIVED, **OPTION}, [1, 3, 7], id="with-option"),
        pytest.param(ARRIVED, [1, 5, 6], id="without-option"),
        pytest.param({**ARRIVED, "tun_metadata0": 0}, [1, 4], id="option-of-zeros"),
        pytest.param({**ARRIVED, "tun_id": 6}, [2], id="other-key"),
    ],
)
def test_walk_and_trace_agree(switch: Switch, came: dict[str, int], hits: list[int]) -> None:
    frame = bytes(FRAMES["icmp"])
    story = walk(FlowTable(FLOWS), frame, GENEVE, came)
    shown = ",".join(f"{name}={value:#x}" for name, value in came.items() if name not in ("tun_src", "tun_dst"))
    trace = switch.ovs.appctl(
        "ofproto/trace", switch.bridge, f"in_port={GENEVE},tun_src=10.0.0.1,tun_dst=10.0.0.2,{shown}", frame.hex()
    )
    compare(story, trace)
    assert [step.flow.cookie for step in story.steps if step.flow] == hits
