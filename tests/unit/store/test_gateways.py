"""Gateways in the store: what goes along when a part of one goes, and what is allocated."""

from __future__ import annotations

import random

import pytest

from retia.errors import Conflict, InvalidInput
from retia.model.kinds import Edge, Host, Nat, Object, Route, RouterPort, Switch, Uplink
from retia.store import catalog
from retia.store.allocation import SLOTS, Allocator
from retia.store.memory import MemoryStore
from retia.store.view import View
from tests.unit.store.networks import GATEWAYS, apply, check_truth, head, paths


async def delete(store: MemoryStore, kind: type[Object], path: str, cascade: bool = True) -> list[str]:
    changes, _ = await catalog.change(store, lambda view: catalog.delete(view, view.find(kind, path), cascade))
    await check_truth(store)
    return changes.lines()


@pytest.mark.parametrize(
    ("kind", "path", "goes"),
    [
        (Edge, "r1/hv2", ["- router-port r1/out2", "- edge r1/hv2"]),
        (Uplink, "out/hv2", ["- router-port r1/out2", "- uplink out/hv2"]),
        (RouterPort, "r1/out1", ["- router-port r1/out1"]),
        (Host, "hv2", ["- router-port r1/out2", "- edge r1/hv2", "- uplink out/hv2", "- host hv2"]),
    ],
)
async def test_what_one_edge_needs_goes_with_it_and_the_rest_stays(kind: type[Object], path: str, goes: list) -> None:
    """The route to the physical gateway is the other edge's too, and so is what is translated."""
    store = MemoryStore()
    await apply(store, GATEWAYS)
    if len(goes) > 1:
        with pytest.raises(Conflict, match="is still used by"):
            await delete(store, kind, path, cascade=False)
    assert await delete(store, kind, path) == goes
    assert paths(await View.load(store), Nat, Route) == {"r1/all", "r1/web1", "r1/out"}


async def test_the_last_way_out_takes_along_what_is_translated_there() -> None:
    store = MemoryStore()
    await apply(store, GATEWAYS)
    await delete(store, Edge, "r1/hv2")
    gone = await delete(store, Edge, "r1/hv1")
    assert sorted(gone) == sorted(
        ["- nat r1/all", "- nat r1/web1", "- route r1/out", "- router-port r1/out1", "- edge r1/hv1"]
    )


async def test_a_physical_switch_goes_as_a_whole() -> None:
    store = MemoryStore()
    await apply(store, GATEWAYS)
    await delete(store, Switch, "out")
    assert paths(await View.load(store), Nat, Route, Uplink, RouterPort) == {"r1/to-web"}


async def test_an_edge_gets_the_lowest_free_slot_and_keeps_it() -> None:
    store = MemoryStore()
    await apply(store, head("a") + "hosts: {a: {}, b: {}, c: {}, d: {}}\nrouters: {r: {edges: {a: {}, b: {}, c: {}}}}")
    view = await check_truth(store)
    assert {edge.name: edge.slot for edge in view.network.of(Edge)} == {"a": 1, "b": 2, "c": 3}
    await delete(store, Edge, "r/b")
    await apply(store, head("b") + "edges: {r/d: {}}")
    await catalog.change(store, lambda view: catalog.set_fields(view, view.find(Edge, "r/c"), {"priority": 5}))
    view = await check_truth(store)
    assert {edge.name: edge.slot for edge in view.network.of(Edge)} == {"a": 1, "d": 2, "c": 3}


async def test_slots_run_out_with_a_name() -> None:
    store = MemoryStore()
    hosts = [f"h{number:02}" for number in range(len(SLOTS) + 1)]
    declared = f"hosts: {{{', '.join(f'{host}: {{}}' for host in hosts)}}}\n"
    edges = ", ".join(f"{host}: {{}}" for host in hosts[:-1])
    await apply(store, head("a") + declared + f"routers: {{r: {{edges: {{{edges}}}}}}}")
    with pytest.raises(InvalidInput, match="router r has 64 edges already"):
        await apply(store, head("b") + f"edges: {{r/{hosts[-1]}: {{}}}}")
    assert len({edge.slot for edge in (await check_truth(store)).network.of(Edge)}) == 64


async def test_nobody_is_handed_a_translated_address() -> None:
    store = MemoryStore()
    await apply(store, GATEWAYS.replace("external: 203.0.113.60", "external: 203.0.113.100"))
    view = await View.load(store)
    free = Allocator(view.network, random.Random(1)).address(view.find(Switch, "out"))
    assert [str(address) for address in free] == ["203.0.113.101"]
