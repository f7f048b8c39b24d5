"""A picture as DOT: a small one as it is written, what is escaped, and what Graphviz makes of it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from retia.cli import graphviz
from retia.graph import dot
from retia.graph.picture import Box, End, Line, Picture, Row, Style, Tone
from tests.unit.graph.base import gateways, like_switches, picture

SMALL = Picture(
    "One port",
    "1 host",
    ("a note",),
    (
        Box("switch a", "switch", "switch a", rows=(Row("port", "x", "10.0.0.2", "on h", Tone.GOOD, ("port a/x",)),)),
        Box("host h", "host", "host h", "alive", Tone.GOOD, names=("host h: alive",), marked=True),
    ),
    (Line(End("switch a", 0), End("host h"), Style.BINDING),),
)

TEXT = """\
digraph retia {
  graph [rankdir=LR, bgcolor=white, pad=0.3, nodesep=0.2, ranksep=0.7, fontname="DejaVu Sans,Verdana,sans-serif",
    fontsize=10, labelloc=t, labeljust=l, tooltip="One port", label=<<TABLE BORDER="0" CELLPADDING="2">\
<TR><TD ALIGN="LEFT" BALIGN="LEFT"><FONT POINT-SIZE="16"><B>One port</B></FONT></TD></TR>
    <TR><TD ALIGN="LEFT" BALIGN="LEFT">1 host</TD></TR>
    <TR><TD ALIGN="LEFT" BALIGN="LEFT">a note</TD></TR>
    <TR><TD ALIGN="LEFT" BALIGN="LEFT"><TABLE BORDER="0" CELLSPACING="6" CELLPADDING="3"><TR>\
<TD BGCOLOR="#d3eedb">bound, alive, in service</TD>\
<TD><FONT COLOR="#3f7f56"><B>····</B></FONT> port on its host</TD></TR></TABLE></TD></TR></TABLE>>]
  node [shape=plain, fontname="DejaVu Sans,Verdana,sans-serif", fontsize=10]
  edge [dir=none, fontname="DejaVu Sans,Verdana,sans-serif", fontsize=9]
  "switch a" [tooltip="port a/x",
    label=<<TABLE BORDER="1" COLOR="#6b7680" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" BGCOLOR="white">\
<TR><TD PORT="h" COLSPAN="4" ALIGN="LEFT" BGCOLOR="#cfe3f7"><B>switch a</B></TD></TR>
    <TR><TD PORT="w0" ALIGN="LEFT"><FONT COLOR="#5a6570">port</FONT></TD><TD ALIGN="LEFT"><B>x</B></TD>\
<TD ALIGN="LEFT" BALIGN="LEFT">10.0.0.2</TD><TD PORT="e0" ALIGN="LEFT" BGCOLOR="#d3eedb">on h</TD></TR></TABLE>>]
  "host h" [tooltip="host h: alive",
    label=<<TABLE BORDER="3" COLOR="#c43c00" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" BGCOLOR="white">\
<TR><TD PORT="h" COLSPAN="4" ALIGN="LEFT" BGCOLOR="#d3eedb"><B>host h</B>   alive</TD></TR></TABLE>>]
  "switch a":e0:e -> "host h":h:w [style=dotted, color="#3f7f56", penwidth=1.2]
}
"""

NASTY = (
    'say "hi"',
    "a<b>&amp;c</TD>",
    "back\\slash\\",
    "\\N and \\G",
    "größer → 雪 ☃",
    "it's {a|b}:w0",
    "--> <!-- ]]>",
)
"""Texts that must come out as they went in."""


def drawn(made: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(graphviz.svg(dot.render(made)))


def tooltips(root: ElementTree.Element) -> list[str]:
    return [each.get("{http://www.w3.org/1999/xlink}title", "") for each in root.iter("{http://www.w3.org/2000/svg}a")]


def words(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_small_picture_as_text() -> None:
    assert dot.render(SMALL) == TEXT


@pytest.mark.parametrize("nasty", NASTY)
def test_any_text_comes_out_as_it_went_in(nasty: str) -> None:
    rows = (Row("port", nasty, nasty, nasty, Tone.BAD, (nasty,)), Row("", nasty, names=("second",)))
    boxes = (Box(nasty, "switch", nasty, nasty, rows=rows, project=nasty), Box("host h", "host", "host h"))
    lines = (Line(End(nasty, 0), End("host h"), Style.BINDING), Line(End(nasty), End("host h"), Style.LINK))
    root = drawn(Picture(nasty, nasty, (nasty,), boxes, lines))
    assert words(root).count(nasty) >= 7
    assert f"{nasty}\nsecond" in tooltips(root)
    assert f"project {nasty}" in words(root)
    assert sum(each.get("class") == "edge" for each in root.iter()) == 2


def test_what_nobody_could_see_is_shown() -> None:
    odd = "a\x00b\x1bc\u202ed\ud800e\nf"
    root = drawn(Picture("t", "", (), (Box(odd, "switch", odd, names=(odd,)),), ()))
    assert "a�b�c�d�e f" in words(root) and tooltips(root)[-1] == "a�b�c�d�e f"


def test_long_texts_are_broken_into_lines() -> None:
    long = "word " * 60
    root = drawn(Picture("t", "", (), (Box("b", "host", "b", rows=(Row("", long),)),), ()))
    assert len(words(root)) > 5 and max(map(len, words(root))) <= dot.WIDTH


def test_the_legend_has_what_is_there() -> None:
    root = drawn(picture(gateways(homes={"web/web1": "hv3"})))
    shown = {text.strip() for text in words(root)}
    assert {"unbound, never registered", "bound, alive, in service", "router port", "port on its host"} <= shown
    assert Tone.BAD.value not in shown
    assert Style.EDGE.value in shown and Style.UPLINK.value in shown


def test_a_state_is_never_told_by_colour_alone() -> None:
    for made in (picture(gateways(alive=("hv2",))), picture(like_switches(40))):
        for box in made.boxes:
            for row in box.rows:
                assert row.tone is Tone.PLAIN or row.state or ": " in row.name


def test_many_loose_pieces_are_set_in_columns() -> None:
    boxes = tuple(Box(f"switch s{number}", "switch", f"switch s{number}") for number in range(30))
    root = drawn(Picture("t", "", (), boxes, ()))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert 1 / 4 < width / height < 4
    assert Picture("t", "", (), boxes, (Line(End("switch s0"), End("switch s1"), Style.LINK),)).pieces == 29
