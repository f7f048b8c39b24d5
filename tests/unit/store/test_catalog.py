"""The catalog: documents and hands become transactions, once, and what exists keeps what it has."""

from __future__ import annotations

from typing import Any

import pytest

from retia.errors import Conflict, InvalidDocument, InvalidInput, NotFound
from retia.model.document import parse
from retia.model.kinds import Port, Project, Router, RouterPort, Subnet, Switch
from retia.store import allocation, catalog
from retia.store.changes import Changes
from retia.store.contract import TooLarge, Transaction
from retia.store.memory import MemoryStore
from retia.store.view import View
from retia.values import Ip, Mac
from tests.unit.store.networks import NET, apply, check_truth, head, paths


async def hand(store: MemoryStore, kind: Any, path: str, **given: Any) -> Changes:
    changes, _ = await catalog.change(store, lambda view: catalog.create(view, kind, path, given))
    return changes


async def test_one_document_is_one_transaction() -> None:
    store = MemoryStore()
    before = (await store.snapshot("")).revision
    changes = await apply(store, NET)
    view = await check_truth(store)
    assert view.revision == before + 1
    assert len(changes.creates) == 11
    assert view.find(Port, "web/web2").addresses == (Ip.parse("10.0.1.10"),)
    assert view.find(Port, "db/db1").addresses == (Ip.parse("10.0.2.2"),)
    assert view.find(Port, "web/web2").mac >> 40 == 2
    assert str(view.find(RouterPort, "r1/to-db").addresses[0]) == "10.0.2.1/24"


async def test_the_same_document_twice_writes_nothing() -> None:
    store = MemoryStore()
    await apply(store, NET)
    before = await store.snapshot("")
    changes = await apply(store, NET)
    assert not changes and len(changes.unchanged) == 11
    assert await store.snapshot("") == before


async def test_updates_keep_id_key_mac_and_address() -> None:
    store = MemoryStore()
    await apply(store, NET)
    before = (await View.load(store)).find(Port, "web/web2")
    changed = NET.replace("web2: {}", "web2: {admin_state: false}")
    changes = await apply(store, changed)
    after = (await check_truth(store)).find(Port, "web/web2")
    assert changes.lines() == ["~ port web/web2: admin_state true → false"]
    assert (after.id, after.key, after.mac, after.addresses) == (before.id, before.key, before.mac, before.addresses)
    await apply(store, NET.replace("web2: {}", "web2: {addresses: [10.0.1.50], mac: 02:00:00:00:00:07}"))
    moved = (await check_truth(store)).find(Port, "web/web2")
    assert (moved.id, moved.key, moved.mac) == (before.id, before.key, Mac.parse("02:00:00:00:00:07"))


async def test_given_addresses_come_before_allocated_ones() -> None:
    store = MemoryStore()
    ports = "{a: {}, b: {addresses: [10.0.0.2]}, c: {}}"
    await apply(store, head("a") + f"switches: {{s: {{subnets: {{n: {{cidr: 10.0.0.0/29}}}}, ports: {ports}}}}}")
    view = await check_truth(store)
    assert {port.name: str(port.addresses[0]) for port in view.network.of(Port)} == {
        "a": "10.0.0.1",
        "b": "10.0.0.2",
        "c": "10.0.0.3",
    }


async def test_a_freed_address_is_used_again() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    await catalog.commit(store, view, catalog.delete(view, view.find(Port, "web/web2")))
    await hand(store, Port, "web/again")
    assert (await check_truth(store)).find(Port, "web/again").addresses == (Ip.parse("10.0.1.10"),)


async def test_two_ports_swap_their_addresses() -> None:
    ports = "{a: {addresses: 10.0.0.%s}, b: {addresses: 10.0.0.%s}}"
    text = head("a") + f"switches: {{s: {{subnets: {{n: {{cidr: 10.0.0.0/24}}}}, ports: {ports}}}}}"
    store = MemoryStore()
    await apply(store, text % (5, 6))
    changes = await apply(store, text % (6, 5))
    assert len(changes.updates) == 2
    await check_truth(store)


async def test_an_address_moves_from_a_pruned_port_to_a_new_one() -> None:
    text = head("a") + "switches: {s: {subnets: {n: {cidr: 10.0.0.0/24}}, ports: {%s: {addresses: 10.0.0.5}}}}"
    store = MemoryStore()
    await apply(store, text % "old")
    await apply(store, text % "new", prune=True)
    assert paths(await check_truth(store), Port) == {"s/new"}


async def test_prune_deletes_only_what_the_document_declared() -> None:
    store = MemoryStore()
    await apply(store, NET)
    await apply(store, head("guest") + "ports: {web/guest: {}}")
    await hand(store, Port, "web/byhand")
    smaller = NET.replace(", web2: {}", "").replace(
        "    routes: {out: {prefix: 0.0.0.0/0, next_hop: 10.0.1.254}}\n", ""
    )
    assert not await apply(store, smaller)
    changes = await apply(store, smaller, prune=True)
    assert changes.lines() == ["- route r1/out", "- port web/web2"]
    assert paths(await check_truth(store), Port) == {"web/web1", "web/guest", "web/byhand", "db/db1"}
    with pytest.raises(InvalidDocument, match="port web/guest"):
        await apply(store, head("net"), prune=True)


