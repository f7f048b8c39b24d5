"""Which ports live where, and what that makes of this host: nothing at all where no guest is."""

from __future__ import annotations

import msgspec
import pytest

from retia.compile.compiler import Compiler
from retia.model.kinds import Host, Object, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding
from retia.values import Ip
from tests.unit.compile.base import THINGS, TUNNEL, WEB2, Lab, host, mac, port, router_port


@pytest.mark.parametrize("names", ["web1", "web/web1", "default/web/web1"])
def test_how_an_interface_names_a_port(names: str) -> None:
    lab = Lab(plugs=[(1, names)])
    assert lab.compiler.claims == {"web1": "if1"} and len(lab.flows("ADMIT", "web1")) == 1


@pytest.mark.parametrize("names", ["web/none", "other/web/web1", "a/default/web/web1", "/web1", "web1/", "web"])
def test_an_interface_that_names_nothing(names: str) -> None:
    lab = Lab(plugs=[(1, names)])
    assert not lab.compiler.claims and lab.abouts() == ["unknown-port-if1"]


def test_a_name_in_another_project() -> None:
    switch, one = Switch(id="w2", name="web", project="acme", key=7), port("a1", "w2", 5, name="web1")
    lab = Lab((*THINGS, switch, one), [(1, "acme/web/web1")])
    assert lab.compiler.claims == {"a1": "if1"}


def test_a_name_means_nothing_in_another_project() -> None:
    """Of two ports of one name each interface gets its own project's, although one has the lower id."""
    switch, one = Switch(id="w2", name="web", project="acme", key=7), port("a1", "w2", 5, name="web1")
    lab = Lab((*THINGS, switch, one), [(1, "web/web1"), (2, "acme/web/web1"), (3, "other/web/web1")])
    assert lab.compiler.claims == {"web1": "if1", "a1": "if2"} and lab.abouts() == ["unknown-port-if3"]


def test_of_two_interfaces_the_lowest_counts() -> None:
    """The other is named; when the first goes it takes over."""
    lab = Lab(plugs=[(7, "web1"), (3, "web/web1")])
    assert lab.compiler.claims == {"web1": "if3"} and lab.abouts() == ["named-twice-if7"]
    lab.unplug(3)
    assert lab.compiler.claims == {"web1": "if7"} and not lab.abouts()


@pytest.mark.parametrize("order", ["record-first", "interface-first"])
def test_tuplenet_18_record_and_interface_come_in_any_order(order: str) -> None:
    """tuplenet-18"""
    there = Lab()
    lab = Lab(THINGS if order == "record-first" else (), plugs=[(1, "web1")])
    lab.put(*THINGS)
    assert lab.compiler.flows == there.compiler.flows and lab.compiler.claims == {"web1": "if1"}


def test_tuplenet_19_an_interface_that_changes_its_mind() -> None:
    """tuplenet-19: iface-id to something else stops the traffic, back starts it, however often and fast."""
    lab = Lab()
    before = lab.compiler.flows
    lab.plug(1, "web/none")
    assert not lab.flows("ADMIT", "web1") and not lab.compiler.claims
    good, bad = Interface("if1", 1, "web1"), Interface("if1", 1, "web/none")
    flaps = [InterfaceChange(bad, good), InterfaceChange(good, bad)] * 5 + [InterfaceChange(bad, good)]
    lab.compiler.change(interfaces=flaps)
    assert lab.compiler.flows == before


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: f"{thing.kind}-{getattr(thing, 'id', '')}")
def test_tuplenet_21_deleted_and_declared_again(thing: object) -> None:
    """tuplenet-21: the flows are those of before, and deltas say so too."""
    lab = Lab(plugs=[(1, "web1"), (2, "web2")])
    before = lab.compiler.flows
    gone = lab.compiler.change([(thing, None)])  # type: ignore[list-item]
    back = lab.compiler.change([(None, thing)])  # type: ignore[list-item]
    assert lab.compiler.flows == before
    assert {flow.key for flow in back.puts} >= set(gone.drops)


