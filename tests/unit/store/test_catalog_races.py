"""Two writers at once, and random ones: whoever wins, the network is referentially true, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retia.errors import Conflict, InvalidInput, RetiaError
from retia.model.document import parse
from retia.model.kinds import Port, Project, Route, Router, RouterPort, Subnet, Switch
from retia.store import catalog
from retia.store.changes import Changes
from retia.store.contract import StaleWrite, Transaction
from retia.store.memory import MemoryStore
from retia.store.view import View
from tests.unit.store.networks import NET, apply, check_truth, head, paths

BASE = (
    NET.replace("document: net\n", "document: net\nprojects: {acme: {}}\n").replace(
        "subnets: {web4", "subnets: {wide: {cidr: 10.0.8.0/24}, web4"
    )
    + "  r2: {}\n"
)
Wish = Callable[[View], Changes]


def make(kind: type, path: str, **given: object) -> Wish:
    return lambda view: catalog.create(view, kind, path, given)


def drop(kind: type, path: str) -> Wish:
    return lambda view: catalog.delete(view, view.find(kind, path), cascade=True)


def alter(kind: type, path: str, **given: object) -> Wish:
    return lambda view: catalog.set_fields(view, view.find(kind, path), given)


def document(text: str, prune: bool = False) -> Wish:
    return lambda view: catalog.plan(view, parse(text, "net.yaml"), prune)


WISHES: dict[str, Wish] = {
    "port": make(Port, "web/new"),
    "port-with-address": make(Port, "web/other", addresses="10.0.1.60"),
    "port-same-address": make(Port, "web/same", addresses="10.0.1.60"),
    "port-same-mac": make(Port, "web/mac", mac="02:00:00:00:00:99"),
    "port-moves": alter(Port, "web/web2", addresses="10.0.1.60"),
    "port-takes-mac": alter(Port, "web/web2", mac="02:00:00:00:00:99"),
    "port-goes": drop(Port, "web/web1"),
    "mtu": alter(Switch, "web", mtu=1300),
    "subnet-added": make(Subnet, "web/more", cidr="10.0.4.0/24"),
    "subnet-overlapping": make(Subnet, "web/twice", cidr="10.0.4.0/25"),
    "port-at-the-edge": make(Port, "web/edge", addresses="10.0.8.200"),
    "router-port-at-the-edge": make(RouterPort, "r2/edge", switch="web", addresses="10.0.8.201/24"),
    "subnet-shrinks": alter(Subnet, "web/wide", cidr="10.0.8.0/25"),
    "gateway-moves": alter(Subnet, "web/web4", gateway="10.0.1.60"),
    "subnet-goes": drop(Subnet, "web/web4"),
    "switch-goes": drop(Switch, "web"),
    "switch-pruned": document(head("net") + "projects: {acme: {}}\nswitches: {db: {}}\nrouters: {r1: {}}\n", True),
    "router-port": make(RouterPort, "r2/to-web", switch="web", addresses="10.0.1.60/24"),
    "router-port-again": make(RouterPort, "r2/twice", switch="web", addresses="10.0.1.61/24"),
    "router-port-goes": drop(RouterPort, "r1/to-web"),
    "router-goes": drop(Router, "r2"),
    "route": make(Route, "r1/new", prefix="10.9.0.0/16", next_hop="10.0.1.254"),
    "route-again": make(Route, "r1/twice", prefix="10.9.0.0/16", next_hop="10.0.1.254"),
    "switch-in-project": make(Switch, "acme:web"),
    "project-goes": drop(Project, "acme"),
}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(WISHES, WISHES)))
async def test_both_decided_on_one_view(first: str, second: str) -> None:
    """The second is written as it is, or refused as stale; planned again, it is done or has a reason."""
    store = MemoryStore()
    await apply(store, BASE)
    view = await View.load(store)
    one, two = WISHES[first](view), WISHES[second](view)
    await catalog.commit(store, view, one)
    try:
        await catalog.commit(store, view, two)
    except StaleWrite:
        try:
            await catalog.change(store, WISHES[second])
        except RetiaError as error:
            assert not isinstance(error, StaleWrite)
    await check_truth(store)


@pytest.mark.parametrize(
    "wishes", [("port-with-address", "port-same-mac", "port-goes"), ("route", "port-with-address")]
)
async def test_those_who_do_not_mind_each_other_never_wait(wishes: tuple[str, ...]) -> None:
    store = MemoryStore()
    await apply(store, BASE)
    view = await View.load(store)
    decided = [
        WISHES[wish](view) if wish != "port-same-mac" else make(Port, "web/z", addresses="10.0.1.70")(view)
        for wish in wishes
    ]
    for changes in decided:
        await catalog.commit(store, view, changes)
    await check_truth(store)


class YieldingStore(MemoryStore):
    """Lets others run before each write."""

    async def commit(self, transaction: Transaction) -> int:
        await asyncio.sleep(0)
        return await super().commit(transaction)


async def test_ten_appliers_at_once_get_ten_addresses() -> None:
    store = YieldingStore()
    await apply(store, NET)
    texts = [head(f"d{number}") + f"ports: {{web/x{number}: {{}}, db/x{number}: {{}}}}" for number in range(10)]
    await asyncio.gather(*(apply(store, text) for text in texts))
    view = await check_truth(store)
    assert len(paths(view, Port)) == 23
    assert len({port.addresses for port in view.network.of(Port)}) == 23


async def test_the_same_document_by_two_at_once_is_written_once() -> None:
    store = YieldingStore()
    before = (await store.snapshot("")).revision
    await asyncio.gather(apply(store, NET), apply(store, NET))
    assert (await check_truth(store)).revision == before + 1


async def test_who_is_never_first_is_told() -> None:
    class Restless(MemoryStore):
        async def commit(self, transaction: Transaction) -> int:
            raise StaleWrite({"/retia/v1/data/object/switch/x"})

    with pytest.raises(Conflict, match="20 times"):
        await apply(Restless(), NET)


def _mapping(name: str, items: list[str]) -> str:
    return f"{name}: {{{', '.join(items)}}}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Few names and few addresses, so that documents meet."""
    switches, routers = [], []
    for switch in draw(st.sets(st.sampled_from("ab"), max_size=2)):
        net = draw(st.sampled_from(["10.0.0.0/29", "10.0.0.0/28", "10.0.1.0/29"]))
        first = net.partition("0/")[0]
        gateway = draw(st.sampled_from(["", f", gateway: {first}1", f", gateway: {first}2"]))
        ports = []
        for name in draw(st.sets(st.sampled_from("pqr"))):
            fields = draw(
                st.sampled_from(["", f"addresses: {first}3", f"addresses: {first}2", "mac: 02:00:00:00:00:01"])
            )
            ports.append(f"{name}: {{{fields}}}")
        body = [_mapping("subnets", [f"n: {{cidr: {net}{gateway}}}"]), _mapping("ports", ports)]
        switches.append(f"{switch}: {{{', '.join(body)}}}")
    for router in draw(st.sets(st.sampled_from("xy"), max_size=1)):
        ports = [f"{name}: {{switch: {name}}}" for name in draw(st.sets(st.sampled_from("ab")))]
        routes = draw(st.sampled_from([[], ["t: {prefix: 0.0.0.0/0, next_hop: 10.0.0.4}"]]))
        routers.append(f"{router}: {{{_mapping('ports', ports)}, {_mapping('routes', routes)}}}")
    name = draw(st.sampled_from(["one", "two"]))
    return head(name) + _mapping("switches", switches) + "\n" + _mapping("routers", routers) + "\n"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(documents(), st.booleans(), st.booleans()), max_size=8), st.integers(0, 1 << 30))
def test_random_documents_in_random_order_end_true(steps: list[tuple[str, bool, bool]], seed: int) -> None:
    """Each step is a document, with --prune or not, decided on a fresh or on an old view."""
    asyncio.run(_walk(steps, random.Random(seed)))


async def _walk(steps: list[tuple[str, bool, bool]], source: random.Random) -> None:
    store = MemoryStore()
    old = await View.load(store)
    for text, prune, stale in steps:
        view = old if stale else await View.load(store)
        before = await store.snapshot("")
        try:
            changes = catalog.plan(view, parse(text, "net.yaml"), prune, source)
            await catalog.commit(store, view, changes)
        except (InvalidInput, Conflict):
            assert await store.snapshot("") == before
        else:
            assert view is old or not catalog.plan(await View.load(store), parse(text, "net.yaml"), prune)
        old = await check_truth(store) if not stale else old
        await check_truth(store)