async def test_another_documents_object_is_a_conflict_and_a_hands_is_adopted() -> None:
    store = MemoryStore()
    await apply(store, NET)
    await hand(store, Switch, "mine")
    with pytest.raises(InvalidDocument, match="declared by document net"):
        await apply(store, head("other") + "switches: {web: {}}")
    changes = await apply(store, head("other") + "switches: {mine: {}}")
    assert changes.lines() == ["~ switch mine: document by hand → other"]


async def test_nothing_is_written_when_one_object_is_wrong() -> None:
    store = MemoryStore()
    with pytest.raises(InvalidDocument):
        await apply(store, NET.replace("10.0.1.254", "10.0.9.254"))
    assert not (await store.snapshot("")).records


async def test_delete_names_what_is_still_there_or_takes_it_along() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    with pytest.raises(Conflict, match=r"port web/web1.*router-port r1/to-web"):
        catalog.delete(view, view.find(Switch, "web"))
    with pytest.raises(Conflict, match="route r1/out"):
        catalog.delete(view, view.find(RouterPort, "r1/to-web"))
    with pytest.raises(Conflict, match="port db/db1"):
        catalog.delete(view, view.find(Subnet, "db/db4"))
    changes = catalog.delete(view, view.find(Switch, "web"), cascade=True)
    await catalog.commit(store, view, changes)
    assert paths(await check_truth(store)) == {"db", "db/db4", "db/db1", "r1", "r1/to-db"}


async def test_everything_can_be_deleted_and_nothing_stays_behind() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    await catalog.commit(store, view, catalog.delete(view, list(view.network.objects.values()), cascade=True))
    assert not (await store.snapshot("")).records


async def test_hands() -> None:
    store = MemoryStore()
    await hand(store, Project, "acme")
    await hand(store, Switch, "acme:web", mtu="1300")
    await hand(store, Subnet, "acme:web/n", cidr="10.0.0.0/24", gateway="10.0.0.1", pool=["10.0.0.9-10.0.0.12"])
    await hand(store, Port, "acme:web/a", addresses=["10.0.0.5"])
    await hand(store, Router, "acme:r")
    await hand(store, RouterPort, "acme:r/p", switch="web")
    view = await check_truth(store)
    assert view.find(Port, "web/a", project="acme").project == "acme"
    with pytest.raises(NotFound, match="no switch web"):
        catalog.create(view, Port, "web/b")
    with pytest.raises(Conflict, match="exists already"):
        catalog.create(view, Port, "acme:web/a")
    with pytest.raises(InvalidInput, match="cidr is missing"):
        catalog.create(view, Subnet, "acme:web/m")
    with pytest.raises(InvalidInput, match="has no 'adresses'"):
        catalog.create(view, Port, "acme:web/b", {"adresses": "10.0.0.6"})
    with pytest.raises(Conflict, match="switch acme:web"):
        catalog.delete(view, view.find(Project, "acme"))


async def test_setting_fields() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    port = view.find(Port, "web/web2")
    changes = catalog.set_fields(view, port, {"addresses": "10.0.1.77"})
    await catalog.commit(store, view, changes)
    view = await check_truth(store)
    assert view.find(Port, "web/web2").document == "net"
    with pytest.raises(InvalidDocument):
        catalog.set_fields(view, view.find(Subnet, "web/web4"), {"cidr": "10.0.9.0/24"})
    with pytest.raises(InvalidInput, match="MTU"):
        catalog.set_fields(view, view.find(Switch, "web"), {"mtu": 12})
    with pytest.raises(InvalidDocument, match="lead to the same switch"):
        catalog.set_fields(view, view.find(RouterPort, "r1/to-db"), {"switch": "web"})
    assert not catalog.set_fields(view, view.find(Switch, "web"), {"mtu": "1400"})


async def test_a_router_port_moves_to_another_switch() -> None:
    store = MemoryStore()
    await apply(store, NET)
    await apply(store, head("more") + "switches: {app: {subnets: {n: {cidr: 10.0.3.0/24, gateway: 10.0.3.1}}}}")
    view = await View.load(store)
    await catalog.commit(store, view, catalog.set_fields(view, view.find(RouterPort, "r1/to-db"), {"switch": "app"}))
    view = await check_truth(store)
    assert str(view.find(RouterPort, "r1/to-db").addresses[0]) == "10.0.3.1/24"


async def test_tuplenet_d2_names_and_addresses_are_not_glued() -> None:
    store = MemoryStore()
    await apply(
        store,
        head("d2")
        + "switches:\n  LS-1: {subnets: {n: {cidr: 110.1.1.0/24}}, ports: {p: {addresses: 110.1.1.1}}}\n"
        + "  LS-11: {subnets: {n: {cidr: 10.1.1.0/24}}, ports: {p: {addresses: 10.1.1.1}}}\n",
    )
    assert paths(await check_truth(store), Port) == {"LS-1/p", "LS-11/p"}


