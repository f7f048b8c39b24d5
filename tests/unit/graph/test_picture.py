"""What is drawn of each kind, how states show, what is folded, and what a part of a network is."""

from __future__ import annotations

import pytest

from retia.errors import InvalidInput, NotFound
from retia.graph.picture import Style, Tone
from retia.model.kinds import Edge, Host, Object, Port, Router, Switch
from tests.network import Network
from tests.unit.graph.base import (
    bind,
    box,
    gateways,
    like_switches,
    lines,
    many_ports,
    near,
    picture,
    project,
    register,
    row,
    texts,
    troubled,
)


def test_each_kind_has_its_row() -> None:
    made = picture(gateways())
    shown = {(one.kind, one.name): (one.detail, one.state) for each in made.boxes for one in each.rows}
    assert shown == {
        ("subnet", "out4"): ("203.0.113.0/24, gateway 203.0.113.1", ""),
        ("uplink", "hv1"): ("br-ex", "alive"),
        ("uplink", "hv2"): ("br-ex", "alive"),
        ("subnet", "web4"): ("10.0.1.0/24, gateway 10.0.1.1", ""),
        ("port", "web1"): ("10.0.1.11", "on hv3"),
        ("port", "web2"): ("10.0.1.12", "unbound"),
        ("router-port", "to-web"): ("10.0.1.1/24", ""),
        ("router-port", "out1"): ("203.0.113.11/24, on hv1 only", ""),
        ("router-port", "out2"): ("203.0.113.12/24, on hv2 only", ""),
        ("edge", "hv1"): ("priority 10", "alive, holds addresses"),
        ("edge", "hv2"): ("priority 0", "alive"),
        ("route", "out"): ("0.0.0.0/0 via 203.0.113.1", ""),
        ("nat", "all"): ("snat 10.0.1.0/24 → each edge's own", ""),
        ("nat", "web1"): ("floating 10.0.1.11 ↔ 203.0.113.60", ""),
    }
    assert [one.id for one in made.boxes] == [
        *("switch out", "switch web", "router r1"),
        *("host hv1", "host hv2", "host hv3"),
    ]
    assert box(made, "host hv3").detail == "192.0.2.3, 1 port, alive"


def test_rules_and_routes_say_all_they_hold() -> None:
    network = gateways()
    web2 = {"type": "dnat", "internal": "10.0.1.12", "external": "203.0.113.61", "protocol": "tcp"}
    nats = {
        "own": {
            "type": "snat",
            "internal": "10.0.1.12/32",
            "external": "203.0.113.62",
            "ports": "2000-2999",
            "host": "hv1",
        },
        "ssh": {**web2, "external_port": 22},
        "web": {**web2, "external_port": 80, "internal_port": 8080},
    }
    routes = {
        "dark": {"prefix": "10.9.0.0/16", "blackhole": True},
        "far": {"prefix": "10.8.0.0/16", "next_hop": "10.0.1.12", "source": "10.0.1.0/24", "metric": 5},
    }
    network.apply({"routers": {"r1": {"nats": nats, "routes": routes}}}, name="net")
    made = picture(network)
    told = {one.name: one.detail for one in box(made, "router r1").rows}
    assert told["own"] == "snat 10.0.1.12 → 203.0.113.62, ports 2000-2999, on hv1 only"
    assert told["ssh"] == "dnat 10.0.1.12:22 ← 203.0.113.61:22/tcp"
    assert told["web"] == "dnat 10.0.1.12:8080 ← 203.0.113.61:80/tcp"
    assert told["dark"] == "10.9.0.0/16 is dropped"
    assert told["far"] == "10.8.0.0/16 from 10.0.1.0/24 via 10.0.1.12, metric 5"


def test_lines_join_what_belongs_together() -> None:
    assert lines(picture(gateways(homes={"web/web1": "hv3", "web/web2": "hv1"}))) == {
        ("host hv1", "switch out hv1", "UPLINK"),
        ("host hv2", "switch out hv2", "UPLINK"),
        ("host hv1", "router r1 hv1", "EDGE"),
        ("host hv2", "router r1 hv2", "EDGE"),
        ("switch out", "router r1 out1", "LINK"),
        ("switch out", "router r1 out2", "LINK"),
        ("router r1 to-web", "switch web", "LINK"),
        ("switch web web1", "host hv3", "BINDING"),
        ("host hv1", "switch web web2", "BINDING"),
    }


