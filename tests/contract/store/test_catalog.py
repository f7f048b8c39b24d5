"""The catalog on every store: one document, twice, changed, cut into chunks, gone."""

from __future__ import annotations

from retia.store import catalog
from retia.store.contract import Store
from retia.store.view import View
from tests.unit.store.networks import NET, apply, check_truth


async def test_a_document_twice_changed_and_gone(store: Store) -> None:
    await apply(store, NET)
    written = await check_truth(store)
    assert not await apply(store, NET)
    assert (await View.load(store)).revision == written.revision
    changes = await apply(store, NET.replace("web1: {addresses: [10.0.1.11]", "web1: {addresses: [10.0.1.12]"))
    assert changes.lines() == ["~ port web/web1: addresses 10.0.1.11 → 10.0.1.12"]
    view = await check_truth(store)
    assert view.revision == written.revision + 1
    await catalog.commit(store, view, catalog.delete(view, list(view.network.objects.values()), cascade=True))
    assert not (await store.snapshot("/")).records


async def test_a_large_document(store: Store) -> None:
    ports = ", ".join(f"p{number}: {{}}" for number in range(2500))
    text = f"retia: 1\ndocument: large\nswitches: {{s: {{subnets: {{n: {{cidr: 10.0.0.0/16}}}}, ports: {{{ports}}}}}}}"
    changes = await apply(store, text)
    assert len(changes.creates) == 2502
    await check_truth(store)
    assert not await apply(store, text)
