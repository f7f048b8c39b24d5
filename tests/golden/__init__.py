"""Golden cases: a network in, its flows out, and what becomes of packets, which no command regenerates.

A case is cases/NAME.yaml (document, hosts, packets) and cases/NAME.flows (what `python -m tests.golden` writes). Also
in it: `neighbours` (host, router port, address: MAC) that were learned, `asked` (the same, without MACs), `dead`
(pairs: the first does not see the second live), `unseen` (nor ever did), `direct` (host: MAC of its own stack), `modes`
(of hosts that are not full), `wanted` (host: ports it asked for), `later` (document and hosts: what came while agents
of `stopped` were dead), `traced` (the id of a trace that runs). A place is a port's path, or HOST:SWITCH for an uplink.
A packet may be the `answer` to what came of another one, by its id; `after` sends that one before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from retia.flows.journey import Journey
from retia.flows.packet import Packet
from retia.flows.text import show_actions, show_match
from retia.model.state import FULL, Trace
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import STAGES
from retia.values import Ip4, Mac
from tests.network import NOT_YET, Network, answer_to, arrived, reasons

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
_STAGE = {int(stage): name for name, stage in STAGES.items()}


def load(case: Path) -> dict[str, Any]:
    data = yaml.safe_load(case.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def build(data: dict[str, Any]) -> Network:
    network = Network(unseen={(one, other) for one, other in data.get("unseen", ())})
    for host in data["hosts"]:
        network.add_host(host, data.get("modes", {}).get(host, FULL))
    _declare(network, data)
    _learn(network, data)
    if "later" in data:
        network.stopped = set(data["stopped"])
        _declare(network, data["later"])
    for host, paths in data.get("wanted", {}).items():
        network.want(host, *paths)
    return network


def _declare(network: Network, data: dict[str, Any]) -> None:
    network.apply(data["document"])
    for host, plugs in data["hosts"].items():
        for path, ofport in (plugs or {}).items():
            network.plug(host, path, ofport)


def _learn(network: Network, data: dict[str, Any]) -> None:
    """What hosts know by themselves."""
    for kept in ("neighbours", "asked"):
        for host, ports in data.get(kept, {}).items():
            for port, known in ports.items():
                for address in known:
                    network.learn(host, port, address, known[address] if kept == "neighbours" else NOT_YET)
    network.dead |= {(one, other) for one, other in data.get("dead", ())}
    for host, mac in data.get("direct", {}).items():
        network.exit_directly(host, mac)
    if "traced" in data:
        network.put(Trace(id=data["traced"], host=next(iter(data["hosts"])), place="", frame="", lease=1))


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


def fate(network: Network, packet: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    """What becomes of one packet of a case, in the words of its `fate`."""
    journey = _send(network, packet, {one["id"]: one for one in others})
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


def _send(network: Network, packet: dict[str, Any], others: dict[str, dict[str, Any]]) -> Journey:
    if "answer" in packet:
        (came,) = _send(network, others[packet["answer"]], others).arrivals
        return network.send_at(came.host, came.port, answer_to(came.frame))
    if "after" in packet:
        _send(network, others[packet["after"]], others)
    host, in_port, frame = entry(network, packet)
    return network.send_at(host, in_port, frame)


def entry(network: Network, packet: dict[str, Any]) -> tuple[str, int, bytes]:
    """Host, OpenFlow port and frame of a packet that is sent."""
    send = dict(packet["send"])
    if ":" in packet["at"]:
        frame = network.frame_outside(**send) if "to" in send else network.ask_outside(**send)
        return *network.uplink(*packet["at"].split(":")), frame
    frame = network.ask(packet["at"], send["arp"]) if "arp" in send else network.frame(packet["at"], **send)
    return *network.place(packet["at"]), frame


def _facts(seen: Packet, asked: dict[str, Any]) -> dict[str, Any]:
    """Of a packet that arrived, what the case asks for."""
    fields = seen.fields
    known = {
        "ttl": fields.get("nw_ttl"),
        "eth_src": str(Mac(fields["eth_src"])),
        "eth_dst": str(Mac(fields["eth_dst"])),
        "ip_src": str(_ip(fields.get("ip_src", 0))),
        "ip_dst": str(_ip(fields.get("ip_dst", 0))),
        "tp_src": fields.get("udp_src"),
        "tp_dst": fields.get("udp_dst"),
        "icmp_type": fields.get("icmp_type"),
        "arp_op": fields.get("arp_op"),
        "arp_sha": str(Mac(fields.get("arp_sha", 0))),
        "arp_spa": str(_ip(fields.get("arp_spa", 0))),
    }
    return {name: value for name, value in known.items() if name in asked}


def _ip(number: int) -> Ip4:
    return Ip4(number)
