"""The frame that is traced is the one the guest would send; what is no frame is refused with advice."""

from __future__ import annotations

import pytest

from retia.errors import InvalidInput
from retia.flows.fields import TCP, UDP
from retia.flows.packet import parse
from retia.model.kinds import Port
from retia.model.network import Network
from retia.trace.packets import Wish, made, owner_mac, raw, reply, summary
from retia.values import Ip
from tests.golden import CASES, build, load

NETWORK: Network = build(load(next(case for case in CASES if case.stem == "traced"))).objects
ONE, TWO = NETWORK.find(Port, "a/one"), NETWORK.find(Port, "b/two")


def test_a_neighbour_is_addressed_itself_and_all_others_by_the_gateway() -> None:
    near = parse(made(NETWORK, ONE, Ip.parse("10.10.1.4"), Wish()).frame).fields
    assert near["eth_dst"] == NETWORK.find(Port, "a/far").mac and near["icmp_type"] == 8
    far = made(NETWORK, ONE, Ip.parse("10.10.2.2"), Wish(TCP, 80, ttl=9))
    fields = parse(far.frame).fields
    assert fields["eth_dst"] == owner_mac(NETWORK, ONE.switch, Ip.parse("10.10.1.1"))
    assert (fields["tcp_dst"], fields["nw_ttl"], fields["ip_src"]) == (80, 9, ONE.addresses[0])
    assert far.what.endswith("> 80") and far.what.startswith("tcp ")


def test_checksums_are_right() -> None:
    from scapy.layers.inet import IP
    from scapy.layers.l2 import Ether

    for wish in (Wish(), Wish(TCP, 80, 7), Wish(UDP, 53, 3)):
        frame = made(NETWORK, ONE, Ip.parse("10.10.2.2"), wish).frame
        again = Ether(frame)
        del again[IP].chksum
        if again[IP].payload.fields.get("chksum"):
            del again[IP].payload.chksum
        assert bytes(Ether(bytes(again))) == frame


def test_where_nobody_has_the_next_hop_the_guest_would_ask_for_it() -> None:
    asked = made(NETWORK, ONE, Ip.parse("10.10.1.77"), Wish())
    assert parse(asked.frame).fields["arp_tpa"] == Ip.parse("10.10.1.77")
    assert "10.10.1.77" in asked.note and asked.what == "arp for 10.10.1.77"


def test_an_address_of_another_family_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no IPv4 address"):
        made(NETWORK, ONE, Ip.parse("fd00::1"), Wish())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("zz", "no hexadecimal digits"),
        ("001", "no hexadecimal digits"),
        ("00" * 13, "has 13"),
        ("00" * 9001, "has 9001"),
        ("02" * 12 + "0800" + "45" + "00" * 10, "IPv4 header is cut off"),
        ("02" * 12 + "0806" + "00" * 10, "ARP header is cut off"),
    ],
)
def test_what_is_no_frame(text: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as refused:
        raw(text)
    assert refused.value.where == "--hex" and refused.value.advice


def test_digits_may_be_spaced() -> None:
    assert raw("02:00:00:00:00:01 02:00:00:00:00:02 88:b5") == bytes.fromhex("020000000001020000000002" + "88b5")


def test_answers() -> None:
    ping = made(NETWORK, ONE, Ip.parse("10.10.2.2"), Wish()).frame
    said = reply(ping)
    assert said is not None and parse(said.frame).fields["icmp_type"] == 0 and said.what == "ping reply"
    assert reply(said.frame) is None, "nobody answers an answer"
    assert reply(made(NETWORK, ONE, Ip.parse("10.10.1.4"), Wish(arp=True)).frame) is None
    assert summary(bytes.fromhex("02" * 12 + "88b5")) == "02:02:02:02:02:02 to 02:02:02:02:02:02, type 0x88b5"
