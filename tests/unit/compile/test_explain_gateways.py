"""Every flow of every host of a network with gateways can be explained, with names and no ids."""

from __future__ import annotations

import re

import pytest

from retia.compile.explain import why_flow
from retia.compile.local import peer_name
from retia.flows.text import show_flow
from tests.network import Network
from tests.unit.reach.test_gateways import standing

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}")


@pytest.fixture(scope="module")
def network() -> Network:
    return standing()


@pytest.mark.parametrize("host", ["hv1", "hv2", "hv3", "hv4"])
def test_every_flow(network: Network, host: str) -> None:
    compiler = network.compilers[host]
    for flow in compiler.flows.values():
        story = why_flow(compiler, network.things, show_flow(flow))
        assert story.doc and story.text.count("(given)") + story.text.count("no ") >= 1
        assert not ID.search(story.text), story.text


def test_it_ends_at_what_the_host_knows_by_itself(network: Network) -> None:
    compiler = network.compilers["hv1"]
    flow = next(one for one in compiler.flows.values() if "hrw" in show_flow(one))
    story = why_flow(compiler, network.things, f"{flow.cookie:#x}")
    assert (story.stage, story.rule, story.origin) == ("CHOOSE", "spread", "router r (document test)")
    for part in ("EdgeFact(id=edge r/hv3", "PeerSeen(host=hv1, peer=3)   (given)", "Rival("):
        assert part in story.text


def test_ports_by_the_names_a_terminal_shows(network: Network) -> None:
    compiler = network.compilers["hv2"]
    number = network.uplink("hv2", "ext")[1]
    flow = next(one for one in compiler.flows.values() if ("in_port", number, 0xFFFFFFFF) in one.match)
    name = compiler.uplinks[0].name
    line = show_flow(flow).replace(f"in_port={number}", f'in_port="{name}"')
    assert name in line and why_flow(compiler, network.things, line).rule == "admit_uplink"
    spread = next(one for one in network.compilers["hv1"].flows.values() if "hrw" in show_flow(one))
    named = show_flow(spread).replace("40002", f'"{peer_name(2)}"')
    assert why_flow(network.compilers["hv1"], network.things, named).rule == "spread"
