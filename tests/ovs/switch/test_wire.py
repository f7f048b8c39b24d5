"""Every field and action of Retia's, written over the wire, is what Open vSwitch's own wire dump says it has."""

from __future__ import annotations

import os
import random

import pytest

from retia.flows.actions import (
    IN_PORT,
    LOCAL,
    Action,
    Ct,
    CtClear,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    LoadLive,
    Move,
    Output,
    Resubmit,
    Spread,
    Translate,
)
from retia.flows.fields import ARP, FIELDS, ICMP, IPV4, TCP, UDP, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.switch.bundle import Bundler, put
from retia.switch.connection import connect
from tests.ovs.server import OvsServer

BASES: dict[str, dict[str, int]] = {
    "arp_": {"eth_type": ARP},
    "ip_": {"eth_type": IPV4},
    "nw_": {"eth_type": IPV4},
    "tcp_": {"eth_type": IPV4, "nw_proto": TCP},
    "udp_": {"eth_type": IPV4, "nw_proto": UDP},
    "icmp_": {"eth_type": IPV4, "nw_proto": ICMP},
}
FIXED = {"in_port", "eth_type", "nw_proto"}
SMALL = {*FIXED, "arp_op"}
METADATA = [name for name in FIELDS if name.startswith(("reg", "xreg", "xxreg", "metadata", "tun_metadata"))]
SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))


def base(name: str) -> dict[str, int]:
    return next((fields for prefix, fields in BASES.items() if name.startswith(prefix)), {})


def one_of_each(rnd: random.Random) -> list[Flow]:
    """Each field matched whole and in part, written whole and in part, copied from and to."""
    flows = []

    def add(actions: tuple[Action, ...], **wanted: int | tuple[int, int]) -> None:
        place = len(flows)
        flows.append(Flow(place % 40, 1 + place, match(**wanted), actions, rnd.getrandbits(64)))

    for name, field in FIELDS.items():
        value = rnd.randrange(1, 200) if name in SMALL else rnd.getrandbits(field.bits)
        add((), **{**base(name), name: value})
        mask = rnd.getrandbits(field.bits) | 1
        if field.maskable:
            add((), **{**base(name), name: (value & mask, mask)})
        if name in FIXED or name == "tun_src":
            continue
        part = Subfield(name, rnd.randrange(field.bits // 2), rnd.randrange(1, field.bits // 2 + 1))
        register = Subfield(rnd.choice([one for one in METADATA if FIELDS[one].bits >= 64]), 0, part.bits)
        if not field.writable:
            add((Move(part, register),), **base(name))
            continue
        add((Load(whole(name), value),), **base(name))
        if field.maskable:
            add((Load(part, rnd.getrandbits(part.bits)),), **base(name))
        add((Move(part, register), Move(register, part)), **base(name))
    for action in (Output(5), Output(IN_PORT), Output(LOCAL), Resubmit(7), ForgetInPort(), CtClear(), Goto(50)):
        add((action,))
    add((DecTtl(), Resubmit(2), Goto(60)), eth_type=IPV4)
    number = Subfield("reg0", 8, 16)
    for action in (LoadLive((1, 2, 9), number, True), LoadLive((4,), number, False), Spread(7, number)):
        add((action,))
    for state in (Ct(number, 50), Ct(3, None, True), Ct(3, 50, True, Translate(True, 0xC0000201, 1024, 2047))):
        add((state,), eth_type=IPV4)
    return flows


@pytest.mark.parametrize("turn", range(5))
async def test_every_field_and_action_comes_back(ovs: OvsServer, turn: int) -> None:
    print(f"RETIA_SEED={SEED}")
    flows = {flow.key: flow for flow in one_of_each(random.Random(SEED + turn))}
    connection = await connect(ovs.dir / f"{ovs.bridge()}.mgmt")
    try:
        await connection.map_option()
        refusals = await Bundler(connection).send([put(flow, False) for flow in flows.values()])
        assert [str(refusal.error) for refusal in refusals] == []
        seen = {one.flow.key: one.flow for one in await connection.dump()}
        for key, flow in flows.items():
            assert seen.get(key) == flow
        assert len(seen) == len(flows) > 100
    finally:
        await connection.close()
