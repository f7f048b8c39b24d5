"""Random valid flows of the fields and actions Retia uses, and random frames. Shared by unit and real-switch tests."""

from __future__ import annotations

import random

from retia.flows.actions import (
    Action,
    CheckLarger,
    Ct,
    CtClear,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    LoadLive,
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
    Spread,
    Translate,
)
from retia.flows.fields import ARP, FIELDS, ICMP, IPV4, TCP, UDP, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import match

ALWAYS = [
    "in_port",
    "metadata",
    "tun_id",
    "tun_dst",
    "tun_metadata0",
    "reg0",
    "reg3",
    "reg9",
    "reg15",
    "ct_state",
    "ct_zone",
]
ETHERNET = ["eth_dst", "eth_src"]
KINDS = {
    "any": ({}, []),
    "arp": ({"eth_type": ARP}, ["arp_spa", "arp_tpa", "arp_sha", "arp_tha"]),
    "ip": ({"eth_type": IPV4}, ["ip_src", "ip_dst", "nw_ttl"]),
    "icmp": ({"eth_type": IPV4, "nw_proto": ICMP}, ["icmp_type", "icmp_code", "ip_dst", "nw_ttl"]),
    "tcp": ({"eth_type": IPV4, "nw_proto": TCP}, ["tcp_src", "tcp_dst", "ip_src"]),
    "udp": ({"eth_type": IPV4, "nw_proto": UDP}, ["udp_src", "udp_dst", "ip_dst"]),
}
METER = 7
READ_ONLY = {"in_port", "nw_proto", "eth_type", "ct_state", "ct_zone"}


def random_flow(rnd: random.Random, tables: int = 20) -> Flow:
    fixed, more = KINDS[rnd.choice(list(KINDS))]
    table = rnd.randrange(tables)
    names = [*ALWAYS, *ETHERNET, *more]
    wanted = {name: _value(rnd, name) for name in rnd.sample(names, rnd.randrange(0, 4))}
    actions = [_action(rnd, [*names]) for _ in range(rnd.randrange(0, 4))]
    if "eth_type" in fixed and fixed["eth_type"] == IPV4 and rnd.random() < 0.3:
        actions.append(DecTtl())
    if fixed.get("eth_type") == IPV4 and rnd.random() < 0.3:
        actions.append(_ct(rnd))
    if rnd.random() < 0.1:
        actions.insert(0, Metered(METER))
    if table + 1 < tables and rnd.random() < 0.5:
        actions.append(Goto(rnd.randrange(table + 1, tables)))
    return Flow(table, rnd.randrange(1, 60000), match(**fixed, **wanted), tuple(actions), rnd.getrandbits(64))


def _value(rnd: random.Random, name: str) -> int | tuple[int, int]:
    field = FIELDS[name]
    value = rnd.randrange(1, 60) if name == "in_port" else rnd.getrandbits(min(field.bits, 32)) & field.full
    if not field.maskable or name.startswith(("tcp", "udp")) or rnd.random() < 0.6:
        return value
    bits = rnd.randrange(1, field.bits + 1)
    mask = (field.full >> (field.bits - bits)) << (field.bits - bits)
    return value & mask, mask


def _action(rnd: random.Random, names: list[str]) -> Action:
    choice = rnd.randrange(10)
    if choice == 0:
        return Output(rnd.randrange(1, 60))
    if choice == 1:
        return rnd.choice((ForgetInPort(), CtClear()))
    if choice == 2:
        return Resubmit(rnd.randrange(0, 20))
    if choice == 3:
        return Move(
            Subfield("reg9", 0, 16), Subfield(rnd.choice(["reg3", "xreg6", "metadata", "tun_metadata0"]), 8, 16)
        )
    if choice == 6:
        return Punt(rnd.randbytes(rnd.randrange(1, 20)))
    if choice == 7:
        return CheckLarger(rnd.randrange(1, 0x10000), Subfield(rnd.choice(["reg3", "reg9"]), rnd.randrange(32), 1))
    if choice == 8:
        members = tuple(rnd.randrange(1, 0xFF00) for _ in range(rnd.randrange(5)))
        return LoadLive(members, Subfield(rnd.choice(["reg3", "xreg6"]), rnd.choice([0, 16]), 16), rnd.random() < 0.5)
    if choice == 9:
        return Spread(rnd.randrange(1, 257), Subfield(rnd.choice(["reg3", "xxreg2"]), rnd.randrange(16), 8))
    part = whole(rnd.choice([name for name in names if name not in READ_ONLY | {"tun_id"}]))
    if (
        rnd.random() < 0.5
        and part.bits > 8
        and FIELDS[part.field].maskable
        and not part.field.startswith(("tcp", "udp"))
    ):
        part = Subfield(part.field, rnd.randrange(0, 4), 5)
    return Load(part, rnd.getrandbits(part.bits))


def _ct(rnd: random.Random) -> Ct:
    zone = rnd.choice([0, 7, 0xFFFF, Subfield("reg9", 0, 16), Subfield("xreg6", 16, 16), Subfield("metadata", 8, 16)])
    table = rnd.choice([None, rnd.randrange(20)])
    if rnd.random() < 0.5:
        return Ct(zone, table, rnd.random() < 0.5, rnd.choice([None, Translate()]))
    first = rnd.choice([0, rnd.randrange(1, 60000)])
    last = first and rnd.choice([first, first + rnd.randrange(1, 5000)])
    return Ct(zone, table, True, Translate(rnd.random() < 0.5, rnd.getrandbits(32) | 1, first, last))
