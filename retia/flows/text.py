"""The ovs-ofctl view of flows: a line out, a line of `dump-flows` in. For people, `why`, and tests; never hot.

Dump text loses masks of tun_metadata (the wire reply has them), so it is never a source for adding flows.
Sources: ovs-fields(7), ovs-actions(7), ovs-ofctl(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from retia.errors import InvalidInput
from retia.flows.actions import (
    IN_PORT,
    LOCAL,
    Action,
    Actions,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    Move,
    Output,
    Resubmit,
)
from retia.flows.fields import ARP, FIELDS, ICMP, IPV4, IPV6, TCP, UDP, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import Match, match
from retia.flows.wire import Foreign, Observed
from retia.values import Ip, Ip4, Mac

_NAMES = {IN_PORT: "IN_PORT", LOCAL: "LOCAL", 0xFFFFFFFD: "CONTROLLER", 0xFFFFFFFB: "FLOOD", 0xFFFFFFFA: "NORMAL"}
_PORTS = {name: port for port, name in _NAMES.items()}
_MACS = ("eth_src", "eth_dst", "arp_sha", "arp_tha")
_ADDRESSES = ("ip_src", "ip_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst")
_DECIMAL = ("nw_proto", "nw_ttl", "icmp_type", "icmp_code", "arp_op", "tcp_src", "tcp_dst", "udp_src", "udp_dst")
_OLD_NAMES = {"dl_src": "eth_src", "dl_dst": "eth_dst", "dl_type": "eth_type", "nw_src": "ip_src", "nw_dst": "ip_dst"}
_SHORTHANDS: dict[str, dict[str, int]] = {
    "ip": {"eth_type": IPV4},
    "ipv6": {"eth_type": IPV6},
    "arp": {"eth_type": ARP},
    "icmp": {"eth_type": IPV4, "nw_proto": ICMP},
    "tcp": {"eth_type": IPV4, "nw_proto": TCP},
    "udp": {"eth_type": IPV4, "nw_proto": UDP},
}


# -- out ------------------------------------------------------------------------------------------------------------


def show_flow(flow: Flow) -> str:
    """A flow as `ovs-ofctl add-flow` takes it."""
    head = [f"cookie={flow.cookie:#x}", f"table={flow.table}", f"priority={flow.priority}"]
    return (
        ",".join([*head, *([show_match(flow.match)] if flow.match else [])]) + f" actions={show_actions(flow.actions)}"
    )


def show_match(wanted: Match) -> str:
    return ",".join(_show_field(name, value, mask) for name, value, mask in wanted)


def _show_field(name: str, value: int, mask: int) -> str:
    full = FIELDS[name].full if name in FIELDS else 0
    shown = f"{name}={show_value(name, value)}"
    return shown if mask == full else f"{shown}/{_show_mask(name, mask)}"


def _show_mask(name: str, mask: int) -> str:
    return show_value(name, mask) if name in _MACS or name in _ADDRESSES else f"{mask:#x}"


def show_value(name: str, value: int) -> str:
    """A field's value as Open vSwitch writes it."""
    if name in _MACS:
        return str(Mac(value))
    if name in _ADDRESSES:
        return str(Ip4(value))
    if name == "in_port":
        return _NAMES.get(value, str(value))
    if name in _DECIMAL:
        return str(value)
    return f"{value:#x}" if value or name == "eth_type" else "0"


def show_actions(actions: Actions) -> str:
    return ",".join(map(show_action, actions)) or "drop"


def show_action(action: Action) -> str:
    match action:
        case Load(to, value):
            shown = show_value(to.field, value << to.start)
            mask = "" if to == whole(to.field) else f"/{_show_mask(to.field, to.mask)}"
            return f"set_field:{shown}{mask}->{to.field}"
        case Move(source, to):
            return f"move:{_show_part(source)}->{_show_part(to)}"
        case Output(port):
            return _NAMES.get(port) or f"output:{port}"
        case Resubmit(table):
            return f"resubmit(,{table})"
        case Goto(table):
            return f"goto_table:{table}"
        case DecTtl():
            return "dec_ttl"
        case ForgetInPort():
            return "set_field:0->in_port"
        case Foreign(data):
            return f"foreign({data.hex()})"
    raise TypeError(f"{action!r} has no text form")


_NXM_NAMES = {
    "in_port": "NXM_OF_IN_PORT",
    "metadata": "OXM_OF_METADATA",
    "tun_id": "NXM_NX_TUN_ID",
    "tun_src": "NXM_NX_TUN_IPV4_SRC",
    "tun_dst": "NXM_NX_TUN_IPV4_DST",
    "tun_metadata0": "NXM_NX_TUN_METADATA0",
    "eth_dst": "NXM_OF_ETH_DST",
    "eth_src": "NXM_OF_ETH_SRC",
    "eth_type": "NXM_OF_ETH_TYPE",
    "nw_proto": "NXM_OF_IP_PROTO",
    "nw_ttl": "NXM_NX_IP_TTL",
    "ip_src": "NXM_OF_IP_SRC",
    "ip_dst": "NXM_OF_IP_DST",
    "tcp_src": "NXM_OF_TCP_SRC",
    "tcp_dst": "NXM_OF_TCP_DST",
    "udp_src": "NXM_OF_UDP_SRC",
    "udp_dst": "NXM_OF_UDP_DST",
    "icmp_type": "NXM_OF_ICMP_TYPE",
    "icmp_code": "NXM_OF_ICMP_CODE",
    "arp_op": "NXM_OF_ARP_OP",
    "arp_spa": "NXM_OF_ARP_SPA",
    "arp_tpa": "NXM_OF_ARP_TPA",
    "arp_sha": "NXM_NX_ARP_SHA",
    "arp_tha": "NXM_NX_ARP_THA",
    **{f"reg{n}": f"NXM_NX_REG{n}" for n in range(16)},
    **{f"xreg{n}": f"OXM_OF_PKT_REG{n}" for n in range(8)},
    **{f"xxreg{n}": f"NXM_NX_XXREG{n}" for n in range(4)},
}
_FROM_NXM = {nxm: name for name, nxm in _NXM_NAMES.items()}


