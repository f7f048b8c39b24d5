"""Addresses parse, print and compare as they should."""

from __future__ import annotations

import pytest

from retia.errors import InvalidInput
from retia.values import Cidr, Ip, Ip4, Mac, PortRange, Prefix


@pytest.mark.parametrize("text", ["02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_macs_come_back(text: str) -> None:
    assert str(Mac.parse(text)) == f"{Mac.parse(text)}" == repr(Mac.parse(text)) == text


@pytest.mark.parametrize("text", ["10.0.0.1", "255.255.255.255", "2001:db8::1", "fe80::2"])
def test_addresses_come_back(text: str) -> None:
    assert str(Ip.parse(text)) == f"{Ip.parse(text)}" == text


@pytest.mark.parametrize("text", ["", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g", "2:0:0:0:0:1"])
def test_bad_macs_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Mac.parse(text)


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "10.0.0.1/24", "::7", "10.10.2.a"])
def test_bad_addresses_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Ip.parse(text)


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/x", "/24"])
def test_bad_prefixes_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Cidr.parse(text)


def test_a_prefix_knows_what_is_in_it() -> None:
    cidr = Cidr.parse("10.0.1.7/24")
    assert str(cidr) == "10.0.1.7/24" and str(cidr.network) == "10.0.1.0/24"
    assert str(cidr.first) == "10.0.1.0" and str(cidr.last) == "10.0.1.255"
    assert Ip4(cidr.address + 1) in cidr and Ip.parse("10.0.2.0") not in cidr and Ip.parse("2001:db8::1") not in cidr
    assert cidr.overlaps(Cidr.parse("10.0.0.0/8")) and not cidr.overlaps(Cidr.parse("10.0.2.0/24"))
    assert Ip4(0) in Cidr.parse("0.0.0.0/0") and cidr.network == Cidr.parse("10.0.1.0/24")


def test_one_address_is_a_prefix() -> None:
    alone, wide = Prefix.parse("10.0.1.7"), Prefix.parse("10.0.1.0/24")
    assert (str(alone), repr(alone), alone.length, alone.is_address) == ("10.0.1.7", "10.0.1.7", 32, True)
    assert (str(wide), wide.is_address) == ("10.0.1.0/24", False)
    assert alone == Prefix.parse("10.0.1.7/32") and hash(alone) == hash(Cidr.parse("10.0.1.7/32"))
    assert alone == Cidr.parse("10.0.1.7/32") and Ip.parse("10.0.1.7") in alone and Ip.parse("10.0.1.8") not in alone
    assert Prefix.parse("2001:db8::1").length == 128 and str(Prefix.parse("10.0.1.7/24")) == "10.0.1.7/24"


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.0/33", "10.0.0.1/", "/24", "10.0.0.1-10.0.0.2"])
def test_bad_addresses_or_prefixes_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Prefix.parse(text)


@pytest.mark.parametrize(("text", "first", "last"), [("1-65535", 1, 65535), ("80-80", 80, 80), ("443", 443, 443)])
def test_ranges_of_ports(text: str, first: int, last: int) -> None:
    ports = PortRange.parse(text)
    assert (ports.first, ports.last) == (first, last) and ports == PortRange(first, last)
    assert PortRange.parse(str(ports)) == ports and len({ports, PortRange(first, last)}) == 1
    assert ports != PortRange(first, last + 1)


@pytest.mark.parametrize(
    "text", ["", "0-10", "10-9", "1-65536", "0", "65536", "1-", "-1", "1-2-3", "a-b", "1 - 2", "²"]
)
def test_bad_ranges_of_ports_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="range of ports"):
        PortRange.parse(text)
