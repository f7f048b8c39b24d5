"""Interface changes from the database's rows: net, by name, only of our bridge, only with a port number."""

from __future__ import annotations

import random
from typing import Any

import pytest

from retia.model.local import Interface, InterfaceChange
from retia.switch.interfaces import Interfaces


def ids(*names: str) -> list[Any]:
    return ["set", [["uuid", name] for name in names]]


def row(name: str, ofport: object = 1, iface_id: str = "", request: object = 7) -> dict[str, Any]:
    pairs = [["iface-id", iface_id]] if iface_id else []
    return {"name": name, "ofport": ofport, "ofport_request": request, "external_ids": ["map", pairs]}


def start(**interfaces: dict[str, Any]) -> dict[str, Any]:
    """A bridge `br` with a port for each interface."""
    return {
        "Bridge": {"b": {"new": {"name": "br", "ports": ids(*(f"p-{name}" for name in interfaces))}}},
        "Port": {f"p-{n}": {"new": {"name": n, "interfaces": ["uuid", f"i-{n}"]}} for n in interfaces},
        "Interface": {f"i-{name}": {"new": one} for name, one in interfaces.items()},
    }


def test_only_what_has_a_number_is_there() -> None:
    interfaces = Interfaces("br")
    rows = start(a=row("a"), failed=row("failed", -1), later=row("later", ["set", []]), br=row("br", 65534))
    assert interfaces.update(rows, whole=True) == [InterfaceChange(None, Interface("a", 1))]
    came = interfaces.update({"Interface": {"i-later": {"new": row("later", 4, "web/p")}}})
    assert came == [InterfaceChange(None, Interface("later", 4, "web/p"))]
    went = interfaces.update({"Interface": {"i-a": {"old": {"ofport": 1}, "new": row("a", -1)}}})
    assert went == [InterfaceChange(Interface("a", 1), None)]


def test_other_bridges_are_not_ours_and_a_port_may_move_between() -> None:
    interfaces = Interfaces("br")
    rows = start(a=row("a"))
    rows["Bridge"]["x"] = {"new": {"name": "other", "ports": ids("p-z")}}
    rows["Port"]["p-z"] = {"new": {"name": "z", "interfaces": ["uuid", "i-z"]}}
    rows["Interface"]["i-z"] = {"new": row("z", 9)}
    assert [change.new for change in interfaces.update(rows, whole=True)] == [Interface("a", 1)]
    moved = {"Bridge": {"b": {"new": {"name": "br", "ports": ids("p-a", "p-z")}}}}
    assert interfaces.update(moved) == [InterfaceChange(None, Interface("z", 9))]
    moved = {"Bridge": {"b": {"new": {"name": "br", "ports": ids("p-a")}}}}
    assert interfaces.update(moved) == [InterfaceChange(Interface("z", 9), None)]


def test_made_anew_with_the_same_number_is_no_change() -> None:
    interfaces = Interfaces("br")
    interfaces.update(start(a=row("a")), whole=True)
    again = {
        "Bridge": {"b": {"new": {"name": "br", "ports": ids("p2")}}},
        "Port": {"p-a": {"old": {}}, "p2": {"new": {"name": "a", "interfaces": ["uuid", "i2"]}}},
        "Interface": {"i-a": {"old": {}}, "i2": {"new": row("a")}},
    }
    assert interfaces.update(again) == []


def test_numbers_nobody_asked_for_are_noted_once_seen() -> None:
    interfaces = Interfaces("br")
    interfaces.update(start(a=row("a", 3, request=["set", []]), b=row("b", 4)), whole=True)
    assert interfaces.unrequested == {"a": 3}


@pytest.mark.parametrize("seed", range(30))
def test_after_a_gap_only_the_difference_comes_out(seed: int) -> None:
    """The sum of all changes is what a fresh reader sees, whatever happened between two monitors."""
    rnd = random.Random(seed)
    interfaces, summed = Interfaces("br"), {}
    for _ in range(6):
        names = rnd.sample("abcdefgh", rnd.randrange(0, 8))
        rows = start(**{name: row(name, rnd.choice([-1, 1, 2]), rnd.choice(["", "web/x"])) for name in names})
        interfaces.reset()
        for old, new in interfaces.update(rows, whole=True):
            if old is not None:
                assert summed.pop(old.name) == old
            if new is not None:
                summed[new.name] = new
        fresh = {change.new.name: change.new for change in Interfaces("br").update(rows, whole=True) if change.new}
        assert summed == fresh == interfaces.known
