"""The frame to trace: what the guest at a port would send, or bytes as they are given.

A guest that has not got its next hop's MAC asks for it first: where nobody has the next hop's address, it is that ARP
request which is traced.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from retia.errors import InvalidInput
from retia.flows.fields import ARP, ICMP, IPV4, TCP, UDP
from retia.flows.packet import build, parse
from retia.model.kinds import Port, RouterPort
from retia.model.network import Network
from retia.model.setup import setup_of
from retia.reach.probes import REQUEST, Addresses, Probe, answer, arp_request, packet
from retia.values import Ip, Ip4, Mac

CLIENTS = range(32768, 61000)
"""Source ports that a guest's own connections may have as well: one is drawn for each trace."""
LONGEST = 9000
TTLS = range(1, 256)


@dataclass(frozen=True)
class Wish:
    """`port` is the destination's, for TCP and UDP. With `raw` all else counts for nothing."""

    protocol: int = ICMP
    port: int = 0
    ttl: int = 64
    arp: bool = False
    raw: bytes = b""


class Made(NamedTuple):
    """A frame, what it is in short, and what is to be said of it."""

    frame: bytes
    what: str
    note: str = ""


def made(network: Network, source: Port, target: Ip, wish: Wish) -> Made:
    """What the guest at `source` sends to an address. Raises InvalidInput for one that cannot send any."""
    if wish.raw:
        return Made(wish.raw, summary(wish.raw))
    setup = setup_of(network, source)
    if setup.address is None or setup.address.family != 4 or target.family != 4:
        what = f"{network.label(source)} has no IPv4 address" if target.family == 4 else f"{target} is no IPv4 address"
        raise InvalidInput(what, where="trace", advice="give --hex with a whole frame")
    own = setup.address
    if wish.arp:
        return Made(arp_request(setup.mac, own.address, target), f"arp for {target}")
    hop = target if target in own.network else setup.gateway
    if hop is None:
        what = f"the guest at {network.path(source)} has no gateway to {target}"
        raise InvalidInput(what, where="trace", advice="give its subnet a gateway, or its switch a router port")
    mac = owner_mac(network, source.switch, hop)
    if mac is None:
        note = f"no port of the switch has {hop}: the guest would ask for it by ARP first, and that is traced"
        return Made(arp_request(setup.mac, own.address, hop), f"arp for {hop}", note)
    frame = _adapted(packet(Addresses(setup.mac, mac, own.address, target), Probe(wish.protocol, wish.port)), wish)
    return Made(frame, summary(frame))


def owner_mac(network: Network, switch: str, address: Ip) -> Mac | None:
    """The MAC of the port that has an address on a switch, as declared."""
    for id_ in network.held(switch).addresses.get(address, ()):
        item = network.objects[id_]
        if isinstance(item, Port | RouterPort):
            return item.mac
    return None


def _adapted(frame: bytes, wish: Wish) -> bytes:
    """With the TTL that is wished for, and a source port of its own."""
    known = parse(frame)
    known.fields["nw_ttl"] = wish.ttl
    for name in known.fields.keys() & {"tcp_src", "udp_src"}:
        known.fields[name] = random.choice(CLIENTS)
    return build(known)


def reply(frame: bytes) -> Made | None:
    """What whoever got a frame answers, to where it came from; None to what nobody answers."""
    fields = parse(frame).fields
    if fields.get("nw_proto") not in (ICMP, TCP, UDP) or fields.get("icmp_type", 8) != 8:
        return None
    said = answer(frame)
    return Made(said, summary(said))


def raw(text: str) -> bytes:
    """A frame in hexadecimal digits, with or without spaces and colons. Raises InvalidInput for what is none."""
    digits = text.replace(":", "").replace(" ", "").removeprefix("0x")
    advice = "give a whole Ethernet frame in hexadecimal digits, without its checksum"
    try:
        frame = bytes.fromhex(digits)
    except ValueError:
        raise InvalidInput("these are no hexadecimal digits", where="--hex", advice=advice) from None
    if not 14 <= len(frame) <= LONGEST:
        what = f"a frame has 14 to {LONGEST} bytes, and this has {len(frame)}"
        raise InvalidInput(what, where="--hex", advice=advice)
    known = parse(frame)
    for kind, head, name in ((IPV4, "ip", "IPv4"), (ARP, "arp", "ARP")):
        if known.fields["eth_type"] == kind and head not in known.headers:
            raise InvalidInput(f"its {name} header is cut off, or wrong", where="--hex", advice=advice)
    return frame


def summary(frame: bytes) -> str:
    """A frame in a few words."""
    known = parse(frame)
    fields = known.fields
    if "arp" in known.headers:
        asked, said = Ip4(fields["arp_tpa"]), Ip4(fields["arp_spa"])
        return f"arp for {asked}" if fields["arp_op"] == REQUEST else f"arp reply of {said}"
    if "ip" not in known.headers:
        return f"{Mac(fields['eth_src'])} to {Mac(fields['eth_dst'])}, type {fields['eth_type']:#06x}"
    for name in ("tcp", "udp"):
        if f"{name}_dst" in fields:
            return f"{name} {fields[f'{name}_src']} > {fields[f'{name}_dst']}"
    if "icmp_type" in fields:
        return {0: "ping reply", 8: "ping"}.get(fields["icmp_type"], f"icmp type {fields['icmp_type']}")
    return f"ip protocol {fields['nw_proto']}"
