"""What hosts report becomes one way, whatever comes late, is missing, or comes twice."""

from __future__ import annotations

from retia.compile.reasons import Reason
from retia.flows.walk import DEPTH_LIMIT
from retia.model.state import Trace, TracePoint
from retia.reach.probes import Addresses, Probe, packet
from retia.trace.reported import PIECES, reported
from retia.trace.story import Ending
from retia.values import Ip4, Mac

FRAME = packet(Addresses(Mac(2), Mac(4), Ip4(1), Ip4(2)), Probe()).hex()
LOWER = FRAME[:44] + "3f" + FRAME[46:]
TUNNELS = {11: "hv1", 12: "hv2"}
TRACE = Trace(id=1, host="hv1", place="p", frame=FRAME, lease=1)


def point(stage: str, frame: str = FRAME, **more: object) -> TracePoint:
    fields = {name: value for name, value in more.items() if name.startswith(("reg", "metadata", "tun", "in_port"))}
    rest = {name: value for name, value in more.items() if name not in fields}
    return TracePoint(stage, frame, fields, **{"rule": f"r-{stage}", "origin": "o", **rest})  # type: ignore[arg-type]


HERE = [point("ADMIT"), point("TTL", metadata=5, reg0=7), point("ENCAP", LOWER, metadata=5, reg0=7, tun_dst=12)]
THERE = [point("ADMIT", LOWER), point("DELIVER", LOWER, metadata=5, reg0=7, reg1=8, out=3, origin="q")]


def test_a_chain_over_tunnels_with_what_changed_on_the_way() -> None:
    heard = reported(TRACE, {"hv1": HERE, "hv2": THERE}, TUNNELS)
    assert heard.complete
    assert [(host, one.stage) for host, one in heard.story.points] == [
        ("hv1", "ADMIT"), ("hv1", "TTL"), ("hv1", "ENCAP"), ("hv2", "ADMIT"), ("hv2", "DELIVER"),
    ]  # fmt: skip
    admit, ttl, *_, deliver = [one for _, one in heard.story.points]
    assert (admit.datapath, admit.source) == (5, 7), "where it is when it comes in is what the first stage finds out"
    assert ttl.changed == {"nw_ttl": (64, 63)} and not admit.changed
    assert (deliver.datapath, deliver.source, deliver.destination) == (5, 7, 8)
    end = heard.story.end
    assert (end.ending, end.host, end.out, end.ofport) == (Ending.delivered, "hv2", "q", 3)
    assert end.frame.hex() == LOWER


def test_what_is_not_there_yet_is_waited_for_and_named() -> None:
    for reports, silent in (({}, "hv1"), ({"hv1": HERE[:2]}, "hv1"), ({"hv1": HERE}, "hv2"), ({"hv2": THERE}, "hv1")):
        heard = reported(TRACE, reports, TUNNELS)
        assert not heard.complete
        assert (heard.story.end.ending, heard.story.end.host) == (Ending.unreported, silent)


def test_a_place_that_is_gone_is_told_by_a_report_of_nothing() -> None:
    heard = reported(TRACE, {"hv1": []}, TUNNELS)
    assert heard.complete and "nothing is plugged in" in heard.story.end.detail


def test_a_host_that_it_comes_to_twice() -> None:
    relayed = [point("ADMIT"), point("ENCAP", tun_dst=11)]
    back = [point("ADMIT"), point("DELIVER", out=9, origin="q")]
    heard = reported(TRACE, {"hv1": [*HERE, *back], "hv2": relayed}, TUNNELS)
    assert [one.host for one in heard.story.passages] == ["hv1", "hv2", "hv1"] and heard.story.end.ofport == 9


def test_every_end() -> None:
    def end(*points: TracePoint) -> tuple[Ending, bool]:
        heard = reported(TRACE, {"hv1": [point("ADMIT"), *points]}, TUNNELS)
        return heard.story.end.ending, heard.complete

    assert end(point("DROP", reg3=int(Reason.NO_ROUTE))) == (Ending.dropped, True)
    assert end(point("DROP", reg3=int(Reason.NEIGHBOUR_ASKED))) == (Ending.dropped, False), "it waits for an answer"
    assert end(point("ROUTE", rule="", origin="")) == (Ending.missed, True)
    assert end(point("NEIGHBOUR", rule="", origin="")) == (Ending.unreported, False), "it goes on without an answer"
    assert end(point("DELIVER", out=3, in_port=3)) == (Ending.suppressed, True)
    assert end(point("DELIVER", out=3, rule="deliver_uplink")) == (Ending.left, True)
    assert end(point("DIRECT", out=0xFFFFFFFE)) == (Ending.left, True)
    assert end(point("ENCAP", tun_dst=99)) == (Ending.lost, True)
    assert end(point("DELIVER")) == (Ending.unreported, False)


def test_circles_end() -> None:
    around = [point("ADMIT"), point("ENCAP", tun_dst=11)] * (PIECES + 1)
    heard = reported(TRACE, {"hv1": around}, TUNNELS)
    assert heard.complete and heard.story.end.ending is Ending.endless


def test_what_open_vswitch_would_not_do_so_often() -> None:
    """A traced packet is let go on by agents now and then, which begins the count anew."""
    again = [point("SNAT", again=True)] * 7
    heard = reported(TRACE, {"hv1": [point("ADMIT"), *again, point("DELIVER", out=3)]}, TUNNELS)
    assert heard.complete and heard.story.end.ending is Ending.limit and "recirc-limit" in heard.story.end.detail
    assert len(list(heard.story.points)) == 8
    six = reported(TRACE, {"hv1": [point("ADMIT"), *again[:6], point("DELIVER", out=3)]}, TUNNELS)
    assert six.story.end.ending is Ending.delivered
    tunnelled = reported(TRACE, {"hv1": HERE, "hv2": [point("ADMIT"), *again[:6], point("DELIVER", out=3)]}, TUNNELS)
    assert tunnelled.story.end.ending is Ending.limit, "taking it out of a tunnel counts"


def test_what_open_vswitch_would_not_follow_ends_there_though_the_agent_lets_it_go_on() -> None:
    def end(*points: TracePoint) -> tuple[Ending, int]:
        heard = reported(TRACE, {"hv1": [point("ADMIT"), *points]}, TUNNELS)
        assert heard.complete == (heard.story.end.ending is Ending.limit)
        return heard.story.end.ending, sum(1 for _ in heard.story.points)

    back_once = [point("LOOKUP"), point("ADDRESS"), point("DELIVER")]
    deepest = 1 + 3 * DEPTH_LIMIT + 1
    assert end(*back_once * DEPTH_LIMIT) == (Ending.unreported, deepest - 1)
    assert end(*back_once * DEPTH_LIMIT, point("LOOKUP")) == (Ending.unreported, deepest), "it may end there"
    assert end(*back_once * (DEPTH_LIMIT + 1)) == (Ending.limit, deepest)
    tracked = [point("LOOKUP"), point("DELIVER", again=True)]
    assert end(*back_once * 40, *tracked, *back_once * 40) == (Ending.unreported, 243), "it begins anew"
    waited = point("DROP", reg3=int(Reason.NEIGHBOUR_ASKED))
    assert end(*back_once * 40, waited, *back_once * 40) == (Ending.unreported, 242)
