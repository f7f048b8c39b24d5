"""`why A B`: the way there and back, or the first thing that is missing, each in the user's words."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from retia.compile.compiler import Thing
from retia.compile.path import Verdict, why_pair
from retia.model.kinds import Host, Object, Route, Router, Switch
from retia.model.state import Alive, Binding
from retia.values import Cidr, Ip
from tests.unit.compile.base import DB1, THINGS, Lab, mac, port, router_port

ALIVE = (Alive(host="me"), Alive(host="h1"))


def ask(lab: Lab, first: str = "web1", second: str = "db1") -> Verdict:
    return why_pair(lab.compiler, lab.things, first, second)


def find(identity: str) -> Object:
    return next(one for one in THINGS if isinstance(one, Object) and one.id == identity)


def down(identity: str) -> Thing:
    return msgspec.structs.replace(find(identity), admin_state=False)


def test_routed() -> None:
    verdict = ask(Lab((*THINGS, *ALIVE)))
    assert verdict.reachable and not verdict.notes
    assert [step.partition(" (")[0] for step in verdict.way] == [
        "port web/web1",
        "port db/db1",
        "router r",
        "and back:",
        "router r",
    ]
    assert "lives on host h1" in verdict.way[1] and str(verdict).endswith("they can talk, both ways")


@pytest.mark.parametrize("names", [("web1", "web2"), ("web/web1", "web/web2"), ("default/web/web1", "web2")])
def test_on_one_switch(names: tuple[str, str]) -> None:
    verdict = ask(Lab((*THINGS, *ALIVE)), *names)
    assert verdict.reachable and "both are ports of switch web (made by hand)" in verdict.way


def test_an_agent_that_is_away_is_a_note() -> None:
    verdict = ask(Lab((*THINGS, ALIVE[0])))
    assert verdict.reachable and verdict.notes == (
        "the agent of host h1 is not alive: packets flow, changes do not reach it",
    )


def gone(identity: str) -> Callable[[Lab], None]:
    return lambda lab: lab.drop(find(identity))


def put(*things: Thing) -> Callable[[Lab], None]:
    return lambda lab: lab.put(*things)


NOTHING = msgspec.structs.replace(DB1, addresses=())
H1_DOWN = Host(id="host-h1", name="h1", admin_state=False)
LOST = Binding(port="db1", host="h7")
DUPLICATE = msgspec.structs.replace(DB1, mac=mac(102))
SAME = msgspec.structs.replace(DB1, addresses=(Ip.parse("10.0.2.1"),))
UNROUTABLE = msgspec.structs.replace(DB1, addresses=(Ip.parse("169.254.1.1"),))
OTHER = msgspec.structs.replace(DB1, addresses=(Ip.parse("10.9.9.9"),))


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        pytest.param(gone("db1"), "there is no port db1", id="no-port"),
        pytest.param(put(msgspec.structs.replace(DB1, key=0)), "port db1 can't be used: its key 0", id="bad-record"),
        pytest.param(put(down("db1")), "port db/db1 (made by hand) is down", id="port-down"),
        pytest.param(put(down("db")), "switch db (made by hand) is down", id="switch-down"),
        pytest.param(gone("db"), "there is no switch db", id="no-switch"),
        pytest.param(put(DUPLICATE), "port db/db1 (made by hand) has the MAC of a router", id="mac-of-another"),
        pytest.param(
            put(Switch(id="aa", name="aa", key=2)),
            "switch db (made by hand) has the datapath key of another",
            id="key-of-another",
        ),
        pytest.param(
            lambda lab: lab.drop(Binding(port="db1", host="h1")), "db1 (made by hand) lives on no host", id="unbound"
        ),
        pytest.param(
            put(Host(id="host-h1", name="h1", admin_state=False)), "host h1, where port db/db1", id="host-down"
        ),
        pytest.param(
            put(Binding(port="db1", host="h7")), "host h7, where port db/db1 lives, is not", id="unregistered"
        ),
        pytest.param(lambda lab: lab.unplug(1), "no interface of host me names port web/web1", id="unplugged"),
        pytest.param(gone("to-web"), "no router joins switch web", id="no-router"),
        pytest.param(put(down("to-web")), "router-port r/to-web (made by hand) is down", id="router-port-down"),
        pytest.param(put(down("r")), "router r (made by hand) is down", id="router-down"),
        pytest.param(gone("to-db"), "router r (made by hand) has no route to 10.0.2.13", id="no-route"),
        pytest.param(put(OTHER), "router r (made by hand) has no route to 10.9.9.9", id="outside-every-prefix"),
        pytest.param(
            put(msgspec.structs.replace(DB1, addresses=())), "db1 (made by hand) has no address", id="no-address"
        ),
        pytest.param(put(SAME), "address 10.0.2.1 of port db/db1 (made by hand) belongs", id="address-of-another"),
        pytest.param(put(UNROUTABLE), "routers never carry packets to 169.254.1.1", id="never-routed"),
    ],
)
def test_the_first_thing_missing(change: Callable[[Lab], None], missing: str) -> None:
    lab = Lab((*THINGS, *ALIVE))
    change(lab)
    verdict = ask(lab)
    assert not verdict.reachable and missing in verdict.missing
    assert verdict.advice and f"missing: {verdict.missing}" in str(verdict)


def two_routers(**routes: str) -> Lab:
    """web and mid on r, mid and db on r2; `routes`: the next hop of a default route on r (there) and r2 (back)."""
    middle = [
        Switch(id="mid", name="mid", key=20),
        Router(id="r2", name="r2", key=21),
        router_port("mid-r", "r", "mid", 110, addresses=(Cidr.parse("10.0.9.1/24"),)),
        router_port("mid-r2", "r2", "mid", 111, addresses=(Cidr.parse("10.0.9.2/24"),)),
        router_port("to-db", "r2", "db", 102),
        port("guest", "mid", 120, addresses=(Ip.parse("10.0.9.7"),)),
    ]
    made = [
        Route(id=name, name=name, router=router, prefix=Cidr.parse("0.0.0.0/0"), next_hop=Ip.parse(routes[name]))
        for name, router in (("there", "r"), ("back", "r2"))
        if name in routes
    ]
    return Lab((*THINGS, *ALIVE, *middle, *made))


def test_by_static_routes() -> None:
    verdict = ask(two_routers(there="10.0.9.2", back="10.0.9.1"))
    assert verdict.reachable and len(verdict.way) == 7
    assert "by route r/there" in verdict.way[2] and "by route r2/back" in verdict.way[5]


@pytest.mark.parametrize(
    ("routes", "missing", "advice"),
    [
        pytest.param({"there": "10.0.9.2"}, "r2 (made by hand) has no route to 10.0.1.11", "add", id="no-way-back"),
        pytest.param({"there": "10.0.9.9"}, "nobody has next hop 10.0.9.9", "next_hop", id="nobody-there"),
        pytest.param({"there": "10.0.9.7"}, "is port mid/guest (made by hand), a guest", "ask", id="a-guest"),
        pytest.param({"there": "10.7.7.7"}, "has no route", "route r/there would lead there", id="hop-off-link"),
    ],
)
def test_what_static_routes_miss(routes: dict[str, str], missing: str, advice: str) -> None:
    verdict = ask(two_routers(**routes))
    assert missing in verdict.missing and advice in verdict.advice


def test_a_loop_of_routes_ends() -> None:
    lab = two_routers(there="10.0.9.2", back="10.0.9.1")
    lab.put(port("far", "mid", 77, addresses=(Ip.parse("172.16.0.1"),)), Binding(port="far", host="h1"))
    assert "on for ever" in ask(lab, "web1", "far").missing


def test_what_it_says_is_what_the_flows_do() -> None:
    """A port that is reachable has its flows here; one that is not lacks one."""
    lab = Lab((*THINGS, *ALIVE))
    assert ask(lab).reachable and lab.mac_leads_to(2, DB1.mac) == "db1"
    lab.put(down("to-db"))
    assert not ask(lab).reachable and not lab.mac_leads_to(2, DB1.mac)
