"""Frames built here are those scapy builds: lengths, checksums, padding."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from retia.lab.frames import Arp, Frame, difference, is_geneve, parse_arp
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
