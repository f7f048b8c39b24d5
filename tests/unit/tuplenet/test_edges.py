"""Edges that share packets become one router; links that connect a router to one prefix twice get another."""

from __future__ import annotations

import pytest

from tests.tuplenet import VIEW, Builder, edges, mac, translating
from tests.unit.tuplenet.imported import aside_of, document_of, remarks_of


def test_edges_that_share_packets_are_one_router() -> None:
    made = document_of(edges().tree)
    assert made["routers"].keys() == {"LR-A", "LR-agent", "edge1"}
    assert made["routers"]["edge1"] == {
        "edges": {"hv2": {}, "hv3": {}},
        "ports": {
            "edge1_to_m1": {"switch": "m1", "mac": "00:00:06:08:08:01", "addresses": "100.10.10.2/24"},
            "edge1_to_outside1": {
                "switch": "outside1", "mac": "00:00:06:08:09:01", "addresses": "172.20.11.11/24", "host": "hv2",
            },
            "edge2_to_outside2": {
                "switch": "outside2", "mac": "00:00:06:08:09:02", "addresses": "172.20.11.12/24", "host": "hv3",
            },
        },
        "routes": {
            "virtual": {"prefix": "10.10.0.0/16", "next_hop": "100.10.10.1"},
            "world": {"prefix": "0.0.0.0/0", "next_hop": "172.20.11.1"},
        },
    }  # fmt: skip
    router = made["routers"]["LR-A"]
    assert router["routes"] == {"default1": {"prefix": "0.0.0.0/0", "next_hop": "100.10.10.2"}}
    assert router["ports"]["LR-A_to_m1"] == {
        "switch": "m1", "mac": "00:00:06:08:07:01", "addresses": ["100.10.10.1/24", "100.10.10.3/24"],
    }  # fmt: skip
    assert "m2" not in made["switches"] and "LR-A_to_m2" not in router["ports"]
    ((key, what),) = remarks_of(edges().tree)
    assert key == "LR/edge1" and "with edges on hv2 and hv3; switches m1 and m2 are one, m1" in what


def test_sources_of_each_edge_stay_its_own_and_equal_rules_are_one() -> None:
    made = edges()
    for number in (1, 2):
        made.nat(f"edge{number}", "all", "10.10.0.0/16", "snat", f"172.20.11.10{number}")
        made.nat(f"edge{number}", "a", "10.10.1.2/32", "dnat", "172.20.11.109")
    nats = document_of(made.tree)["routers"]["edge1"]["nats"].values()
    assert [each for each in nats if each["type"] == "dnat"] == [
        {"type": "dnat", "internal": "10.10.1.2", "external": "172.20.11.109"}
    ]
    assert [each for each in nats if each["type"] == "snat"] == [
        {"type": "snat", "internal": "10.10.0.0/16", "external": "172.20.11.101", "host": "hv2"},
        {"type": "snat", "internal": "10.10.0.0/16", "external": "172.20.11.102", "host": "hv3"},
    ]
    assert aside_of(made.tree) == {}
    assert any("172.20.11.109 is on one edge at a time" in what for _, what in remarks_of(made.tree))


def test_the_edge_that_alone_has_translated_addresses_comes_first() -> None:
    made = edges()
    made.nat("edge2", "a", "10.10.1.2/32", "dnat", "172.20.11.109")
    assert document_of(made.tree)["routers"]["edge1"]["edges"] == {"hv2": {}, "hv3": {"priority": "10"}}


def third(made: Builder) -> None:
    """Another router shares its packets among the first edge and one that the first router does not use."""
    made.router("LR-B")
    made.router("edge3", "hv1")
    for number, edge in ((4, "edge1"), (5, "edge3")):
        made.switch(f"m{number}")
        made.link("LR-B", f"m{number}", f"100.20.20.{number}", mac(f"07:0{number}"))
        made.link(edge, f"m{number}", "100.20.20.2", mac(f"08:0{number}"))
        made.route("LR-B", f"default{number}", "0.0.0.0", 0, "100.20.20.2", f"m{number}")


