"""What is wrong is named as long as it lasts, in words with names, by the hosts it concerns and by no other."""

from __future__ import annotations

import pytest

from retia.compile.compiler import Thing
from retia.compile.outputs import FlowRow
from retia.model.kinds import Object, Router, Switch
from retia.model.state import Binding
from retia.values import Cidr, Ip
from tests.unit.compile.base import THINGS, WEB1, WEB2, Lab, host, mac, port, router_port

THIRD = Switch(id="x-far", name="far", key=40)
CLASHES: dict[str, tuple[tuple[Thing, ...], str, str]] = {
    "mac": (
        (port("x", "web", 14, mac=WEB1.mac),),
        "displaced-port-x",
        "port web/x does not work: it has the MAC of another port of its switch",
    ),
    "mac-of-a-router": (
        (port("x", "web", 14, mac=mac(101)),),
        "displaced-port-x",
        "port web/x does not work: it has the MAC of a router on its switch",
    ),
    "port-key": (
        (port("x", "web", 14, key=WEB1.key),),
        "displaced-port-x",
        "port web/x does not work: it has the key of another port of its switch",
    ),
    "key-of-a-router-port": (
        (port("x", "web", 14, key=101),),
        "displaced-port-x",
        "port web/x does not work: it has the key of a router port on its switch",
    ),
    "address": (
        (port("x", "web", 14, addresses=WEB2.addresses),),
        "duplicate-address-x-10.0.1.12",
        "port web/x has address 10.0.1.12, which belongs to another port of its switch",
    ),
    "address-of-a-router": (
        (port("x", "web", 14, addresses=(Ip.parse("10.0.1.1"),)),),
        "duplicate-address-x-10.0.1.1",
        "port web/x has address 10.0.1.1, which belongs to another port of its switch",
    ),
    "router-mac": (
        (router_port("x", "r", "web", 101, key=120, switch_key=120, addresses=(Cidr.parse("10.0.5.1/24"),)),),
        "displaced-router-port-x",
        "router port r/x does not work: it has the MAC of another router on its switch",
    ),
    "switch-key-of-a-router-port": (
        (router_port("x", "r", "web", 120, switch_key=101, addresses=(Cidr.parse("10.0.5.1/24"),)),),
        "displaced-router-port-x",
        "router port r/x does not work: it has the key of another router port on its switch",
    ),
    "key-of-a-router": (
        (router_port("x", "r", "web", 120, key=101, addresses=(Cidr.parse("10.0.5.1/24"),)),),
        "displaced-router-port-x",
        "router port r/x does not work: it has the key of another port of its router",
    ),
    "router-address": (
        (Router(id="r2", name="r2", key=30), router_port("x", "r2", "web", 120)),
        "duplicate-address-x-10.0.1.1",
        "router port r2/x has address 10.0.1.1, which belongs to another router on its switch",
    ),
    "router-key": (
        (
            Router(id="s", name="s", key=9),
            router_port("x", "s", "web", 120, addresses=(Cidr.parse("10.0.1.3/24"),)),
        ),
        "displaced-router-s",
        "router s does not work: it has the datapath key of another switch or router",
    ),
    "host-key": (
        (host("a-host", 1, "192.0.2.77"),),
        "displaced-host-me",
        "host me cannot be reached: it has the key of another host",
    ),
    "stranger": (
        (Binding(port="db1", host="stranger"),),
        "no-tunnel-stranger",
        "host stranger has no tunnel address, so its ports cannot be reached",
    ),
}


@pytest.mark.parametrize("clash", CLASHES)
def test_a_clash_is_named_while_it_lasts(clash: str) -> None:
    things, about, what = CLASHES[clash]
    lab = Lab()
    before = {key: lab.things.get(key) for key in lab.things}
    lab.put(*things)
    assert [(one.about, one.what) for one in lab.compiler.troubles] == [(about, what)]
    assert all(one.where and one.advice for one in lab.compiler.troubles)
    assert not lab.compiler.conflicts
    if about.startswith("displaced") and not about.endswith("host-me"):
        assert not [row for row in lab.compiler.program.rows(FlowRow) if row.origin == about.rpartition("-")[2]]
    for key in [key for key in lab.things if key not in before]:
        lab.drop(lab.things[key])
    lab.put(*[thing for thing in before.values() if thing is not None])
    assert not lab.abouts()


def test_a_switch_of_another_key_with_a_guest_here() -> None:
    lab = Lab()
    lab.put(Switch(id="x-web", name="web2", key=1), port("x", "x-web", 14))
    assert not lab.abouts()  # no guest of it is here: another host's affair
    lab.plug(2, "x")
    assert lab.abouts() == ["displaced-switch-x-web"]


def test_a_clash_in_a_switch_out_of_reach_is_not_told() -> None:
    lab = Lab()
    lab.put(THIRD, port("y", "x-far", 14), port("z", "x-far", 15, mac=mac(14), addresses=(Ip.parse("10.0.2.14"),)))
    assert not lab.abouts()


def test_a_clash_in_a_switch_that_is_only_reached_is_told() -> None:
    lab = Lab()
    lab.put(port("x", "db", 14, mac=mac(13)))
    assert lab.abouts() == ["displaced-port-x"]


def test_a_host_that_is_not_registered() -> None:
    lab = Lab([thing for thing in THINGS if isinstance(thing, Object)])
    assert lab.abouts() == ["unregistered-me"]
