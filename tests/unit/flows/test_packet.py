"""Frames parse and build as scapy does, checksums included."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Padding

from retia.flows.packet import build, parse

FRAMES = {
    "arp": Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"),
    "icmp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / ICMP(id=7, seq=3) / b"hello!!",
    "tcp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=80, options=[("MSS", 1360)]) / b"x",
    "udp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=53) / b"query",
    "options": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", options=b"\x94\x04\0\0") / UDP(dport=9) / b"z",
    "fragment": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", frag=100, proto=17) / b"the rest",
    "first-fragment": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / UDP(dport=9, len=99, chksum=7) / b"z",
    "no-checksum": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9, chksum=0) / b"z",
    "padded": Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / b"z" / Padding(b"\0" * 20),
    "tagged": Ether() / Dot1Q(vlan=5) / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
    "cut-off": bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP())[:40],
    "cut-off-arp": bytes(Ether() / ARP())[:30],
    "short-tcp": Ether() / IP(src="10.0.0.1", dst="10.0.0.2", proto=6) / b"too short",
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


@pytest.mark.parametrize(("name", "field"), [("icmp", "icmp_type"), ("tcp", "tcp_src"), ("udp", "udp_dst")])
def test_a_changed_header_field_shows(name: str, field: str) -> None:
    packet = parse(bytes(FRAMES[name]))
    packet.fields[field] = 77
    made = Ether(build(packet))
    again = Ether(build(packet))
    layer = {"icmp": ICMP, "tcp": TCP, "udp": UDP}[name]
    del again[layer].chksum
    assert bytes(again) == bytes(made)
    assert parse(bytes(made)).fields[field] == 77


def test_a_changed_arp_is_what_scapy_reads() -> None:
    packet = parse(bytes(FRAMES["arp"]))
    packet.fields.update(arp_op=2, arp_sha=0x020000000009, arp_spa=0x0A000002, arp_tha=1, arp_tpa=0x0A000001)
    arp = Ether(build(packet))[ARP]
    seen = (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst)
    assert seen == (2, "02:00:00:00:00:09", "10.0.0.2", "00:00:00:00:00:01", "10.0.0.1")


def test_no_checksum_stays_none_and_a_fragments_checksum_moves_by_the_difference() -> None:
    packet = parse(bytes(FRAMES["no-checksum"]))
    packet.fields["ip_src"] += 1
    assert parse(build(packet)).headers["udp"][6:8] == b"\0\0"
    packet = parse(bytes(FRAMES["first-fragment"]))
    packet.fields["ip_src"] += 1
    assert parse(build(packet)).headers["udp"][6:8] == b"\0\6"


@pytest.mark.parametrize("name", ["cut-off", "cut-off-arp", "fragment", "short-tcp", "other"])
def test_what_cannot_be_read_whole_has_no_fields(name: str) -> None:
    fields = parse(bytes(FRAMES[name])).fields
    assert not [field for field in fields if field.startswith(("tcp", "udp", "icmp"))]
    assert not any(value for field, value in fields.items() if field.startswith("arp"))


def test_too_short_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="Ethernet"):
        parse(b"short")
