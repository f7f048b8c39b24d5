"""Random little pipelines and frames that meet: every field and action of ours, few values, so that flows are hit."""

from __future__ import annotations

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from retia.flows import fields
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
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
    Spread,
)
from retia.flows.fields import CT_STATES, FIELDS, WIDE, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import Match, match, meets_needs

TABLES = 8
PORTS = (1, 2, 3, 4)
MACS = (0x020000000001, 0x020000000002, 0x0200000000FF, 0xFFFFFFFFFFFF)
ADDRESSES = (0x0A000001, 0x0A000002, 0x0A0000FE, 0xC0000201)
KINDS: dict[str, dict[str, int]] = {
    "any": {},
    "arp": {"eth_type": fields.ARP},
    "ip": {"eth_type": fields.IPV4},
    "icmp": {"eth_type": fields.IPV4, "nw_proto": fields.ICMP},
    "tcp": {"eth_type": fields.IPV4, "nw_proto": fields.TCP},
    "udp": {"eth_type": fields.IPV4, "nw_proto": fields.UDP},
}
METER = 1
"""Lets pass all that these tests send."""
SENTINEL_TYPE = 0x9999
SENTINEL = Flow(0, 0xFFFF, match(eth_type=SENTINEL_TYPE), tuple(map(Output, PORTS)), 0xFFFF)
"""Goes to every port, so that one can tell when all frames before it are through."""


def some_value(rnd: random.Random, name: str) -> int:
    if name == "in_port":
        return rnd.choice((*PORTS, 0))
    if name.startswith("eth_") or name in ("arp_sha", "arp_tha"):
        return rnd.choice(MACS)
    if name.endswith(("_spa", "_tpa")) or name in ("ip_src", "ip_dst", "tun_src", "tun_dst"):
        return rnd.choice(ADDRESSES)
    if name == "arp_op":
        return rnd.choice((0, 1, 2, 255))
    if name == "ct_state":
        return rnd.choice((0, 0x20, 0x21, 0x22, 0x30))
    if name == "nw_ttl":
        return rnd.choice((0, 1, 2, 64))
    return rnd.choice((0, 1, 2, 3, 80, FIELDS[name].full))


def usable(kind: dict[str, int]) -> list[str]:
    """The fields that a flow of this kind may match or change."""
    return [name for name in FIELDS if name not in kind and name != "eth_type" and meets_needs(match(**kind), name)]


def some_match(rnd: random.Random, kind: dict[str, int]) -> Match:
    wanted: dict[str, int | tuple[int, int]] = dict(kind)
    names = [name for name in usable(kind) if name not in WIDE and name != "nw_proto"]
    for name in rnd.sample(names, rnd.choice((0, 0, 1, 1, 2))):
        value, field = some_value(rnd, name), FIELDS[name]
        wanted[name] = value
        if field.maskable and rnd.random() < 0.4:
            mask = rnd.choice((1, 3, field.full ^ 0xFF, field.full ^ 1))
            wanted[name] = (value & mask, mask)
    return match(**wanted)


def some_part(rnd: random.Random, names: list[str], *, whole_only: bool = False) -> Subfield:
    field = FIELDS[rnd.choice(names)]
    if whole_only or not field.maskable or rnd.random() < 0.5:
        return whole(field.name)
    start = rnd.randrange(field.bits)
    return Subfield(field.name, start, rnd.randrange(1, field.bits - start + 1))


def some_action(rnd: random.Random, table: int, names: list[str]) -> Action:
    choice = rnd.randrange(12)
    if choice == 11:
        return _some_choice(rnd)
    if choice == 10:
        return Punt(rnd.randbytes(rnd.randrange(1, 9)))
    if choice < 3:
        return Output(rnd.choice((*PORTS, *PORTS, *PORTS, IN_PORT, LOCAL)))
    if choice < 4:
        return rnd.choice((ForgetInPort(), CtClear()))
    if choice < 6:
        return Resubmit(rnd.randrange(TABLES) if rnd.random() < 0.2 else rnd.randrange(table + 1, TABLES + 1))
    writable = [name for name in names if FIELDS[name].writable]
    if choice < 8:
        to = some_part(rnd, writable)
        source = some_part(rnd, [name for name in names if FIELDS[name].bits >= to.bits], whole_only=True)
        return Move(Subfield(source.field, 0, to.bits), to)
    to = some_part(rnd, writable)
    return Load(to, some_value(rnd, to.field) >> to.start & (1 << to.bits) - 1)