def guest(made: Builder) -> None:
    made.port("m2", "guest", "100.10.10.77", mac("0a:77"))


def same_host(made: Builder) -> None:
    for key in (f"{VIEW}LR/edge2", f"{VIEW}LS/outside2/lsp/patchport-outside2"):
        made.tree[key] = made.tree[key].replace("hv3", "hv2")


def inner_link(made: Builder) -> None:
    made.switch("more")
    made.link("edge2", "more", "10.99.0.1", mac("0c:01"))


def apart(made: Builder) -> None:
    made.nat("edge1", "a", "10.10.1.2/32", "dnat", "172.20.11.109")
    made.nat("edge2", "b", "10.10.2.3/32", "dnat", "172.20.12.109")


@pytest.mark.parametrize("change", [same_host, inner_link, apart, third], ids=lambda change: change.__name__)
def test_edges_that_cannot_be_one_stay_routers_of_their_own(change) -> None:
    made = edges()
    change(made)
    assert aside_of(made.tree) == {}
    document = document_of(made.tree)
    assert {"edge1", "edge2"} <= document["routers"].keys()
    inner = [switch for name, switch in document["switches"].items() if name.startswith("m")]
    prefixes = [one["cidr"] for switch in inner for one in switch["subnets"].values()]
    assert "100.10.10.0/24" in prefixes and len(set(prefixes)) == len(prefixes)
    hops = [one["next_hop"] for one in document["routers"]["LR-A"]["routes"].values()]
    assert len(set(hops)) == len(hops) > 1
    assert any(what.startswith("100.10.10.0/24 on it is 100.64.") for _, what in remarks_of(made.tree))


def test_links_that_lead_to_edges_of_their_own_are_renumbered() -> None:
    made = document_of(translating().tree)
    assert aside_of(translating().tree) == {}
    assert made["switches"]["m1"]["subnets"] == {"100.10.10.0-24": {"cidr": "100.10.10.0/24"}}
    assert made["switches"]["m2"]["subnets"] == {"100.64.0.0-24": {"cidr": "100.64.0.0/24"}}
    router = made["routers"]["LR-A"]
    assert router["ports"]["LR-A_to_m2"]["addresses"] == "100.64.0.2/24"
    assert router["routes"]["out2"] == {"prefix": "172.20.12.0/24", "next_hop": "100.64.0.1"}
    assert made["routers"]["edge2"]["ports"]["edge2_to_m2"]["addresses"] == "100.64.0.1/24"
    assert made["routers"]["edge2"]["routes"] == {"virtual": {"prefix": "10.10.0.0/16", "next_hop": "100.64.0.2"}}


def test_a_link_that_guests_share_keeps_its_prefix_and_the_other_gets_one() -> None:
    made = translating()
    guest(made)
    document = document_of(made.tree)
    assert aside_of(made.tree) == {}
    assert [*document["switches"]["m1"]["subnets"]] == ["100.64.0.0-24"]
    assert [*document["switches"]["m2"]["subnets"]] == ["100.10.10.0-24"]


def test_where_guests_are_on_both_the_second_link_is_named() -> None:
    made = translating()
    guest(made)
    made.port("m1", "other", "100.10.10.78", mac("0a:78"))
    told = aside_of(made.tree)
    assert "connect overlapping prefixes (100.10.10.0/24)" in told["LR/LR-A/lrp/LR-A_to_m2"]
    assert told["LR/LR-A/lsr/out2"] == "its outport entity_view/LR/LR-A/lrp/LR-A_to_m2 is set aside"


def test_a_prefix_in_use_is_not_given_to_a_link() -> None:
    made = translating()
    made.switch("shared")
    made.port("shared", "p", "100.64.0.9", mac("0a:79"))
    assert [*document_of(made.tree)["switches"]["m2"]["subnets"]] == ["100.64.1.0-24"]
