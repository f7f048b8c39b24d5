"""Lines of `ovs-ofctl dump-flows` and `add-flow` as values. Called through `text`: what people paste, and tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from retia.errors import InvalidInput
from retia.flows.actions import (
    CONTROLLER_ID,
    Action,
    Actions,
    CheckLarger,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    Metered,
    Move,
    Output,
    Punt,
    Resubmit,
)
from retia.flows.fields import ARP, FIELDS, TCP, UDP, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.forms import read, read_part, read_state
from retia.flows.match import Match, match
from retia.flows.spelling import ADDRESSES, MACS, OLD_NAMES, QUOTED, RESERVED_PORTS, SHORTHANDS
from retia.flows.wire import Observed
from retia.values import Ip, Mac

_WORD = re.compile(rf"(?:{QUOTED}|[^,\s\"])+")
_ACTION = re.compile(rf"(?:\((?:{QUOTED}|[^()\"]|\([^()]*\))*\)|{QUOTED}|[^,(\"])+")
_HEAD = ("cookie", "table", "priority", "n_packets", "n_bytes", "duration", "idle_age", "hard_age", "reset_counts")
_OLD_WRITES = {
    **{f"mod_dl_{end}": f"eth_{end}" for end in ("src", "dst")},
    **{f"mod_nw_{end}": f"ip_{end}" for end in ("src", "dst")},
    **{f"mod_tp_{end}": f"tp_{end}" for end in ("src", "dst")},
}
_PROTOCOLS = {TCP: "tcp", UDP: "udp"}

PortNames = Mapping[str, int]


def parse_flow(line: str, ports: PortNames | None = None) -> Observed:
    """A line of `ovs-ofctl dump-flows` (of any OpenFlow version) or of `add-flow`. `ports` are the numbers of ports it
    may call by name. Dumps of OpenFlow 1.0 to 1.2 show a goto as resubmit and lose some masks of actions.
    Raises InvalidInput."""
    before, found, after = line.strip().partition("actions=")
    if not found:
        raise InvalidInput(f"{line.strip()!r} is no flow", advice="give a whole line of ovs-ofctl dump-flows")
    names = ports or {}
    try:
        head, words = _split_head(before)
        wanted = _parse_match(words, names)
        actions = tuple(_parse_actions(after, wanted, names))
        return _observed(head, wanted, actions)
    except UnknownPort as error:
        what = f"no port is called {error}"
        raise InvalidInput(what, advice="show the flow again with ovs-ofctl --no-names") from None
    except (KeyError, ValueError, InvalidInput) as error:
        what = f"{line.strip()!r} has a part Retia never writes: {error}"
        raise InvalidInput(what, advice="only flows of Retia's own bridge can be explained") from None


class UnknownPort(Exception):
    """A port name that nobody knows."""


def _split_head(text: str) -> tuple[dict[str, str], list[str]]:
    """The flow's identity and counters, and the words of its match."""
    words = _WORD.findall(text)
    head = dict(word.partition("=")[::2] for word in words if word.partition("=")[0] in _HEAD)
    return head, [word for word in words if word.partition("=")[0] not in _HEAD]


def _observed(head: dict[str, str], wanted: Match, actions: Actions) -> Observed:
    def number(name: str, default: int = 0) -> int:
        return int(head.get(name, str(default)), 0)

    flow = Flow(number("table"), number("priority", 32768), wanted, actions, number("cookie"))
    return Observed(flow, number("n_packets"), number("n_bytes"), float(head.get("duration", "0").rstrip("s")))


def _parse_match(words: list[str], ports: PortNames) -> Match:
    wanted: dict[str, int | tuple[int, int]] = {}
    for word in words:
        name, given, value = word.partition("=")
        if not given:
            wanted.update(SHORTHANDS[name])
            continue
        name = _modern_name(name, wanted)
        if name == "in_port":
            wanted[name] = _port(value, ports)
            continue
        if name == "ct_state":
            wanted[name] = read_state(value)
            continue
        number, _, mask = value.partition("/")
        wanted[name] = (_number(name, number), _mask(name, mask)) if mask else _number(name, number)
    return match(**wanted)


