"""`retia flows`: what this host's switch does, by stage and rule, with counters; and its drops by reason."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retia.cli.output import Form, show_data, show_rows
from retia.cli.session import Output, run
from retia.config import Settings
from retia.daemons import control

SHOWN = ("stage", "priority", "match", "actions", "rule", "object", "packets")


def flows(
    context: typer.Context,
    stage: Annotated[str, typer.Option(help="Only flows of this stage, as in ROUTE.")] = "",
    rule: Annotated[str, typer.Option(help="Only flows that this rule made.")] = "",
    drops: Annotated[bool, typer.Option("--drops", help="Packets dropped, by reason.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Flows and packets by stage and rule.")] = False,
    output: Output = Form.table,
) -> None:
    """Show the flows of this host with their counters."""
    settings: Settings = context.obj
    if drops:
        show_rows(run(control.ask(settings.control_socket, "drops")), output)
        return
    found = run(control.ask(settings.control_socket, "flows", stage=stage, rule=rule))
    if summary:
        show_rows(_sum(found), output)
    elif output is Form.table:
        show_rows([{key: one[key] for key in SHOWN} for one in found], output, "no such flow")
    else:
        show_data(found, output)


def _sum(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counters rolled up by stage and rule, in the order of the stages."""
    sums: dict[tuple[str, str], list[int]] = {}
    for one in found:
        counts = sums.setdefault((one["stage"], one["rule"]), [0, 0, 0])
        for place, number in enumerate((1, one["packets"], one["bytes"])):
            counts[place] += number
    return [
        {"stage": stage, "rule": rule, "flows": counts[0], "packets": counts[1], "bytes": counts[2]}
        for (stage, rule), counts in sums.items()
    ]
