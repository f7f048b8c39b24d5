"""One story in every form: a tree, TupleNet's lines, data; and what ended it, with the object to blame."""

from __future__ import annotations

from retia.compile.reasons import Reason
from retia.model.kinds import Port, Router
from retia.model.state import Alive
from retia.reach.world import World
from retia.trace import telling
from retia.trace.names import Names
from retia.trace.packets import Wish, made
from retia.trace.story import End, Ending, Story
from retia.trace.telling import Told
from retia.trace.verdict import Judge
from retia.trace.walked import walked
from retia.values import Ip
from tests.golden import CASES, build, load

NETWORK = build(load(next(case for case in CASES if case.stem == "traced")))
ONE = NETWORK.objects.find(Port, "a/one")


PING = Wish()


def told(target: str, wish: Wish = PING, live: bool = False) -> Told:
    world = World(NETWORK.things)
    packet = made(NETWORK.objects, ONE, Ip.parse(target), wish)
    story = walked(world, world.places[ONE.id], packet.frame)
    obstacle = Judge(NETWORK.things, lambda: world.facts(ONE)).obstacle(story, ONE, Ip.parse(target))
    return Told(f"a/one → {target}", packet.what, story, obstacle, live, notes=(packet.note,) if packet.note else ())


NAMES = Names(NETWORK.objects)


def test_the_tree_has_hosts_datapaths_stages_and_changes_in_order() -> None:
    lines = list(telling.tree(told("10.10.2.2"), NAMES))
    assert lines[0] == "a/one → 10.10.2.2 (ping, what-if)"
    heads = [line for line in lines if not line.startswith("│")][1:]
    assert heads == [
        "host hv1",
        "├─ switch a  from one",
        "├─ router r  from to-a",
        "├─ switch b  from r/to-b",
        "host hv2  by tunnel from hv1",
        "├─ switch b  from r/to-b",
        "delivered to port b/two on hv2",
    ]
    assert any("TTL" in line and "nw_ttl 64 → 63" in line for line in lines)
    assert any("DECIDE" in line and "to r/to-a" in line for line in lines)


def test_lines_are_as_tuplenets_with_our_stages() -> None:
    lines = list(telling.lines(told("10.10.1.4"), NAMES))
    assert lines == [
        *(f"type:LS,pipeline:a,from:one,to:<UNKNOWN>,stage:{stage},chassis:hv1" for stage in
          ("ADMIT", "HOOK", "ARP_REQUEST", "LOOKUP")),
        *(f"type:LS,pipeline:a,from:one,to:far,stage:{stage},chassis:hv1" for stage in
          ("DECIDE", "TO_TUNNEL", "ENCAP")),
        *(f"type:LS,pipeline:a,from:one,to:far,stage:{stage},chassis:hv2" for stage in
          ("ADMIT", "LOOPBACK", "DELIVER")),
    ]  # fmt: skip
    assert any(line.startswith("type:LR,pipeline:r,from:to-a,") for line in telling.lines(told("10.10.2.2"), NAMES))


def test_data_for_programs() -> None:
    data = telling.data(told("10.10.2.2"), NAMES)
    assert data["arrived"] is True and data["to"] == "port b/two" and data["mode"] == "what-if"
    (ttl,) = [point for point in data["points"] if point["stage"] == "TTL"]
    assert ttl["changed"] == {"nw_ttl": {"before": "64", "after": "63"}} and ttl["rule"] == "one_hop"
    assert data["obstacle"] is None


def test_a_drop_names_stage_reason_rule_and_object_and_what_is_missing() -> None:
    one = told("10.99.0.1")
    assert one.obstacle is not None
    assert (one.obstacle.stage, one.obstacle.reason, one.obstacle.rule) == ("ROUTE", "no-route", "route_nowhere")
    assert one.obstacle.object == "router r" and "no route" in one.obstacle.what
    lines = list(telling.tree(one, NAMES))
    assert "dropped on hv1" in lines and any("at ROUTE on hv1, router r" in line for line in lines)


def test_of_a_packet_that_expired_that_is_said_though_the_way_is_there() -> None:
    obstacle = told("10.10.2.2", Wish(ttl=1)).obstacle
    assert obstacle is not None and obstacle.what == Reason.TTL_EXPIRED.doc and obstacle.object == "router r"


def test_arp_for_nobody() -> None:
    one = told("10.10.1.77")
    assert one.story.end.reason is Reason.ARP_UNKNOWN and one.notes
    assert one.obstacle is not None and "nobody has 10.10.1.77" in one.obstacle.what


def test_silence_is_told_with_whether_the_agent_lives() -> None:
    story = Story((), End(Ending.unreported, "hv2"))
    things = NETWORK.things
    dead = Judge(things, lambda: World(things).facts(None)).obstacle(story)
    assert dead is not None and dead.what == "no report from hv2: its agent is not alive"
    living = {**things, (Alive.kind, "hv2"): Alive(host="hv2")}
    alive = Judge(living, lambda: World(things).facts(None)).obstacle(story)
    assert alive is not None and alive.what == "no report from hv2" and "log" in alive.advice
    shown = list(telling.tree(Told("x", "ping", story, dead, True), NAMES))
    assert shown[1] == "unfinished: no report from hv2"


def test_names_by_keys() -> None:
    router = next(NETWORK.objects.of(Router))
    assert NAMES.object(ONE.id) == "port a/one" and NAMES.object("gone") == "gone"
    assert router.key in World(NETWORK.things).routers
