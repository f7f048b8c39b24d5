"""The targets of Retia's figures, and which of them a run missed. Pure; the list is the design's, section 11.

Ratios are against OVN in the same run, at 10,000 routed ports; the others are Retia's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bench.figures import Figure, number

PARTS = ("routed", "flat", "null", "harness", "demand")
"""Of a run of the benchmark."""

Rows = Mapping[str, Mapping[str, Figure]]
ROUTED = "routed ports"
AT, FLAT = f"10,000 {ROUTED}", "10,000 ports on one switch"
US, THEM = "Retia", "OVN"

SHARES = {
    "nothing to all flows": 10,
    "add a remote port, flow": 100,
    "add a remote port, confirmed": 100,
    "delete a remote port, flow": 100,
    "move a remote port, flow": 3,
    "bind a local port, flow": 3,
    "static route, confirmed": 150,
    "new switch and router port, confirmed": 50,
    "floating IP, confirmed": 150,
    "SNAT, confirmed": 150,
    "edge added, confirmed": 150,
}
"""Row: at most this part of OVN's median."""

MOST = {
    "nothing to all flows, CPU": 2.0,
    "agent restart: time with flows missing": 0.0,
    "agent restart: flows removed": 0.0,
    "flows per remote port": 3.0,
    "flows per remote port, where nothing reaches it": 0.0,
    "memory of the agent": 150.0,
}
"""Row: at most this much, whatever OVN needs."""

SAME_FLOWS = ("floating IP, flows changed", "SNAT, flows changed", "edge added, flows changed")
"""Row: the same at every size, so with any number of switches."""

CHANGES = ("add", "move", "delete", "floating IP", "SNAT", "edge added")
"""What is changed without Open vSwitch."""

SAME_COST, FLAT_COST = 2.0, 1.2

DEMAND = "10,000 ports, a host of 10 in either mode"
FLOWS, MEMORY, FIRST = "flows", "memory the network adds to the agent", "first packet to direct flow"
OF_FULL, SOON = 20, 20.0
"""On-demand mode needs at most this part of full mode, and makes flows within so many milliseconds."""


@dataclass(frozen=True)
class Verdict:
    what: str
    wanted: str
    got: str
    held: bool


def judge(
    shapes: Mapping[str, Rows], changes: Mapping[int, Mapping[str, Figure]], parts: Collection[str] = PARTS
) -> list[Verdict]:
    """`shapes`: rows by network; `changes`: cost of one change by size, without Open vSwitch. Only targets of `parts`
    that ran are judged; of those what has no result is missed."""
    verdicts: list[Verdict] = []
    if "routed" in parts:
        rows = shapes.get(AT, {})
        verdicts += [_share(row, part, rows.get(row, {})) for row, part in SHARES.items()]
        verdicts += [_most(row, most, rows.get(row, {})) for row, most in MOST.items()]
    if {"routed", "flat"} <= {*parts}:
        verdicts.append(_flat(shapes))
    if "null" in parts:
        verdicts += _same_cost(changes)
    if "routed" in parts:
        verdicts += [_same_flows(row, shapes) for row in SAME_FLOWS]
    if "demand" in parts:
        demand = shapes.get(DEMAND, {})
        verdicts += [_of_full(row, demand) for row in (FLOWS, MEMORY)]
        verdicts.append(_most(FIRST, SOON, demand.get(FIRST, {})))
    return verdicts


def _share(row: str, part: int, found: Mapping[str, Figure]) -> Verdict:
    wanted = f"at most 1/{part} of OVN's"
    if US not in found or THEM not in found:
        return Verdict(row, wanted, "no result", False)
    ours, theirs = found[US].median, found[THEM].median
    return Verdict(row, wanted, f"1/{number(theirs / ours)}" if ours else "0", ours * part <= theirs)


def _most(row: str, most: float, found: Mapping[str, Figure]) -> Verdict:
    wanted = f"at most {number(most)}"
    if US not in found:
        return Verdict(row, wanted, "no result", False)
    return Verdict(row, wanted, number(found[US].median), found[US].median <= most)


def _of_full(row: str, rows: Rows) -> Verdict:
    what, wanted = f"{row}, on-demand", f"at most 1/{OF_FULL} of full mode's"
    less, full = (rows.get(f"{row}, {mode}", {}).get(US) for mode in ("on-demand", "full"))
    if less is None or full is None:
        return Verdict(what, wanted, "no result", False)
    got = f"1/{number(full.median / less.median)}" if less.median > 0 else "0"
    return Verdict(what, wanted, got, less.median * OF_FULL <= full.median)


def _same_flows(row: str, shapes: Mapping[str, Rows]) -> Verdict:
    wanted = "the same with any number of switches"
    found = [
        rows[row][US].median for shape, rows in shapes.items() if shape.endswith(ROUTED) and US in rows.get(row, {})
    ]
    if AT not in shapes or len(found) < 2:
        return Verdict(row, wanted, "no result", False)
    return Verdict(row, wanted, " and ".join(sorted({number(one) for one in found})), len(set(found)) == 1)


def _flat(shapes: Mapping[str, Rows]) -> Verdict:
    row = "nothing to all flows"
    what, wanted = f"{FLAT}: {row}", f"at most {FLAT_COST} x its own routed case"
    flat, routed = (shapes.get(shape, {}).get(row, {}).get(US) for shape in (FLAT, AT))
    if flat is None or routed is None:
        return Verdict(what, wanted, "no result", False)
    share = flat.median / routed.median
    return Verdict(what, wanted, f"{number(share)} x", share <= FLAT_COST)


def _same_cost(changes: Mapping[int, Mapping[str, Figure]]) -> Iterator[Verdict]:
    """A change costs the same whatever the size of the network."""
    sizes = sorted(changes)
    for name in CHANGES:
        costs = [changes[size][name].median for size in sizes if name in changes[size]]
        title = f"{name} a port" if name in ("add", "move", "delete") else name
        what = f"{title}, {sizes[0]:,} to {sizes[-1]:,} ports, null switch" if sizes else title
        got = f"{number(max(costs) / min(costs))} x" if costs else "no result"
        yield Verdict(what, f"within {SAME_COST:g} x", got, bool(costs) and max(costs) <= SAME_COST * min(costs))
