"""What routers at an edge rely on, each alone on a real Open vSwitch and in the walk: frames that come in one after the
other come out the same."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from retia.flows.actions import Actions, Ct, Goto, Load, LoadLive, Move, Output, Translate
from retia.flows.conntrack import Tracker
from retia.flows.fields import CT_STATES, IPV4, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import RECIRCULATION_LIMIT, Fate, Means, Walk, walk
from tests.ovs.flows.pipelines import PORTS, SENTINEL
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer

FIRST_ZONE, SECOND_ZONE = Subfield("reg11", 0, 16), Subfield("reg11", 16, 16)
OUR_ADDRESS, GUEST, OTHER_GUEST, SERVER = "192.0.2.1", "10.0.0.1", "10.0.0.2", "198.51.100.1"
EXTERNAL, INSIDE = 0xC0000201, (0x0A000000, 0xFF000000)
TELL = (Move(whole("ct_state"), Subfield("eth_src", 0, 8)), Move(Subfield("reg11", 0, 32), Subfield("eth_src", 8, 32)))
IP_ONLY = match(eth_type=IPV4)


class Twins:
    """A real switch and the walk with the same flows, given the same frames."""

    def __init__(self, ovs: OvsServer, flows: list[Flow]) -> None:
        self.switch = Switch(ovs, [SENTINEL, *flows])
        ovs.appctl("dpctl/flush-conntrack")
        self.table, self.means = FlowTable(flows), Means(tracker=Tracker(), live=PORTS.__contains__)
        self.stories: list[Walk] = []

    def send(self, made: Packet, port: int = 1) -> Packet | None:
        """What came out of the walk."""
        frame = bytes(made) + len(self.stories).to_bytes(4, "big")
        self.stories.append(walk(self.table, frame, port, means=self.means))
        self.switch.send(frame, port)
        sent = self.stories[-1].sent
        return Ether(sent[0].frame) if sent else None

    def compare(self) -> None:
        seen = self.switch.sent()
        for number, story in enumerate(self.stories):
            wanted = [(sent.port, sent.frame.hex()) for sent in story.sent]
            assert [(port, frame.hex()) for port, frame in seen[number]] == wanted, number


def router(snat: Translate, dnat: Translate) -> list[Flow]:
    """Two zones: destinations are translated in the first, sources in the second; what is outside is behind port 4."""
    zones = (Load(FIRST_ZONE, 5), Load(SECOND_ZONE, 6))
    is_new = match(eth_type=IPV4, ct_state=(CT_STATES["new"], CT_STATES["new"]), ip_src=INSIDE)
    return [
        Flow(0, 1, IP_ONLY, (*zones, Goto(1)), 1),
        Flow(1, 2, match(eth_type=IPV4, ip_dst=EXTERNAL), (Ct(SECOND_ZONE, 2, nat=Translate()),), 2),
        Flow(1, 1, (), (Goto(2),), 3),
        Flow(2, 2, match(eth_type=IPV4, ip_dst=EXTERNAL), (Ct(FIRST_ZONE, 4, True, dnat),), 4),
        Flow(2, 1, IP_ONLY, (Ct(FIRST_ZONE, 4, nat=Translate()),), 5),
        Flow(
            4, 1, match(eth_type=IPV4, ip_dst=(0x0A000000, 0xFF000000)), (Load(Subfield("reg0", 0, 1), 1), Goto(5)), 6
        ),
        Flow(4, 0, (), (Goto(5),), 7),
        Flow(5, 1, IP_ONLY, (Ct(SECOND_ZONE, 6, nat=Translate()),), 8),
        Flow(6, 2, is_new, (Ct(SECOND_ZONE, 7, True, snat),), 9),
        Flow(6, 1, (), (Goto(7),), 10),
        Flow(7, 2, match(reg0=(1, 1)), (*TELL, Output(2)), 11),
        Flow(7, 1, (), (*TELL, Output(4)), 12),
    ]


SNAT = Translate(True, EXTERNAL, 1024, 65535)
WEB = Translate(False, 0x0A000002, 8080, 8080)


def udp(source: str, target: str, sport: int = 5000, dport: int = 53) -> Packet:
    return Ether() / IP(src=source, dst=target) / UDP(sport=sport, dport=dport) / b"data"


def tcp(source: str, target: str, sport: int, dport: int, flags: str = "S") -> Packet:
    return Ether() / IP(src=source, dst=target) / TCP(sport=sport, dport=dport, flags=flags, seq=9, ack=9)


def ping(source: str, target: str, kind: int = 8) -> Packet:
    return Ether() / IP(src=source, dst=target) / ICMP(type=kind, id=77) / b"data"


def state(seen: Packet | None) -> int:
    assert seen is not None
    return int(seen.src[-2:], 16)


NEW, EST, REL, RPL, INV, TRK, BY_SOURCE, BY_TARGET = CT_STATES.values()


def test_there_and_back_through_snat(ovs: OvsServer) -> None:
    """With the own port: which one of a range it is, Open vSwitch leaves to chance."""
    twins = Twins(ovs, router(Translate(True, EXTERNAL), WEB))
    out = twins.send(udp(GUEST, SERVER))
    assert out is not None and out[IP].src == OUR_ADDRESS and state(out) == NEW | TRK | BY_SOURCE
    back = twins.send(udp(SERVER, OUR_ADDRESS, 53, 5000), 4)
    assert back is not None and (back[IP].dst, back[UDP].dport) == (GUEST, 5000)
    twins.send(ping(GUEST, SERVER))
    answer = twins.send(ping(SERVER, OUR_ADDRESS, 0), 4)
    assert answer is not None and answer[IP].dst == GUEST
    error = Ether() / IP(src="203.0.113.9", dst=OUR_ADDRESS) / ICMP(type=11) / bytes(udp(OUR_ADDRESS, SERVER))[14:]
    told = twins.send(error, 4)
    assert told is not None and told[IP].dst == GUEST and told["IP in ICMP"].src == GUEST
    twins.compare()


def test_there_and_back_through_dnat_and_in_a_hairpin(ovs: OvsServer) -> None:
    twins = Twins(ovs, router(Translate(True, EXTERNAL), WEB))
    there = twins.send(tcp(SERVER, OUR_ADDRESS, 700, 80), 4)
    assert there is not None and (there[IP].dst, there[TCP].dport) == (OTHER_GUEST, 8080)
    back = twins.send(tcp(OTHER_GUEST, SERVER, 8080, 700, "SA"))
    assert back is not None and (back[IP].src, back[TCP].sport) == (OUR_ADDRESS, 80)
    hairpin = twins.send(tcp(GUEST, OUR_ADDRESS, 701, 80))
    assert hairpin is not None and (hairpin[IP].src, hairpin[IP].dst) == (OUR_ADDRESS, OTHER_GUEST)
    back = twins.send(tcp(OTHER_GUEST, OUR_ADDRESS, 8080, 701, "SA"))
    assert back is not None and (back[IP].src, back[IP].dst) == (OUR_ADDRESS, GUEST) and back[TCP].sport == 80
    twins.compare()


def test_what_no_translation_is_free_for_goes_on_as_it_is(ovs: OvsServer) -> None:
    """Two guests ping one server with the same identifier, which Open vSwitch does not change; a range of one port."""
    twins = Twins(ovs, router(Translate(True, EXTERNAL, 3000, 3000), WEB))
    assert state(twins.send(ping(GUEST, SERVER))) == NEW | TRK | BY_SOURCE
    second = twins.send(ping(OTHER_GUEST, SERVER))
    assert second is not None and second[IP].src == OTHER_GUEST and state(second) == NEW | TRK
    assert state(twins.send(udp(GUEST, SERVER))) == NEW | TRK | BY_SOURCE
    third = twins.send(udp(OTHER_GUEST, SERVER))
    assert third is not None and third[IP].src == OTHER_GUEST and state(third) == NEW | TRK
    twins.compare()


@pytest.mark.parametrize("times", [RECIRCULATION_LIMIT, RECIRCULATION_LIMIT + 1])
def test_a_packet_comes_again_so_often_and_no_more(ovs: OvsServer, times: int) -> None:
    flows = [Flow(n, 1, IP_ONLY, (Output(3), Ct(n, n + 1)), n + 1) for n in range(times)]
    twins = Twins(ovs, [*flows, Flow(times, 1, (), (*TELL, Output(4)), 99)])
    twins.send(udp(GUEST, SERVER))
    twins.compare()
    (story,) = twins.stories
    assert [sent.port for sent in story.sent] == [3] * times + [4] * (times == RECIRCULATION_LIMIT)
    assert story.fate is (Fate.SENT if times == RECIRCULATION_LIMIT else Fate.RECIRC_LIMIT)


TO_EXTERNAL = Translate(True, EXTERNAL)
SOURCE = whole("ip_src")


@pytest.mark.parametrize(
    "actions",
    [
        pytest.param((Ct(1, 1, True, TO_EXTERNAL), Output(2)), id="output"),
        pytest.param((Ct(1, None, True, TO_EXTERNAL), *TELL, Output(2)), id="no-table"),
        pytest.param((Ct(1, None, True, TO_EXTERNAL), Load(SOURCE, 0x0A000009), Output(2)), id="write"),
        pytest.param((Ct(1, 1, True, TO_EXTERNAL), Load(SOURCE, 0x0A000001), Output(2)), id="write-what-it-was"),
        pytest.param((Ct(1, None, True), Ct(1, 1, nat=Translate()), Ct(2, 1)), id="twice"),
        pytest.param((Ct(1, 1, True, Translate()),), id="committed-without-an-address"),
    ],
)
def test_actions_after_tracking(ovs: OvsServer, actions: Actions) -> None:
    twins = Twins(ovs, [Flow(0, 1, IP_ONLY, actions, 1), Flow(1, 1, (), (*TELL, Output(4)), 2)])
    for _ in range(2):
        twins.send(udp(GUEST, SERVER))
    twins.send(udp(SERVER, GUEST, 53, 5000))
    twins.send(udp(SERVER, OUR_ADDRESS, 53, 5000))
    twins.compare()


def test_a_port_that_does_not_exist_is_not_live(ovs: OvsServer) -> None:
    place = Subfield("reg11", 0, 16)
    flows = [
        Flow(0, 3, match(in_port=1), (LoadLive((65000, 3, 2), place, False), *TELL, Output(4)), 1),
        Flow(0, 2, match(in_port=2), (LoadLive((65000,), place, True), *TELL, Output(4)), 2),
        Flow(0, 1, match(in_port=3), (LoadLive((65000, 2, 3), place, True), *TELL, Output(4)), 3),
    ]
    twins = Twins(ovs, flows)
    first, nobody = twins.send(udp(GUEST, SERVER), 1), twins.send(udp(GUEST, SERVER), 2)
    assert first is not None and nobody is not None
    assert (first.src[-5:-3], nobody.src[-8:-3]) == ("03", "ff:ff")
    for port in range(1, 30):
        twins.send(udp(GUEST, SERVER, port), 3)
    twins.compare()
