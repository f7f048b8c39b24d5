"""Documents: what text becomes, and that the page tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retia.errors import InvalidDocument, InvalidInput
from retia.model import page
from retia.model.document import parse
from retia.model.kinds import KINDS, Host, NatType, Port, Router, RouterPort, Switch
from retia.model.names import check_name, parse_path
from retia.model.shapes import SECTIONS, nested
from retia.values import Cidr, Ip, Mac, PortRange, Prefix

PAGE = Path(__file__).parents[3] / "docs" / "document.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page.render(), "run `make docs`"


def test_the_example_of_the_page() -> None:
    document = parse(page.EXAMPLE, "net.yaml")
    by_name = {(each.kind, each.names): each for each in document.wanted}
    assert (document.name, document.project) == ("demo", "default")
    assert by_name[Port, ("web", "web1")].fields == {
        "addresses": (Ip.parse("10.0.1.11"),),
        "mac": Mac.parse("02:00:00:00:01:11"),
    }
    assert by_name[Port, ("web", "web2")].fields == {}
    assert by_name[RouterPort, ("r1", "to-web")].fields == {"switch": "web"}
    assert [KINDS.index(each.kind) for each in document.wanted] == sorted(
        KINDS.index(each.kind) for each in document.wanted
    )


def test_text_is_read_by_the_fields_type_not_by_yamls_guess() -> None:
    text = "retia: 1\ndocument: 12\nswitches: {no: {ports: {1e3: {mac: 12:00:00:00:00:11}}}, 007: {mtu: 0900}}\n"
    document = parse(text, "net.yaml")
    assert document.name == "12"
    assert [each.names for each in document.wanted] == [("no",), ("007",), ("no", "1e3")]
    assert document.wanted[2].fields["mac"] == Mac.parse("12:00:00:00:00:11")
    assert document.wanted[1].fields["mtu"] == 900


def test_nested_and_whole_names_are_the_same() -> None:
    head = "retia: 1\ndocument: a\n"
    inside = parse(head + "routers: {r: {ports: {p: {switch: s, addresses: 10.0.0.1/24}}}}", "a")
    apart = parse(head + "routers: {r: {}}\nrouter-ports: {r/p: {switch: s, addresses: [10.0.0.1/24]}}", "a")
    assert [(each.kind, each.names, each.fields) for each in inside.wanted] == [
        (each.kind, each.names, each.fields) for each in apart.wanted
    ]
    assert inside.wanted[1].fields["addresses"] == (Cidr.parse("10.0.0.1/24"),)


def test_places_name_file_line_and_path() -> None:
    wanted = parse("retia: 1\ndocument: a\nswitches:\n  web:\n    mtu:\n      1400\n", "net.yaml").wanted[0]
    assert wanted.place() == "net.yaml:4: switches.web"
    assert wanted.place("mtu") == "net.yaml:5: switches.web.mtu"
    assert wanted.place("not written") == "net.yaml:4: switches.web"


def test_every_kind_has_a_section() -> None:
    assert set(SECTIONS.values()) == set(KINDS)
    assert {child for kind in KINDS for child in nested(kind).values()} == {kind for kind in KINDS if kind.parent}
    assert set(nested(Switch)) == {"subnets", "uplinks", "ports"}
    assert set(nested(Router)) == {"edges", "ports", "routes", "nats"}
    assert not nested(Host)


def test_a_gateway_as_written() -> None:
    text = """
retia: 1
document: a
switches: {out: {uplinks: {hv1: {bridge: br-ex, vlan: 100}}}}
routers:
  r:
    edges: {hv1: {priority: 10}}
    nats: {out: {type: snat, internal: 10.0.0.0/16, ports: 1024-2047}, web: {type: floating, internal: 10.0.0.5}}
"""
    fields = {each.names: each.fields for each in parse(text, "a").wanted}
    assert fields["out", "hv1"] == {"bridge": "br-ex", "vlan": 100}
    assert fields["r", "hv1"] == {"priority": 10}
    snat = {"type": NatType.SNAT, "internal": Prefix.parse("10.0.0.0/16"), "ports": PortRange(1024, 2047)}
    assert fields["r", "out"] == snat
    assert fields["r", "web"] == {"type": NatType.FLOATING, "internal": Prefix.parse("10.0.0.5")}


def test_anchors_are_read() -> None:
    text = "retia: 1\ndocument: a\nswitches: {a: &it {mtu: 1300}, b: *it}\n"
    assert [each.fields for each in parse(text, "a").wanted] == [{"mtu": 1300}] * 2


@pytest.mark.parametrize("text", ["&a {retia: *a}", "[" * 5000, "\ud800", "retia: !!python/none 1", "? [a]\n: b", "%"])
def test_hostile_text_is_a_problem_not_a_crash(text: str) -> None:
    with pytest.raises(InvalidDocument):
        parse(text, "net.yaml")


@given(st.text(alphabet=st.sampled_from("retia:1 \n-{}[],&*!|>'\"%@`switchesports/0.#?\t"), max_size=80))
def test_any_text_parses_or_has_problems(text: str) -> None:
    try:
        parse(text, "net.yaml")
    except InvalidDocument as error:
        assert error.problems and all(problem.where.startswith("net.yaml") for problem in error.problems)


@pytest.mark.parametrize("name", ["a", "web-1", "hv1.example.org", "0", "A_b", "x" * 63])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "a:b", " a", "a ", "-a", ".", "é", "x" * 64, "a\n"])
def test_no_names(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


def test_paths() -> None:
    assert parse_path("web", 1) == ("", ("web",))
    assert parse_path("acme:web/web1", 2) == ("acme", ("web", "web1"))
    for text in ("web", "a/b/c", ":a/b", "a:b:c/d", "/a", "a/"):
        with pytest.raises(InvalidInput):
            parse_path(text, 2)
