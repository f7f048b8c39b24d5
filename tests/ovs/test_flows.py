"""The three views of a flow against a real Open vSwitch: wire in and out, text, and the walk against ofproto/trace."""

from __future__ import annotations

import os
import random
import re

import pytest

from retia.flows.flow import Flow
from retia.flows.meter import Meter
from retia.flows.text import parse_flow, show_flow
from retia.switch.bundle import Bundler, put
from retia.switch.connection import connect
from tests.ovs.server import OvsServer
from tests.unit.flows.random_flows import METER, random_flow

SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))


async def test_random_flows_go_in_and_come_back(ovs: OvsServer) -> None:
    print(f"RETIA_SEED={SEED}")
    rnd = random.Random(SEED)
    flows = {flow.key: flow for flow in (random_flow(rnd) for _ in range(300))}
    bridge = ovs.bridge()
    connection = await connect(ovs.dir / f"{bridge}.mgmt")
    await connection.map_option()
    await connection.add_meters({METER: Meter(METER, 100, 100)})
    refusals = await Bundler(connection).send([put(flow, False) for flow in flows.values()])
    refused = {refusal.key for refusal in refusals}
    assert len(refused) < len(flows) / 2, [str(refusal.error) for refusal in refusals[:5]]
    seen = {one.flow.key: one.flow for one in await connection.dump()}
    await connection.close()
    assert seen == {key: flow for key, flow in flows.items() if key not in refused}
    _compare_text(ovs, bridge, seen)


def _compare_text(ovs: OvsServer, bridge: str, seen: dict) -> None:
    lines = ovs.ofctl("--no-names", "dump-flows", bridge).splitlines()[1:]
    compared = 0
    for line in lines:
        if "tun_metadata0" in line:
            continue  # the dump loses its mask
        flow = parse_flow(line).flow
        assert seen[flow.key] == flow, line
        compared += 1
    assert compared > 50


@pytest.mark.parametrize("seed", range(5))
def test_ovs_ofctl_takes_our_text(ovs: OvsServer, seed: int) -> None:
    rnd = random.Random(seed)
    flows = [flow for flow in (random_flow(rnd) for _ in range(60)) if "tun_metadata0" not in show_flow(flow).lower()]
    bridge = ovs.bridge()
    ovs.ofctl("add-meter", bridge, f"meter={METER},pktps,burst,band=type=drop,rate=100,burst_size=100")
    taken = 0
    for flow in flows[:20]:
        try:
            ovs.ofctl("add-flow", bridge, re.sub(r"cookie=\w+,", "", show_flow(flow)))
            taken += 1
        except RuntimeError as error:
            assert "prerequisites" in str(error) or "OFPBAC" in str(error) or "OFPBMC" in str(error), show_flow(flow)
    assert taken > len(flows[:20]) / 3
    for line in ovs.ofctl("--no-names", "dump-flows", bridge).splitlines()[1:]:
        assert parse_flow(line).flow._replace(cookie=0) in [Flow(*flow[:4]) for flow in flows]
