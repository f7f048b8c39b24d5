"""What another program may write: clashes are decided alike everywhere, felt by the loser alone, named, and undone."""

from __future__ import annotations

import pytest

from retia.compile.compiler import Compiler, Thing
from retia.flows.actions import Output
from retia.model.kinds import Port, Route, Router, Switch
from retia.model.state import Binding
from retia.values import Cidr, Ip, Mac
from tests.unit.compile.base import THINGS, WEB1, WEB2, Lab, host, mac, port, router_port

LATER = port("x-later", "web", 14)


def with_binding(lab: Lab, number: int, one: Port) -> None:
    lab.put(one)
    lab.plug(number, one.id)


@pytest.mark.parametrize(
    ("fields", "inert"),
    [
        pytest.param({"mac": WEB1.mac}, True, id="tuplenet-7-mac"),
        pytest.param({"addresses": WEB1.addresses}, False, id="tuplenet-7-address"),
        pytest.param({"key": WEB1.key}, True, id="key"),
        pytest.param({"mac": mac(101)}, True, id="mac-of-a-router"),
        pytest.param({"addresses": (Ip.parse("10.0.1.1"),)}, False, id="address-of-a-router"),
        pytest.param({"key": 101}, True, id="key-of-a-router-port"),
    ],
)
def test_a_second_claim_gets_nothing(fields: dict[str, object], inert: bool) -> None:
    """The first keeps working, the second is named; without it all is as before."""
    lab = Lab()
    before = lab.compiler.flows
    with_binding(lab, 2, port("x-later", "web", 14, **fields))
    assert {key: flow for key, flow in lab.compiler.flows.items() if key in before} == before
    assert bool(lab.flows("DELIVER", "x-later")) is not inert
    assert lab.address_is(1, "10.0.1.11") == "web1" and lab.address_is(1, "10.0.1.1") == "to-web"
    assert [about for about in lab.abouts() if "x-later" in about]
    assert not lab.compiler.conflicts
    lab.drop(lab.things["port", "x-later"])
    lab.unplug(2)
    assert lab.compiler.flows == before and not lab.abouts()


@pytest.mark.parametrize("fields", [{"mac": WEB1.mac}, {"key": WEB1.key}, {"addresses": WEB1.addresses}], ids=str)
@pytest.mark.parametrize("first", [True, False], ids=["loser-first", "winner-first"])
def test_the_order_of_arrival_does_not_matter(fields: dict[str, object], first: bool) -> None:
    clash = port("x-later", "web", 14, **fields)
    one, other = Lab((*THINGS, clash)), Lab((clash, *THINGS) if first else (*THINGS, clash))
    assert one.compiler.flows == other.compiler.flows


@pytest.mark.parametrize("fields", [{"mac": WEB1.mac}, {"key": WEB1.key}, {"addresses": WEB1.addresses}], ids=str)
def test_tuplenet_d5_the_loser_is_promoted(fields: dict[str, object]) -> None:
    """tuplenet-d5: two ports of one address, the winner goes, and the loser has it."""
    lab = Lab()
    loser = port("x-later", "web", 14, **fields)
    with_binding(lab, 2, loser)
    lab.unplug(1)
    lab.drop(WEB1, lab.things["binding", "web1"])
    assert lab.mac_leads_to(1, loser.mac) == "x-later"
    assert lab.address_is(1, str(loser.addresses[0])) == "x-later"
    assert not lab.abouts()


def test_tuplenet_d2_names_and_addresses_are_not_glued() -> None:
    """tuplenet-d2: 110.1.1.1 in LS-1 and 10.1.1.1 in LS-11 have nothing to do with each other."""
    switches = Switch(id="LS-1", name="LS-1", key=31), Switch(id="LS-11", name="LS-11", key=32)
    one = Port(id="one", name="one", switch="LS-1", mac=mac(31), addresses=(Ip.parse("110.1.1.1"),), key=1)
    two = Port(id="two", name="two", switch="LS-11", mac=mac(32), addresses=(Ip.parse("10.1.1.1"),), key=1)
    lab = Lab((*THINGS, *switches, one, two), [(1, "LS-1/one"), (2, "LS-11/two")])
    assert lab.address_is(31, "110.1.1.1") == "one" and lab.address_is(32, "10.1.1.1") == "two"
    assert not lab.abouts()


