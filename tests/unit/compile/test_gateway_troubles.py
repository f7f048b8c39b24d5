"""What is wrong with edges, uplinks and watched tunnels is named where it concerns somebody, while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from retia.compile.local import PeerPort, PeerSeen, PeerUp
from retia.compile.outputs import Trouble
from retia.model.kinds import Edge, Host, RouterPort, Uplink
from tests.network import Network
from tests.unit.reach.test_gateways import standing


@pytest.fixture
def network() -> Iterator[Network]:
    made = standing()
    assert not any(compiler.troubles for compiler in made.compilers.values())
    yield made
    assert not any(compiler.conflicts for compiler in made.compilers.values())


def named(network: Network) -> dict[str, set[str]]:
    """By what is said, the hosts that say so."""
    found: dict[str, set[str]] = {}
    for host, compiler in network.compilers.items():
        for one in compiler.troubles:
            assert one.where and one.advice
            found.setdefault(one.what, set()).add(host)
    return found


def with_(network: Network, kind: type[Any], path: str, **fields: object) -> None:
    network.put(msgspec.structs.replace(network.objects.find(kind, path), **fields))


def drain(network: Network) -> None:
    for host in ("hv2", "hv3"):
        with_(network, Edge, f"r/{host}", admin_state=False)


def unregister(network: Network) -> None:
    network.drop(network.things["host-state", "hv3"])


def lose_uplink(network: Network) -> None:
    network.drop(network.objects.find(Uplink, "ext/hv3"))


NO_PORT = "this edge of router r has no port on the physical network: what it is sent for there is lost"


def lose_port(network: Network) -> None:
    network.drop(network.objects.find(RouterPort, "r/out3"))


def misplace(network: Network) -> None:
    with_(network, RouterPort, "r/out3", host=network.objects.find(Host, "hv4").id)


def forge(network: Network) -> None:
    with_(network, Uplink, "ext/hv3", key=network.port("ext/bare").key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drain, {"router r has no edge that is registered, in service and not drained": {"hv1", "hv2", "hv3"}}),
        (
            unregister,
            {
                "edge hv3 of router r is not registered": {"hv1", "hv2", "hv3"},
                "switch ext has an uplink on host hv3, which is not registered": {"hv2", "hv3"},
                "host hv3 is not registered": {"hv3"},
            },
        ),
        (
            lose_uplink,
            {"router port r/out3 leads nowhere from here: switch ext has no uplink on this host": {"hv3"}},
        ),
        (
            misplace,
            {"router port r/out3 is on a host that is no edge of its router": {"hv2", "hv3"}, NO_PORT: {"hv3"}},
        ),
        (lose_port, {NO_PORT: {"hv3"}}),
        (
            forge,
            {
                "the uplink of switch ext on this host does not work: it has the key of a port of its switch": {"hv3"},
                "router port r/out3 leads nowhere from here: switch ext has no uplink on this host": {"hv3"},
            },
        ),
    ],
    ids=["drained", "unregistered", "no-uplink", "port-on-no-edge", "no-port", "forged-key"],
)
def test_named_by_those_it_concerns(
    network: Network, change: Callable[[Network], None], said: dict[str, set[str]]
) -> None:
    before = dict(network.things)
    change(network)
    assert named(network) == said
    for thing in before.values():
        network.put(thing)
    assert not named(network)


def test_one_edge_is_enough(network: Network) -> None:
    with_(network, Edge, "r/hv3", admin_state=False)
    network.drop(network.objects.find(RouterPort, "r/out3"))
    assert not named(network), "to drain one of several is no trouble, nor that it has no port then"


def test_the_only_edge_that_died(network: Network) -> None:
    """Packets go to it all the same: all the more is it named."""
    with_(network, Edge, "r/hv3", admin_state=False)
    network.compilers["hv1"].change(local=[((PeerUp("hv1", 2),), ())])
    assert {one.where for one in network.compilers["hv1"].troubles} == {"hv2"}


def test_a_watched_tunnel_that_died(network: Network) -> None:
    compiler = network.compilers["hv1"]
    up = PeerUp("hv1", 3)
    compiler.change(local=[((up,), ())])
    assert [(one.about, one.where) for one in compiler.troubles] == [("unreached-hv3", "hv3")]
    assert isinstance(compiler.troubles[0], Trouble) and "BFD says" in compiler.troubles[0].what
    compiler.change(local=[((PeerSeen("hv1", 3),), ())])
    assert not compiler.troubles, "one that was never up is not known to be dead"
    compiler.change(local=[((), (PeerSeen("hv1", 3),)), ((PeerPort("hv1", 3, 40003),), ())])
    compiler.change(local=[((), (up,))])
    assert not compiler.troubles