def _some_choice(rnd: random.Random) -> Action:
    """Of live ports, or of numbers."""
    to = Subfield(rnd.choice(("reg0", "reg3", "xreg5")), rnd.choice((0, 8, 16)), 16)
    if rnd.random() < 0.4:
        return Spread(rnd.choice((1, 2, 7, 100)), to)
    members = tuple(rnd.choice((*PORTS, 9, 65000)) for _ in range(rnd.randrange(6)))
    return LoadLive(members, to, rnd.random() < 0.6)


def _some_ct(rnd: random.Random, table: int) -> Action:
    """Without translation, which a trace does not follow. Only forwards: a trace goes round without end."""
    zone = rnd.choice((0, 1, 2, Subfield("reg0", 0, 16), Subfield("xreg1", 16, 16)))
    return Ct(zone, rnd.choice((None, *range(table + 1, TABLES + 1))), rnd.random() < 0.5)


def some_flow(rnd: random.Random, cookie: int) -> Flow:
    kind = KINDS[rnd.choice(list(KINDS))]
    table = rnd.choice((0, 0, *range(TABLES)))
    wanted = some_match(rnd, kind)
    actions = [some_action(rnd, table, usable(kind)) for _ in range(rnd.randrange(4))]
    if "eth_type" in kind and kind["eth_type"] == fields.IPV4 and rnd.random() < 0.3:
        actions.insert(rnd.randrange(len(actions) + 1), DecTtl())
    if kind.get("eth_type") == fields.IPV4 and (CT_STATES["inv"] & _state(wanted)) == 0 and rnd.random() < 0.3:
        actions.insert(rnd.randrange(len(actions) + 1), _some_ct(rnd, table))
    if rnd.random() < 0.2:
        actions.insert(0, Metered(METER))
    if rnd.random() < 0.6:
        actions.append(Goto(rnd.randrange(table + 1, TABLES + 1)))
    return Flow(table, cookie + 100 * len(wanted), wanted, tuple(actions), cookie)


def _state(wanted: Match) -> int:
    return next((value for name, value, _ in wanted if name == "ct_state"), 0)


def some_flows(rnd: random.Random) -> list[Flow]:
    """Every flow has a priority of its own, so that no two are equals; those that match more come first."""
    return [SENTINEL, *(some_flow(rnd, cookie) for cookie in range(1, 80))]


def some_frame(rnd: random.Random, number: int) -> bytes:
    """A frame whose last four bytes are its number."""
    return _some_packet(rnd) + number.to_bytes(4, "big")


def _some_packet(rnd: random.Random) -> bytes:
    ethernet = Ether(src=_mac(rnd), dst=_mac(rnd))
    if rnd.random() < 0.1:
        ethernet /= Dot1Q(vlan=rnd.randrange(1, 9))
    kind = rnd.choice(("arp", "icmp", "tcp", "udp", "udp", "no-checksum", "fragment", "rest", "other", "cut", "sctp"))
    if kind == "arp":
        hardware = {"hwsrc": _mac(rnd), "hwdst": _mac(rnd)}
        return bytes(ethernet / ARP(op=rnd.choice((1, 2)), psrc=_address(rnd), pdst=_address(rnd), **hardware))
    if kind == "other":
        return bytes(Ether(src=_mac(rnd), dst=_mac(rnd), type=0x88CC) / b"abc")
    ip = ethernet / IP(src=_address(rnd), dst=_address(rnd), ttl=rnd.choice((1, 2, 64)), id=rnd.randrange(9))
    ports = {"sport": rnd.choice((1, 2, 80)), "dport": rnd.choice((1, 2, 80))}
    data = rnd.randbytes(rnd.randrange(40))
    if kind == "fragment":
        ip[IP].flags = "MF"
        return bytes(ip / UDP(**ports, len=999, chksum=rnd.randrange(1, 0xFFFF)) / data)
    made = {
        "icmp": ip / ICMP(type=rnd.choice((0, 8)), code=rnd.choice((0, 1)), seq=rnd.randrange(99)) / data,
        "tcp": ip / TCP(**ports, seq=rnd.randrange(1 << 32), options=rnd.choice(([], [("MSS", 1360)]))) / data,
        "udp": ip / UDP(**ports) / data,
        "no-checksum": ip / UDP(**ports, chksum=0) / data,
        "rest": ip / data,
        "cut": ip / UDP(**ports) / data,
        "sctp": ip / data,
    }[kind]
    if kind == "rest":
        made[IP].frag, made[IP].proto = 7, fields.UDP
    if kind == "sctp":
        made[IP].proto = 132
    return bytes(made)[: len(bytes(ip)) + 3] if kind == "cut" else bytes(made)


def _mac(rnd: random.Random) -> str:
    return ":".join(f"{byte:02x}" for byte in rnd.choice(MACS).to_bytes(6, "big"))


def _address(rnd: random.Random) -> str:
    return ".".join(map(str, rnd.choice(ADDRESSES).to_bytes(4, "big")))
