"""What an on-demand agent keeps, decided without a store."""

from __future__ import annotations

from retia.model.kinds import Edge, Host, Port, Switch, Uplink
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding
from retia.store.index import address_key, mac_key, name_key
from retia.store.interest import MOST_ASKED, PATIENCE, Interest
from retia.values import Ip, Mac


def port(name: str, switch: str = "s", **more) -> Port:
    more = {"mac": Mac(0x02_00_00_00_00_01), "addresses": (Ip.parse("10.0.0.1"),), **more}
    return Port(id=f"id-{name}", name=name, switch=switch, key=1, **more)


def plugged(*names: str, host: str = "me") -> Interest:
    interest = Interest(host)
    interest.plug(InterfaceChange(None, Interface(f"if{n}", n + 1, name)) for n, name in enumerate(names))
    return interest


def test_an_interface_names_by_id_or_by_switch_and_name() -> None:
    interest = plugged("id-one", "web/two", "other/web/three", "web/a/b/c", "")
    assert interest.takes(port("one")) and not interest.takes(port("two"))
    assert interest.takes(Binding(port="id-one", host="other")) and not interest.follows("id-one"), "it is not read yet"
    assert not interest.takes(port("two", "sw")), "its switch is not known yet"
    interest.note(None, Switch(id="sw", name="web", key=5))
    interest.note(None, Switch(id="so", name="web", project="other", key=6))
    assert interest.takes(port("two", "sw")) and not interest.takes(port("two", "so"))
    assert interest.takes(port("three", "so")) and not interest.takes(port("three", "sw"))
    assert interest.name_keys == {name_key("port", "sw", "two"), name_key("port", "so", "three")}
    interest.note(Switch(id="sw", name="web", key=5), Switch(id="sw", name="renamed", key=5))
    assert not interest.takes(port("two", "sw"))
    assert (interest.switch_at(5), interest.switch_at(7)) == ("sw", "")


def test_an_own_port_that_leaves_stays_wanted_and_one_that_comes_is_no_want() -> None:
    interest = plugged("id-one")
    assert interest.settle("id-one", port("one"), Binding(port="id-one", host="me"))
    interest.plug([InterfaceChange(Interface("if0", 1, "id-one"), None)])
    assert interest.settle("id-one", port("one"), Binding(port="id-one", host="me")) and interest.own == {"id-one"}
    assert interest.settle("id-one", port("one"), Binding(port="id-one", host="other"))
    assert not interest.own and list(interest.wanted) == ["id-one"]
    interest.plug([InterfaceChange(None, Interface("if0", 1, "id-one"))])
    assert interest.settle("id-one", port("one"), None) and not interest.wanted
    interest.plug([InterfaceChange(Interface("if0", 1, "id-one"), None)])
    assert not interest.settle("id-one", None, None) and not interest.wanted, "what is gone is not wanted"


def test_a_binding_to_this_host_makes_a_port_its_own_until_it_is_released() -> None:
    interest = Interest("me")
    assert interest.takes(Binding(port="id-one", host="me")) and not interest.takes(Binding(port="x", host="other"))
    assert interest.settle("id-one", None, Binding(port="id-one", host="me")), "kept, so that it may be released"
    assert not interest.settle("id-one", None, None)


def test_what_is_asked_for_is_asked_once_and_taken_where_it_comes() -> None:
    interest, one = Interest("me"), port("one")
    for key in (address_key("s", Ip.parse("10.0.0.1")), mac_key("s", one.mac)):
        assert interest.ask(key, 100.0) and not interest.ask(key, 100.0 + PATIENCE / 2)
    assert not interest.takes(port("one", "elsewhere"))
    assert interest.takes(one) and interest.follows("id-one")
    assert interest.settle("id-one", one, None)
    interest.wanted.clear()
    assert not interest.settle("id-one", one, None) and not interest.follows("id-one")
    interest.dismiss(one)
    assert not interest.asked
    assert interest.ask(mac_key("s", one.mac), 101.0), "asked for again, at once"
    interest.expire(101.0 + PATIENCE)
    assert not interest.takes(one)


def test_asked_for_is_only_so_much() -> None:
    interest = Interest("me")
    for number in range(2 * MOST_ASKED):
        assert interest.ask(f"key{number}", 0.0)
    assert len(interest.asked) == MOST_ASKED and f"key{2 * MOST_ASKED - 1}" in interest.asked
    assert interest.ask("key0", 0.0), "the oldest went"


def test_an_edge_or_an_uplink_of_this_host_makes_it_a_gateway() -> None:
    interest = Interest("me")
    uplink = Uplink(id="u", name="u", switch="s", host="h1", bridge="br-ex", key=1)
    edge = Edge(id="e", name="e", router="r", host="h2", slot=1)
    interest.note(None, uplink)
    interest.note(None, edge)
    assert not interest.is_gateway
    interest.note(None, Host(id="h2", name="me"))
    assert interest.is_gateway
    interest.note(edge, None)
    assert not interest.is_gateway
    interest.note(None, Host(id="h1", name="me"))
    assert interest.is_gateway
    interest.note(uplink, None)
    assert not interest.is_gateway