def test_states_of_hosts_and_what_lives_there() -> None:
    network = gateways(alive=("hv2",), homes={"web/web1": "hv3", "web/web2": "hv2"})
    network.apply({"hosts": {"hv4": {}, "hv5": {"admin_state": False}}}, name="more")
    made = picture(network)
    assert row(made, "switch web", "web1").state == "on hv3, dead" and row(made, "switch web", "web1").tone is Tone.BAD
    assert row(made, "switch web", "web2").tone is Tone.GOOD
    assert box(made, "host hv1").tone is Tone.BAD and "dead" in box(made, "host hv1").detail
    assert row(made, "hosts", "hv4").state == "declared, never registered"
    assert row(made, "hosts", "hv4").tone is Tone.WAITING
    assert row(made, "hosts", "hv5").state == "out of service" and row(made, "hosts", "hv5").tone is Tone.OFF
    holder = row(made, "router r1", "hv2", "edge")
    assert holder.state == "alive, holds addresses" and holder.tone is Tone.GOOD
    assert row(made, "router r1", "hv1", "edge").state == "dead"


def test_what_is_taken_out_of_service() -> None:
    network = gateways(homes={"web/web1": "hv3"})
    down = {"admin_state": False}
    web = {**down, "ports": {"web1": down, "web2": down}}
    router = {**down, "edges": {"hv1": down}, "ports": {"to-web": {"switch": "web", **down}}}
    network.apply({"switches": {"web": web}, "routers": {"r1": router}}, name="net")
    made = picture(network)
    assert [row(made, "switch web", name).state for name in ("web1", "web2")] == ["down, on hv3", "down"]
    assert box(made, "switch web").detail == "down" and box(made, "router r1").tone is Tone.OFF
    assert row(made, "router r1", "to-web").state == "down"
    drained = row(made, "router r1", "hv1", "edge")
    assert drained.state == "drained" and drained.tone is Tone.OFF
    assert row(made, "router r1", "hv2", "edge").state == "alive, holds addresses"


def test_problems_are_told_at_their_host_and_their_object() -> None:
    network = gateways()
    web1 = network.port("web/web1").id
    network.put(troubled("hv3", f"port {web1} cannot be", about=f"clash-{web1}"))
    for number in range(4):
        network.put(troubled("hv2", f"wrong {number}", about=f"slug{number}"))
    made = picture(network)
    assert row(made, "switch web", "web1").state == "on hv3, problem"
    assert row(made, "switch web", "web1").tone is Tone.BAD
    assert "problem: port port web/web1 cannot be" in row(made, "switch web", "web1").names
    assert box(made, "host hv3").tone is Tone.BAD and "alive, 1 problem" in box(made, "host hv3").detail
    told = texts(made, "host hv2")
    assert told == [*(f"problem: wrong {number}" for number in range(3)), "and 1 more: see `retia status`"]
    assert "problem: wrong 3" in box(made, "host hv2").all_names


def test_of_a_document_alone_no_state_is_claimed() -> None:
    made = picture(gateways(alive=(), homes={}), known=False)
    states = {one.state for each in made.boxes for one in each.rows}
    assert states == {""} and {each.tone for each in made.boxes} == {Tone.PLAIN}
    assert any("of a document alone" in note for note in made.notes)
    assert "of a document alone" not in " ".join(picture(gateways()).notes)


def test_nothing_declared() -> None:
    made = picture(Network())
    assert made.boxes == () and made.notes == ("nothing is declared yet: `retia apply -f FILE`",)


# -- folding -----------------------------------------------------------------------------------------------------------


def test_many_ports_are_one_row_that_keeps_their_names() -> None:
    made = picture(many_ports(100, hosts=10, unbound=2))
    assert texts(made, "switch big") == ["100 ports: 98 bound on 10 hosts, 2 unbound"]
    assert len(box(made, "switch big").rows) == 2
    names = box(made, "switch big").all_names
    assert {f"port big/p{number:03}" for number in range(100)} <= {name.partition(":")[0] for name in names}
    assert next(name for name in names if "p099" in name).endswith(", unbound")


def test_the_limit_is_the_last_that_is_not_folded() -> None:
    assert len(box(picture(many_ports(12)), "switch big").rows) == 13
    assert len(box(picture(many_ports(13)), "switch big").rows) == 2
    assert len(box(picture(many_ports(13), fold=13), "switch big").rows) == 14


def test_folded_rows_count_what_is_wrong() -> None:
    network = many_ports(20)
    network.apply({"switches": {"big": {"ports": {"p000": {"admin_state": False}}}}}, name="test")
    network.drop(network.things["alive", "hv1"])
    (told,) = texts(picture(network), "switch big")
    assert told == "20 ports: 20 bound on 3 hosts, 7 on dead hosts, 1 down"


