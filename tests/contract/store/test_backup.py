"""A backup holds what is declared and allocated; putting it back writes what differs and no more. Over every store."""

from __future__ import annotations

import json

import pytest

from retia.errors import Conflict, InvalidDocument, InvalidInput, StoreAway, Unsupported
from retia.model.kinds import Port, Switch
from retia.model.state import Binding
from retia.store import backup, catalog
from retia.store.contract import DATA, INDEX, PREFIX, Store, TooLarge, Transaction
from retia.store.fence import FENCES
from retia.store.host import register
from retia.store.memory import MemoryStore
from retia.store.records import RESTORING, encode, key_of
from retia.store.sync import Sync
from retia.store.view import View
from retia.values import Ip


async def declare(store: Store, kind: type, path: str) -> None:
    await catalog.change(store, lambda view: catalog.create(view, kind, path))


async def filled(store: Store) -> bytes:
    await declare(store, Switch, "web")
    for number in range(5):
        await declare(store, Port, f"web/p{number}")
    await register(store, "hv1", Ip.parse("192.0.2.1"), "1")
    binding = Binding(port=(await View.load(store)).network.find(Port, "web/p1").id, host="hv1")
    await store.commit(Transaction(puts={key_of(binding): encode(binding)}))
    return await backup.capture(store)


async def kept(store: Store) -> dict[str, bytes]:
    records = {**(await store.snapshot(DATA)).records, **(await store.snapshot(INDEX)).records}
    return {key: record.value for key, record in records.items() if not key.startswith(FENCES)}


async def empty(store: Store) -> None:
    await store.commit(Transaction(deletes=set((await store.snapshot(PREFIX)).records)))


async def test_what_was_lost_comes_back_byte_for_byte(store: Store) -> None:
    data = await filled(store)
    before = await kept(store)
    await empty(store)
    written, gone = await backup.restore(store, backup.read(data, "file"))
    assert (written, gone) == (len(before), 0)
    assert await kept(store) == before
    assert await backup.restore(store, backup.read(data, "file"), replace=True) == (0, 0), "nothing differs any more"
    await declare(store, Port, "web/p9")


async def test_what_is_declared_is_not_overwritten_unasked(store: Store) -> None:
    data = await filled(store)
    before = await kept(store)
    await declare(store, Switch, "later")
    with pytest.raises(Conflict, match="not empty") as error:
        await backup.restore(store, backup.read(data, "file"))
    assert "--replace" in error.value.advice
    await backup.restore(store, backup.read(data, "file"), replace=True)
    assert await kept(store) == before


async def test_what_hosts_say_meanwhile_is_newer(store: Store) -> None:
    data = await filled(store)
    moved = await register(store, "hv1", Ip.parse("192.0.2.9"), "1")
    await backup.restore(store, backup.read(data, "file"), replace=True)
    assert (await store.get(key_of(moved))).value == encode(moved)


async def test_in_pieces_half_of_it_is_never_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = await filled(store)
    before = await kept(store)
    await empty(store)
    monkeypatch.setattr(backup, "PIECE", 4)
    commit, seen = store.commit, []

    async def small(transaction: Transaction) -> int:
        if transaction.size > 4:
            raise TooLarge("too many operations")
        seen.append(await store.get(RESTORING) is not None)
        return await commit(transaction)

    monkeypatch.setattr(store, "commit", small)
    await backup.restore(store, backup.read(data, "file"))
    assert await kept(store) == before
    assert seen[2:] and all(seen[2:]), "from the first piece to the last"


async def test_files_that_are_no_whole_backup_are_refused_with_every_problem(store: Store) -> None:
    data = await filled(store)
    good = json.loads(data)
    with pytest.raises(InvalidInput, match="no whole backup"):
        backup.read(data[: len(data) // 2], "file")
    with pytest.raises(InvalidInput, match="is no backup"):
        backup.read(json.dumps({**good, "retia": "lab"}).encode(), "file")
    with pytest.raises(Unsupported, match="schema 2"):
        backup.read(json.dumps({**good, "schema": 2}).encode(), "file")
    ports = [name for name in good["records"] if "/port/" in name]
    switch = next(name for name in good["records"] if "/switch/" in name)
    wrong = dict(good["records"])
    del wrong[switch]
    wrong[ports[0]] = {**wrong[ports[0]], "mac": "no"}
    wrong["index/anything"] = "x"
    with pytest.raises(InvalidDocument) as error:
        backup.read(json.dumps({**good, "records": wrong}).encode(), "file")
    said = str(error.value)
    assert "its switch does not exist" in said and ports[0] in said and "index/anything" in said
    twice = {**good["records"][ports[0]], "id": good["records"][ports[1]]["id"]}
    with pytest.raises(InvalidDocument, match="taken twice"):
        backup.read(json.dumps({**good, "records": {**good["records"], ports[1]: twice}}).encode(), "file")


async def test_a_store_with_a_record_that_cannot_be_read_is_not_backed_up_in_part(store: Store) -> None:
    await filled(store)
    await store.commit(Transaction(puts={f"{DATA}object/port/broken": b"garbage"}))
    with pytest.raises(InvalidDocument, match="broken"):
        await backup.capture(store)


async def test_an_agent_keeps_what_it_knows_when_etcd_has_lost_everything() -> None:
    """What a wiped etcd looks like: nothing declared, and a revision that went back."""
    full = MemoryStore()
    data = await filled(full)
    sync = Sync(full)
    await sync.first()
    known = dict(sync.view)
    wiped = MemoryStore()
    sync._store = wiped
    with pytest.raises(StoreAway, match="lost everything"):
        await sync.first()
    assert sync.view == known
    await wiped.commit(Transaction(puts={RESTORING: b"{}"}))
    with pytest.raises(StoreAway, match="being restored"):
        await sync.first()
    await wiped.commit(Transaction(deletes={RESTORING}))
    await backup.restore(wiped, backup.read(data, "file"))
    assert (await sync.first()).changes == (), "not one thing differs"
