"""What routers say of packets: well-formed answers by scapy's judgement, and silence where RFC 1122 wants it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from retia.flows import complaint
from retia.flows.complaint import error, original_of, refusal
from retia.values import Ip

ME, GUEST, ROUTER = "10.0.1.11", "10.0.2.22", "10.0.1.1"
SPEAKER = int(Ip.parse(ROUTER))


def frame(layer: Packet, **head: object) -> bytes:
    made = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(**{"src": ME, "dst": GUEST, **head}) / layer
    return bytes(made)


def said(data: bytes) -> Packet:
    """An answer as scapy reads it, its checksums made anew and found the same."""
    read = Ether(data)
    again = Ether(data)
    for layer in (IP, ICMP, TCP):
        if layer in again:
            del again[layer].chksum
    assert bytes(again) == data
    return read


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=1400), ttl=st.integers(0, 255), mtu=st.integers(576, 9000))
def test_an_error_quotes_the_packet_and_its_checksums_are_right(payload: bytes, ttl: int, mtu: int) -> None:
    sent = frame(UDP(sport=1, dport=2) / Raw(payload), ttl=ttl, flags="DF")
    original = original_of(sent + bytes(7))
    assert original is not None
    read = said(error(original, SPEAKER, complaint.FRAGMENTATION_NEEDED, mtu))
    assert (read[IP].src, read[IP].dst, read[IP].tos) == (ROUTER, ME, 0xC0)
    assert (read[ICMP].type, read[ICMP].code, read[ICMP].nexthopmtu) == (3, 4, mtu)
    quote = bytes(read[ICMP].payload)
    assert quote == sent[14 : 14 + len(quote)] and len(quote) == min(len(sent) - 14, 548)
    assert len(read[IP]) <= 576


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(frame(ICMP(type=3) / IP(src=GUEST, dst=ME)), id="unreachable"),
        pytest.param(frame(ICMP(type=11)), id="time-exceeded"),
        pytest.param(frame(ICMP(type=5)), id="redirect"),
        pytest.param(frame(Raw(b""), proto=1), id="empty-icmp"),
        pytest.param(frame(UDP(), frag=3), id="later-fragment"),
        pytest.param(frame(UDP(), dst="224.0.0.5"), id="to-multicast"),
        pytest.param(frame(UDP(), dst="255.255.255.255"), id="to-broadcast"),
        pytest.param(frame(UDP(), src="0.0.0.0"), id="from-nobody"),
        pytest.param(frame(UDP(), src="127.0.0.1"), id="from-loopback"),
        pytest.param(frame(UDP(), src="224.0.0.1"), id="from-multicast"),
        pytest.param(frame(UDP(), src="255.255.255.255"), id="from-broadcast"),
        pytest.param(b"\xff" * 6 + frame(UDP())[6:], id="link-layer-broadcast"),
        pytest.param(frame(UDP())[:30], id="cut"),
        pytest.param(frame(UDP(), len=999), id="longer-than-it-is"),
        pytest.param(frame(UDP(), ihl=15), id="header-longer-than-packet"),
        pytest.param(bytes(Ether() / Dot1Q(vlan=5) / IP(src=ME, dst=GUEST) / UDP()), id="tagged"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_nothing_is_said_of(sent: bytes) -> None:
    assert original_of(sent) is None


def test_a_first_fragment_and_a_ping_may_be_spoken_of() -> None:
    assert original_of(frame(UDP(), flags="MF")) and original_of(frame(ICMP(type=8)))


@pytest.mark.parametrize(
    ("layer", "code"),
    [pytest.param(UDP(sport=9, dport=53), 3, id="udp"), pytest.param(Raw(b"12345678"), 2, id="other-protocol")],
)
def test_a_router_refuses_what_is_for_itself(layer: Packet, code: int) -> None:
    original = original_of(frame(layer, dst=ROUTER, **({"proto": 132} if code == 2 else {})))
    assert original is not None
    answer = refusal(original)
    assert answer is not None
    read = said(answer)
    assert (read[ICMP].type, read[ICMP].code, read[IP].src, read[IP].dst) == (3, code, ROUTER, ME)


@pytest.mark.parametrize(
    ("segment", "answer"),
    [
        pytest.param(TCP(flags="S", seq=1000), ("RA", 0, 1001), id="syn"),
        pytest.param(TCP(flags="A", seq=5, ack=77) / b"data", ("R", 77, 0), id="ack"),
        pytest.param(TCP(flags="F", seq=0xFFFFFFFF), ("RA", 0, 0), id="fin-over-the-end"),
        pytest.param(TCP(flags="", seq=10, options=[("MSS", 1360)]) / b"four", ("RA", 0, 14), id="data"),
    ],
)
def test_tcp_is_reset(segment: Packet, answer: tuple[str, int, int]) -> None:
    segment.sport, segment.dport = 4000, 22
    original = original_of(frame(segment, dst=ROUTER))
    assert original is not None
    made = refusal(original)
    assert made is not None
    read = said(made)[TCP]
    assert (str(read.flags), read.seq, read.ack, read.sport, read.dport) == (*answer, 22, 4000)


@pytest.mark.parametrize("layer", [TCP(flags="R"), TCP(flags="RA"), ICMP(type=13), Raw(b"")], ids=str)
def test_a_reset_and_an_unknown_query_are_not_answered(layer: Packet) -> None:
    original = original_of(frame(layer, dst=ROUTER, **({"proto": 6} if isinstance(layer, Raw) else {})))
    assert original is not None and refusal(original) is None


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=120))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    for sent in (data, frame(UDP())[:14] + data):
        original = original_of(sent)
        if original is not None:
            said(error(original, SPEAKER, complaint.TIME_EXCEEDED))
            refusal(original)
