"""The walk against a real Open vSwitch: the flows it hits, the fields it ends with, and every byte it sends."""

from __future__ import annotations

import os
import random
import re

import pytest

from retia.flows.actions import LOCAL, Ct
from retia.flows.conntrack import Tracker
from retia.flows.fields import FIELDS, WIDE
from retia.flows.lookup import FlowTable
from retia.flows.packet import parse
from retia.flows.reading import _parse_match
from retia.flows.spelling import SHORTHANDS
from retia.flows.walk import Fate, Means, Walk, walk
from tests.ovs.flows.pipelines import PORTS, some_flows, some_frame
from tests.ovs.flows.switch import Switch
from tests.ovs.server import OvsServer

FRESH = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
# Seed 6 sends nothing at all.
SEEDS = [*(pytest.param(n, id=f"seed-{n}") for n in range(13) if n != 6), pytest.param(FRESH, id="seed-fresh")]
COMPARED = [name for name in FIELDS if name not in WIDE and name not in ("tun_id", "tun_src")]
_RULE = re.compile(r"^ *\d+\. (?:.*, cookie 0x([0-9a-f]+)|(No match)\.)$", re.M)


def final_fields(trace: str) -> dict[str, int]:
    """Our fields of the last flow that a trace shows."""
    flow, final = (re.findall(rf"^{name}: (.*)$", trace, re.M)[-1] for name in ("Flow", "Final flow"))
    words = (flow if final == "unchanged" else final).split(",")
    known = [word for word in words if word in SHORTHANDS or word.partition("=")[0] in KNOWN]
    if "sctp" in known:
        known = [word for word in known if not word.startswith("tp_")]
    return {name: value for name, value, _ in _parse_match(known, {})}


KNOWN = {*FIELDS, "dl_src", "dl_dst", "dl_type", "nw_src", "nw_dst", "tp_src", "tp_dst"} - {"tun_id"}


def is_beyond(story: Walk, frame: bytes) -> bool:
    """Whether flows changed what Open vSwitch 3.1 changes wrongly: broken headers (it writes over whatever is there),
    and addresses of later fragments (it "mends" a checksum inside the payload). Or tracked a fragment: it would
    wait for the others."""
    packet = parse(frame)
    actions = [action for step in story.steps if step.flow for action in step.flow.actions]
    if packet.is_fragment and any(isinstance(action, Ct) for action in actions):
        return True
    changed = {name for step in story.steps for name in step.changed if name.startswith(("ip_", "nw_", "arp_"))}
    later = packet.is_fragment and "udp" not in packet.headers
    return bool(changed) and (later or not packet.headers.keys() & {"ip", "arp"})


def is_traced_rightly(story: Walk, frame: bytes) -> bool:
    """A trace counts no passes through connection tracking, and goes on behind one with what flows wrote into a broken
    header; the packet has none of that."""
    return story.stopped is not Fate.RECIRC_LIMIT and not (story.recirculations and is_beyond(story, frame))


def compare(story: Walk, trace: str) -> None:
    hits, seen = hits_of(trace), cookies_of(story)
    if story.stopped:
        assert "\nDatapath actions: drop\n" in trace
        assert story.states or seen == hits[: len(seen)]  # a trace follows also the copies that are not made then
    else:
        assert seen == hits, trace
        final = final_fields(trace)
        final.setdefault("tun_metadata0", story.fields.get("tun_metadata0", 0))  # a trace often leaves it out
        assert {name: story.fields.get(name, 0) for name in COMPARED} == {
            name: final.get(name, 0) for name in COMPARED
        }, trace


def hits_of(trace: str) -> list[int | None]:
    """The cookies of the flows that were hit, in order; None is a miss."""
    return [int(cookie, 16) if cookie else None for cookie, _ in _RULE.findall(trace)]


def cookies_of(story: Walk) -> list[int | None]:
    return [step.flow.cookie if step.flow else None for step in story.steps]


@pytest.mark.parametrize("seed", SEEDS)
def test_walk_and_switch_agree(ovs: OvsServer, seed: int) -> None:
    print(f"RETIA_SEED={seed}")
    rnd = random.Random(seed)
    flows = some_flows(rnd)
    table, switch = FlowTable(flows), Switch(ovs, flows)
    means = Means(tracker=Tracker(), live=PORTS.__contains__)
    ovs.appctl("dpctl/flush-conntrack")
    ovs.appctl("dpctl/ipf-set-disabled", "v4")  # it would let out the fragments of one test in the next
    stories, frames = {}, {}
    for number in range(60):
        frame, in_port = some_frame(rnd, number), rnd.choice(PORTS)
        frames[number] = frame
        stories[number] = walk(table, frame, in_port, means=means)
        if is_traced_rightly(stories[number], frame):
            compare(stories[number], switch.trace(frame, in_port, stories[number].states))
        switch.send(frame, in_port)
    seen = switch.sent()
    for number, story in stories.items():
        if is_beyond(story, frames[number]):
            continue
        wanted = sorted((sent.port, sent.frame.hex()) for sent in story.sent if sent.port != LOCAL)
        assert [(port, frame.hex()) for port, frame in sorted(seen[number])] == wanted, number
    assert seed == FRESH or any(story.sent for story in stories.values())
