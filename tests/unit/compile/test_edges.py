"""Which edges a host that is none of them chooses from."""

from __future__ import annotations

from retia.compile.choice import ABSENT
from retia.compile.outputs import FlowRow
from retia.flows.actions import LoadLive
from tests.unit.compile.test_work import FIRST, compiler, edge, hosts, one_router

EDGES = ("h1", "h2", "h3")


def members(rule: str, *drained: str) -> tuple[int, ...]:
    """Whom flows of a rule choose from, of three edges of which some are drained."""
    things = [*hosts(), *one_router(2, EDGES), FIRST[0]]
    places = {edge("r0", host, place).id: (host, place) for place, host in enumerate(EDGES, 1)}
    for at, thing in enumerate(things):
        host, place = places.get(getattr(thing, "id", ""), ("", 0))
        if host in drained:
            things[at] = edge("r0", host, place, admin_state=False)
    made = compiler(things, 2)
    (found,) = {row.actions[0] for row in made.program.rows(FlowRow) if row.rule == rule}
    assert isinstance(found, LoadLive)
    return found.members


def test_a_drained_edge_leaves_its_place_to_nobody() -> None:
    """So that connections by others stay where they are."""
    first, second, third = members("spread")
    assert members("spread", "h2") == (first, ABSENT, third)
    assert members("spread", "h3") == (first, second)


def test_a_drained_edge_holds_nothing() -> None:
    second, third = members("sticky_outside")[1:]
    assert members("sticky_outside", "h1") == (second, third)
    assert members("sticky_outside", "h1", "h2") == (third,)
