"""A host that has only its own ports and what it asked for: its flows, whom it sends the rest to, and who helps it.

web (key 1): web1 on me, web2 on h1          db (key 2): db1 on h1          router r (key 9)          h1, h2: full
"""

from __future__ import annotations

import pytest

from retia.compile.compiler import Thing
from retia.compile.local import PeerPort, PeerSeen
from retia.compile.modes import HELPERS, Helper
from retia.flows.actions import Load, LoadLive, Punt
from retia.flows.fields import whole
from retia.flows.flow import Flow
from retia.model.kinds import Edge, Host, Router, Uplink
from retia.model.state import FULL, ON_DEMAND, Binding, HostState
from retia.pipeline.punts import PuntKind
from retia.values import Ip
from tests.unit.compile.base import DB1, THINGS, WEB2, Lab


def state(name: str, key: int, mode: str) -> HostState:
    return HostState(host=name, key=key, tunnel=Ip.parse(f"192.0.2.{key}"), mode=mode)


ME, H1, H2 = state("me", 1, ON_DEMAND), state("h1", 2, FULL), state("h2", 3, FULL)
OTHERS = (WEB2, DB1, Binding(port="web2", host="h1"), Binding(port="db1", host="h1"))
"""What this host does not have before it asks."""


def lazy(*more: Thing) -> Lab:
    small = [thing for thing in THINGS if thing not in OTHERS and not isinstance(thing, HostState)]
    return Lab([*small, ME, H1, H2, *more])


def punts(lab: Lab) -> list[Flow]:
    wanted = Punt(bytes([PuntKind.WANTED]))
    return [flow for flow in lab.compiler.flows.values() if wanted in flow.actions]


def watched(lab: Lab, *keys: int) -> None:
    rows = [row for key in keys for row in (PeerPort("me", key, 40000 + key), PeerSeen("me", key))]
    lab.compiler.change(local=[((), rows)])


def asked_of(lab: Lab) -> tuple[int, ...]:
    """The ports that watch those who are sent what is not known, in order."""
    return next(
        action.members
        for flow in lab.flows("REDIRECT")
        for action in flow.actions
        if flow.priority and isinstance(action, LoadLive)
    )


def test_what_was_asked_for_comes_and_goes() -> None:
    lab = lazy()
    before = lab.compiler.flows
    assert lab.compiler.on_demand
    assert not lab.mac_leads_to(1, WEB2.mac) and not lab.address_is(2, "10.0.2.13")
    lab.put(*OTHERS)
    assert lab.mac_leads_to(1, WEB2.mac) == "web2" and lab.address_is(2, "10.0.2.13") == "db1"
    assert "h1" in lab.compiler.peers
    lab.drop(*OTHERS)
    assert lab.compiler.flows == before


def test_a_wanted_port_costs_four_flows() -> None:
    """As any port elsewhere: its MAC and address; no more because of the mode."""
    lab, full = lazy(), Lab()
    small, whole = len(lab.compiler.flows), len(full.compiler.flows)
    lab.put(*OTHERS)
    full.drop(*OTHERS)
    assert len(lab.compiler.flows) - small <= whole - len(full.compiler.flows)


def test_tuplenet_36_full_hosts_ask_nobody() -> None:
    """With or without hosts in the other mode (tuplenet-36)."""
    for things in (THINGS, [*THINGS, state("h1", 2, ON_DEMAND)]):
        lab = Lab(things)
        assert not lab.compiler.on_demand and not punts(lab)
        assert not any(flow.priority for flow in lab.flows("REDIRECT"))


def test_where_all_are_full_nobody_is_served() -> None:
    alone, beside = Lab(), Lab([*THINGS, state("h1", 2, ON_DEMAND)])
    assert not alone.flows("ADMIT", rule="admit_router")
    assert len(beside.flows("ADMIT", rule="admit_router")) == 1
    assert len(beside.compiler.flows) == len(alone.compiler.flows) + 1


def test_a_full_host_reaches_what_on_demand_hosts_do() -> None:
    """It has no port on any of these switches."""
    lab = Lab([*THINGS, state("h1", 2, ON_DEMAND)], plugs=())
    assert lab.mac_leads_to(1, WEB2.mac) == "web2" and lab.address_is(2, "10.0.2.13") == "db1"
    assert lab.compiler.peers == {"h1": Ip.parse("192.0.2.2")}
    lab.put(state("h1", 2, FULL))
    assert not lab.mac_leads_to(1, WEB2.mac) and not lab.compiler.peers


def test_helpers_are_watched_from_both_ends() -> None:
    lab = lazy()
    assert {peer.name for peer in lab.compiler.watched} == {"bfd-00002", "bfd-00003"}
    other = Lab([*THINGS, state("h1", 2, ON_DEMAND)])
    assert [peer.name for peer in other.compiler.watched] == ["bfd-00002"]


def test_the_first_counts_until_one_was_seen_to_live() -> None:
    lab = lazy()
    (flow,) = lab.flows("REDIRECT", rule="redirect_first")
    assert Load(whole("tun_dst"), Ip.parse("192.0.2.2")) in flow.actions
    watched(lab, 2, 3)
    assert not lab.flows("REDIRECT", rule="redirect_first")
    assert asked_of(lab) == (40002, 40003)


def test_edges_and_hosts_with_uplinks_help_first() -> None:
    lab = lazy(
        Host(id="host-h2", name="h2"), Uplink(id="up", name="h2", switch="web", host="host-h2", bridge="b", key=9)
    )
    watched(lab, 2, 3)
    assert asked_of(lab) == (40003, 40002)


def test_so_many_help() -> None:
    more = [state(f"x{n}", 10 + n, FULL) for n in range(5)]
    lab = lazy(*more)
    assert sorted(row.host for row in lab.compiler.program.rows(Helper)) == ["h1", "h2", "x0"]
    assert len([*lab.compiler.watched]) == HELPERS
    lab.drop(H1)
    assert sorted(row.host for row in lab.compiler.program.rows(Helper)) == ["h2", "x0", "x1"]


def test_a_host_out_of_service_helps_nobody() -> None:
    lab = lazy()
    lab.put(Host(id="host-h1", name="h1", admin_state=False))
    assert "h1" not in lab.compiler.peers and list(lab.compiler.peers) == ["h2"]


@pytest.mark.parametrize(
    "one",
    [
        Edge(id="e", name="me", router="r2", host="host-me", slot=1),
        Uplink(id="up", name="me", switch="web", host="host-me", bridge="br-ex", key=9),
    ],
    ids=["edge", "uplink"],
)
def test_a_gateway_is_full_whatever_it_says(one: Thing) -> None:
    lab = lazy(Router(id="r2", name="r2", key=77))
    lab.put(one)
    assert not lab.compiler.on_demand and not punts(lab) and lab.abouts() == []
    lab.drop(one)
    assert lab.compiler.on_demand and len(punts(lab)) == 1


def test_no_full_host_is_named_and_counted() -> None:
    lab = lazy()
    assert lab.abouts() == []
    lab.put(state("h1", 2, ON_DEMAND), state("h2", 3, ON_DEMAND))
    assert lab.abouts() == ["no-full-host-me"]
    (flow,) = lab.flows("REDIRECT")
    assert flow.priority == 0 and len(punts(lab)) == 1
    lab.put(H1)
    assert lab.abouts() == []


def test_a_mode_nobody_knows_is_full() -> None:
    """Another version's, say: it has everything, as far as this one can tell."""
    lab = Lab([*THINGS, state("me", 1, "half")])
    assert not lab.compiler.on_demand
