"""Breaks of the picture: what is not drawn, not told, or told wrongly."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PICTURE = "tests/unit/graph/test_picture.py::"
DOT = "tests/unit/graph/test_dot.py::"

MUTANTS = [
    Mutant(
        "dead-hosts-look-alive",
        "retia/graph/standing.py",
        'if tone is Tone.GOOD else f"on {home}, {said}", tone',
        'if tone is Tone.GOOD else f"on {home}, {said}", Tone.GOOD',
        PICTURE + "test_states_of_hosts_and_what_lives_there",
        "A guest on a dead host is drawn green.",
    ),
    Mutant(
        "folded-names-are-lost",
        "retia/graph/folding.py",
        "names = tuple(name for row in rows for name in row.names)",
        "names = rows[0].names",
        PICTURE + "test_many_ports_are_one_row_that_keeps_their_names",
        "What is folded can be found nowhere in the picture.",
    ),
    Mutant(
        "asked-for-and-folded",
        "retia/graph/folding.py",
        "if not many or item.id == self._marked]",
        "if not many]",
        PICTURE + "test_what_was_asked_for_is_never_folded",
        "The picture around a port does not show that port.",
    ),
    Mutant(
        "hosts-join-everything",
        "retia/graph/part.py",
        "if not isinstance(one, HostNamed) or left == steps]",
        "if not isinstance(one, HostNamed) or left >= 0]",
        PICTURE + "test_no_way_leads_on_from_a_host",
        "The neighbourhood of a port is the whole network.",
    ),
    Mutant(
        "names-that-are-markup",
        "retia/graph/dot.py",
        "html.escape(line).replace(BACKSLASH, 2 * BACKSLASH)",
        "line.replace(BACKSLASH, 2 * BACKSLASH)",
        DOT + "test_any_text_comes_out_as_it_went_in",
        "A problem's words break the picture.",
    ),
]
