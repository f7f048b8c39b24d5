"""Which edges a host that is none of them chooses from, and when there is nothing to choose."""

from __future__ import annotations

import pytest

from retia.compile.choice import ABSENT
from retia.compile.compiler import Compiler
from retia.compile.local import PeerPort, PeerSeen, PeerUp
from retia.compile.outputs import FlowRow, WantsPeer
from retia.flows.actions import Actions, Goto, Load, LoadLive
from retia.pipeline.fields import DESTINATION_HOST
from retia.pipeline.stages import TO_TUNNEL
from retia.rules import Relation
from tests.unit.compile.test_work import FIRST, compiler, edge, hosts, one_router

EDGES = ("h1", "h2", "h3")
KEYS = {"h1": 2, "h2": 3, "h3": 4}
CHOOSING = ("spread", "only_edge")
HOLDING = ("sticky_outside", "sticky_inside")


def made(*drained: str, edges: tuple[str, ...] = EDGES) -> Compiler:
    things = [*hosts(), *one_router(2, edges), FIRST[0]]
    places = {edge("r0", host, place).id: (host, place) for place, host in enumerate(edges, 1)}
    for at, thing in enumerate(things):
        host, place = places.get(getattr(thing, "id", ""), ("", 0))
        if host in drained:
            things[at] = edge("r0", host, place, admin_state=False)
    return compiler(things, 2)


def way(compiler: Compiler, rules: tuple[str, ...]) -> Actions:
    """What the flows of these rules do, which is the same for all."""
    (found,) = {row.actions for row in compiler.program.rows(FlowRow) if row.rule in rules}
    return found


def members(rules: tuple[str, ...], *drained: str) -> tuple[int, ...]:
    """Whom flows of a rule choose from, of three edges of which some are drained."""
    found = way(made(*drained), rules)[0]
    assert isinstance(found, LoadLive)
    return found.members


def straight(host: str) -> Actions:
    return (Load(DESTINATION_HOST, KEYS[host]), Goto(TO_TUNNEL))


def life(compiler: Compiler, host: str, seen: bool, up: bool) -> None:
    """What this host's switch says of the tunnel to another."""
    rows: list[Relation] = [PeerSeen("me", KEYS[host]), PeerUp("me", KEYS[host])]
    compiler.change(local=[(rows, [row for row, there in zip(rows, (seen, up), strict=True) if there])])


def test_a_drained_edge_leaves_its_place_to_nobody() -> None:
    """So that connections by others stay where they are."""
    first, second, third = members(CHOOSING)
    assert members(CHOOSING, "h2") == (first, ABSENT, third)
    assert members(CHOOSING, "h3") == (first, second)


def test_a_drained_edge_holds_nothing() -> None:
    _, second, third = members(HOLDING)
    assert members(HOLDING, "h1") == (second, third)
    assert way(made("h1", "h2"), HOLDING) == straight("h3")


@pytest.mark.parametrize(("seen", "up"), [(True, True), (True, False), (False, False)])
def test_whether_the_only_edge_lives_is_not_asked(seen: bool, up: bool) -> None:
    one = made("h1", "h3")
    life(one, "h2", seen, up)
    assert way(one, CHOOSING) == way(one, HOLDING) == straight("h2")
    watched = {peer.host for peer in one.program.rows(WantsPeer)}
    assert watched == set(EDGES), "so that it is named when it dies, and known when another comes"


def test_an_edge_more_is_chosen_from_once_it_was_seen() -> None:
    one = made(edges=("h1", "h2"))
    life(one, "h2", seen=False, up=False)
    assert way(one, CHOOSING) == way(one, HOLDING) == straight("h1")
    life(one, "h2", seen=True, up=True)
    for rules in (CHOOSING, HOLDING):
        (chosen, _) = way(one, rules)
        assert isinstance(chosen, LoadLive) and len(chosen.members) == 2


def test_a_drained_edge_has_itself_beside_the_only_one() -> None:
    one = made("me", edges=("h1", "me"))
    for rules in (CHOOSING, HOLDING):
        (chosen, _) = way(one, rules)
        assert isinstance(chosen, LoadLive) and len(chosen.members) == 1


def test_the_order_of_edges_is_no_matter_of_ports_here() -> None:
    """Which numbers the ports of a host have is not in the store: what-if has to see the same edge chosen."""
    one = made(edges=("h1", "h2", "me"))
    rows = [PeerPort("me", KEYS[host], 50000 - KEYS[host]) for host in ("h1", "h2")]
    ours = [row for row in one.program.rows(PeerPort) if row.peer in (KEYS["h1"], KEYS["h2"])]
    one.change(local=[(ours, rows)])
    for rule in ("redirect_in_router", "redirect_in_others", "relay_dead"):
        (chosen,) = [action for action in way(one, (rule,)) if isinstance(action, LoadLive)]
        assert chosen.members == tuple(row.ofport for row in rows)
