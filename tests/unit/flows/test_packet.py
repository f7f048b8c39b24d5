"""Frames parse and build as scapy does, checksums included."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from retia.flows.packet import build, parse

FRAMES = {
    "arp": Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"),
    "icmp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / ICMP(id=7, seq=3) / b"hello!!",
    "tcp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=80, options=[("MSS", 1360)]) / b"x",
    "udp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=53) / b"query",
    "options": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", options=b"\x94\x04\0\0") / UDP(dport=9) / b"z",
    "fragment": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", frag=100, proto=17) / b"the rest",
    "other": Ether(type=0x88CC) / b"lldp",
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back(name: str) -> None:
    frame = bytes(FRAMES[name])
    assert build(parse(frame)) == frame


@pytest.mark.parametrize("name", ["icmp", "tcp", "udp", "options"])
def test_changed_fields_get_right_checksums(name: str) -> None:
    packet = parse(bytes(FRAMES[name]))
    packet.fields.update(ip_src=0xC0000201, nw_ttl=3, eth_src=5)
    wanted = Ether(bytes(FRAMES[name]))
    wanted.src = "00:00:00:00:00:05"
    wanted[IP].src, wanted[IP].ttl = "192.0.2.1", 3
    for layer in (IP, TCP, UDP, ICMP):
        if layer in wanted:
            del wanted[layer].chksum
    assert build(packet) == bytes(wanted)


def test_too_short_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="Ethernet"):
        parse(b"short")
