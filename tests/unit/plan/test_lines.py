"""Differences as lines: what was only drawn shows as <allocated>, and nothing else does."""

from __future__ import annotations

import re

from retia.compile.outputs import FlowRow
from retia.flows.actions import Action, Load, Output
from retia.flows.match import Match, match, merge
from retia.pipeline.fields import DATAPATH, DESTINATION_PORT, NEIGHBOUR_DATAPATH, SOURCE_PORT
from retia.pipeline.stage import Stage
from retia.pipeline.stages import STAGES
from retia.plan.forecast import Difference
from retia.plan.lines import Lines, Veil, spoken
from retia.values import Mac

DRAWN, WISHED = 0x020000000007, 0x020000000008
NAMES = {5: "web/a"}
LINES = Lines(Veil({7}, {(7, 3), (9, 4)}, {Mac(DRAWN)}), {"id-1": "port web/a"})
FIRST, *_, LAST = STAGES.values()


def row(match: Match = (), *actions: Action, stage: Stage = FIRST, priority: int = 10) -> FlowRow:
    return FlowRow(stage, priority, match, actions, "id-1", "some_rule")


def test_only_keys_and_macs_that_were_drawn_are_hidden_in_a_match() -> None:
    def shown(datapath: int, port: int, mac: int) -> list[bool]:
        wanted = merge(match(eth_dst=mac), (DATAPATH, datapath), (SOURCE_PORT, port))
        text = LINES.match(row(wanted), NAMES)
        return [bool(re.search(rf"{name}=<allocated>(,|$)", text)) for name in ("metadata", "reg0", "eth_dst")]

    assert shown(7, 3, DRAWN) == [True, True, True]
    assert shown(9, 4, WISHED) == [False, True, False]
    assert shown(9, 3, WISHED) == [False, False, False], "a port's key is drawn in one datapath, not in others"


def test_a_load_is_hidden_by_the_datapath_the_packet_is_in_then() -> None:
    into_nine = row(merge((), (DATAPATH, 7)), Load(DATAPATH, 9), Load(DESTINATION_PORT, 3), Load(DESTINATION_PORT, 4))
    first, second, third = LINES.actions(into_nine, NAMES).split(",")
    assert "<allocated>" not in first + second
    assert third.startswith("set_field:<allocated>") and third.endswith("->reg1")
    neighbour = LINES.actions(row((), Load(NEIGHBOUR_DATAPATH, 7), Load(NEIGHBOUR_DATAPATH, 9)), NAMES).split(",")
    assert ["<allocated>" in each for each in neighbour] == [True, False]


def test_interfaces_are_ports_by_name_and_a_number_that_was_told_stays() -> None:
    one = row(match(in_port=5), Output(5), Output(6))
    assert LINES.match(one, NAMES) == "in_port=<web/a>"
    assert LINES.actions(one, NAMES) == "output:<web/a>,output:6"
    assert LINES.match(one, {}) == "in_port=5" and LINES.actions(row(), NAMES) == "drop"


def test_lines_are_in_the_order_of_the_pipeline_and_say_what_was() -> None:
    come, go = row(stage=LAST), row(stage=FIRST, priority=5)
    old, new = row((), Output(6)), row((), Output(5))
    told = LINES.data([Difference(None, come, 1), Difference(go, None, 1), Difference(old, new, 1)], NAMES)
    assert [one["change"] for one in told] == ["~", "-", "+"]
    assert [one.get("was") for one in told] == ["output:6", None, None]
    assert spoken(told[0]) == f"~ {FIRST} 10 everything => output:6 → output:<web/a>  (port web/a, rule some_rule)"
    assert spoken(told[1]) == f"- {FIRST} 5 everything => drop  (port web/a, rule some_rule)"
