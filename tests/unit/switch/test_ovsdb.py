"""JSON texts are cut right from any pieces, and OVSDB's values read."""

from __future__ import annotations

import json
import random

import pytest

from retia.switch.ovsdb import Framer, identifiers, many, mapping

TEXTS = [{"a": 'brace } and "quote" and \\ in one'}, {"b": [1, {"c": {}}]}, {}, {"d": "é\\\\"}]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_tuplenet_d9_texts_are_cut_whatever_the_reads(size: int) -> None:
    stream = "".join(json.dumps(text) for text in TEXTS * 20).encode()
    framer = Framer()
    seen = [json.loads(text) for at in range(0, len(stream), size) for text in framer.feed(stream[at : at + size])]
    assert seen == TEXTS * 20


def test_a_long_text_costs_what_it_is_long() -> None:
    """Each byte is looked at once: the scan goes on where it stopped."""
    text = json.dumps({str(n): "x" * 50 for n in range(40_000)}).encode()
    framer, pieces = Framer(), random.Random(1)
    seen, at = [], 0
    while at < len(text):
        size = pieces.randrange(1, 8192)
        seen += framer.feed(text[at : at + size])
        at += size
    assert seen == [text]


def test_values() -> None:
    assert many(["set", [1, 2]]) == [1, 2] and many(5) == [5] and many(["set", []]) == []
    assert mapping(["map", [["k", "v"]]]) == {"k": "v"} and mapping(["set", []]) == {}
    assert identifiers(["uuid", "u"]) == ["u"] and identifiers(["set", [["uuid", "u"], ["uuid", "w"]]]) == ["u", "w"]
