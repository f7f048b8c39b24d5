"""Who reaches the outside, and who is reached from there: through edges, NAT and uplinks, there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from retia.flows.fields import UDP
from retia.model.kinds import Host, Port
from retia.reach.answers import Answer
from retia.reach.everyone import ask_all
from retia.reach.probes import Probe
from retia.reach.question import Asker
from retia.reach.world import World, imagine, part_for
from retia.values import Ip
from tests.network import Network

PING = Probe()
CASE = Path(__file__).parents[2] / "golden" / "cases" / "gateways.yaml"


def standing(change: dict[str, Any] | None = None) -> Network:
    """Two edges on one physical network, with NAT, a floating IP, a translated port, and routes that drop or share."""
    case = yaml.safe_load(CASE.read_text())
    network = Network()
    for host in case["hosts"]:
        network.add_host(host)
    network.apply(case["document"])
    for host, plugs in case["hosts"].items():
        for path in plugs:
            network.plug(host, path)
    if change:
        network.apply(change)
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return standing()


def ask(network: Network, source: str, target: str, probe: Probe = PING) -> Answer:
    ends = [network.port(one) if "/" in one else Ip.parse(one) for one in (source, target)]
    part = part_for(network.things, [one.id if isinstance(one, Port) else one for one in ends])
    return Asker(World(part)).ask(*ends, probe)


def test_a_guest_leaves_by_an_edge_and_hears_the_answer(network: Network) -> None:
    answer = ask(network, "web/b", "198.51.100.7")
    assert answer.reachable, answer.lines()
    assert answer.there[:1] == ("web/b on hv1",) and answer.there[2] == "router r"
    edge, way = answer.there[1].removeprefix("host "), answer.there[3]
    assert way == {"hv2": "uplink br-ex of hv2", "hv3": "uplink br-ex of hv3, VLAN 100"}[edge]
    assert answer.back == (way, "router r", "host hv1", "web/b")
    own = {"hv2": "203.0.113.2", "hv3": "203.0.113.3"}[edge]
    assert answer.notes == (
        f"10.0.1.11 is translated to {own}",
        "198.51.100.7 is taken to answer, on the physical network",
    )


def test_who_has_a_floating_ip_leaves_and_is_reached_by_its_holder(network: Network) -> None:
    out = ask(network, "web/a", "198.51.100.7")
    assert out.reachable and "host hv2" in out.there and "10.0.1.10 is translated to 203.0.113.10" in out.notes
    for target in ("web/a", "203.0.113.10"):
        came = ask(network, "198.51.100.7", target)
        assert came.there == ("uplink br-ex of hv2", "router r", "host hv1", "web/a"), came.lines()
        assert came.back[-1] == "uplink br-ex of hv2" and came.notes[0] == "203.0.113.10 is translated to 10.0.1.10"


def test_from_inside_under_the_address_outside(network: Network) -> None:
    hairpin = ask(network, "web/b", "203.0.113.10")
    assert hairpin.there == ("web/b on hv1", "host hv2", "router r", "host hv1", "web/a")
    assert hairpin.back == ("web/a on hv1", "host hv2", "router r", "host hv1", "web/b")


@pytest.mark.parametrize(("target", "port"), [("web/b", 8000), ("203.0.113.11", 2000)])
def test_a_translated_port(network: Network, target: str, port: int) -> None:
    answer = ask(network, "198.51.100.7", target, Probe(UDP, port))
    assert answer.reachable and answer.there[-1] == "web/b", answer.lines()
    refused = ask(network, "198.51.100.7", "203.0.113.11", Probe(UDP, port + 1))
    assert refused.obstacle is not None and refused.obstacle.reason == "router-refuses"


def test_an_inside_address_from_outside_is_routed_by_whoever_knows(network: Network) -> None:
    answer = ask(network, "198.51.100.7", "10.0.1.12")
    assert answer.there[-1] == "web/c"
    assert any("is taken to send 10.0.1.12 to uplink br-ex" in note for note in answer.notes)


def test_guests_of_the_physical_network_itself(network: Network) -> None:
    assert ask(network, "ext/bare", "203.0.113.254").there == ("ext/bare on hv2", "uplink br-ex of hv2")
    assert ask(network, "203.0.113.9", "ext/bare").there == ("uplink br-ex of hv2", "ext/bare")
    assert ask(network, "ext/bare", "web/b").reachable and ask(network, "web/b", "ext/bare").reachable


def test_a_router_answers_outside(network: Network) -> None:
    assert ask(network, "203.0.113.9", "203.0.113.3").there[0] == "uplink br-ex of hv3, VLAN 100"
    assert ask(network, "web/b", "203.0.113.3").there[1] == "host hv3"


@pytest.mark.parametrize(
    ("source", "target", "what", "advice"),
    [
        ("web/b", "192.0.2.7", "route r/dark (document test) drops what is for 192.0.2.7", "delete it"),
        ("198.51.100.7", "203.0.113.99", "nobody answers for 203.0.113.99 by the uplinks of switch ext", "give it"),
        ("198.51.100.7", "10.77.0.1", "no router that meets the physical network leads to 10.77.0.1", "a route"),
    ],
)
def test_dead_ends(network: Network, source: str, target: str, what: str, advice: str) -> None:
    obstacle = ask(network, source, target).obstacle
    assert obstacle is not None and obstacle.what == what and advice in obstacle.advice


def test_the_flow_that_drops_is_named_with_its_object(network: Network) -> None:
    obstacle = ask(network, "web/b", "192.0.2.7").obstacle
    assert obstacle is not None
    assert (obstacle.stage, obstacle.reason, obstacle.rule) == ("ROUTE", "blackhole", "route_drop")
    assert obstacle.object == "route r/dark"


def test_no_edge_that_is_not_drained() -> None:
    drained = {"edges": {"hv2": {"admin_state": False}, "hv3": {"admin_state": False}}}
    obstacle = ask(standing({"routers": {"r": drained}}), "web/b", "198.51.100.7").obstacle
    assert obstacle is not None and "has no edge that is not drained (hv2 (drained), hv3 (drained))" in obstacle.what
    assert (obstacle.stage, obstacle.reason, obstacle.object) == ("CHOOSE", "no-edge", "router r")


def test_edges_that_never_registered() -> None:
    network = standing()
    for host in ("hv2", "hv3"):
        network.drop(network.things["host-state", host])
    answer = Asker(World(network.things)).ask(network.port("web/b"), Ip.parse("198.51.100.7"), PING)
    assert answer.obstacle is not None and "no edge of router r (document test) is registered" in answer.obstacle.what
    assert answer.obstacle.reason == "no-edge" and "start the agent" in answer.obstacle.advice


def test_two_routers_meet_on_the_physical_network() -> None:
    """A guest behind one reaches the floating IP of another: ARP goes from edge to edge outside."""
    other = {
        "switches": {"app": {"subnets": {"n": {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1"}}, "ports": {"z": {}}}},
        "routers": {
            "r2": {
                "ports": {"to-app": {"switch": "app"}, "out": {"switch": "ext", "addresses": "203.0.113.4/24"}},
                "edges": {"hv3": {}},
                "nats": {"all": {"type": "snat", "internal": "10.0.1.0/24"}},
            }
        },
    }
    network = standing()
    network.apply(other, "other")
    network.plug("hv4", "app/z")
    answer = ask(network, "app/z", "203.0.113.10")
    assert answer.reachable, answer.lines()
    assert answer.there == ("app/z on hv4", "host hv3", "router r2", "host hv2", "router r", "host hv1", "web/a")
    assert answer.back == ("web/a on hv1", "host hv2", "router r", "host hv3", "router r2", "host hv4", "app/z")
    assert not ask(network, "app/z", "web/b").reachable, "a tenant's inside is its own"


def test_every_pair_beside_edges(network: Network) -> None:
    found = ask_all(World(network.things), list(network.objects.of(Port)), PING)
    assert (found.ports, found.reachable, found.pairs) == (6, 15, 15)


def test_a_document_alone_has_its_edges() -> None:
    document = standing()
    things = imagine(list(document.objects.objects.values()))
    assert {one.host for one in things.values() if one.kind == "host-state"} == {"one", "two", "hv2", "hv3"}
    assert {thing.name for thing in things.values() if isinstance(thing, Host)} >= {"hv2", "hv3"}
    answer = Asker(World(things)).ask(document.port("web/b"), Ip.parse("198.51.100.7"), PING)
    assert answer.reachable and answer.there[-1].startswith("uplink br-ex of")


def test_a_distributed_floating_ip_needs_no_edge() -> None:
    floating = {"type": "floating", "internal": "10.0.1.10", "external": "203.0.113.10", "distributed": True}
    uplink = {"ext": {"uplinks": {"hv1": {"bridge": "br-ex"}}}}
    network = standing({"switches": uplink, "routers": {"r": {"nats": {"a": floating}}}})
    out, came = ask(network, "web/a", "198.51.100.7"), ask(network, "198.51.100.7", "web/a")
    assert out.there == came.back == ("web/a on hv1", "router r", "uplink br-ex of hv1")
    assert came.there == ("uplink br-ex of hv1", "router r", "web/a")
    assert ask(network, "web/b", "203.0.113.10").reachable