def _show_part(part: Subfield) -> str:
    name, bracket, rest = str(part).partition("[")
    return f"{_NXM_NAMES[name]}{bracket}{rest}"


# -- in -------------------------------------------------------------------------------------------------------------

_HEAD = re.compile(r"(cookie|table|priority|n_packets|n_bytes|duration)=([^, ]+)")
_IGNORED = ("cookie", "table", "priority", "n_packets", "n_bytes", "duration", "idle_age", "hard_age", "reset_counts")


def parse_flow(line: str) -> Observed:
    """A line of `ovs-ofctl dump-flows` (of OpenFlow 1.0 to 1.5) or of `add-flow`. Raises InvalidInput."""
    before, found, after = line.strip().partition("actions=")
    if not found:
        raise InvalidInput(f"{line.strip()!r} is no flow", advice="give a whole line of ovs-ofctl dump-flows")
    try:
        head = dict(_HEAD.findall(before))
        wanted = _parse_match(before)
        actions = tuple(_parse_actions(after))
    except (KeyError, ValueError, StopIteration) as error:
        what = f"{line.strip()!r} has a part Retia never writes: {error}"
        raise InvalidInput(what, advice="only flows of Retia's own bridge can be explained") from None
    cookie, table = int(head.get("cookie", "0"), 0), int(head.get("table", "0"))
    flow = Flow(table, int(head.get("priority", "32768")), wanted, actions, cookie)
    seconds = float(head.get("duration", "0").rstrip("s"))
    return Observed(flow, int(head.get("n_packets", "0")), int(head.get("n_bytes", "0")), seconds)


def _parse_match(text: str) -> Match:
    wanted: dict[str, int | tuple[int, int]] = {}
    for word in re.split(r"[,\s]+", text.strip()):
        name, _, value = word.partition("=")
        if not word or name in _IGNORED:
            continue
        if not value:
            wanted.update(_SHORTHANDS[name])
            continue
        name = _modern_name(name, wanted)
        number, _, mask = value.partition("/")
        wanted[name] = (_number(name, number), _mask(name, mask)) if mask else _number(name, number)
    return match(**wanted)


def _modern_name(name: str, wanted: dict[str, int | tuple[int, int]]) -> str:
    """tp_src and icmp's tp fields depend on the protocol before them."""
    if name in ("tp_src", "tp_dst"):
        proto = {TCP: "tcp", UDP: "udp"}[int(str(wanted["nw_proto"]))]
        return f"{proto}{name[2:]}"
    if name in ("nw_src", "nw_dst", "ip_src", "ip_dst") and wanted.get("eth_type") == ARP:
        return f"arp_{name[-3]}pa".replace("arp_dpa", "arp_tpa")
    return _OLD_NAMES.get(name, name)


def _mask(name: str, text: str) -> int:
    if name in _ADDRESSES and text.isdigit():
        return (1 << 32) - (1 << (32 - int(text)))
    return _number(name, text)


def _number(name: str, text: str) -> int:
    if name in _MACS:
        return Mac.parse(text)
    if name in _ADDRESSES and "." in text:
        return Ip.parse(text)
    if name == "in_port" and text in _PORTS:
        return _PORTS[text]
    FIELDS[name]
    return int(text, 0)


def _parse_actions(text: str) -> Iterator[Action]:
    for word in re.split(r",(?![^(]*\))", text.strip()):
        if word and word != "drop":
            yield _parse_action(word)


def _parse_action(word: str) -> Action:
    name, _, rest = word.partition(":")
    if word == "set_field:0->in_port":
        return ForgetInPort()
    if name == "set_field":
        return _parse_load(rest)
    if name == "load":
        value, _, to = rest.partition("->")
        return Load(_parse_part(to), int(value, 0))
    if name == "move":
        source, _, to = rest.partition("->")
        return Move(_parse_part(source), _parse_part(to))
    if name == "output":
        return Output(_PORTS.get(rest) or int(rest))
    if name == "goto_table":
        return Goto(int(rest))
    if word.startswith("resubmit(,"):
        return Resubmit(int(word[len("resubmit(,") : -1]))
    if word in ("dec_ttl", "dec_ttl(0)"):
        return DecTtl()
    return Output(_PORTS[word])


def _parse_load(text: str) -> Load:
    value, _, name = text.partition("->")
    name = _OLD_NAMES.get(name, name)
    number, _, mask = value.partition("/")
    if not mask:
        return Load(whole(name), _number(name, number))
    bits = _number(name, mask)
    start = (bits & -bits).bit_length() - 1
    return Load(Subfield(name, start, bits.bit_length() - start), _number(name, number) >> start)


def _parse_part(text: str) -> Subfield:
    nxm, _, rest = text.partition("[")
    name = _FROM_NXM.get(nxm, nxm)
    inside = rest.rstrip("]")
    if not inside:
        return whole(name)
    first, _, last = inside.partition("..")
    return Subfield(name, int(first), int(last or first) - int(first) + 1)
