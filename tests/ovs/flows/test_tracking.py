"""Tracked connections and translation: frames through a real Open vSwitch come out as they do from the walk.

Each pipeline sends a frame through up to three `Ct`, and the frame that comes out tells in its source MAC the state and
zone of the last. Half of the frames answer one that came out before, or are an ICMP error about it.
"""

from __future__ import annotations

import os
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from retia.flows.actions import Ct, Goto, Load, Move, Output, Translate
from retia.flows.conntrack import Tracker
from retia.flows.fields import CT_STATES, IPV4, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match
from retia.flows.walk import Means, walk
from tests.ovs.flows.pipelines import PORTS, SENTINEL
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer

ZONE = Subfield("reg11", 0, 16)
INSIDE, OUTSIDE = ("10.0.0.1", "10.0.0.2"), ("198.51.100.1", "198.51.100.2")
EXTERNAL = 0xC0000201
ADDRESSES = (*INSIDE, *OUTSIDE, "192.0.2.1")
TELL = (
    Move(whole("ct_state"), Subfield("eth_src", 0, 8)),
    Move(whole("ct_zone"), Subfield("eth_src", 16, 16)),
)
FRESH = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
SEEDS = [*(pytest.param(n, id=f"seed-{n}") for n in range(12)), pytest.param(FRESH, id="seed-fresh")]


def some_translation(rnd: random.Random) -> Translate | None:
    """Of a range only one port: which of several it takes, Open vSwitch leaves to chance."""
    port = rnd.choice((0, 0, 80, 5000))
    address = rnd.choice((EXTERNAL, EXTERNAL, 0x0A000001))
    return rnd.choice((None, Translate(), Translate(rnd.random() < 0.6, address, port, port)))


def some_ct(rnd: random.Random, table: int) -> tuple:
    nat = some_translation(rnd)
    commit = bool(nat and nat.address) or (rnd.random() < 0.3 and nat is None)
    return Load(ZONE, rnd.randrange(1, 4)), Ct(ZONE, table, commit, nat)


def some_flows(rnd: random.Random) -> list[Flow]:
    is_ip = {"eth_type": IPV4}
    flows = [SENTINEL, Flow(3, 1, (), (*TELL, Output(4)), 4)]
    flows += [Flow(0, port + 1, match(in_port=port, **is_ip), some_ct(rnd, 1), port) for port in PORTS]
    for table in (1, 2):
        for priority, name in enumerate(rnd.sample(list(CT_STATES), 4), 2):
            state = rnd.choice((0, CT_STATES[name]))
            wanted = match(ct_state=(state, CT_STATES[name]), **is_ip)
            tracks = rnd.random() < 0.5 and state != CT_STATES["inv"]  # what is known to be invalid is not committed
            going = some_ct(rnd, table + 1) if tracks else (Goto(3),)
            flows.append(Flow(table, priority, wanted, going, 10 * table + priority))
        flows.append(Flow(table, 1, (), (Goto(3),), 10 * table))
    return flows


def some_frame(rnd: random.Random) -> Ether:
    made = Ether() / IP(src=rnd.choice(ADDRESSES), dst=rnd.choice(ADDRESSES), id=1)
    ports = {"sport": rnd.choice((80, 700, 5000)), "dport": rnd.choice((80, 5000))}
    kind = rnd.choice(("udp", "udp", "tcp", "tcp", "icmp", "odd", "other"))
    if kind == "tcp":
        return made / TCP(**ports, flags=rnd.choice(("S", "S", "SA", "A", "FA", "R", "", "SF")), seq=9, ack=9)
    if kind == "icmp":
        return made / ICMP(type=rnd.choice((8, 8, 8, 0, 13, 5)), id=rnd.choice((1, 2)))
    if kind == "odd":
        return made / UDP(**ports, chksum=rnd.choice((0, 1)))
    if kind == "other":
        made[IP].proto = 47
        return made / b"rest"
    return made / UDP(**ports) / b"data"


def answer(rnd: random.Random, frame: bytes) -> Ether:
    """To a frame that came out, by who it reached, or by a router on its way."""
    seen = Ether(frame[:-4])
    back = Ether() / IP(src=seen[IP].dst, dst=seen[IP].src, id=2, proto=seen[IP].proto)
    if rnd.random() < 0.3:
        source = rnd.choice((seen[IP].dst, "203.0.113.1"))
        quote = bytes(seen[IP])[: rnd.choice((28, 60))]
        return Ether() / IP(src=source, dst=rnd.choice((seen[IP].src,) * 5 + ADDRESSES)) / ICMP(type=3, code=1) / quote
    if TCP in seen:
        flags = {"S": "SA", "SA": "A", "FA": rnd.choice(("A", "FA"))}.get(str(seen[TCP].flags), "A")
        return back / TCP(sport=seen[TCP].dport, dport=seen[TCP].sport, flags=flags, seq=9, ack=9)
    if UDP in seen:
        return back / UDP(sport=seen[UDP].dport, dport=seen[UDP].sport) / b"back"
    if ICMP in seen and seen[ICMP].type == 8:
        return back / ICMP(type=0, id=seen[ICMP].id)
    return back / Raw(b"back")


def is_sound(frame: bytes) -> bool:
    """By scapy's judgement: every checksum, that of a quoted packet too, is what it works out itself."""
    seen, again = Ether(frame), Ether(frame)
    for layer in (IP, TCP, ICMP, IPerror, TCPerror, UDPerror):
        if layer in again:
            del again[layer].chksum
    return bytes(again) == bytes(seen)


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_come_out_as_they_do_from_the_walk(ovs: OvsServer, seed: int) -> None:
    print(f"RETIA_SEED={seed}")
    rnd = random.Random(seed)
    flows = some_flows(rnd)
    table, switch, means = FlowTable(flows), Switch(ovs, flows), Means(tracker=Tracker())
    ovs.appctl("dpctl/flush-conntrack")
    wanted: dict[int, list[tuple[int, str]]] = {}
    came_out: list[bytes] = []
    told: dict[int, str] = {}
    for number in range(120):
        made = answer(rnd, rnd.choice(came_out)) if came_out and rnd.random() < 0.6 else some_frame(rnd)
        frame, port = bytes(made) + number.to_bytes(4, "big"), rnd.choice((1, 2, 3))
        story = walk(table, frame, port, means=means)
        wanted[number] = [(sent.port, sent.frame.hex()) for sent in story.sent]
        came_out += [sent.frame for sent in story.sent]
        told[number] = f"{port} {made.summary()} {story.states} {[step.flow for step in story.steps]}"
        switch.send(frame, port)
    seen = switch.sent()
    for number in range(120):
        assert [(port, frame.hex()) for port, frame in seen[number]] == wanted[number], (number, told[number])
    assert sum(map(bool, wanted.values())) > 60
