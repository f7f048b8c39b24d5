"""A random frame that a guest sends: mostly sensible, to whom and how far being chance. Each carries a token."""

from __future__ import annotations

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from retia.model.kinds import Port, RouterPort
from retia.model.network import Network
from retia.values import Mac
from tests.agreement.outside import WORLD, far_addresses, guest_behind

ABSORBED = 40009
"""The UDP port at which every guest takes what comes and says nothing."""
BROADCAST = "ff:ff:ff:ff:ff:ff"


def some_frame(rnd: random.Random, network: Network, port: Port, token: bytes, own: int) -> bytes:
    """`port` is the sender's; `own` the number by which its connection is told from all others."""
    ports, links = sorted(network.of(Port), key=network.path), sorted(network.of(RouterPort), key=network.path)
    near = [one for one in links if one.switch == port.switch]
    mates = [one for one in ports if one.switch == port.switch and one is not port]
    far = far_addresses(network)
    target = rnd.choice(mates if mates and (not near or rnd.random() < 0.4) else ports or [port])
    if rnd.random() < 0.12:
        strangers = [rnd.choice(far)] * 2 if port.id == WORLD else ["10.1.0.200"]
        asked = rnd.choice([*(str(one.addresses[0]) for one in mates), _any_link(rnd, near), *strangers])
        return ask(port.mac, str(port.addresses[0]), asked)
    address = rnd.choice([str(target.addresses[0])] * 12 + [_any_link(rnd, links), "10.1.0.200", "203.0.113.5"])
    macs = [str(one.mac) for one in near] * 4 + [str(target.mac)] * 2 + ["02:ff:00:00:00:01", BROADCAST]
    same = target.switch == port.switch
    if far and rnd.random() < (0.8 if port.id == WORLD else 0.5):
        address, same = rnd.choice(far), False
    sensible = str(target.mac) if same else str(rnd.choice(near).mac) if near else macs[0]
    guest = guest_behind(network, address) if port.id == WORLD else None
    if guest is not None and rnd.random() < 0.6:
        sensible = str(guest.mac)
    mac = sensible if rnd.random() < 0.85 else rnd.choice(macs)
    if rnd.random() < 0.05:
        return bytes(Ether(dst=mac, src=str(port.mac), type=0x88B5) / Raw(token.ljust(50, b".")))
    source = str(port.addresses[0]) if rnd.random() < 0.95 else "10.3.0.250"
    head = Ether(dst=mac, src=str(port.mac)) / IP(src=source, dst=address, ttl=rnd.choice([1, 2, 3, 64, 64, 64, 255]))
    return bytes(head / _transport(rnd, own) / Raw(token.ljust(rnd.choice([24, 60, 600]), b".")))


def answer(frame: bytes, token: bytes) -> bytes | None:
    """What who heard a frame sends back, if that is a datagram or a ping for it alone."""
    heard = Ether(frame)
    if IP not in heard or frame[0] & 1:
        return None
    back = Ether(dst=heard.src, src=heard.dst) / IP(src=heard[IP].dst, dst=heard[IP].src)
    if UDP in heard:
        return bytes(back / UDP(sport=heard[UDP].dport, dport=heard[UDP].sport) / Raw(token.ljust(40, b".")))
    if ICMP in heard and heard[ICMP].type == 8:
        return bytes(back / ICMP(type=0, id=heard[ICMP].id, seq=heard[ICMP].seq) / Raw(token.ljust(40, b".")))
    return None


def _any_link(rnd: random.Random, links: list[RouterPort]) -> str:
    return str(rnd.choice(links).addresses[0].address) if links else "10.0.0.1"


def _transport(rnd: random.Random, own: int) -> Packet:
    return rnd.choice(
        [UDP(sport=own, dport=ABSORBED), UDP(sport=own, dport=rnd.choice([53, ABSORBED])),
         ICMP(id=own, seq=rnd.randrange(9)), TCP(sport=own, dport=80, flags="S")]
    )  # fmt: skip


def ask(mac: Mac, source: str, address: str) -> bytes:
    asking = ARP(op=1, hwsrc=str(mac), psrc=source, pdst=address)
    return bytes(Ether(dst=BROADCAST, src=str(mac)) / asking).ljust(60, b"\0")