@pytest.mark.parametrize("order", [1, -1])
def test_tuplenet_21_all_deleted_and_declared_again(order: int) -> None:
    """tuplenet-21, in both orders."""
    lab = Lab()
    before = lab.compiler.flows
    for thing in THINGS[::order]:
        lab.compiler.change([(thing, None)])
    assert set(lab.compiler.flows) < set(before) and not lab.flows("LOOKUP", rule="lookup_port")
    for thing in THINGS[::-order]:
        lab.compiler.change([(None, thing)])
    assert lab.compiler.flows == before


@pytest.mark.parametrize("identity", ["web", "r", "to-web", "web1", "db", "to-db", "host-me", "host-h1"])
def test_admin_state(identity: str) -> None:
    """What is down has no flows of its own, and up again all of them."""
    lab = Lab()
    before = lab.compiler.flows
    thing = next(one for one in THINGS if isinstance(one, Object) and one.id == identity)
    lab.put(msgspec.structs.replace(thing, admin_state=False))
    down = set(before) - set(lab.compiler.flows)
    assert down and not set(lab.compiler.flows) - set(before)
    lab.put(thing)
    assert lab.compiler.flows == before


def test_a_host_out_of_service() -> None:
    lab = Lab()
    lab.put(Host(id="host-me", name="me", admin_state=False))
    assert lab.compiler.flows == Lab(plugs=[]).compiler.flows and not lab.compiler.peers
    assert lab.compiler.claims == {"web1": "if1"}  # the guest is still here


def test_no_guest_no_flows() -> None:
    """Nothing that is declared makes a flow on a host where no guest is, but for the constant ones."""
    empty = Compiler("me")
    empty.change(tunnel_port=TUNNEL)
    assert Lab(plugs=[]).compiler.flows == empty.flows


def test_only_what_can_be_reached() -> None:
    """A switch no router joins to ours makes no flow here."""
    lab = Lab()
    before = lab.compiler.flows
    far = Switch(id="far", name="far", key=50), port("far1", "far", 5), Binding(port="far1", host="h1")
    lab.put(*far)
    assert lab.compiler.flows == before
    lab.put(router_port("to-far", "r", "far", 103))
    assert lab.mac_leads_to(50, mac(5)) == "far1"


def test_two_flows_a_remote_port_and_one_a_host() -> None:
    lab = Lab()
    one = lab.compiler.change([(None, port("new", "web", 30)), (None, Binding(port="new", host="h1"))])
    assert len(one.puts) == 2 and not one.drops
    old = lab.things["host-state", "h1"]
    moved = lab.compiler.change([(old, host("h1", 2, "192.0.2.99"))])
    assert len(moved.puts) == 1 and not moved.drops and moved.peers
    assert lab.compiler.peers == {"h1": Ip.parse("192.0.2.99")}


def test_a_port_that_lives_nowhere_costs_nothing() -> None:
    lab = Lab()
    before = lab.compiler.flows
    lab.put(port("new", "web", 30))
    assert lab.compiler.flows == before


def test_a_port_another_host_holds() -> None:
    """It has no flows to its interface here, and gets them when the other lets go."""
    lab = Lab(plugs=[(1, "web1"), (2, "web2")])
    assert not lab.flows("ADMIT", "web2") and len(lab.flows("LOOKUP", "web2")) == 1
    lab.drop(Binding(port="web2", host="h1"))
    assert lab.flows("ADMIT", "web2") and not lab.abouts()


def test_a_host_without_a_tunnel() -> None:
    lab = Lab()
    lab.put(Binding(port="web2", host="stranger"))
    assert lab.abouts() == ["no-tunnel-stranger"] and not lab.flows("LOOKUP", "web2")


def test_ipv6_makes_no_rows() -> None:
    lab = Lab()
    before = lab.compiler.flows
    both = msgspec.structs.replace(WEB2, addresses=(*WEB2.addresses, Ip.parse("fd00::1")))
    lab.put(both)
    assert lab.compiler.flows == before
