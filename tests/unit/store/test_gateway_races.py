"""Two who change gateways at once: both succeed and the network is true, or the second is refused with a reason."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from retia.errors import Conflict, RetiaError
from retia.model.kinds import Edge, Host, Nat, Port, Router, RouterPort, Subnet, Switch, Uplink
from retia.store import catalog, edges, fence, floating
from retia.store.changes import Changes
from retia.store.contract import StaleWrite
from retia.store.edges import LastEdge, Place
from retia.store.memory import MemoryStore
from retia.store.records import OBJECTS
from retia.store.transactions import make_unit, transaction
from retia.store.view import View
from retia.values import Ip, Mac
from tests.unit.store.networks import GATEWAYS, apply, check_truth, head
from tests.unit.store.test_catalog_races import Wish, YieldingStore, alter, document, drop, make

ALIVE = ("hv1", "hv2", "hv3")
BASE = (
    GATEWAYS.replace("hosts: {hv1: {}", "hosts: {hv4: {}, hv1: {}")
    + """\
  r2:
    edges: {hv1: {}}
    ports: {out: {switch: out, addresses: [203.0.113.21/24]}, link: {switch: link, addresses: [10.7.0.2/24]}}
  r3:
    edges: {hv1: {}}
    ports: {to-link: {switch: link, addresses: [10.7.0.3/24]}, to-far: {switch: far, addresses: [10.8.0.3/24]}}
  inner:
    edges: {hv4: {}}
    ports: {to-lan: {switch: lan, addresses: [10.5.0.1/24]}}
  bare: {}
"""
).replace(
    "switches:\n",
    """\
switches:
  link: {subnets: {l: {cidr: 10.7.0.0/24}}}
  lan: {subnets: {l: {cidr: 10.5.0.0/24}}}
  far: {subnets: {f: {cidr: 10.8.0.0/24}}, uplinks: {hv1: {bridge: br-far}}}
