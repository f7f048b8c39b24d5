"""The differences of a forecast as lines: stage, match and actions as `retia flows` has them, with the rule and object.

Keys and MACs that were only drawn for the plan are drawn anew when it is carried out, and each host draws its zones of
connection tracking: they show as ALLOCATED. The number of an interface that nobody has told shows as the name of its
port, of an uplink or of the tunnel it watches. Called by the CLI. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retia.compile.outputs import FlowRow
from retia.flows.actions import Action, Load, LoadLive, Output
from retia.flows.match import Match
from retia.flows.text import show_action, show_match
from retia.model.kinds import Object, Port, Router, RouterPort, Switch, Uplink
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION_PORT,
    DNAT_ZONE,
    EDGE_ROUTER,
    LIVE_PORT,
    NEIGHBOUR_DATAPATH,
    SNAT_ZONE,
    SOURCE_PORT,
    TUNNEL_KEY,
)
from retia.plan.forecast import Difference
from retia.store.changes import ALLOCATED, Changes
from retia.values import Mac

DATAPATHS = frozenset({DATAPATH.field, NEIGHBOUR_DATAPATH.field, TUNNEL_KEY.field, EDGE_ROUTER.field})
PORTS = frozenset({SOURCE_PORT.field, DESTINATION_PORT.field})
"""The fields that a datapath's key, or a port's key in the datapath the packet is in, is loaded into."""
ZONES = (DNAT_ZONE, SNAT_ZONE)


@dataclass
class Veil:
    """What is not known before the change is made: keys of datapaths, (datapath, port) keys, MACs."""

    datapaths: set[int] = field(default_factory=set)
    ports: set[tuple[int, int]] = field(default_factory=set)
    macs: set[Mac] = field(default_factory=set)

    @staticmethod
    def over(changes: Changes, objects: Mapping[str, Object]) -> Veil:
        """`objects`: all there are after the change, by id."""
        veil = Veil()
        for id_, name in changes.drawn:
            item = objects.get(id_)
            if item is not None:
                veil._draw(item, name, objects)
        return veil

    def _draw(self, item: Object, name: str, objects: Mapping[str, Object]) -> None:
        if isinstance(item, (Switch, Router)) and name == "key":
            self.datapaths.add(item.key)
        elif isinstance(item, (Port, RouterPort)) and name == "mac":
            self.macs.add(item.mac)
        elif isinstance(item, (Port, RouterPort, Uplink)) and name.endswith("key"):
            home = objects[getattr(item, name.removesuffix("key").rstrip("_") or item.parent)]
            if isinstance(home, (Switch, Router)):
                self.ports.add((home.key, getattr(item, name)))

    def hides(self, name: str, value: int, datapath: int) -> bool:
        """Whether this value of a field was drawn, in a packet that is in `datapath`."""
        if name in DATAPATHS:
            return value in self.datapaths
        return (datapath, value & 0xFFFF) in self.ports if name in PORTS else value in self.macs


class Lines:
    """`names`: what stands for an OpenFlow port, by number; `labels`: what objects are called, by id."""

    def __init__(self, veil: Veil, labels: Mapping[str, str]) -> None:
        self._veil, self._labels = veil, labels

    def data(self, differences: Iterable[Difference], names: Mapping[int, str]) -> list[dict[str, Any]]:
        """In the pipeline's order: `change` is +, ~ or -, and `was` what a changed flow did before."""
        return sorted((self._one(each, names) for each in differences), key=_place)

    def _one(self, difference: Difference, names: Mapping[int, str]) -> dict[str, Any]:
        old, new = difference.old, difference.new
        row = new or old
        if row is None:
            raise ValueError("a difference of nothing")
        told = {
            "change": "~" if old and new else "+" if new else "-",
            "stage": str(row.stage),
            "table": int(row.stage),
            "priority": row.priority,
            "match": self.match(row, names),
            "actions": self.actions(row, names),
            "rule": row.rule,
            "object": self._labels.get(row.origin, row.origin),
        }
        return told | ({"was": self.actions(old, names)} if old and new else {})

    def match(self, row: FlowRow, names: Mapping[int, str]) -> str:
        return ",".join(self._part(part, _datapath(row.match), names) for part in row.match)

    def _part(self, part: tuple[str, int, int], datapath: int, names: Mapping[int, str]) -> str:
        name, value, mask = part
        if name == "in_port" and value in names:
            return f"in_port=<{names[value]}>"
        if (name, mask) == (LIVE_PORT.field, LIVE_PORT.mask) and value in names:
            return f"{name}=<{names[value]}>/{mask:#x}"
        return f"{name}={ALLOCATED}" if self._veil.hides(name, value, datapath) else show_match((part,))

    def actions(self, row: FlowRow, names: Mapping[int, str]) -> str:
        shown, datapath = [], _datapath(row.match)
        for action in row.actions:
            if isinstance(action, Load) and action.to == DATAPATH:
                datapath = action.value
            shown.append(self._action(action, datapath, names))
        return ",".join(shown) or "drop"

    def _action(self, action: Action, datapath: int, names: Mapping[int, str]) -> str:
        if isinstance(action, Output) and action.port in names:
            return f"output:<{names[action.port]}>"
        text = show_action(action)
        if isinstance(action, LoadLive):
            told = ",".join(f"<{names[member]}>" if member in names else str(member) for member in action.members)
            return re.sub("members:[^)]*", lambda _: f"members:{told}", text)
        if isinstance(action, Load) and (action.to in ZONES or self._hides(action, datapath)):
            return re.sub("set_field:.*?(?=/|->)", f"set_field:{ALLOCATED}", text)
        return text

    def _hides(self, action: Load, datapath: int) -> bool:
        return self._veil.hides(action.to.field, action.value << action.to.start, datapath)


def _datapath(match: Match) -> int:
    return next((value for name, value, _ in match if name == DATAPATH.field), 0)


def _place(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["table"], -line["priority"], line["match"], line["change"], line["actions"]


def spoken(line: Mapping[str, Any]) -> str:
    """One line for people."""
    actions = f"{line['was']} → {line['actions']}" if "was" in line else line["actions"]
    said = f"{line['change']} {line['stage']} {line['priority']} {line['match'] or 'everything'} => {actions}"
    return f"{said}  ({line['object']}, rule {line['rule']})"
