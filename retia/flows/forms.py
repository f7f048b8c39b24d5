"""The ovs-ofctl text of tracking, live ports, spreading and connection states, both ways. Called by `text` and
`reading`.

Sources: ovs-actions(7), ovs-fields(7); `format_flags_masked` of Open vSwitch for the states.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from retia.flows.actions import Action, Ct, CtClear, LoadLive, Spread, Translate
from retia.flows.fields import CT_STATES, FIELDS, OPTION, Subfield, whole
from retia.flows.spelling import FROM_NXM, NXM_NAMES, QUOTED
from retia.values import Ip, Ip4

_WORDS = re.compile(r"(?:\([^()]*\)|[^,()])+")
_MEMBERS = re.compile(rf"{QUOTED}|[^,]+")
_LIVE = {True: "symmetric_l3l4+udp,0,hrw", False: "eth_src,0,active_backup"}
_SPREAD = "symmetric_l3l4+udp,0,hrw"
_TRANSLATE = re.compile(r"nat\((src|dst)=([0-9.]+)(?::(\d+)(?:-(\d+))?)?\)")
_ALL_STATES = FIELDS["ct_state"].full


# -- parts of fields ------------------------------------------------------------------------------------------------


def show_part(part: Subfield) -> str:
    """Of an option and of the states all bits are named: to ovs-ofctl they have more than are used here."""
    if part in (whole(OPTION), whole("ct_state")):
        return f"{NXM_NAMES[part.field]}[0..{part.bits - 1}]"
    name, bracket, rest = str(part).partition("[")
    return f"{NXM_NAMES[name]}{bracket}{rest}"


def read_part(text: str) -> Subfield:
    nxm, _, rest = text.partition("[")
    name = FROM_NXM.get(nxm, nxm)
    inside = rest.rstrip("]")
    if not inside:
        return whole(name)
    first, _, last = inside.partition("..")
    return Subfield(name, int(first), int(last or first) - int(first) + 1)


# -- actions --------------------------------------------------------------------------------------------------------


def show(action: Action) -> str:
    """Raises TypeError for what has no text form."""
    match action:
        case Ct():
            return f"ct({','.join(_ct_words(action))})"
        case CtClear():
            return "ct_clear"
        case LoadLive(members, to, spread):
            return f"bundle_load({_LIVE[spread]},ofport,{show_part(to)},members:{','.join(map(str, members))})"
        case Spread(count, to):
            return f"multipath({_SPREAD},{count},0,{show_part(to)})"
    raise TypeError(f"{action!r} has no text form")


def _ct_words(action: Ct) -> Iterator[str]:
    if action.commit:
        yield "commit"
    if action.table is not None:
        yield f"table={action.table}"
    if action.zone != 0:
        yield f"zone={action.zone if isinstance(action.zone, int) else show_part(action.zone)}"
    if action.nat is not None:
        yield _show_nat(action.nat)


def _show_nat(nat: Translate) -> str:
    if not nat.address:
        return "nat"
    ports = f":{nat.first_port}" if nat.first_port else ""
    ports += f"-{nat.last_port}" if nat.last_port > nat.first_port else ""
    return f"nat({'src' if nat.source else 'dst'}={Ip4(nat.address)}{ports})"


def read(word: str, port: Callable[[str], int]) -> Action | None:
    """None: it is none of these actions. `port` reads a port by number or name. Raises ValueError or KeyError for one
    of them in a form that is not ours."""
    if word == "ct_clear":
        return CtClear()
    name, _, rest = word.partition("(")
    inside = rest.removesuffix(")")
    if inside == rest:
        return None
    match name:
        case "ct":
            return _read_ct(inside)
        case "bundle_load":
            return _read_live(inside, port)
        case "multipath":
            return _read_spread(inside)
    return None


def _read_ct(inside: str) -> Action:
    parts = dict(part.partition("=")[::2] for part in _WORDS.findall(inside) if not part.startswith("nat"))
    nats = [part for part in _WORDS.findall(inside) if part.startswith("nat")]
    zone = parts.pop("zone", "0")
    table = parts.pop("table", None)
    commit = parts.pop("commit", None) is not None
    if parts or len(nats) > 1:
        raise ValueError(f"ct with {inside}")
    return Ct(
        int(zone, 0) if zone[0].isdigit() else read_part(zone),
        None if table is None else int(table),
        commit,
        _read_nat(nats[0]) if nats else None,
    )


def _read_nat(word: str) -> Translate:
    if word == "nat":
        return Translate()
    found = _TRANSLATE.fullmatch(word)
    if found is None:
        raise ValueError(f"the translation {word}")
    first = int(found[3] or 0)
    return Translate(found[1] == "src", int(Ip.parse(found[2])), first, int(found[4] or first))


def _read_live(inside: str, port: Callable[[str], int]) -> Action:
    """`slaves` is what older programs call them."""
    how, _, rest = inside.partition(",ofport,")
    part, _, members = rest.partition(",members:" if ",members:" in rest else ",slaves:")
    spread = {text: spread for spread, text in _LIVE.items()}[how]
    return LoadLive(tuple(port(member) for member in _MEMBERS.findall(members)), read_part(part), spread)


def _read_spread(inside: str) -> Action:
    count, _, rest = inside.removeprefix(f"{_SPREAD},").partition(",")
    if not rest.startswith("0,"):
        raise ValueError(f"multipath with {inside}")
    return Spread(int(count), read_part(rest[2:]))


# -- states ---------------------------------------------------------------------------------------------------------


def show_state(value: int, mask: int) -> str:
    """`+est-rpl` for some bits, `est|trk` for all of them."""
    if mask == _ALL_STATES:
        return "|".join(name for name, bit in CT_STATES.items() if value & bit) or "0"
    return "".join(f"{'+' if value & bit else '-'}{name}" for name, bit in CT_STATES.items() if mask & bit)


def read_state(text: str) -> tuple[int, int]:
    """Value and mask. Raises ValueError or KeyError."""
    if text[:1] in ("+", "-"):
        signs = re.findall(r"([+-])([a-z]+)", text)
        if "".join(sign + name for sign, name in signs) != text:
            raise ValueError(f"the state {text}")
        mask = sum({CT_STATES[name] for _, name in signs})
        return sum(CT_STATES[name] for sign, name in signs if sign == "+") & mask, mask
    if text[:1].isdigit():
        value, _, mask_text = text.partition("/")
        return int(value, 0), int(mask_text, 0) if mask_text else _ALL_STATES
    return sum({CT_STATES[name] for name in text.split("|")}), _ALL_STATES
