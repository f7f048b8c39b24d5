"""Does a flow obey its stage? Asked by the tests of every flow the rules make, and by the compiler when it debugs, so
that a slip is found before a switch sees it. Raises PipelineError: a bug of ours, never the user's fault."""

from __future__ import annotations

from collections.abc import Iterator

from retia.flows.actions import (
    IN_PORT,
    LOCAL,
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
)
from retia.flows.fields import FIELDS, IPV4, ORDER, WIDE, Subfield
from retia.flows.flow import Flow
from retia.flows.match import Match, meets_needs
from retia.flows.text import show_flow
from retia.pipeline.stage import HIGHEST_PRIORITY, PipelineError, Stage
from retia.pipeline.stages import STAGES

LAST_PORT = 0xFEFF
LARGEST_FRAME = 0xFFFF
PORT_BITS = 16
STAGE_OF: dict[int, Stage] = {int(stage): stage for stage in STAGES.values()}
"""Stages by table number."""


def check(flow: Flow) -> None:
    """Raises PipelineError with everything that is wrong."""
    faults = list(find_faults(flow))
    if faults:
        try:
            shown = show_flow(flow)
        except (KeyError, TypeError):
            shown = repr(flow)
        raise PipelineError("; ".join(faults) + f": {shown}")


def find_faults(flow: Flow) -> Iterator[str]:
    stage = STAGE_OF.get(flow.table)
    if stage is None:
        yield f"no stage has table {flow.table}"
        return
    if not stage.has(flow.priority):
        yield f"{stage} declares no priority {flow.priority}"
    yield from _match_faults(flow.match)
    for place, action in enumerate(flow.actions):
        yield from _action_faults(action, flow.match)
        if isinstance(action, Punt) and not isinstance(flow.actions[0], Metered):
            yield "a punt without a meter before it"
        if isinstance(action, Metered) and place:
            yield "a meter is not the first action"
        if isinstance(action, Goto) and place != len(flow.actions) - 1:
            yield "goto is not the last action"
        if not (flow.priority == HIGHEST_PRIORITY and action == Resubmit(flow.table)):  # reported, then as any other
            yield from _way_faults(stage, action)


def _match_faults(wanted: Match) -> Iterator[str]:
    names = [name for name, _, _ in wanted]
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        yield f"unknown fields {', '.join(unknown)} are matched"
        return
    if names != sorted(set(names), key=ORDER.__getitem__):
        yield "the match is not in the order of the fields, each once"
    for name, value, mask in wanted:
        if name in WIDE:
            yield f"{name} is matched instead of the registers it is made of"
        if not 0 < mask <= FIELDS[name].full or value & ~mask:
            yield f"{name}={value:#x}/{mask:#x} is no value and mask of its width"
        elif mask != FIELDS[name].full and not FIELDS[name].maskable:
            yield f"{name} can only be matched whole"
        if not meets_needs(wanted, name):
            yield f"{name} is matched without {_needs(name)}"


def _needs(name: str) -> str:
    alternatives = FIELDS[name].needs
    return " or ".join(" and ".join(f"{field}={value:#x}" for field, value in wanted) for wanted in alternatives)


def _action_faults(action: Action, wanted: Match) -> Iterator[str]:  # noqa: C901, PLR0912 - a table of actions
    match action:
        case Load(to, value):
            yield from _part_faults(to, wanted, written=True)
            if not 0 <= value < 1 << to.bits:
                yield f"{value:#x} does not fit into {to}"
            if to.field in FIELDS and not FIELDS[to.field].maskable and to.bits != FIELDS[to.field].bits:
                yield f"{to.field} can only be loaded whole"
        case Move(source, to):
            yield from _part_faults(source, wanted)
            yield from _part_faults(to, wanted, written=True)
            if source.bits != to.bits:
                yield f"{source} and {to} differ in width"
        case Output(port):
            if not (0 < port <= LAST_PORT or port in (IN_PORT, LOCAL)):
                yield f"there is no port {port}"
        case DecTtl():
            if not meets_needs(wanted, "nw_ttl"):
                yield f"dec_ttl without {_needs('nw_ttl')}"
        case CheckLarger(octets, to):
            yield from _part_faults(to, wanted, written=True)
            yield from _larger_faults(octets, to)
        case Ct():
            yield from _ct_faults(action, wanted)
        case LoadLive() | Spread():
            yield from _choice_faults(action, wanted)
        case Goto() | Resubmit() | ForgetInPort() | Metered() | Punt() | CtClear():
            pass
        case _:
            yield f"unknown action {action!r}"


def _ct_faults(action: Ct, wanted: Match) -> Iterator[str]:
    if not isinstance(action.zone, int):
        yield from _part_faults(action.zone, wanted)
    if not any(name == "eth_type" and value == IPV4 for name, value, _ in wanted):
        yield "connections are tracked without a match on eth_type=0x800"
    if action.nat is not None and action.nat.address and not action.commit:
        yield "an address is translated without making the connection known"


def _choice_faults(action: LoadLive | Spread, wanted: Match) -> Iterator[str]:
    to = action.to
    yield from _part_faults(to, wanted, written=True)
    if isinstance(action, LoadLive) and (not action.members or to.bits != PORT_BITS):
        yield f"{len(action.members)} ports cannot be chosen from into {to}"
    if isinstance(action, Spread) and not 0 < action.count <= 1 << to.bits:
        yield f"{to} cannot hold one of {action.count}"


def _larger_faults(octets: int, to: Subfield) -> Iterator[str]:
    if to.bits != 1 or not 0 < octets <= LARGEST_FRAME:
        yield f"a check for {octets} bytes into {to} cannot be"


def _part_faults(part: Subfield, wanted: Match, *, written: bool = False) -> Iterator[str]:
    field = FIELDS.get(part.field)
    if field is None:
        yield f"unknown field {part.field}"
        return
    if part.start < 0 or part.bits < 1 or part.start + part.bits > field.bits:
        yield f"{part} does not exist"
    if written and not field.writable:
        yield f"{part.field} cannot be written"
    if not meets_needs(wanted, part.field):
        yield f"{part.field} is used without a match on {_needs(part.field)}"


def _way_faults(stage: Stage, action: Action) -> Iterator[str]:
    match action:
        case Goto(table):
            allowed = stage.next
        case Ct(_, table) if table is not None:
            allowed = stage.next
        case Resubmit(table):
            allowed = (*stage.backwards, *stage.asks)
        case _:
            return
    target = STAGE_OF.get(table)
    if target is None or target.name not in allowed:
        how = "resubmits" if isinstance(action, Resubmit) else "goes on"
        yield f"{stage} {how} to {target or table}, but declares {', '.join(allowed) or 'nothing'}"
