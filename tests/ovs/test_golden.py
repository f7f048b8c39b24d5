"""The golden networks in a real Open vSwitch: it takes every flow as it is, and sees in a packet what the walk sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from retia.flows.lookup import FlowTable
from retia.flows.walk import walk
from retia.pipeline.punts import METERS
from retia.switch.bundle import Bundler, put
from retia.switch.connection import connect
from tests.golden import CASES, build, load
from tests.ovs.flows.test_walk import compare
from tests.ovs.server import OvsServer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
async def test_golden_case(ovs: OvsServer, case: Path) -> None:
    data = load(case)
    network = build(data)
    for host, compiler in network.compilers.items():
        bridge = ovs.bridge()
        for number in network.plugs[host].values():
            name = f"{bridge}p{number}"
            ovs.vsctl(
                "add-port", bridge, name, "--", "set", "interface", name, "type=dummy", f"ofport_request={number}"
            )
        connection = await connect(ovs.dir / f"{bridge}.mgmt")
        await connection.map_option()
        await connection.add_meters({meter.number: meter for meter in METERS})
        assert not await Bundler(connection).send([put(flow, False) for flow in compiler.flows.values()])
        assert {one.flow.key: one.flow for one in await connection.dump()} == compiler.flows
        await connection.close()
        table = FlowTable(compiler.flows.values())
        for packet in data["packets"]:
            if network.place(packet["at"])[0] != host:
                continue
            send = dict(packet["send"])
            at = packet["at"]
            frame = network.ask(at, send["arp"]) if "arp" in send else network.frame(at, **send)
            in_port = network.place(at)[1]
            trace = ovs.appctl("ofproto/trace", bridge, f"in_port={in_port}", frame.hex())
            if "check_pkt_larger" not in trace:  # then a trace goes both ways; flows/test_larger sends real frames
                compare(walk(table, frame, in_port), trace)
