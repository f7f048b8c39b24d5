"""Golden cases: a network in, its flows out, and what becomes of packets, which no command regenerates.

A case is cases/NAME.yaml (document, hosts, packets) and cases/NAME.flows (what `python -m tests.golden` writes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from retia.flows.packet import Packet
from retia.flows.text import show_actions, show_match
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import STAGES
from retia.values import Ip, Mac
from tests.network import Network, arrived, reasons

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
_STAGE = {int(stage): name for name, stage in STAGES.items()}


def load(case: Path) -> dict[str, Any]:
    data = yaml.safe_load(case.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def build(data: dict[str, Any]) -> Network:
    network = Network()
    for host in data["hosts"]:
        network.add_host(host)
    network.apply(data["document"])
    for host, plugs in data["hosts"].items():
        for path, ofport in (plugs or {}).items():
            network.plug(host, path, ofport)
    return network


def show(network: Network) -> str:
    """Every host's flows, sorted, with stages by name."""
    lines = []
    for host, compiler in sorted(network.compilers.items()):
        lines.append(f"# {host}")
        flows = sorted(compiler.flows.values(), key=lambda flow: (flow.table, -flow.priority, flow.match))
        for flow in flows:
            match = show_match(flow.match) or "any"
            lines.append(f"{_STAGE[flow.table]} {flow.priority} {match} => {show_actions(flow.actions)}")
        lines.append("")
    return "\n".join(lines)


def fate(network: Network, packet: dict[str, Any]) -> dict[str, Any]:
    """What becomes of one packet of a case, in the words of its `fate`."""
    send = dict(packet["send"])
    frame = network.ask(packet["at"], send["arp"]) if "arp" in send else network.frame(packet["at"], **send)
    journey = network.send(packet["at"], frame)
    found: dict[str, Any] = {}
    if dropped := reasons(journey):
        found["dropped"] = dropped[0] if len(dropped) == 1 else dropped
    if told := [PuntKind(copy.action.userdata[0]).label for leg in journey.legs for copy in leg.walk.punted]:
        found["punted"] = told[0] if len(told) == 1 else told
    for path, seen in arrived(network, journey).items():
        found["arrives"] = path
        found |= _facts(seen, packet["fate"])
    hosts = [leg.host for leg in journey.legs]
    if "hosts" in packet["fate"]:
        found["hosts"] = hosts
    assert not journey.lost and not journey.endless
    return found


def _facts(seen: Packet, asked: dict[str, Any]) -> dict[str, Any]:
    """Of a packet that arrived, what the case asks for."""
    fields = seen.fields
    known = {
        "ttl": fields.get("nw_ttl"),
        "eth_src": str(Mac(fields["eth_src"])),
        "eth_dst": str(Mac(fields["eth_dst"])),
        "ip_src": str(Ip.parse(str(_ip(fields.get("ip_src", 0))))),
        "icmp_type": fields.get("icmp_type"),
        "arp_op": fields.get("arp_op"),
        "arp_sha": str(Mac(fields.get("arp_sha", 0))),
        "arp_spa": str(_ip(fields.get("arp_spa", 0))),
    }
    return {name: value for name, value in known.items() if name in asked}


def _ip(number: int) -> Any:
    from retia.values import Ip4

    return Ip4(number)