def test_tuplenet_d3_one_name_in_two_switches() -> None:
    """tuplenet-d3: each of the two ports has its own flows."""
    one, two = port("id-1", "web", 21, name="same"), port("id-2", "db", 22, name="same")
    lab = Lab((*THINGS, one, two), [(1, "web/same"), (2, "db/same")])
    assert lab.compiler.claims == {"id-1": "if1", "id-2": "if2"}
    assert lab.mac_leads_to(1, mac(21)) == "id-1" and lab.mac_leads_to(2, mac(22)) == "id-2"


def test_tuplenet_d3_one_route_name_in_two_routers() -> None:
    """tuplenet-d3: routes and router ports too."""
    hop, other = Ip.parse("10.0.1.11"), Cidr.parse("172.16.0.0/16")
    things = (
        Router(id="r2", name="r2", key=10),
        router_port("to-web-2", "r2", "web", 103, addresses=(Cidr.parse("10.0.1.2/24"),), name="to-web"),
        Route(id="one", name="out", router="r", prefix=other, next_hop=hop),
        Route(id="two", name="out", router="r2", prefix=other, next_hop=hop),
    )
    lab = Lab((*THINGS, *things))
    assert len(lab.flows("ROUTE", "one")) == len(lab.flows("ROUTE", "two")) == 1


def test_tuplenet_d4_a_refused_port_leaves_nothing_behind() -> None:
    """tuplenet-d4: a port refused for its MAC goes, and its address serves another."""
    lab = Lab()
    address = Ip.parse("10.0.1.77")
    refused = port("a-refused", "web", 14, mac=mac(101), addresses=(address,))
    with_binding(lab, 2, refused)
    lab.drop(refused)
    lab.unplug(2)
    with_binding(lab, 2, port("good", "web", 15, addresses=(address,)))
    assert lab.address_is(1, "10.0.1.77") == "good" and not lab.abouts()


def test_tuplenet_d10_router_ports_that_share_their_low_bits() -> None:
    """tuplenet-d10: 10.50.0.1/24 and 10.60.0.1/24 lead each to its own switch."""
    ports = [
        router_port("to-web", "r", "web", 101, addresses=(Cidr.parse("10.50.0.1/24"),)),
        router_port("to-db", "r", "db", 102, addresses=(Cidr.parse("10.60.0.1/24"),)),
    ]
    lab = Lab((*THINGS, *ports))
    assert len(lab.flows("ROUTE", "to-web")) == len(lab.flows("ROUTE", "to-db")) == 1
    assert len(lab.flows("ROUTER_FORWARD", rule="forward")) == 2 and not lab.compiler.conflicts


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(Switch(id="x-second", name="second", key=1), id="tuplenet-8-switch"),
        pytest.param(Router(id="x-second", name="second", key=9), id="tuplenet-8-router"),
        pytest.param(Router(id="x-second", name="second", key=1), id="tuplenet-8-router-like-a-switch"),
    ],
)
def test_a_second_datapath_of_a_key_is_inert(second: Thing) -> None:
    lab = Lab()
    before = lab.compiler.flows
    guest = Port(id="guest", name="guest", switch="x-second", mac=mac(41), addresses=(), key=1)
    link = router_port("x-link", "x-second", "web", 105, addresses=(Cidr.parse("10.0.1.9/24"),))
    lab.put(second, guest if isinstance(second, Switch) else link)
    lab.plug(2, "guest")
    added = {key for key in lab.compiler.flows if key not in before}
    assert not added
    assert any(about.startswith("displaced") for about in lab.abouts())