async def test_tuplenet_d3_equal_names_in_two_parents() -> None:
    store = MemoryStore()
    await apply(store, head("d3") + "switches: {a: {ports: {same: {}}}, b: {ports: {same: {}}}}")
    view = await check_truth(store)
    assert view.find(Port, "a/same").id != view.find(Port, "b/same").id


async def test_tuplenet_d4_a_refused_port_poisons_nothing() -> None:
    store = MemoryStore()
    await apply(store, NET)
    with pytest.raises(InvalidInput, match="both have the MAC"):
        await hand(store, Port, "web/bad", addresses=["10.0.1.60"], mac="02:00:00:00:01:11")
    await hand(store, Port, "web/good", addresses=["10.0.1.60"])
    await check_truth(store)


async def test_tuplenet_d5_the_loser_can_have_it_when_the_winner_is_gone() -> None:
    store = MemoryStore()
    await apply(store, NET)
    with pytest.raises(InvalidInput, match="both have the address"):
        await hand(store, Port, "web/loser", addresses=["10.0.1.11"])
    view = await View.load(store)
    await catalog.commit(store, view, catalog.delete(view, view.find(Port, "web/web1")))
    await hand(store, Port, "web/loser", addresses=["10.0.1.11"])
    await check_truth(store)


async def test_tuplenet_d10_router_ports_sharing_their_low_16_bits() -> None:
    store = MemoryStore()
    await apply(
        store,
        head("d10")
        + "switches:\n  a: {subnets: {n: {cidr: 10.50.0.0/24, gateway: 10.50.0.1}}}\n"
        + "  b: {subnets: {n: {cidr: 10.60.0.0/24, gateway: 10.60.0.1}}}\n"
        + "routers: {r: {ports: {a: {switch: a}, b: {switch: b}}}}\n",
    )
    view = await check_truth(store)
    assert view.find(RouterPort, "r/a").key != view.find(RouterPort, "r/b").key


async def test_a_full_key_space_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "PORT_KEYS", range(1, 4))
    store = MemoryStore()
    await apply(store, head("a") + "switches: {s: {ports: {a: {}, b: {}, c: {}}}}")
    with pytest.raises(InvalidInput, match="the 3 port keys of switch s are all in use"):
        await hand(store, Port, "s/d")


class SmallStore(MemoryStore):
    """Takes as many operations at once as etcd does by default."""

    async def commit(self, transaction: Transaction) -> int:
        if transaction.size > 128:
            raise TooLarge("too many operations")
        return await super().commit(transaction)


async def test_a_large_document_goes_in_chunks_each_of_them_true() -> None:
    store = SmallStore()
    ports = ", ".join(f"p{number}: {{}}" for number in range(200))
    text = (
        NET.replace("web2: {}", ports)
        .replace(", pool: [10.0.1.10-10.0.1.99]", "")
        .replace("10.0.1.0/24", "10.0.0.0/22")
    )
    text = text.replace("10.0.2.", "10.9.2.")
    changes = await apply(store, text)
    assert len(changes.creates) == 210
    await check_truth(store)
    assert not await apply(store, text)
    view = await View.load(store)
    everything = catalog.delete(view, list(view.network.objects.values()), cascade=True)
    await catalog.commit(store, view, everything)
    assert not (await store.snapshot("")).records


async def test_a_malformed_record_is_set_aside_and_hinders_nobody() -> None:
    store = MemoryStore()
    await store.commit(Transaction(puts={"/retia/v1/data/object/port/x": b"{", "/retia/v1/data/object/what/y": b"{}"}))
    await apply(store, NET)
    assert len((await View.load(store)).problems) == 2


async def test_a_wrong_record_of_another_hand_hinders_no_unrelated_change() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    clash = view.find(Port, "web/web1")
    record = b'{"id":"clash","name":"clash","switch":"%s","mac":"02:00:00:00:01:11","addresses":["10.0.1.11"]}'
    await store.commit(Transaction(puts={"/retia/v1/data/object/port/clash": record % clash.switch.encode()}))
    await hand(store, Port, "web/new")
    await apply(store, NET.replace("web1: {", "web1: {admin_state: false, "))


async def test_not_found_names_near_misses() -> None:
    store = MemoryStore()
    await apply(store, NET)
    view = await View.load(store)
    with pytest.raises(NotFound) as caught:
        view.find(Port, "web/wbe1")
    assert "did you mean web/web1" in caught.value.advice
    assert view.find(Port, view.find(Port, "web/web1").id).name == "web1"


async def test_changes_as_data() -> None:
    store = MemoryStore()
    changes = await apply(store, NET)
    data = changes.data()
    link = next(each for each in data["create"] if each["name"] == "r1/to-db")
    assert (link["kind"], link["switch"], link["addresses"]) == ("router-port", "db", ["10.0.2.1/24"])
    updated = (await apply(store, NET.replace("web2: {}", "web2: {admin_state: false}"))).data()
    assert updated["update"][0]["changes"] == {"admin_state": {"from": True, "to": False}}
    assert parse(NET, "x").name == "net"
