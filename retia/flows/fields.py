"""The packet and metadata fields Retia uses, by Open vSwitch's names, with their OXM/NXM codes and widths.

Declared once: text, wire and walk all read this table. `needs` are the prerequisites of OpenFlow 1.5 section
7.2.3.8: alternatives, each a tuple of (field, value), of which one must be matched wholly.
Sources: OpenFlow 1.5.1, ovs-fields(7).
"""

from __future__ import annotations

from typing import NamedTuple

OPENFLOW_BASIC = 0x8000
NXM_0 = 0x0000
NXM_1 = 0x0001

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP = 1, 6, 17


Needs = tuple[tuple[tuple[str, int], ...], ...]


class Field(NamedTuple):
    name: str
    oxm_class: int
    oxm_field: int
    bits: int
    needs: Needs = ()
    maskable: bool = True
    writable: bool = True
    wire_octets: int = 0

    @property
    def octets(self) -> int:
        """The bytes of a value on the wire."""
        return self.wire_octets or (self.bits + 7) // 8

    @property
    def full(self) -> int:
        """The mask of an exact match."""
        return (1 << self.bits) - 1


class Subfield(NamedTuple):
    """`bits` bits of a field from bit `start` (0 = least significant): what actions read and write."""

    field: str
    start: int
    bits: int

    @property
    def mask(self) -> int:
        return ((1 << self.bits) - 1) << self.start

    def __str__(self) -> str:
        if self == whole(self.field):
            return f"{self.field}[]"
        last = self.start + self.bits - 1
        return f"{self.field}[{self.start}]" if self.bits == 1 else f"{self.field}[{self.start}..{last}]"


_IS_IP4: Needs = ((("eth_type", IPV4),),)
_IS_IP: Needs = ((("eth_type", IPV4),), (("eth_type", IPV6),))
_IS_ARP: Needs = ((("eth_type", ARP),),)
_IS_ICMP: Needs = ((("eth_type", IPV4), ("nw_proto", ICMP)),)
_IS_TCP: Needs = tuple((*ip, ("nw_proto", TCP)) for ip in _IS_IP)
_IS_UDP: Needs = tuple((*ip, ("nw_proto", UDP)) for ip in _IS_IP)

_DECLARED = (
    Field("in_port", OPENFLOW_BASIC, 0, 32, maskable=False, writable=False),
    Field("metadata", OPENFLOW_BASIC, 2, 64),
    Field("tun_id", OPENFLOW_BASIC, 38, 64),
    Field("tun_src", NXM_1, 31, 32),
    Field("tun_dst", NXM_1, 32, 32),
    Field("tun_metadata0", NXM_1, 40, 64),
    *(Field(f"reg{n}", NXM_1, n, 32) for n in range(16)),
    *(Field(f"xreg{n}", 0x8001, n, 64) for n in range(8)),
    *(Field(f"xxreg{n}", NXM_1, 111 + n, 128) for n in range(4)),
    Field("ct_state", NXM_1, 105, 8, writable=False, wire_octets=4),
    Field("ct_zone", NXM_1, 106, 16, maskable=False, writable=False),
    Field("eth_dst", OPENFLOW_BASIC, 3, 48),
    Field("eth_src", OPENFLOW_BASIC, 4, 48),
    Field("eth_type", OPENFLOW_BASIC, 5, 16, maskable=False, writable=False),
    Field("nw_proto", OPENFLOW_BASIC, 10, 8, _IS_IP, maskable=False, writable=False),
    Field("nw_ttl", NXM_1, 29, 8, _IS_IP, maskable=False),
    Field("ip_src", OPENFLOW_BASIC, 11, 32, _IS_IP4),
    Field("ip_dst", OPENFLOW_BASIC, 12, 32, _IS_IP4),
    Field("tcp_src", OPENFLOW_BASIC, 13, 16, _IS_TCP),
    Field("tcp_dst", OPENFLOW_BASIC, 14, 16, _IS_TCP),
    Field("udp_src", OPENFLOW_BASIC, 15, 16, _IS_UDP),
    Field("udp_dst", OPENFLOW_BASIC, 16, 16, _IS_UDP),
    Field("icmp_type", OPENFLOW_BASIC, 19, 8, _IS_ICMP, maskable=False),
    Field("icmp_code", OPENFLOW_BASIC, 20, 8, _IS_ICMP, maskable=False),
    Field("arp_op", OPENFLOW_BASIC, 21, 16, _IS_ARP, maskable=False),
    Field("arp_spa", OPENFLOW_BASIC, 22, 32, _IS_ARP),
    Field("arp_tpa", OPENFLOW_BASIC, 23, 32, _IS_ARP),
    Field("arp_sha", OPENFLOW_BASIC, 24, 48, _IS_ARP),
    Field("arp_tha", OPENFLOW_BASIC, 25, 48, _IS_ARP),
)

CT_STATES = {"new": 1, "est": 2, "rel": 4, "rpl": 8, "inv": 16, "trk": 32, "snat": 64, "dnat": 128}
"""The bits of ct_state, all that there are of 32: Open vSwitch shows a match on the others as one without them. A
packet that was not tracked has none."""

OPTION = "tun_metadata0"
"""The Geneve option. A packet without it reads as 0, but no match on it hits, not even one on 0."""

FIELDS: dict[str, Field] = {field.name: field for field in _DECLARED}
ORDER: dict[str, int] = {name: place for place, name in enumerate(FIELDS)}

WIDE: dict[str, tuple[str, ...]] = {
    **{f"xreg{n}": (f"reg{2 * n}", f"reg{2 * n + 1}") for n in range(8)},
    **{f"xxreg{n}": tuple(f"reg{4 * n + k}" for k in range(4)) for n in range(4)},
}
"""Wide registers and the 32-bit ones they are made of, most significant first."""


def whole(name: str) -> Subfield:
    return Subfield(name, 0, FIELDS[name].bits)
