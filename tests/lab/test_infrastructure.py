"""Infrastructure pings: the lab's own part, without agents. Hand-written flows and a static tunnel carry packets."""

from __future__ import annotations

import os

from retia.lab import commands, file
from retia.lab.actions.traffic import Ping, Received, SendFrame, Tcp
from retia.lab.beside import Tunnel
from retia.lab.count import Count
from retia.lab.words import HostName, MacTarget, StationName, Stations, Target

LAB = """
hosts: [hv1, hv2]
guests:
  a: {host: hv1, port: none/a, mac: 02:00:00:00:00:0a, address: 10.0.0.1/24}
  b: {host: hv2, port: none/b, mac: 02:00:00:00:00:0b, address: 10.0.0.2/24}
  c: {host: hv1, port: none/c, mac: 02:00:00:00:00:0c, address: 10.0.0.3/24}
"""


async def test_guests_ping_over_a_static_tunnel() -> None:
    spec = file.parse(LAB, "infrastructure.yaml")
    async with commands.standing(spec, f"infrastructure-{os.getpid()}", agents=False, keep=False) as lab:
        for name, peer in (("hv1", "hv2"), ("hv2", "hv1")):
            host, remote = lab.hosts[name], lab.hosts[peer].address
            await host.tool("ovs-vsctl", "add-port", "br-int", "static", "--", "set", "Interface", "static",
                            "type=geneve", f"options:remote_ip={remote}", "options:key=flow")  # fmt: skip
            await host.tool("ovs-ofctl", "add-flow", "br-int", "actions=normal")
            await host.run("ping", "-c", "1", "-W", "2", remote)
        everyone = Stations("all")
        await Ping((everyone,), (Target("all"),), count=2).run(lab)
        notes: list[str] = []
        async with Tunnel({HostName("hv1"): Count(1)}).watch(lab, notes):
            sent = SendFrame(StationName("a"), MacTarget("b"), {StationName("b"): Received()}, size=1000)
            await sent.run(lab)
        assert notes == ["1 into the tunnel from hv1"]
        await Tcp(StationName("a"), StationName("b"), size=5_000_000).run(lab)
