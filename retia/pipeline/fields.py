"""Where the pipeline keeps what it knows of a packet: registers and the Geneve option, by name.

    metadata      datapath: the switch or router the packet is in (24 bits, the Geneve VNI)
    reg0[0..15]   source port key         reg0[16..31]  flags: loopback, forwarded, redirected, traced (16-19)
    reg1[0..15]   destination port key    reg1[16..31]  host key of the destination (0 = this host, ffff = an edge)
    reg2[0..23]   neighbour datapath: where the shared address table looks
    reg3[0..15]   drop reason             reg3[16]      larger than the next switch's MTU
    reg3[17]      came by an uplink       reg3[18]      its destination was translated by this router
    reg3[19]      it may be an answer whose source this router translates back
    xxreg1        neighbour address: next hop or ARP target (IPv4 in the low 32 bits = reg7; IPv6 later)
    xreg4         neighbour MAC, the answer of the address table (0 = unknown)
    reg10[0..23]  router whose edges are chosen from
    reg11         the router's zones of connection tracking: DNAT (low 16 bits), SNAT (high 16 bits)
    reg12[0..15]  the live tunnel port that was chosen (ffff = none lives)
    reg12[16..31] which of several next hops was chosen
    reg13[0..15]  command id: which trace a traced packet is of
    xreg7         the stage that a traced packet reported last, one bit for each
    tun_metadata0 source port 16 | destination port 16 | frame flags 16 | command id 16  (from the top)

Checked at import: widths fit and nothing overlaps.
"""

from __future__ import annotations

from retia.flows.fields import FIELDS, Subfield
from retia.flows.match import Match, match, merge
from retia.pipeline.stage import PipelineError

DATAPATH = Subfield("metadata", 0, 24)
SOURCE_PORT = Subfield("reg0", 0, 16)
FLAGS = Subfield("reg0", 16, 16)
LOOPBACK = Subfield("reg0", 16, 1)
FORWARDED = Subfield("reg0", 17, 1)
REDIRECTED = Subfield("reg0", 18, 1)
TRACED = Subfield("reg0", 19, 1)
DESTINATION_PORT = Subfield("reg1", 0, 16)
DESTINATION_HOST = Subfield("reg1", 16, 16)
DESTINATION = Subfield("reg1", 0, 32)
NEIGHBOUR_DATAPATH = Subfield("reg2", 0, 24)
REASON = Subfield("reg3", 0, 16)
LARGE = Subfield("reg3", 16, 1)
FROM_UPLINK = Subfield("reg3", 17, 1)
NATTED = Subfield("reg3", 18, 1)
TRIED = Subfield("reg3", 19, 1)
EDGE_ROUTER = Subfield("reg10", 0, 24)
DNAT_ZONE = Subfield("reg11", 0, 16)
SNAT_ZONE = Subfield("reg11", 16, 16)
LIVE_PORT = Subfield("reg12", 0, 16)
MEMBER = Subfield("reg12", 16, 16)
COMMAND = Subfield("reg13", 0, 16)
TOLD = Subfield("xreg7", 0, 64)
NEIGHBOUR_IP4 = Subfield("reg7", 0, 32)
NEIGHBOUR_IP6 = Subfield("xxreg1", 0, 128)
NEIGHBOUR_MAC = Subfield("xreg4", 0, 48)

TUNNEL_KEY = Subfield("tun_id", 0, 24)
TUNNEL_SOURCE_PORT = Subfield("tun_metadata0", 48, 16)
TUNNEL_DESTINATION_PORT = Subfield("tun_metadata0", 32, 16)
TUNNEL_FLAGS = Subfield("tun_metadata0", 16, 16)
TUNNEL_COMMAND = Subfield("tun_metadata0", 0, 16)
TUNNEL_TRACED = Subfield("tun_metadata0", TUNNEL_FLAGS.start + TRACED.start - FLAGS.start, 1)

