"""Tracked connections, the same in a real and in a software switch."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from retia.flows.actions import Ct, Load, LoadLive, Translate
from retia.flows.fields import CT_STATES, IPV4, Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from tests.contract.switch.conftest import Agent

ZONE = Subfield("reg11", 0, 16)
IS_IP = match(eth_type=IPV4)
NEW, ANSWERED, INVALID = (
    match(eth_type=IPV4, ct_state=(CT_STATES[name], CT_STATES[name])) for name in ("new", "rpl", "inv")
)
FLOWS = [
    Flow(0, 2, match(in_port=1, eth_type=IPV4), (Load(ZONE, 7), Ct(ZONE, 1, True)), 1),
    Flow(0, 1, IS_IP, (Load(ZONE, 7), Ct(ZONE, 1)), 2),
    Flow(1, 2, NEW, (), 3),
    Flow(1, 1, ANSWERED, (), 4),
]
ASK = bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=53) / b"ask")
ANSWER = bytes(Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=53, dport=5000) / b"answer")


async def hits(agent: Agent) -> list[int]:
    """How many packets were found to be new, and how many answers."""
    counted = {one.flow.cookie: one.packets for one in await agent.switch.observed()}
    return [counted[3], counted[4]]


async def ready(agent: Agent) -> None:
    agent.world.add_interface("asks", "web/web1")
    agent.world.add_interface("answers", "web/web2")
    await agent.until(lambda: {"asks", "answers"} <= agent.interfaces.keys())
    port = agent.interfaces["asks"].ofport
    first = FLOWS[0]._replace(match=match(in_port=port, eth_type=IPV4))
    assert await agent.switch.start([first, *FLOWS[1:]]) == []


async def test_an_answer_is_known_until_its_zone_is_flushed(agent: Agent) -> None:
    await ready(agent)
    agent.world.receive("answers", ANSWER)
    assert await hits(agent) == [1, 0], "nobody asked yet"
    agent.world.receive("asks", ASK)
    agent.world.receive("answers", ANSWER)
    assert await hits(agent) == [2, 1]
    await agent.switch.flush_zones([8])
    agent.world.receive("answers", ANSWER)
    assert await hits(agent) == [2, 2], "another zone was flushed"
    await agent.switch.flush_zones([7])
    agent.world.receive("answers", ANSWER)
    assert await hits(agent) == [3, 2]


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(Flow(0, 1, (), (Ct(ZONE, 1),)), id="of-anything"),
        pytest.param(Flow(0, 1, INVALID, (Ct(ZONE, 1, True),)), id="kept-though-invalid"),
        pytest.param(Flow(0, 1, IS_IP, (Ct(7, 1, nat=Translate(True, 1)),)), id="translated-without-commit"),
    ],
)
async def test_tracking_that_cannot_be_is_refused(agent: Agent, flow: Flow) -> None:
    (refusal,) = await agent.switch.start([*FLOWS, flow._replace(cookie=5, priority=9)])
    assert refusal.flow is not None and refusal.flow.cookie == 5
    assert len(await agent.flows()) == len(FLOWS)


async def test_live_ports_of_any_number_are_taken(agent: Agent) -> None:
    many = tuple(range(1, 2000))
    flow = Flow(0, 1, (), (LoadLive(many, ZONE, True), LoadLive((65000,), ZONE, False), LoadLive((), ZONE, True)), 6)
    assert await agent.switch.start([flow]) == []
    assert await agent.flows() == {flow.key: flow}
