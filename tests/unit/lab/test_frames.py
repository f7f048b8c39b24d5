"""Frames built here are those scapy builds: lengths, checksums, padding."""

from __future__ import annotations

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from retia.lab.frames import Arp, Frame, carried, difference, echo_source, is_geneve, parse_arp
from retia.values import Ip, Mac

A, B = Mac.parse("02:00:00:00:00:0a"), Mac.parse("02:00:00:00:00:0b")
HERE, THERE = Ip.parse("10.0.0.1"), Ip.parse("10.2.0.200")


@pytest.mark.parametrize("ttl", [1, 9, 255])
@pytest.mark.parametrize("payload", [b"", b"x", b"odd", b"even", b"long" * 200], ids=len)
def test_udp(ttl: int, payload: bytes) -> None:
    made = Frame(B, A, payload, HERE, THERE, ttl).pack()
    theirs = Ether(dst=str(B), src=str(A)) / IP(src=str(HERE), dst=str(THERE), ttl=ttl) / UDP(sport=40000, dport=40009)
    assert made == bytes(theirs / Raw(payload)).ljust(60, b"\0")


def test_bare() -> None:
    assert Frame(B, A, b"hello").pack() == bytes(Ether(dst=str(B), src=str(A), type=0x88B5) / b"hello").ljust(60, b"\0")


def test_arp_both_ways() -> None:
    asked = Arp(1, A, HERE, Mac(0), THERE)
    made = asked.pack(Mac((1 << 48) - 1))
    theirs = ARP(op=1, hwsrc=str(A), psrc=str(HERE), hwdst="00:00:00:00:00:00", pdst=str(THERE))
    assert made == bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=str(A)) / theirs).ljust(60, b"\0")
    assert parse_arp(made) == asked
    assert parse_arp(Frame(B, A, b"hello").pack()) is None


@pytest.mark.parametrize(("port", "wanted"), [(6081, True), (6080, False)])
def test_geneve(port: int, wanted: bool) -> None:
    assert is_geneve(bytes(Ether() / IP() / UDP(sport=9, dport=port) / Raw(b"x" * 20))) is wanted


def test_difference_says_where() -> None:
    assert difference(b"abcd", b"abxd").startswith("differs from byte 2")
    assert difference(b"abcd", b"abc").startswith("3 bytes instead of 4")


@pytest.mark.parametrize("options", [b"", b"\x01\x02\x80\x01\0\0\0\x05"], ids=["bare", "option"])
@pytest.mark.parametrize(
    ("inner", "counts"),
    [
        (Ether() / IP() / UDP(dport=3784) / Raw(b"bfd"), False),
        (Ether() / IP() / UDP(dport=53) / Raw(b"question"), True),
        (Ether() / IP() / ICMP(), True),
        (Ether(type=0x88B5) / Raw(b"short"), True),
    ],
)
def test_bfd_carries_nothing(inner: Ether, counts: bool, options: bytes) -> None:
    tunnel = GENEVE(vni=0, proto=0x6558, optionlen=len(options) // 4, options=options) / inner
    told = carried(bytes(Ether() / IP() / UDP(sport=4000, dport=6081) / tunnel))
    assert told == (bytes(inner) if counts else None)
    assert carried(bytes(Ether() / IP() / UDP(dport=6082) / tunnel)) is None


def test_who_pings() -> None:
    token = b"12345678"
    request = Ether() / IP(src=str(HERE), dst=str(THERE)) / ICMP(type=8) / Raw(token + b"....")
    assert echo_source(bytes(request), token) == HERE
    assert echo_source(bytes(request), b"87654321") is None
    request[ICMP].type = 0
    assert echo_source(bytes(request), token) is None
