"""A picture as text in the DOT language of Graphviz: the same picture, the same text.

Labels are written in Graphviz's HTML-like form, ids and tooltips as quoted strings: all know HTML's entities, and each
treats a backslash in a way of its own. A box's tooltip names all it stands for.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping

from retia.graph.picture import Box, End, Line, Picture, Row, Style, Tone

FONT = 'fontname="DejaVu Sans,Verdana,sans-serif"'
FILLS = {
    Tone.PLAIN: "#ffffff",
    Tone.GOOD: "#d3eedb",
    Tone.OFF: "#d8d8d8",
    Tone.WAITING: "#fdecb5",
    Tone.BAD: "#f8c7c4",
}
HEADS = {"switch": "#cfe3f7", "router": "#ddd2f0", "host": "#e9e4d8"}
STYLES = {
    Style.LINK: ("#3b4a5c", "solid", 1.4),
    Style.EDGE: ("#7a4fb5", "dashed", 1.2),
    Style.UPLINK: ("#a05a00", "bold", 2.0),
    Style.BINDING: ("#3f7f56", "dotted", 1.2),
}
STROKES = {"solid": "──", "dashed": "– –", "bold": "━━", "dotted": "····"}
BORDER, MARK, FAINT = "#6b7680", "#c43c00", "#5a6570"
BACKSLASH = "\\"
MOST_PIECES = 6
"""More pieces that no line joins are set in columns, in order: Graphviz would put one under the other."""
WIDTH, HEADING = 60, 120
"""Longer texts are broken into lines: those of boxes, and of the picture's heading."""


def render(picture: Picture) -> str:
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    order = {box.id: number for number, box in enumerate(picture.boxes)} if picture.pieces > MOST_PIECES else {}
    packed = ' pack=20, packmode="array_u",' if order else ""
    yield "digraph retia {"
    yield f"  graph [rankdir=LR,{packed} bgcolor=white, pad=0.3, nodesep=0.2, ranksep=0.7, {FONT},"
    yield f"    fontsize=10, labelloc=t, labeljust=l, {_tooltip(picture.title)}, label=<{_heading(picture)}>]"
    yield f"  node [shape=plain, {FONT}, fontsize=10]"
    yield f"  edge [dir=none, {FONT}, fontsize=9]"
    frames = picture.frames
    for number, project in enumerate(frames):
        yield f"  subgraph cluster_{number} {{"
        yield f"    graph [label=<<B>{_text(f'project {project}')}</B>>, {_tooltip(f'project {project}')},"
        yield '      labeljust=l, style="rounded,filled", color="#b8c0c8", fillcolor="#f6f8fa", margin=14]'
        yield from (f"    {_node(box, order)}" for box in picture.boxes if box.project == project)
        yield "  }"
    yield from (f"  {_node(box, order)}" for box in picture.boxes if box.project not in frames)
    wide = frozenset(
        End(box.id, number) for box in picture.boxes for number, row in enumerate(box.rows) if not row.kind
    )
    yield from (f"  {_edge(line, wide)}" for line in picture.lines)
    yield "}"


def _node(box: Box, order: Mapping[str, int]) -> str:
    head = f"<B>{_text(box.title)}</B>{f'   {_text(box.detail)}' if box.detail else ''}"
    fill = FILLS[box.tone] if box.tone is not Tone.PLAIN else HEADS[box.kind]
    first = f'<TR><TD PORT="h" COLSPAN="4" ALIGN="LEFT" BGCOLOR="{fill}">{head}</TD></TR>'
    rows = "\n    ".join([first, *(_row(number, row) for number, row in enumerate(box.rows))])
    border = f'BORDER="3" COLOR="{MARK}"' if box.marked else f'BORDER="1" COLOR="{BORDER}"'
    table = f'<TABLE {border} CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" BGCOLOR="white">{rows}</TABLE>'
    place = f"sortv={order[box.id]}, " if order else ""
    return f"{_name(box.id)} [{place}{_tooltip(*box.all_names)},\n    label=<{table}>]"


