"""The agent of a later Retia, for labs to upgrade to and back from: its pipeline has one stage more.

    ADMIT ─► PASS ─► ARP_REQUEST ─► ...        so every table behind ADMIT has another number and another meaning

Started by a lab in the place of `retia agent`, with the same settings from its environment. Nothing else knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from retia import config, log
from retia.daemons.supervisor import Supervisor
from retia.pipeline import stage
from retia.pipeline.stage import Declared, Stage


def later(declared: Iterable[Declared]) -> list[Declared]:
    """The stages with PASS behind ADMIT."""
    admit, *others = declared
    ways = tuple("PASS" if name == "ARP_REQUEST" else name for name in admit.next)
    first = Declared(admit.name, admit.doc, priorities=admit.priorities, next=ways)
    return [first, Declared("PASS", "What guests send, on its way in.", next=("ARP_REQUEST",)), *others]


def change_pipeline() -> None:
    """Before anything has imported the stages."""
    number = stage.number

    def number_later(declared: Iterable[Declared]) -> dict[str, Stage]:
        return number(later(declared))

    stage.number = number_later
    from retia.pipeline.stages import ARP_REQUEST, STAGES

    stage.number = number
    _add_rule(STAGES["PASS"], ARP_REQUEST)


def _add_rule(passing: Stage, following: Stage) -> None:
    """The rule of the new stage; and what comes by a port goes there."""
    from retia.compile import admit, program
    from retia.compile.facts import ThisHost
    from retia.compile.outputs import FlowRow
    from retia.flows.actions import Goto
    from retia.flows.match import ANYTHING
    from retia.rules import Rule, rule

    def pass_on(h: str) -> Rule:
        "Everything goes on."
        return FlowRow(passing, passing.priority("miss"), ANYTHING, (Goto(following),), h) <= [ThisHost(h)]

    program.RULES.append(rule(pass_on))
    vars(admit)["ARP_REQUEST"] = passing


def main() -> None:
    change_pipeline()
    from retia.daemons import agent

    settings = config.load()
    log.configure(settings.log_level, settings.log_format)
    asyncio.run(agent.run(settings, Supervisor({})))


if __name__ == "__main__":
    main()
