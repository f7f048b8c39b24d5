"""Registers hold what they are said to hold, and no bit belongs to two."""

from __future__ import annotations

import pytest

from retia.flows.fields import Subfield
from retia.pipeline import fields
from retia.pipeline.stage import PipelineError


def test_parts_of_the_flags_do_not_overlap() -> None:
    """LOOPBACK and FORWARDED are views of FLAGS, on purpose; of each other they are none."""
    flags, loopback, forwarded = (fields._bits_of(one) for one in (fields.FLAGS, fields.LOOPBACK, fields.FORWARDED))
    assert loopback < flags and forwarded < flags and not loopback & forwarded


@pytest.mark.parametrize(
    ("place", "what"),
    [
        pytest.param(Subfield("reg0", 15, 2), r"extra overlaps source_port in reg0 bit 15", id="one-bit"),
        pytest.param(Subfield("xreg4", 40, 8), r"extra overlaps neighbour_mac in reg8 bit 8", id="upper-half"),
        pytest.param(Subfield("xxreg1", 0, 1), r"extra overlaps neighbour_ip4 in reg7 bit 0", id="wide"),
        pytest.param(Subfield("reg15", 20, 13), r"extra does not fit into reg15", id="too-wide"),
    ],
)
def test_registers_that_overlap_are_refused(place: Subfield, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fields.NAMED, "extra", place)
    with pytest.raises(PipelineError, match=what):
        fields._check()