NAMED: dict[str, Subfield] = {
    "source_port": SOURCE_PORT,
    "destination_port": DESTINATION_PORT,
    "destination_host": DESTINATION_HOST,
    "flags": FLAGS,
    "neighbour_datapath": NEIGHBOUR_DATAPATH,
    "reason": REASON,
    "large": LARGE,
    "from_uplink": FROM_UPLINK,
    "natted": NATTED,
    "tried": TRIED,
    "edge_router": EDGE_ROUTER,
    "dnat_zone": DNAT_ZONE,
    "snat_zone": SNAT_ZONE,
    "live_port": LIVE_PORT,
    "member": MEMBER,
    "command": COMMAND,
    "told": TOLD,
    "neighbour_ip4": NEIGHBOUR_IP4,
    "neighbour_mac": NEIGHBOUR_MAC,
}
"""The registers that do not overlap, by the names `when()` takes."""

ALIASES: dict[str, Subfield] = {
    "loopback": LOOPBACK,
    "forwarded": FORWARDED,
    "redirected": REDIRECTED,
    "traced": TRACED,
    "neighbour_ip6": NEIGHBOUR_IP6,
}
"""Parts or larger views of the registers above, on purpose."""


def when(*, datapath: int | None = None, **wanted: int | tuple[int, int]) -> Match:
    """A match by the pipeline's names (see NAMED and ALIASES) and Open vSwitch's field names together."""
    subfields = [(NAMED.get(name) or ALIASES[name], value) for name, value in wanted.items()
                 if (name in NAMED or name in ALIASES) and isinstance(value, int)]  # fmt: skip
    plain = {name: value for name, value in wanted.items() if name in FIELDS}
    if len(subfields) + len(plain) != len(wanted):
        raise PipelineError(f"unknown field among {sorted(wanted)}")
    base = match(**plain) if datapath is None else match(metadata=datapath, **plain)
    return merge(base, *subfields) if subfields else base


def _bits_of(subfield: Subfield) -> set[tuple[int, int]]:
    """(32-bit register, bit) pairs, so that reg, xreg and xxreg views can be compared."""
    name = subfield.field.rstrip("0123456789")
    place = int(subfield.field[len(name) :])
    width = {"reg": 1, "xreg": 2, "xxreg": 4}[name]
    bits = range(subfield.start, subfield.start + subfield.bits)
    return {(place * width + width - 1 - bit // 32, bit % 32) for bit in bits}


def _check() -> None:
    taken: dict[tuple[int, int], str] = {}
    for name, subfield in NAMED.items():
        if subfield.start + subfield.bits > FIELDS[subfield.field].bits:
            raise PipelineError(f"{name} does not fit into {subfield.field}")
        for bit in _bits_of(subfield):
            if taken.setdefault(bit, name) != name:
                raise PipelineError(f"{name} overlaps {taken[bit]} in reg{bit[0]} bit {bit[1]}")


_check()


class Shape:
    """A match of fixed fields, made quickly: `Shape("datapath", "eth_dst")(5, mac)`. For rules with many rows."""

    def __init__(self, *names: str) -> None:
        self.__name__ = "_and_".join(names)
        full = when(**{name: FIELDS[name].full if name in FIELDS else _part(name) for name in names})
        if len(full) != len(names):
            raise PipelineError(f"{names} do not make a field each")
        order = {field: place for place, (field, _, _) in enumerate(full)}
        parts = [_subfield(name) for name in names]
        ranked = sorted(range(len(parts)), key=lambda place: order[parts[place].field])
        self._parts = [(place, parts[place].field, parts[place].start, parts[place].mask) for place in ranked]

    def __call__(self, *values: int) -> Match:
        return tuple([(field, int(values[place]) << start, mask) for place, field, start, mask in self._parts])


def _subfield(name: str) -> Subfield:
    if name == "datapath":
        return Subfield("metadata", 0, 64)
    return NAMED.get(name) or ALIASES.get(name) or Subfield(name, 0, FIELDS[name].bits)


def _part(name: str) -> int:
    return (1 << _subfield(name).bits) - 1
