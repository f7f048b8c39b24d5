"""The ovs-ofctl view of flows: a flow as a line, and back (`parse_flow`). For people, `why`, and tests; never hot.

Dump text can lose masks of tun_metadata (the wire reply has them), so it is never a source for adding flows.
Sources: ovs-fields(7), ovs-actions(7), ovs-ofctl(8).
"""

from __future__ import annotations

import msgspec

from retia.flows.actions import (
    CONTROLLER_ID,
    Action,
    Actions,
    CheckLarger,
    Ct,
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
from retia.flows.fields import FIELDS, whole
from retia.flows.flow import Flow
from retia.flows.forms import show, show_part, show_state
from retia.flows.match import Match
from retia.flows.reading import parse_flow
from retia.flows.spelling import ADDRESSES, DECIMAL, MACS, PORT_NAMES
from retia.flows.wire import Foreign
from retia.values import Ip4, Mac

__all__ = ["parse_flow", "show_action", "show_actions", "show_flow", "show_match", "show_value"]


def show_flow(flow: Flow) -> str:
    """A flow as `ovs-ofctl add-flow` takes it: tables are numbers."""
    head = [f"cookie={flow.cookie:#x}", f"table={int(flow.table)}", f"priority={flow.priority}"]
    actions = ",".join(show_action(_numbered(action)) for action in flow.actions)
    return ",".join([*head, *([show_match(flow.match)] if flow.match else [])]) + f" actions={actions or 'drop'}"


def _numbered(action: Action) -> Action:
    if isinstance(action, Ct) and action.table is not None:
        return msgspec.structs.replace(action, table=int(action.table))
    return type(action)(int(action.table)) if isinstance(action, Goto | Resubmit) else action


def show_match(wanted: Match) -> str:
    return ",".join(_show_field(name, value, mask) for name, value, mask in wanted)


def _show_field(name: str, value: int, mask: int) -> str:
    if name == "ct_state":
        return f"{name}={show_state(value, mask)}"
    full = FIELDS[name].full if name in FIELDS else 0
    shown = f"{name}={show_value(name, value)}"
    return shown if mask == full else f"{shown}/{_show_mask(name, mask)}"


def _show_mask(name: str, mask: int) -> str:
    return show_value(name, mask) if name in MACS or name in ADDRESSES else f"{mask:#x}"


def show_value(name: str, value: int) -> str:
    """A field's value as Open vSwitch writes it."""
    if name in MACS:
        return str(Mac(value))
    if name in ADDRESSES:
        return str(Ip4(value))
    if name == "in_port":
        return PORT_NAMES.get(value, str(value))
    if name in DECIMAL:
        return str(value)
    return f"{value:#x}" if value or name == "eth_type" else "0"


def show_actions(actions: Actions) -> str:
    """Actions for people: a table that is a stage of the pipeline shows its name."""
    return ",".join(map(show_action, actions)) or "drop"


def show_action(action: Action) -> str:
    match action:
        case Load(to, value):
            shown = show_value(to.field, value << to.start)
            mask = "" if to == whole(to.field) else f"/{_show_mask(to.field, to.mask)}"
            return f"set_field:{shown}{mask}->{to.field}"
        case Move(source, to):
            return f"move:{show_part(source)}->{show_part(to)}"
        case Output(port):
            return PORT_NAMES.get(port) or f"output:{port}"
        case Resubmit(table):
            return f"resubmit(,{table})"
        case Goto(table):
            return f"goto_table:{table}"
        case DecTtl():
            return "dec_ttl"
        case Metered(meter):
            return f"meter:{meter}"
        case Punt(userdata):
            return f"controller(userdata={userdata.hex('.')},id={CONTROLLER_ID})"
        case CheckLarger(octets, to):
            return f"check_pkt_larger({octets})->{show_part(to)}"
        case ForgetInPort():
            return "set_field:0->in_port"
        case Foreign(data):
            return f"foreign({data.hex()})"
    return show(action)
