"""A random frame that a guest sends: mostly sensible, to whom and how far being chance. Each carries a token."""

from __future__ import annotations

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from retia.model.kinds import Port, RouterPort
from retia.model.network import Network

ABSORBED = 40009
"""The UDP port at which every guest takes what comes and says nothing."""
BROADCAST = "ff:ff:ff:ff:ff:ff"


def some_frame(rnd: random.Random, network: Network, port: Port, token: bytes) -> bytes:
    ports = [one for one in network.objects.values() if isinstance(one, Port)]
    links = [one for one in network.objects.values() if isinstance(one, RouterPort)]
    near = [one for one in links if one.switch == port.switch]
    mates = [one for one in ports if one.switch == port.switch and one is not port]
    target = rnd.choice(mates if mates and (not near or rnd.random() < 0.4) else ports)
    if rnd.random() < 0.12:
        return _ask(port, rnd.choice([*(str(one.addresses[0]) for one in mates), _any_link(rnd, near), "10.1.0.200"]))
    address = rnd.choice([str(target.addresses[0])] * 12 + [_any_link(rnd, links), "10.1.0.200", "203.0.113.5"])
    macs = [str(one.mac) for one in near] * 4 + [str(target.mac)] * 2 + ["02:ff:00:00:00:01", BROADCAST]
    same = target.switch == port.switch
    sensible = str(target.mac) if same else str(rnd.choice(near).mac) if near else macs[0]
    mac = sensible if rnd.random() < 0.85 else rnd.choice(macs)
    if rnd.random() < 0.05:
        return bytes(Ether(dst=mac, src=str(port.mac), type=0x88B5) / Raw(token.ljust(50, b".")))
    source = str(port.addresses[0]) if rnd.random() < 0.95 else "10.3.0.250"
    head = Ether(dst=mac, src=str(port.mac)) / IP(src=source, dst=address, ttl=rnd.choice([1, 2, 3, 64, 64, 64, 255]))
    return bytes(head / _transport(rnd) / Raw(token.ljust(rnd.choice([24, 60, 600]), b".")))


def _any_link(rnd: random.Random, links: list[RouterPort]) -> str:
    return str(rnd.choice(links).addresses[0].address) if links else "10.0.0.1"


def _transport(rnd: random.Random) -> Packet:
    return rnd.choice(
        [UDP(sport=40000, dport=ABSORBED), UDP(sport=40000, dport=ABSORBED), ICMP(id=77, seq=rnd.randrange(9)),
         TCP(sport=40000, dport=80, flags="S")]
    )  # fmt: skip


def _ask(port: Port, address: str) -> bytes:
    asking = ARP(op=1, hwsrc=str(port.mac), psrc=str(port.addresses[0]), pdst=address)
    return bytes(Ether(dst=BROADCAST, src=str(port.mac)) / asking).ljust(60, b"\0")
