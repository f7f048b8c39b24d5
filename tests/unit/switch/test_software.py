"""The software bridge carries frames: in by a port, through the flows, out by others, counted."""

from __future__ import annotations

import pytest

from retia.errors import SwitchAway, SwitchRefused
from retia.flows.actions import Ct, Goto, Load, Output
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.flows.walk import Sent
from retia.model.local import Attachment, WantedPeer, WantedUplink
from retia.switch.software_bridge import SoftwareBridge

FRAME = bytes.fromhex("02000000000102000000000288b5") + b"x" * 46


def bridge() -> tuple[SoftwareBridge, list[Sent]]:
    sent: list[Sent] = []
    made = SoftwareBridge(on_sent=sent.append)
    made.ensure()
    return made, sent


def test_a_frame_leaves_by_the_ports_its_flows_say() -> None:
    made, sent = bridge()
    one, two, three = (made.plug(name) for name in ("one", "two", "three"))
    made.put(Flow(0, 1, match(in_port=one), (Output(two), Goto(1)), 1))
    made.put(Flow(1, 1, match(), (Load(Subfield("eth_src", 0, 48), 7), Output(three), Output(one)), 2))
    made.receive(one, FRAME)
    assert [(each.port, each.frame[6:12]) for each in sent] == [
        (two, FRAME[6:12]),
        (three, (7).to_bytes(6, "big")),
    ]
    assert {one.flow.cookie: one.packets for one in made.observed()} == {1: 1, 2: 1}


def test_a_tunnel_takes_its_fields_along() -> None:
    made, sent = bridge()
    one, tunnel = made.plug("one"), made.plug("retia-geneve")
    fields = [Load(Subfield("tun_id", 0, 24), 5), Load(Subfield("tun_dst", 0, 32), 9)]
    made.put(Flow(0, 1, match(in_port=one), (*fields, Output(tunnel))))
    made.put(Flow(0, 1, match(in_port=tunnel, tun_id=5), (Output(one),)))
    made.receive(one, FRAME)
    assert (sent[0].port, sent[0].tunnel["tun_id"], sent[0].tunnel["tun_dst"]) == (tunnel, 5, 9)
    made.receive(tunnel, FRAME, {"tun_id": 5, "tun_src": 8, "tun_dst": 9})
    assert sent[1].port == one


def test_a_stopped_one_carries_nothing_and_comes_back_empty() -> None:
    made, sent = bridge()
    one, two = made.plug("one"), made.plug("two")
    made.put(Flow(0, 1, match(in_port=one), (Output(two),)))
    made.stop()
    assert made.receive(one, FRAME) is None and not sent
    with pytest.raises(SwitchAway):
        made.connect(lambda update: None)
    made.start()
    assert made.observed() == []
    assert made.plug("two") == two, "a port keeps its number"


def test_a_removed_bridge_is_made_anew_with_its_tunnel_port() -> None:
    made, _ = bridge()
    made.plug("one")
    made.remove()
    assert not made.reachable and not made.interfaces
    made.ensure()
    assert made.reachable and list(made.interfaces) == ["retia-geneve"]


@pytest.mark.parametrize(
    "flow", [Flow(3, 1, (), (Goto(3),)), Flow(3, 1, (("tcp_dst", 80, 0xFFFF),), ())], ids=["backwards", "needs"]
)
def test_what_open_vswitch_refuses_it_refuses(flow: Flow) -> None:
    made, _ = bridge()
    with pytest.raises(SwitchRefused, match="table 3"):
        made.put(flow)
    assert made.observed() == []


def test_a_peer_is_live_when_it_is_said_to_be_and_was_seen_from_then_on() -> None:
    made, _ = bridge()
    made.add_bridge("br-ex")
    made.attach([WantedUplink("up-000001", "br-ex")], [WantedPeer("bfd-00017", "192.0.2.17")])
    there = made.attachments
    peer, uplink = there["bfd-00017"].ofport, there["up-000001"].ofport
    assert (made.is_live(peer), made.is_live(uplink), made.is_live(99)) == (False, True, False)
    made.set_live("bfd-00017", True)
    assert made.attachments["bfd-00017"] == Attachment("bfd-00017", peer, "up", True) and made.is_live(peer)
    made.set_live("bfd-00017", False)
    assert made.attachments["bfd-00017"] == Attachment("bfd-00017", peer, "down", True) and not made.is_live(peer)
    made.stop()
    assert not made.attachments["bfd-00017"].seen, "it counts anew"
    made.remove_bridge("br-ex")
    assert "up-000001" not in made.attachments and not made.is_live(uplink)


def test_a_flushed_zone_is_forgotten() -> None:
    made, _ = bridge()
    one = made.plug("one")
    udp = bytes.fromhex("02000000000102000000000208004500001c00000000401166cf0a0000010a0000020fa00fa100080000")
    for zone in (1, 2):
        made.put(Flow(0, zone, match(in_port=one, eth_type=0x800), (Ct(zone, commit=True),)))
        made.receive(one, udp)
    made.flush_zone(1)
    assert len(list(made.tracker)) == 1