""",
)


def move(place: str, do: str) -> Wish:
    router, _, host = place.partition("/")
    if do == "drain":
        return lambda view: edges.drain(view, Place(router, host), ALIVE)
    return lambda view: edges.remove(view, Place(router, host))


def floats(port: str, address: str = "") -> Wish:
    return lambda view: floating.give(view, port, Ip.parse(address) if address else None, "r1")[0]


WISHES: dict[str, Wish] = {
    "floating": floats("web/web2", "203.0.113.70"),
    "floating-chosen": floats("web/web2"),
    "floating-same-address": make(Nat, "r2/f", type="floating", internal="10.6.0.9", external="203.0.113.70"),
    "floating-goes": drop(Nat, "r1/web1"),
    "dnat-same-address": make(Nat, "r1/d", type="dnat", internal="10.0.1.12", external="203.0.113.70"),
    "port-takes-address": make(Port, "out/p", addresses="203.0.113.70"),
    "port-chosen-address": make(Port, "out/q"),
    "router-takes-address": make(RouterPort, "bare/out", switch="out", addresses="203.0.113.70/24"),
    "own-port-takes-address": alter(RouterPort, "r2/out", addresses="203.0.113.70/24"),
    "gateway-takes-address": alter(Subnet, "out/out4", gateway="203.0.113.70"),
    "uplink-added": make(Uplink, "out/hv3", bridge="br-ex"),
    "uplink-same-host": make(Uplink, "out/third", bridge="br-other", host="hv3"),
    "uplink-goes": drop(Uplink, "out/hv2"),
    "uplinks-go": lambda view: catalog.delete(
        view, [view.find(Uplink, "out/hv1"), view.find(Uplink, "out/hv2")], cascade=True
    ),
    "uplink-makes-lan-outside": make(Uplink, "lan/hv4", bridge="br-lan"),
    "inner-edge-goes": drop(Edge, "inner/hv4"),
    "inner-edge-added": make(Edge, "inner/hv3"),
    "edge-added": make(Edge, "r1/hv3"),
    "edge-same-host": make(Edge, "r1/third", host="hv3"),
    "edge-goes": drop(Edge, "r1/hv2"),
    "edge-drained": move("r1/hv1", "drain"),
    "other-drained": move("r1/hv2", "drain"),
    "edge-removed": move("r1/hv1", "remove"),
    "other-removed": move("r1/hv2", "remove"),
    "port-of-an-edge": make(RouterPort, "r1/out3", switch="lan", addresses="10.5.0.9/24", host="hv2"),
    "snat-of-an-edge": make(Nat, "r1/s", type="snat", internal="10.4.0.0/24", external="203.0.113.80", host="hv2"),
    "outside-goes": drop(RouterPort, "r2/out"),
    "outside-switch-goes": drop(Switch, "out"),
    "host-goes": drop(Host, "hv2"),
    "host-unused-goes": drop(Host, "hv3"),
    "third-nat": make(Nat, "r3/n", type="snat", internal="10.3.0.0/24"),
    "link-cut": drop(RouterPort, "r3/to-link"),
    "router-goes": drop(Router, "r1"),
    "pruned": document(head("net") + "hosts: {hv1: {}}\nrouters: {bare: {}}\n", True),
}


LEFT_OPEN = {frozenset({"floating-same-address", "third-nat"})}
"""Two ends of a row of routers with NAT: see docs/decisions/0004-fences.md."""
PAIRS = [pair for pair in itertools.product(WISHES, WISHES) if frozenset(pair) not in LEFT_OPEN]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_both_decided_on_one_view(first: str, second: str) -> None:
    store = MemoryStore()
    await apply(store, BASE)
    view = await View.load(store)
    decided: list[Changes] = []
    for wish in (first, second):
        try:
            decided.append(WISHES[wish](view))
        except RetiaError:
            return  # refused whoever is first
    await catalog.commit(store, view, decided[0])
    try:
        await catalog.commit(store, view, decided[1])
    except StaleWrite:
        try:
            await catalog.change(store, WISHES[second])
        except RetiaError as error:
            assert not isinstance(error, StaleWrite) and error.what
    network = (await check_truth(store)).network
    if "drained" in first and "drained" in second:
        router = network.find(Router, "r1")
        assert any(edge.admin_state for edge in network.referrers(router.id, Edge))


def test_every_wish_can_be_decided_alone() -> None:
    async def refused() -> set[str]:
        store = MemoryStore()
        await apply(store, BASE)
        view = await View.load(store)
        found = set[str]()
        for name, wish in WISHES.items():
            try:
                assert wish(view)
            except RetiaError:
                found.add(name)
        return found

    assert asyncio.run(refused()) == {"router-takes-address"}


async def test_an_edge_writes_as_much_whatever_its_router_joins() -> None:
    store = MemoryStore()
    await apply(store, BASE)
    view = await View.load(store)
    edge = WISHES["edge-added"](view)
    wide = view.network.copy()
    router = wide.find(Router, "r1")
    for n in range(20):
        wide.put(RouterPort(id=f"x{n}", name=f"x{n}", router=router.id, switch=f"s{n}", mac=Mac(n), addresses=()))
    assert [make_unit(wide, *one).touch for one in edge.objects] == [
        make_unit(view.network, *one).touch for one in edge.objects
    ]


async def test_an_uplink_that_goes_after_its_router_leaves_no_fence_of_that() -> None:
    store = MemoryStore()
    await apply(store, BASE)
    view = await View.load(store)
    uplink, router = view.find(Uplink, "out/hv2"), view.find(Router, "r1")
    unit = make_unit(view.network, uplink, None)
    there, gone = view.revisions, {**view.revisions, f"{OBJECTS}router/{router.id}": 0}
    assert fence.members(router.id) in transaction([unit], there).puts
    assert fence.members(router.id) not in transaction([unit], gone).puts


async def test_one_floating_ip_taken_by_two_at_once() -> None:
    store = YieldingStore()
    await apply(store, BASE)
    both = [floats("web/web2", "203.0.113.70"), WISHES["floating-same-address"]]
    done = await asyncio.gather(*(catalog.change(store, wish) for wish in both), return_exceptions=True)
    (refused,) = [each for each in done if isinstance(each, BaseException)]
    assert isinstance(refused, RetiaError) and "the floating IP 203.0.113.70 is taken twice" in str(refused)
    await check_truth(store)


async def test_floating_ips_chosen_at_once_differ() -> None:
    store = YieldingStore()
    await apply(store, BASE)
    await apply(store, head("more") + f"ports: {{{', '.join(f'web/x{n}: {{}}' for n in range(6))}}}")
    await asyncio.gather(*(catalog.change(store, floats(f"web/x{n}")) for n in range(6)))
    view = await check_truth(store)
    assert len({nat.external for nat in view.network.of(Nat) if nat.external}) == 7


async def test_the_last_two_edges_are_not_both_drained_at_once() -> None:
    store = YieldingStore()
    await apply(store, BASE)
    both = [WISHES["edge-drained"], WISHES["other-drained"]]
    done = await asyncio.gather(*(catalog.change(store, wish) for wish in both), return_exceptions=True)
    assert sum(isinstance(each, LastEdge) for each in done) == 1
    assert issubclass(LastEdge, Conflict)
