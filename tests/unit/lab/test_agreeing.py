"""When two stories of one packet are the same, and that whatever differs is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retia.compile.reasons import Reason
from retia.lab import agreeing
from retia.lab.physical import Outside, SegmentName
from retia.reach.physical import stranger
from retia.trace.story import End, Ending, Passage, Point, Story
from retia.values import Cidr, Ip, Mac

GATEWAY = Ip.parse("203.0.113.254")
OUTSIDE = [Outside(SegmentName("ext"), Cidr.parse(f"{GATEWAY}/24"))]
(REAL,) = OUTSIDE[0].interfaces(1)
ASSUMED = stranger(GATEWAY)
ASKED = tuple(Point(stage, 1, 2, 3) for stage in ("NEXT_HOP", "ADDRESS", "NEIGHBOUR", "RESOLVED", "DROP"))


def story(hop: Mac, detour: tuple[Point, ...] = ()) -> Story:
    found = Point("RESOLVED", 1, 2, 3, "learned", "r", {"eth_dst": (2, hop)})
    points = (Point("ADMIT", 1, 2), *detour, *ASKED[:3], found, Point("DELIVER", 1, 2, 3, "deliver_uplink", "u"))
    return Story((Passage("hv1", points),), End(Ending.left, "hv1", "u", 5, hop.to_bytes(6, "big") + b"rest"))


def unlike(live: Story, walk: Story) -> str:
    return agreeing.difference(agreeing.without_waiting(live), agreeing.with_macs(walk, agreeing.macs(OUTSIDE)))


def test_a_neighbour_that_had_to_be_asked_for_and_its_mac_make_no_difference() -> None:
    assert unlike(story(REAL.mac, ASKED), story(ASSUMED)) == ""
    assert unlike(story(REAL.mac), story(ASSUMED)) == ""
    assert unlike(story(Mac(77)), story(ASSUMED))


def test_what_was_changed_before_the_wait_is_not_lost() -> None:
    changed = {"eth_src": (1, 2)}
    live, walk = story(REAL.mac, (replace(ASKED[0], changed=changed), *ASKED[1:])), story(ASSUMED)
    assert unlike(live, walk)
    points = walk.passages[0].points
    again = (points[0], replace(points[1], changed=changed), *points[2:])
    assert unlike(live, replace(walk, passages=(Passage("hv1", again),))) == ""


def test_one_that_never_answers_ends_the_comparison_there() -> None:
    points = (Point("ADMIT", 1, 2), *ASKED)
    end = End(Ending.dropped, "hv1", reason=Reason.NEIGHBOUR_ASKED)
    assert unlike(Story((Passage("hv1", points),), end), story(ASSUMED)) == ""
    other = (Point("ADMIT", 1, 9), *ASKED)
    assert unlike(Story((Passage("hv1", other),), end), story(ASSUMED))


POINT = Point("LOOKUP", 1, 2, 3, "r", "o", {"nw_ttl": (64, 63)})
ONE = Story((Passage("hv1", (Point("ADMIT"), POINT)),), End(Ending.dropped, "hv1", reason=Reason.NO_ROUTE))


@pytest.mark.parametrize(
    "change",
    [{"stage": "DROP"}, {"datapath": 9}, {"source": 9}, {"destination": 9}, {"rule": "x"}, {"origin": "x"},
     {"changed": {}}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_point_that_differs(change: dict[str, object]) -> None:
    other = replace(ONE, passages=(Passage("hv1", (Point("ADMIT"), replace(POINT, **change))),))  # type: ignore[arg-type]
    assert agreeing.difference(ONE, other) and agreeing.difference(other, ONE)
    assert not agreeing.difference(other, other)


@pytest.mark.parametrize(
    "end",
    [ONE.end._replace(reason=Reason.NO_EDGE), ONE.end._replace(host="hv2"), ONE.end._replace(ending=Ending.missed),
     ONE.end._replace(out="p"), ONE.end._replace(frame=b"x"), ONE.end._replace(router=5)],
)  # fmt: skip
def test_an_end_that_differs(end: End) -> None:
    assert agreeing.difference(ONE, replace(ONE, end=end))


def test_a_way_that_is_shorter_differs_unless_nobody_reports_further() -> None:
    begun = Story((Passage("hv1", (Point("ADMIT"),)),), ONE.end)
    assert agreeing.difference(begun, ONE) and agreeing.difference(ONE, begun)
    silent = replace(begun, end=End(Ending.unreported, "hv1"))
    assert not agreeing.difference(silent, ONE)
    elsewhere = replace(silent, passages=(Passage("hv2", (Point("ADMIT"),)),))
    assert agreeing.difference(elsewhere, ONE)
