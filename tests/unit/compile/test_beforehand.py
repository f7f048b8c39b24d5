"""Which physical neighbours a host asks for before any packet does."""

from __future__ import annotations

from typing import Any

import pytest

from retia.compile.local import UplinkPort
from retia.compile.outputs import WantsNeighbour
from retia.model.kinds import Edge, Port, Route, RouterPort
from tests.network import Network
from tests.unit.reach.test_gateways import standing

GATEWAY = "203.0.113.254"
BOTH = {"hv2": {("out2", GATEWAY)}, "hv3": {("out3", GATEWAY)}}


@pytest.fixture
def network() -> Network:
    """With a route outside, one that drops, and some to next hops inside."""
    made = standing()
    assert wanted(made) == BOTH
    return made


def route(network: Network, name: str, **fields: Any) -> None:
    network.apply({"routers": {"r": {"routes": {name: fields}}}})


def wanted(network: Network) -> dict[str, set[tuple[str, str]]]:
    """By host, the router ports and whom they ask."""
    names = {one.id: one.name for one in network.objects.of(RouterPort)}
    found = {
        host: {(names[row.port], str(row.address)) for row in compiler.program.rows(WantsNeighbour)}
        for host, compiler in network.compilers.items()
    }
    return {host: rows for host, rows in found.items() if rows}


def test_each_edge_by_its_own_port_and_nobody_else(network: Network) -> None:
    route(network, "other", prefix="198.51.100.0/24", next_hop="203.0.113.253", metric=7)
    route(network, "shared", prefix="198.51.100.0/24", next_hop="203.0.113.252")
    both = [GATEWAY, "203.0.113.253", "203.0.113.252"]
    assert wanted(network) == {f"hv{n}": {(f"out{n}", one) for one in both} for n in (2, 3)}
    network.delete(Route, "r/world")
    network.delete(Route, "r/other")
    assert wanted(network) == {f"hv{n}": {(f"out{n}", "203.0.113.252")} for n in (2, 3)}


def test_several_routes_to_one_next_hop_want_it_once(network: Network) -> None:
    route(network, "other", prefix="198.51.100.0/24", next_hop=GATEWAY)
    network.delete(Route, "r/world")
    assert wanted(network) == BOTH


def test_what_is_inside_needs_no_asking(network: Network) -> None:
    route(network, "inside", prefix="198.51.101.0/24", next_hop="10.0.1.200")
    route(network, "guest", prefix="198.51.102.0/24", next_hop="203.0.113.77")
    assert wanted(network) == BOTH, "a guest on the physical network is known by its declaration"
    network.apply({"switches": {"ext": {"ports": {"firewall": {"addresses": [GATEWAY]}}}}})
    assert not wanted(network)
    network.delete(Port, "ext/bare")
    assert wanted(network) == {f"hv{n}": {(f"out{n}", "203.0.113.77")} for n in (2, 3)}
    network.delete(Port, "ext/firewall")
    assert ("out2", GATEWAY) in wanted(network)["hv2"]


def test_as_soon_as_its_way_out_is_here_and_as_long(network: Network) -> None:
    compiler = network.compilers["hv2"]
    (uplink,) = compiler.program.rows(UplinkPort)
    gone = compiler.change(local=[((uplink,), ())])
    assert len(gone.expecting) == 1 and wanted(network) == {"hv3": BOTH["hv3"]}
    come = compiler.change(local=[((), (uplink,))])
    assert len(come.expecting) == 1 and wanted(network) == BOTH
    network.drop(network.objects.find(Edge, "r/hv3"))
    assert wanted(network) == {"hv2": BOTH["hv2"]}
