"""`why A B` through edges and to addresses: which edges, which translation, which uplink, or what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from retia.compile.compiler import Compiler
from retia.compile.path import Verdict, why_pair
from retia.model.kinds import Host
from retia.model.state import Alive, Binding
from retia.values import Ip
from tests.network import Network
from tests.unit.reach.test_gateways import standing

HOSTS = ("hv1", "hv2", "hv3", "hv4")


def ask(network: Network, target: str, source: str = "web/b", host: str = "") -> Verdict:
    compiler = Compiler(host)
    compiler.change([(None, thing) for thing in network.things.values()])
    end = network.port(target).id if "/" in target else Ip.parse(target)
    return why_pair(compiler, network.things, network.port(source).id, end)


def alive(change: dict[str, Any] | None = None) -> Network:
    network = standing(change)
    for host in HOSTS:
        network.put(Alive(host=host))
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return alive()


def steps(verdict: Verdict) -> list[str]:
    return [step.replace(" (document test)", "") for step in verdict.way]


@pytest.mark.parametrize("host", ["", "hv1"])
def test_out_by_any_edge(network: Network, host: str) -> None:
    verdict = ask(network, "198.51.100.7")
    assert steps(verdict) == [
        "port web/b lives on host hv1",
        "router r runs on edges: hv2, hv3",
        "router r sends 198.51.100.7 to 203.0.113.254, into switch ext, by route r/world",
        "nat r/all translates 10.0.1.11 to the own address of the edge",
        "it leaves by uplink br-ex of hv2 or br-ex of hv3, to 203.0.113.254 there",
    ]
    assert verdict.reachable and not verdict.notes
    assert str(verdict).endswith("it leaves for the physical network")


@pytest.mark.parametrize(
    ("source", "translated"),
    [("web/a", "nat r/a translates 10.0.1.10 to 203.0.113.10"), ("web/c", "nat r/some translates 10.0.1.12 to 203.0")],
)
def test_the_rule_that_counts(network: Network, source: str, translated: str) -> None:
    assert any(step.startswith(translated) for step in steps(ask(network, "198.51.100.7", source)))


def test_an_address_outside_that_leads_back_in(network: Network) -> None:
    verdict = ask(network, "203.0.113.10")
    assert "nat r/a translates 203.0.113.10 to 10.0.1.10" in steps(verdict)
    assert steps(verdict)[-2:] == ["10.0.1.10 is port web/a", "port web/a lives on host hv1"]
    assert str(verdict).endswith("it gets there")
    ported = ask(network, "203.0.113.11")
    assert ported.reachable and any("nat r/web translates one port of 203.0.113.11" in note for note in ported.notes)


def test_policy_shared_and_dropping_routes(network: Network) -> None:
    audited = ask(network, "198.18.0.7", "web/c")
    assert any("by route r/audited" in step for step in audited.way)
    assert not any("audited" in step for step in ask(network, "198.18.0.7").way)
    assert any(step.endswith("one of 2 that share") for step in ask(network, "172.16.0.7").way)
    dropped = ask(network, "192.0.2.7")
    assert dropped.missing.startswith("route r/dark") and "drops what is for 192.0.2.7" in dropped.missing


def test_between_guests_through_edges(network: Network) -> None:
    verdict = ask(network, "ext/bare")
    assert verdict.reachable and steps(verdict).count("router r runs on edges: hv2, hv3") == 2


def test_a_guest_of_the_physical_network(network: Network) -> None:
    assert steps(ask(network, "203.0.113.254", "ext/bare"))[-1] == "it leaves by uplink br-ex of hv2"
    assert steps(ask(network, "203.0.113.2", "ext/bare"))[-1].startswith("203.0.113.2 is an address of router-port r")


def test_moved_to_a_host_without_an_uplink() -> None:
    network = alive()
    network.put(Binding(port=network.port("ext/bare").id, host="hv1"))
    verdict = ask(network, "203.0.113.254", "ext/bare")
    assert "host hv1, where port ext/bare lives, has no uplink of switch ext" in verdict.missing


def test_all_drained() -> None:
    drained = {"edges": {"hv2": {"admin_state": False}, "hv3": {"admin_state": False}}}
    verdict = ask(alive({"routers": {"r": drained}}), "198.51.100.7")
    assert "has no edge that is not drained" in verdict.missing and "admin_state" in verdict.advice


def test_edges_out_of_service_or_unheard_of() -> None:
    network = alive()
    host = network.objects.find(Host, "hv2")
    network.put(type(host)(id=host.id, name="hv2", admin_state=False))
    network.drop(Alive(host="hv3"))
    verdict = ask(network, "198.51.100.7")
    assert verdict.reachable and verdict.notes == (
        "edge hv2 of router r is not registered, or out of service",
        "the agent of host hv3 is not alive: packets flow, changes do not reach it",
    )
    network.drop(network.things["host-state", "hv3"])
    assert "is registered and in service (hv2, hv3)" in ask(network, "198.51.100.7").missing


def test_nothing_translates() -> None:
    network = alive()
    for name in ("all", "some", "a", "web"):
        network.delete(next(type(one) for one in network.objects.objects.values() if one.kind == "nat"), f"r/{name}")
    verdict = ask(network, "198.51.100.7")
    assert verdict.reachable and "the physical network has to know the way back" in verdict.notes[0]


def test_a_distributed_floating_ip_leaves_at_its_guest() -> None:
    floating = {"type": "floating", "internal": "10.0.1.10", "external": "203.0.113.10", "distributed": True}
    uplink = {"ext": {"uplinks": {"hv1": {"bridge": "br-ex"}}}}
    network = alive({"switches": uplink, "routers": {"r": {"nats": {"a": floating}}}})
    assert steps(ask(network, "198.51.100.7", "web/a"))[1:] == [
        "router r sends 198.51.100.7 to 203.0.113.254, into switch ext, by route r/world",
        "nat r/a translates 10.0.1.10 to 203.0.113.10",
        "it leaves by uplink br-ex of hv1",
    ]
    assert "router r runs on edges: hv2, hv3" in steps(ask(network, "ext/bare", "web/a"))
    assert "router r runs on edges: hv2, hv3" in steps(ask(network, "198.51.100.7"))
