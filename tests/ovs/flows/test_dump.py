"""What `ovs-ofctl dump-flows` prints, in every version and with names or numbers of ports, is read back."""

from __future__ import annotations

import random

import pytest

from retia.flows.actions import Load
from retia.flows.flow import Flow
from retia.flows.text import parse_flow
from tests.ovs.flows.pipelines import some_flows
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer

WAYS = [
    pytest.param(way, names, id=f"{way or 'default'}{names}")
    for way in ("", "OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15")
    for names in ("--names", "--no-names")
]


def is_split(flow: Flow) -> bool:
    """What is wider than 64 bits, dumps of older OpenFlow show as two loads."""
    return any(isinstance(action, Load) and action.to.bits > 64 for action in flow.actions)


@pytest.fixture(scope="module")
def flows() -> dict[int, Flow]:
    return {flow.cookie: flow for flow in some_flows(random.Random(7)) if not is_split(flow)}


@pytest.fixture(scope="module")
def switch(ovs: OvsServer, flows: dict[int, Flow]) -> Switch:
    return Switch(ovs, list(flows.values()))


@pytest.mark.parametrize(("way", "names"), WAYS)
def test_a_dump_is_read_back(switch: Switch, flows: dict[int, Flow], way: str, names: str) -> None:
    version = ["-O", way] if way else []
    dump = switch.ovs.run("ovs-ofctl", *version, names, "dump-flows", switch.bridge)
    seen = [parse_flow(line, switch.names).flow for line in dump.splitlines() if "actions=" in line]
    assert {flow.cookie: flow.key for flow in seen} == {cookie: flow.key for cookie, flow in flows.items()}
    if way in ("OpenFlow13", "OpenFlow14", "OpenFlow15"):  # the older ones lose parts of actions
        assert {flow.cookie: flow for flow in seen} == flows


def test_counters_are_read(switch: Switch) -> None:
    switch.sent()
    dump = switch.ovs.ofctl("dump-flows", switch.bridge)
    counted = [parse_flow(line) for line in dump.splitlines() if "cookie=0xffff," in line]
    assert [one.packets for one in counted] == [4] and counted[0].octets == 4 * 14 and counted[0].seconds > 0
