"""In Open vSwitch a meter drops a packet from where it stands: a first packet has left for the helper by then."""

from __future__ import annotations

import asyncio
import re
import time

from retia.flows.meter import Meter
from retia.pipeline.punts import PuntKind
from retia.reach.world import TUNNEL_PORT
from retia.switch.bundle import Bundler, put
from retia.switch.connection import connect
from tests.golden import CASES, build, entry, load
from tests.ovs.server import OvsServer

FRAMES = 50
WAYS = ("arp", "tuplenet-31-same-switch", "tuplenet-31-routed")


async def test_what_is_over_the_meter_is_redirected_all_the_same(ovs: OvsServer) -> None:
    data = load(next(case for case in CASES if case.stem == "on-demand"))
    network = build(data)
    bridge = ovs.bridge()
    for number in (1, TUNNEL_PORT):
        name = f"{bridge}p{number}"
        ovs.vsctl("add-port", bridge, name, "--", "set", "interface", name, "type=dummy", f"ofport_request={number}")
    connection = await connect(ovs.dir / f"{bridge}.mgmt")
    await connection.map_option()
    await connection.add_meters({int(kind): Meter(int(kind), 1, 1) for kind in PuntKind})
    assert not await Bundler(connection).send([put(flow, False) for flow in network.compilers["hv1"].flows.values()])
    await connection.close()
    for packet in data["packets"]:
        if packet["id"] in WAYS:
            _, _, frame = entry(network, packet)
            before = sent(ovs, bridge)
            for _ in range(FRAMES):
                ovs.appctl("netdev-dummy/receive", f"{bridge}p1", frame.hex())
            end = time.monotonic() + 10
            while sent(ovs, bridge) < before + FRAMES and time.monotonic() < end:
                await asyncio.sleep(0.05)
            assert sent(ovs, bridge) == before + FRAMES, packet["id"]
    assert over_the_meter(ovs, bridge) > FRAMES


def sent(ovs: OvsServer, bridge: str) -> int:
    shown = ovs.ofctl("dump-ports", bridge, str(TUNNEL_PORT))
    found = re.search(r"tx pkts=(\d+)", shown)
    assert found, shown
    return int(found[1])


def over_the_meter(ovs: OvsServer, bridge: str) -> int:
    shown = ovs.ofctl("-O", "OpenFlow15", "meter-stats", bridge, f"meter={int(PuntKind.WANTED)}")
    found = re.search(r"0: packet_count:(\d+)", shown)
    assert found, shown
    return int(found[1])