def _modern_name(name: str, wanted: Mapping[str, int | tuple[int, int]]) -> str:
    """What tp_src, and nw_src of ARP, mean depends on the protocol before them."""
    if name in ("tp_src", "tp_dst"):
        return f"{_PROTOCOLS[int(str(wanted['nw_proto']))]}{name[2:]}"
    if name in ("nw_src", "nw_dst") and wanted.get("eth_type") == ARP:
        return "arp_spa" if name == "nw_src" else "arp_tpa"
    return OLD_NAMES.get(name, name)


def _mask(name: str, text: str) -> int:
    if name in ADDRESSES and text.isdigit():
        return (1 << 32) - (1 << (32 - int(text)))
    return _number(name, text)


def _number(name: str, text: str) -> int:
    if name in MACS:
        return Mac.parse(text)
    if name in ADDRESSES and "." in text:
        return Ip.parse(text)
    number, bits = int(text, 0), FIELDS[name].bits
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{text} does not fit into {name}")
    return number


def _port(text: str, ports: PortNames) -> int:
    """A port by number, reserved name or name; a name that could be taken for one of the others is quoted."""
    if text in RESERVED_PORTS or text.isdigit():
        return RESERVED_PORTS.get(text) or int(text)
    name = str(json.loads(text)) if text.startswith('"') else text
    if name not in ports:
        raise UnknownPort(name)
    return ports[name]


def _parse_actions(text: str, wanted: Match, ports: PortNames) -> Iterator[Action]:
    for word in _ACTION.findall(text.strip()):
        if word != "drop":
            yield _parse_action(word, wanted, ports)


def _parse_action(word: str, wanted: Match, ports: PortNames) -> Action:
    name, _, rest = word.partition(":")
    value, _, to = rest.partition("->")
    if word in ("set_field:0->in_port", "load:0->NXM_OF_IN_PORT[]"):
        return ForgetInPort()
    match name:
        case "set_field":
            return _parse_write(value, OLD_NAMES.get(to, to))
        case "load":
            return Load(read_part(to), int(value, 0))
        case "move":
            return Move(read_part(value), read_part(to))
        case "output":
            return Output(_port(rest, ports))
        case "goto_table":
            return Goto(int(rest))
        case "dec_ttl" | "dec_ttl(0)":
            return DecTtl()
    if name in _OLD_WRITES:
        return _parse_write(rest, _modern_name(_OLD_WRITES[name], {part: value for part, value, _ in wanted}))
    return _parse_form(word, ports)


def _parse_form(word: str, ports: PortNames) -> Action:
    """What is told by its whole form."""
    if found := re.fullmatch(r"meter:(\d+)", word):
        return Metered(int(found[1]))
    if found := re.fullmatch(r"resubmit\(,(\d+)\)", word):
        return Resubmit(int(found[1]))
    if found := re.fullmatch(r"check_pkt_larger\((\d+)\)->(.+)", word):
        return CheckLarger(int(found[1]), read_part(found[2]))
    if found := re.fullmatch(r"controller\((.*)\)", word):
        return _parse_punt(dict(part.split("=") for part in found[1].split(",")))
    return read(word, lambda text: _port(text, ports)) or Output(RESERVED_PORTS[word])


def _parse_punt(parts: dict[str, str]) -> Punt:
    """Only those that bring the packet whole, with userdata, to Retia's own connection are its punts."""
    userdata = bytes.fromhex(parts.pop("userdata").replace(".", ""))
    if parts != {"id": str(CONTROLLER_ID)}:
        raise ValueError(f"a punt with {parts}")
    return Punt(userdata)


def _parse_write(value: str, name: str) -> Load:
    number, _, mask = value.partition("/")
    if not mask:
        return Load(whole(name), _number(name, number))
    bits = _number(name, mask)
    start = (bits & -bits).bit_length() - 1
    part = Subfield(name, start, bits.bit_length() - start)
    if part.mask != bits:
        raise ValueError(f"the mask {mask} has holes")
    return Load(part, _number(name, number) >> start)