def _row(number: int, row: Row) -> str:
    """Lines come to the left side of a row (`w3`) and go from its right side (`e3`)."""
    fill = f' BGCOLOR="{FILLS[row.tone]}"' if row.tone is not Tone.PLAIN else ""
    if not row.kind:
        return f'<TR><TD PORT="w{number}" COLSPAN="4" ALIGN="LEFT" BALIGN="LEFT"{fill}>{_text(row.name)}</TD></TR>'
    cells = (
        f'<TD PORT="w{number}" ALIGN="LEFT"><FONT COLOR="{FAINT}">{_text(row.kind.replace("-", " "))}</FONT></TD>',
        f'<TD ALIGN="LEFT"><B>{_text(row.name)}</B></TD>',
        f'<TD ALIGN="LEFT" BALIGN="LEFT">{_text(row.detail)}</TD>',
        f'<TD PORT="e{number}" ALIGN="LEFT"{fill}>{_text(row.state)}</TD>',
    )
    return f"<TR>{''.join(cells)}</TR>"


def _edge(line: Line, wide: frozenset[End]) -> str:
    color, style, width = STYLES[line.style]
    start, end = _place(line.start, "w" if line.start in wide else "e", "e"), _place(line.end, "w", "w")
    loose = ", constraint=false" if line.loose else ""
    length = f", minlen={line.length}" if line.length > 1 else ""
    return f'{start} -> {end} [style={style}, color="{color}", penwidth={width}{length}{loose}]'


def _place(end: End, cell: str, side: str) -> str:
    return f"{_name(end.box)}:{'h' if end.row < 0 else f'{cell}{end.row}'}:{side}"


def _heading(picture: Picture) -> str:
    """Title, counts, notes and legend: of states and lines, those that are there."""
    tones = {box.tone for box in picture.boxes} | {row.tone for box in picture.boxes for row in box.rows}
    styles = {line.style for line in picture.lines}
    legend = [f'<TD BGCOLOR="{FILLS[tone]}">{_text(tone.value)}</TD>' for tone in Tone if tone in tones and tone.value]
    legend += [f"<TD>{_stroke(style)} {_text(style)}</TD>" for style in Style if style in styles]
    strip = f'<TABLE BORDER="0" CELLSPACING="6" CELLPADDING="3"><TR>{"".join(legend)}</TR></TABLE>' if legend else ""
    rows = [
        f'<FONT POINT-SIZE="16"><B>{_text(picture.title)}</B></FONT>',
        *(_text(text, HEADING) for text in (picture.counts, *picture.notes) if text),
        *([strip] if strip else []),
    ]
    cells = "\n    ".join(f'<TR><TD ALIGN="LEFT" BALIGN="LEFT">{row}</TD></TR>' for row in rows)
    return f'<TABLE BORDER="0" CELLPADDING="2">{cells}</TABLE>'


def _stroke(style: Style) -> str:
    color, dashes, _ = STYLES[style]
    return f'<FONT COLOR="{color}"><B>{STROKES[dashes]}</B></FONT>'


def _clean(text: str) -> str:
    """What XML cannot hold, or nobody could see, is shown as �."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))


def _text(text: str, width: int = WIDTH) -> str:
    """For a label, long texts in lines. It knows escapes like a string."""
    lines = textwrap.wrap(_clean(text), width, break_on_hyphens=False) or [""]
    return '<BR ALIGN="LEFT"/>'.join(html.escape(line).replace(BACKSLASH, 2 * BACKSLASH) for line in lines)


def _name(text: str) -> str:
    """A box's id."""
    return f'"{html.escape(_clean(text)).replace(BACKSLASH, "&#92;")}"'


def _tooltip(*lines: str) -> str:
    """Graphviz takes escapes in it twice."""
    told = "\\n".join(html.escape(_clean(line)).replace(BACKSLASH, 4 * BACKSLASH) for line in lines)
    return f'tooltip="{told}"'