def test_a_second_host_of_a_key_gets_no_packets() -> None:
    """And takes none from the first."""
    lab = Lab()
    before = lab.compiler.flows
    lab.put(host("x-later", 2, "192.0.2.66"), port("far", "web", 51))
    assert lab.compiler.flows == before and lab.compiler.peers == {"h1": Ip.parse("192.0.2.2")}
    lab.put(Binding(port="far", host="x-later"))
    assert lab.compiler.flows == before


def test_tuplenet_16_two_ports_of_a_router_in_one_prefix() -> None:
    """tuplenet-16: of two equal connected prefixes one counts; when its port goes the other takes over."""
    lab = Lab((*THINGS, Binding(port="db1", host="me")), [(1, "db1")])
    twin = router_port("x-twin", "r", "db", 104, addresses=(Cidr.parse("10.0.1.3/24"),))
    lab.put(twin)
    assert len(lab.flows("ROUTE", "to-web")) == 1 and not lab.flows("ROUTE", "x-twin")
    lab.drop(lab.things["router-port", "to-web"])
    assert not lab.flows("ROUTE", "to-web") and len(lab.flows("ROUTE", "x-twin")) == 1
    assert not lab.compiler.conflicts


def test_of_two_routers_with_one_address_the_first_has_it() -> None:
    lab = Lab()
    before = lab.compiler.flows
    rival = router_port("x-rival", "r2", "web", 104)
    lab.put(Router(id="r2", name="r2", key=10), rival)
    assert lab.address_is(1, "10.0.1.1") == "to-web" and not lab.compiler.conflicts
    assert {key: flow for key, flow in lab.compiler.flows.items() if key in before} == before
    lab.drop(lab.things["router-port", "to-web"])
    assert lab.address_is(1, "10.0.1.1") == "x-rival"


@pytest.mark.parametrize(
    "thing",
    [
        Switch(id="bad", name="bad", key=0),
        Switch(id="bad", name="bad", key=1 << 24),
        Router(id="bad", name="bad", key=-1),
        port("bad", "web", 20, key=1 << 16),
        port("bad", "web", 20, mac=Mac(0)),
        port("bad", "web", 20, mac=Mac.parse("01:00:5e:00:00:01")),
        router_port("bad", "r", "web", 20, switch_key=0),
        host("bad", 1 << 16, "192.0.2.9"),
    ],
    ids=lambda thing: f"{thing.kind}-{thing.key}",
)
def test_what_no_switch_could_carry_out_is_named(thing: Thing) -> None:
    lab = Lab()
    before = lab.compiler.flows
    lab.put(thing)
    assert lab.compiler.flows == before and lab.abouts() == ["unusable-bad"]
    lab.drop(thing)
    assert not lab.abouts()


def test_tuplenet_d1_the_last_word_of_a_batch_counts() -> None:
    """tuplenet-d1: a port changed and deleted in one batch leaves nothing."""
    lab = Lab(plugs=[(1, "web1"), (2, "web2"), (3, LATER.id)])
    before = lab.compiler.flows
    changed = port("x-later", "web", 14, mac=mac(77))
    lab.compiler.change([(None, LATER), (LATER, changed), (changed, None)])
    assert lab.compiler.flows == before
    lab.compiler.change([(WEB2, None), (None, WEB2)])
    assert lab.compiler.flows == before


def test_tuplenet_d8_two_hosts_of_one_interface_agree() -> None:
    """tuplenet-d8: the interface of a port that another host holds is named, and claims without writing flows."""
    lab = Lab(plugs=[(1, "web1"), (2, "web2")])
    assert lab.compiler.claims == {"web1": "if1", "web2": "if2"}
    assert lab.abouts() == ["bound-elsewhere-web2"]
    assert not any(Output(2) in flow.actions for flow in lab.compiler.flows.values())


def test_a_fresh_compiler_is_quiet() -> None:
    assert not Compiler("me").conflicts
