"""`why` takes a line of `ovs-ofctl dump-flows` as a terminal shows it: ports by name."""

from __future__ import annotations

import re

import pytest

from retia.compile.explain import why_flow
from retia.errors import InvalidInput
from retia.flows.text import show_flow
from retia.model.local import TUNNEL_PORT
from tests.network import TUNNEL_PORT as TUNNEL_NUMBER
from tests.network import Network

NET = {"switches": {"web": {"subnets": {"web4": {"cidr": "10.0.1.0/24"}}, "ports": {"a": {}}}}}


@pytest.fixture
def network() -> Network:
    made = Network()
    made.add_host("hv1")
    made.apply(NET)
    made.plug("hv1", "web/a", 7)
    return made


def test_ports_are_known_by_name(network: Network) -> None:
    compiler = network.compilers["hv1"]
    found = 0
    for line in map(show_flow, compiler.flows.values()):
        for number, name in {7: "i7", TUNNEL_NUMBER: TUNNEL_PORT}.items():
            named = re.sub(rf"(in_port=|output:){number}\b", rf'\1"{name}"', line)
            found += named != line
            assert why_flow(compiler, network.things, named)[:6] == why_flow(compiler, network.things, line)[:6]
    assert found >= 3


def test_a_name_that_nobody_knows_is_said_so(network: Network) -> None:
    with pytest.raises(InvalidInput, match="no port is called eth9"):
        why_flow(network.compilers["hv1"], network.things, 'table=0,priority=1,in_port="eth9" actions=drop')