def test_many_rules_are_folded_by_type() -> None:
    network = gateways()
    nats = {
        f"n{number:02}": {"type": "floating", "internal": f"10.0.1.{number}", "external": f"203.0.113.{number + 100}"}
        for number in range(20, 40)
    }
    network.apply({"routers": {"r1": {"nats": nats}}}, name="net")
    made = picture(network)
    assert "22 nats: 1 snat, 21 floating" in texts(made, "router r1")
    assert any(name.startswith("nat r1/n39: floating 10.0.1.39") for name in box(made, "router r1").all_names)


def test_like_switches_of_a_router_are_one_box() -> None:
    network = like_switches(40)
    made = picture(network)
    assert [one.id for one in made.boxes] == ["router r", "40 switches: s00 and others"]
    assert texts(made, "40 switches: s00 and others") == ["40 subnets", "80 ports: 80 unbound"]
    assert lines(made) == {("router r 40 router ports", "40 switches: s00 and others", "LINK")}
    assert "port s39/b: 10.0.39.3, unbound" in made.boxes[1].all_names
    assert len(picture(like_switches(12)).boxes) == 13


def test_what_was_asked_for_is_never_folded() -> None:
    network = like_switches(40)
    made = picture(network, near(network, "s07/a", 3))
    assert box(made, "switch s07").marked and row(made, "switch s07", "a").kind == "port"
    assert texts(made, "router r") == ["40 router ports"]
    assert "39 switches: s00 and others" in {one.id for one in made.boxes}
    big = many_ports(100)
    made = picture(big, near(big, "big/p050", 2))
    assert [one.name for one in box(made, "switch big").rows] == [
        *("n", "p050"),
        "99 other ports: 99 bound on 3 hosts",
    ]


def tenants(count: int) -> Network:
    """Routers on one common switch, each in a project of its own with a switch of its own."""
    network = Network()
    network.apply({"switches": {"ext": {"subnets": {"n": {"cidr": "172.16.0.0/16"}}}}}, name="common")
    for number in range(count):
        ports = {"out": {"switch": "default:ext", "addresses": f"172.16.0.{number + 1}/16"}}
        ports["in"] = {"switch": "own", "addresses": "10.0.0.1/24"}
        own = {"subnets": {"n": {"cidr": "10.0.0.0/24"}}, "ports": {"a": {}}}
        name = f"t{number:02}"
        body = {"project": name, "projects": {name: {}}, "switches": {"own": own}, "routers": {"r": {"ports": ports}}}
        network.apply(body, name=name)
    return network


def test_like_routers_are_one_box_with_what_only_they_lead_to() -> None:
    made = picture(tenants(20))
    assert [one.id for one in made.boxes] == ["switch ext", "20 routers: t00:r and others"]
    assert texts(made, "20 routers: t00:r and others") == [
        *("20 switches", "20 subnets", "20 ports: 20 unbound"),
        "40 router ports",
    ]
    assert lines(made) == {("20 routers: t00:r and others 40 router ports", "switch ext", "LINK")}
    few = picture(tenants(3))
    assert len(few.boxes) == 7 and few.frames == ("default", "t00", "t01", "t02")


def test_hosts_that_are_well_are_folded_the_others_told() -> None:
    network = Network()
    names = [f"hv{number:02}" for number in range(30)]
    register(network, names, names[:-1])
    network.put(troubled("hv03", "no tunnel"))
    made = picture(network)
    assert texts(made, "hosts") == ["problem: no tunnel", "28 hosts: hv00 to hv28, 0 ports, alive"]
    assert [one.name for one in box(made, "hosts").rows if one.kind] == ["hv03", "hv29"]
    assert "host hv11: 192.0.2.12, alive" in box(made, "hosts").all_names


def test_hosts_with_the_same_lines_are_one_box() -> None:
    network = Network()
    names = [f"hv{number:02}" for number in range(20)]
    uplinks = {name: {"bridge": "br-ex"} for name in names}
    network.apply({"hosts": {name: {} for name in names}, "switches": {"out": {"uplinks": uplinks}}})
    register(network, names, names)
    made = picture(network)
    assert lines(made) == {("20 hosts: hv00 to hv19", "switch out 20 uplinks", "UPLINK")}


