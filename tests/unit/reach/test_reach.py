"""Who can talk and why not: by walking flows compiled from records, as guests would ask, there and back."""

from __future__ import annotations

import os
import random
import time

import pytest

from retia.flows.fields import TCP, UDP
from retia.model.kinds import Port
from retia.model.state import Binding, HostState
from retia.reach.everyone import ask_all
from retia.reach.probes import Probe
from retia.reach.question import Answer, Asker
from retia.reach.world import World, imagine, part_for
from retia.values import Ip
from tests.network import Network

TWO = {
    "switches": {
        "web": {"subnets": {"n": {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1"}}, "ports": {"a": {}, "b": {}}},
        "db": {"subnets": {"n": {"cidr": "10.0.2.0/24", "gateway": "10.0.2.1"}}, "ports": {"c": {}, "off": {}}},
        "lone": {"subnets": {"n": {"cidr": "10.0.3.0/24"}}, "ports": {"x": {}, "nowhere": {}}},
    },
    "routers": {"r1": {"ports": {"to-web": {"switch": "web"}, "to-db": {"switch": "db"}}}},
}


@pytest.fixture
def network() -> Network:
    made = Network()
    made.add_host("hv1")
    made.add_host("hv2")
    made.apply(TWO)
    for host, path in (("hv1", "web/a"), ("hv2", "web/b"), ("hv1", "db/c"), ("hv2", "db/off"), ("hv1", "lone/x")):
        made.plug(host, path)
    return made


PING = Probe()


def ask(network: Network, source: str, target: str, probe: Probe = PING) -> Answer:
    end = network.port(target) if "/" in target else Ip.parse(target)
    start = network.port(source)
    things = part_for(network.things, [start.id, end.id if isinstance(end, Port) else end])
    return Asker(World(things)).ask(start, end, probe)


@pytest.mark.parametrize("probe", [Probe(), Probe(TCP, 80), Probe(UDP, 53)], ids=str)
def test_yes_with_the_way(network: Network, probe: Probe) -> None:
    near = ask(network, "web/a", "web/b", probe)
    assert near.reachable and near.there == ("web/a on hv1", "host hv2", "web/b")
    assert near.back == ("web/b on hv2", "host hv1", "web/a")
    far = ask(network, "web/b", "db/c", probe)
    assert far.reachable and far.there == ("web/b on hv2", "router r1", "host hv1", "db/c")
    assert far.back == ("db/c on hv1", "router r1", "host hv2", "web/b")
    assert far.lines()[0] == f"yes: web/b reaches db/c ({probe})"


def test_an_address_is_whoever_has_it(network: Network) -> None:
    assert ask(network, "web/a", str(network.port("db/c").addresses[0])).there[-1] == "db/c"
    own = ask(network, "web/a", "10.0.2.1")
    assert own.reachable and own.there == ("web/a on hv1", "router r1", "web/a"), "a router answers pings itself"
    refused = ask(network, "web/a", "10.0.2.1", Probe(TCP, 22))
    assert refused.obstacle is not None and refused.obstacle.reason == "router-refuses"


@pytest.mark.parametrize(
    ("target", "reason", "stage", "blamed"),
    [
        ("10.0.1.99", "arp-unknown", "ARP_ANSWER", "switch web"),
        ("10.0.2.99", "no-neighbour", "RESOLVED", "router r1"),
        ("203.0.113.9", "no-route", "ROUTE", "router r1"),
        ("224.0.0.5", "not-routable", "ROUTE", "router r1"),
    ],
)
def test_an_address_nobody_has(network: Network, target: str, reason: str, stage: str, blamed: str) -> None:
    answer = ask(network, "web/a", target)
    obstacle = answer.obstacle
    assert obstacle is not None and not answer.on_return
    assert (obstacle.reason, obstacle.stage, obstacle.host, obstacle.object) == (reason, stage, "hv1", blamed)
    assert obstacle.rule and "dropped at" in "\n".join(answer.lines())


def test_no_for_what_is_missing_among_the_objects(network: Network) -> None:
    said = {target: ask(network, "web/a", target).obstacle for target in ("lone/x", "lone/nowhere")}
    assert said["lone/x"] and "no route to" in said["lone/x"].what and said["lone/x"].advice
    assert said["lone/nowhere"] and "lives on no host" in said["lone/nowhere"].what
    assert "iface-id" in said["lone/nowhere"].advice
    no_gateway = ask(network, "lone/x", "web/a").obstacle
    assert no_gateway and "no router joins switch lone" in no_gateway.what
    network.apply({"switches": {"db": {"ports": {"off": {"admin_state": False}}}}})
    down = ask(network, "web/a", "db/off")
    assert down.obstacle and "down (admin_state: false)" in down.obstacle.what
    assert down.data()["reachable"] is False and down.data()["obstacle"]["what"] == down.obstacle.what


def test_a_reply_that_does_not_come_back_is_a_no() -> None:
    """a's router knows the way to b's, and not the other way round."""
    network = Network()
    network.add_host("hv1")
    switches = {
        name: {"subnets": {"n": {"cidr": f"10.{n}.0.0/24", "gateway": f"10.{n}.0.1"}}, "ports": ports}
        for n, (name, ports) in enumerate({"near": {"a": {}}, "far": {"b": {}}}.items(), 1)
    } | {"middle": {"subnets": {"n": {"cidr": "10.9.0.0/24"}}}}
    there = {"to-far": {"prefix": "10.2.0.0/24", "next_hop": "10.9.0.2"}}
    r1 = {
        "ports": {"near": {"switch": "near"}, "on": {"switch": "middle", "addresses": "10.9.0.1/24"}},
        "routes": there,
    }
    r2 = {"ports": {"far": {"switch": "far"}, "on": {"switch": "middle", "addresses": "10.9.0.2/24"}}}
    network.apply({"switches": switches, "routers": {"r1": r1, "r2": r2}})
    network.plug("hv1", "near/a")
    network.plug("hv1", "far/b")
    answer = ask(network, "near/a", "far/b")
    assert not answer.reachable and answer.on_return
    assert answer.there == ("near/a on hv1", "router r1", "router r2", "far/b") and not answer.back
    assert answer.obstacle and answer.obstacle.object == "router r2" and answer.obstacle.reason == "no-route"
    assert answer.lines()[0].startswith("no: the reply: router r2 (document test) has no route to 10.1.0.2")
    (group,) = ask_all(World(network.things), [network.port("far/b"), network.port("near/a")], Probe()).groups
    assert not group.on_return, "asked from the first by name, it is the request that is lost"


def test_a_host_that_is_not_registered(network: Network) -> None:
    network.drop(Binding(port=network.port("web/b").id, host="hv2"))
    network.put(Binding(port=network.port("web/b").id, host="gone"))
    obstacle = ask(network, "web/a", "web/b").obstacle
    assert obstacle and "host gone" in obstacle.what and "not registered" in obstacle.what


def test_everyone_in_groups(network: Network) -> None:
    world = World(network.things)
    found = ask_all(world, list(world.network.of(Port)), Probe())
    assert (found.ports, found.pairs, found.reachable, found.unbound) == (6, 10, 6, ("lone/nowhere",))
    assert not found.all_reachable and sum(len(group.pairs) for group in found.groups) == 4
    told = "\n".join(found.lines())
    assert told.startswith("6 of 10 pairs of 6 ports can talk\n1 ports live on no registered host: lone/nowhere")
    assert "no route" in told and "no router joins switch lone" in told
    assert found.data()["groups"][0]["pairs"]


def test_a_document_alone() -> None:
    network = Network()
    network.apply(TWO)
    world = World(imagine(list(network.objects.objects.values())))
    assert {place.host for place in world.places.values()} == {"one", "two"}
    assert len(world.places) == 6
    answer = Asker(world).ask(network.port("web/a"), network.port("web/b"), Probe())
    assert answer.reachable and "host two" in answer.there and not answer.notes


def big(switches: int, ports: int, hosts: int) -> Network:
    network = Network()
    for number in range(hosts):
        network.put(HostState(host=f"hv{number}", key=number + 1, tunnel=Ip.parse(f"192.0.2.{number + 1}")))
    names = [f"s{number}" for number in range(switches)]
    subnet = {name: {"n": {"cidr": f"10.{n}.0.0/16", "gateway": f"10.{n}.0.1"}} for n, name in enumerate(names, 1)}
    made = {name: {"subnets": subnet[name], "ports": {f"p{n}": {} for n in range(ports)}} for name in names}
    network.apply({"switches": made, "routers": {"r": {"ports": {name: {"switch": name} for name in names[1:]}}}})
    for number, path in enumerate(f"{name}/p{n}" for name in names for n in range(ports)):
        network.put(Binding(port=network.port(path).id, host=f"hv{number % hosts}"))
    return network


def test_200_ports_in_seconds() -> None:
    network = big(10, 20, 4)
    begin = time.monotonic()
    world = World(network.things)
    found = ask_all(world, list(world.network.of(Port)), Probe())
    took = time.monotonic() - begin
    assert (found.pairs, found.reachable) == (200 * 199 // 2, 180 * 179 // 2 + 20 * 19 // 2)
    assert took < 60, "loosely: it takes some seconds"


def test_one_question_looks_at_few_ports() -> None:
    network = big(4, 500, 2)
    source, target = network.port("s1/p7"), network.port("s3/p9")
    part = part_for(network.things, [source.id, target.id])
    assert {thing.id for thing in part.values() if isinstance(thing, Port)} == {source.id, target.id}
    assert Asker(World(part)).ask(source, target, Probe()).reachable


@pytest.mark.parametrize("number", range(4))
def test_a_part_answers_as_the_whole(number: int) -> None:
    seed = int(os.environ.get("RETIA_SEED", "0")) or random.randrange(1 << 30)
    print(f"RETIA_SEED={seed}")
    source = random.Random(seed + number)
    network = big(3, 6, 3)
    paths = [f"s{n}/p{m}" for n in range(3) for m in range(6)]
    _spoil(network, source, paths)
    whole = Asker(World(network.things))
    for _ in range(8):
        a, b = source.sample(paths, 2)
        for probe in (Probe(), Probe(TCP, 80)):
            assert ask(network, a, b, probe) == whole.ask(network.port(a), network.port(b), probe), (a, b, seed)


def _spoil(network: Network, source: random.Random, paths: list[str]) -> None:
    """Ports that are down, nowhere, next hops, or forged with what another one has."""
    for path in source.sample(paths, 3):
        switch, port = path.split("/")
        network.apply({"switches": {switch: {"ports": {port: {"admin_state": False}}}}}, "test")
    for path in source.sample(paths, 3):
        binding = network.things.get(("binding", network.port(path).id))
        if binding is not None:
            network.drop(binding)
    for _ in range(6):
        like, other = network.port(source.choice(paths)), network.port(source.choice(paths))
        what = source.choice(["mac", "key", "addresses"])
        fields = {name: getattr(like, name) for name in like.__struct_fields__}
        fields |= {"id": f"{source.getrandbits(32):08x}-0000-4000-8000-000000000000", "name": f"f{source.random()}"}
        twin = Port(**{**fields, "mac": other.mac, what: getattr(like, what)})
        network.put(twin)
        network.put(Binding(port=twin.id, host=f"hv{source.randrange(3)}"))
