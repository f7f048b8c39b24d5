"""The golden networks in a real Open vSwitch: it takes every flow as it is, and sees in a packet what the walk sees."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from retia.compile.local import PeerPort, UplinkPort
from retia.flows.lookup import FlowTable
from retia.flows.spreading import Live
from retia.flows.walk import Means, walk
from retia.pipeline.punts import METERS
from retia.switch.bundle import Bundler, put
from retia.switch.connection import connect
from tests.golden import CASES, build, entry, load
from tests.network import Network
from tests.ovs.flows.test_walk import compare
from tests.ovs.server import OvsServer

NOT_TRACED = ("check_pkt_larger", "nat")
"""A trace goes both ways, or does not translate; tests of their own send real frames there."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
async def test_golden_case(ovs: OvsServer, case: Path) -> None:
    data = load(case)
    network = build(data)
    for host, compiler in network.compilers.items():
        bridge = ovs.bridge()
        for number in ports(network, host):
            name = f"{bridge}p{number}"
            ovs.vsctl(
                "add-port", bridge, name, "--", "set", "interface", name, "type=dummy", f"ofport_request={number}"
            )
            if is_dead(network, host, number):
                ovs.appctl("netdev-dummy/set-admin-state", name, "down")
        connection = await connect(ovs.dir / f"{bridge}.mgmt")
        await connection.map_option()
        await connection.add_meters({meter.number: meter for meter in METERS})
        assert not await Bundler(connection).send([put(flow, False) for flow in compiler.flows.values()])
        assert {one.flow.key: one.flow for one in await connection.dump()} == compiler.flows
        await connection.close()
        compare_walks(ovs, bridge, network, host, data["packets"])


def ports(network: Network, host: str) -> Iterator[int]:
    yield from network.plugs[host].values()
    yield from (row.ofport for row in network.known[host] if isinstance(row, UplinkPort | PeerPort))


def is_dead(network: Network, host: str, number: int) -> bool:
    return number in [row.ofport for row in network.known[host] if isinstance(row, PeerPort)] and not network.lives(
        host, number
    )


def compare_walks(ovs: OvsServer, bridge: str, network: Network, host: str, packets: list[dict[str, Any]]) -> None:
    table = FlowTable(network.compilers[host].flows.values())
    live: Live = partial(network.lives, host)
    for packet in packets:
        if "send" not in packet:
            continue
        place, in_port, frame = entry(network, packet)
        if place != host:
            continue
        trace = ovs.appctl("ofproto/trace", bridge, f"in_port={in_port}", frame.hex())
        if not any(word in trace for word in NOT_TRACED):
            compare(walk(table, frame, in_port, means=Means(live=live)), trace)