def test_lines_to_hosts_stop_where_they_would_be_a_tangle() -> None:
    network = many_ports(40)
    assert sum(one.style is Style.BINDING for one in picture(network, fold=99).lines) == 40
    network = many_ports(41)
    assert not picture(network, fold=99).lines
    assert row(picture(network, fold=99), "switch big", "p000").state == "on hv0"


# -- parts -------------------------------------------------------------------------------------------------------------


def drawn(network: Network, name: str, steps: int, kind: type[Object] | None = None) -> set[str]:
    made = picture(network, near(network, name, steps, kind))
    ports = {f"{one.id} {each.name}" for one in made.boxes for each in one.rows if each.kind == "port"}
    return {one.id for one in made.boxes} | ports


def test_steps_from_an_object() -> None:
    network = gateways(homes={"web/web1": "hv3"})
    port = {"switch web", "switch web web1"}
    assert drawn(network, "web/web1", 0) == port
    assert drawn(network, "web/web1", 1) == {*port, "host hv3"}
    assert drawn(network, "web/web1", 2) == {*port, "host hv3", "switch web web2", "router r1"}
    assert drawn(network, "r1", 1) == {"router r1", "switch web", "switch out", "host hv1", "host hv2"}
    assert drawn(network, "r1/web1", 1) == drawn(network, "r1", 1)
    assert drawn(network, "hv3", 1) == {"host hv3", *port}
    assert drawn(network, "hv1", 1, Host) == {"host hv1", "switch out", "router r1"}
    far = drawn(network, "out", 3)
    assert {"router r1", "host hv1", "switch web"} <= far


def test_no_way_leads_on_from_a_host() -> None:
    network = many_ports(3, hosts=1)
    network.apply({"switches": {"alone": {"ports": {"x": {}}}}}, name="more")
    bind(network, {"alone/x": "hv0"})
    assert "switch alone" not in drawn(network, "big/p000", 9)
    assert {"switch alone", "switch big"} <= drawn(network, "hv0", 1)


def test_what_is_left_out_is_counted() -> None:
    network = gateways()
    assert texts(picture(network, near(network, "web/web1", 1)), "switch web") == ["1 more port: 1 unbound"]


def test_names_of_any_kind() -> None:
    network = gateways()
    assert near(network, network.port("web/web1").id, 0) == near(network, "web/web1", 0)
    network.apply({"switches": {"r1": {}}}, name="more")
    with pytest.raises(InvalidInput, match="several objects are called r1") as ambiguous:
        near(network, "r1", 1)
    assert ambiguous.value.advice == "name its kind too: `switch r1` or `router r1`"
    assert near(network, "r1", 0, Router).title.startswith("Router r1")
    assert near(network, "r1", 0, Switch).title.startswith("Switch r1")
    with pytest.raises(NotFound, match="nothing is called web1") as bare:
        near(network, "web1", 1)
    assert bare.value.advice == "there is r1/web1, web/web1"
    with pytest.raises(NotFound) as misspelt:
        near(network, "web/web11", 1)
    assert "did you mean web/web1" in misspelt.value.advice
    with pytest.raises(NotFound, match="no port web/none"):
        near(network, "web/none", 1, Port)
    with pytest.raises(NotFound):
        near(network, "00000000-0000-4000-8000-000000000000", 1)


def test_a_host_that_was_never_declared_has_a_picture() -> None:
    network = many_ports(3, hosts=2)
    assert drawn(network, "hv1", 1) == drawn(network, "hv1", 1, Host) == {"host hv1", "switch big", "switch big p001"}


def test_one_project_and_what_it_is_joined_to() -> None:
    network = tenants(3)
    register(network, ("hv1", "hv2"), ("hv1",))
    bind(network, {"t01:own/a": "hv1"})
    made = picture(network, project(network, "t01"))
    assert {one.id for one in made.boxes} == {"switch ext", "switch t01:own", "router t01:r", "host hv1"}
    assert made.title == "Project t01" and made.frames == ("default", "t01")
    with pytest.raises(NotFound, match="there is no project t9"):
        project(network, "t9")


def test_projects_with_nothing_in_them_are_told() -> None:
    network = gateways()
    network.apply({"projects": {"empty": {}}}, name="more")
    assert picture(network).notes == ("with nothing in it: project empty",)


def test_the_same_whatever_the_order_of_what_is_known() -> None:
    network = gateways()
    first = picture(network)
    network.things = dict(reversed(network.things.items()))
    for item in sorted(network.objects.objects.values(), key=lambda item: item.id):
        network.objects.remove(item)
        network.objects.put(item)
    assert picture(network) == first
    assert network.objects.has(network.objects.find(Router, "r1").id, Edge)
