"""Where Open vSwitch gives up on a packet, and what an expired TTL ends: the walk gives up at the same step."""

from __future__ import annotations

import re

import pytest

from retia.flows.actions import DecTtl, Goto, Output, Resubmit
from retia.flows.fields import IPV4
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import Fate, walk
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer
from tests.unit.flows.test_packet import FRAMES

ICMP = bytes(FRAMES["icmp"])
LOW = ICMP[:22] + b"\1" + ICMP[23:]


def backwards(times: int) -> list[Flow]:
    """A packet that goes back `times` times, counting in its TTL."""
    back = [Flow(1, ttl, match(eth_type=IPV4, nw_ttl=ttl), (DecTtl(), Resubmit(0))) for ttl in range(2, times + 2)]
    return [Flow(0, 1, (), (Goto(1),)), *back, Flow(1, 300, match(eth_type=IPV4, nw_ttl=1), (Output(2),))]


FORWARDS = [Flow(n, 1, (), (Resubmit(n + 1) if n < 200 else Output(2),)) for n in range(201)]
DOUBLING = [Flow(n, 1, (), (Output(2), Resubmit(n + 1), Resubmit(n + 1))) for n in range(13)]
CASES = {
    "63-back": (backwards(63), ICMP[:22] + bytes([64]) + ICMP[23:], Fate.SENT),
    "64-back": (backwards(64), ICMP[:22] + bytes([65]) + ICMP[23:], Fate.TOO_DEEP),
    "endless": ([Flow(0, 1, (), (Output(2), Resubmit(0)))], ICMP, Fate.TOO_DEEP),
    "200-forwards": (
        [Flow(n, 1, (), (Resubmit(n + 1) if n < 200 else Output(2),)) for n in range(201)],
        ICMP,
        Fate.SENT,
    ),
    "doubling": (
        [Flow(n, 1, (), (Output(2), Resubmit(n + 1), Resubmit(n + 1))) for n in range(13)],
        ICMP,
        Fate.TOO_LONG,
    ),
    "expired": ([Flow(0, 1, match(eth_type=IPV4), (DecTtl(), Output(2)))], LOW, Fate.EXPIRED),
    "expired-inside": (
        [Flow(0, 1, (), (Resubmit(1), Output(2))), Flow(1, 1, match(eth_type=IPV4), (DecTtl(), Output(3)))],
        LOW,
        Fate.SENT,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_give_up_at_the_same_place(ovs: OvsServer, name: str) -> None:
    flows, frame, fate = CASES[name]
    switch = Switch(ovs, [flow._replace(cookie=flow.cookie or 1) for flow in flows])
    story = walk(FlowTable(flows), frame, 1)
    trace = switch.trace(frame, 1)
    assert story.fate is fate
    assert bool(re.search(r"^Datapath actions: (.*,)?\d+(,|$)", trace, re.M)) is bool(story.sent), trace[-300:]
    assert len(story.steps) == len(re.findall(r"^ *\d+\. ", trace, re.M))
