"""The sync of an on-demand agent over every store: of ports and bindings only what is of interest, and all of that."""

from __future__ import annotations

import contextlib
from collections import Counter

from retia.model.kinds import Edge, Host, Port, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding
from retia.store.contract import Store, Transaction
from retia.store.partial import PartialSync
from retia.store.records import encode, key_of
from retia.store.transactions import index_keys
from retia.values import Ip, Mac
from tests.contract.store.test_store import compact
from tests.contract.store.test_sync import Reader

WEB = Switch(id="s", name="web", key=9)


def port(number: int, **more) -> Port:
    more = {"name": f"p{number}", "mac": Mac(0x02 << 40 | number), "addresses": (Ip.parse(f"10.0.0.{number}"),), **more}
    return Port(id=f"id{number}", switch="s", key=number, **more)


def bound(number: int, host: str) -> Binding:
    return Binding(port=f"id{number}", host=host)


def put_of(*things) -> dict[str, bytes]:
    """Records and index keys."""
    indexed = {
        key: thing.id.encode() for thing in things if not isinstance(thing, Binding) for key in index_keys(thing)
    }
    return {key_of(thing): encode(thing) for thing in things} | indexed


async def put(store: Store, *things, gone: tuple = ()) -> int:
    return await store.commit(Transaction(puts=put_of(*things), deletes=set(put_of(*gone))))


class Partial(Reader):
    def __init__(self, store: Store, wanted: tuple[str, ...] = ()) -> None:
        self.given: list[str] = []
        super().__init__(store)
        self.sync.interest.wanted.update(dict.fromkeys(wanted))

    def make(self, store: Store) -> PartialSync:
        return PartialSync(store, "me")

    def plug(self, name: str, iface_id: str) -> None:
        change = InterfaceChange(None, Interface(name, 1, iface_id))
        self.sync.plug([change], True, lambda: self.given.append(name))

    def unplug(self, name: str, iface_id: str) -> None:
        change = InterfaceChange(Interface(name, 1, iface_id), None)
        self.sync.plug([change], True, lambda: self.given.append(f"-{name}"))

    def want(self, number: int) -> None:
        self.sync.want(f"/retia/v1/index/address/s/10.0.0.{number}")

    def kept(self) -> dict[int, str]:
        """The ports that are kept, and where each lives."""
        view = self.sync.view
        hosts = {who[1]: thing.host for who, thing in view.items() if who[0] == Binding.kind}
        ports = [who[1] for who in view if who[0] == Port.kind]
        assert set(hosts) <= set(ports)
        return {int(id_.removeprefix("id")): hosts.get(id_, "") for id_ in ports}

    async def has(self, **kept: str) -> None:
        wanted = {int(name.removeprefix("p")): host for name, host in kept.items()}
        try:
            await self.until(lambda: self.kept() == wanted)
        except TimeoutError:
            assert self.kept() == wanted


@contextlib.asynccontextmanager
async def reading(store: Store, wanted: tuple[str, ...] = ()):
    reader = Partial(store, wanted)
    try:
        yield reader
    finally:
        await reader.stop()


async def filled(store: Store) -> None:
    await put(store, WEB, *map(port, range(1, 9)), *(bound(n, "other") for n in range(1, 5)), bound(5, "me"))


async def test_only_what_is_here_and_what_was_wanted_is_read(store: Store) -> None:
    await filled(store)
    async with reading(store, ("id2", "id-gone")) as reader:
        assert reader.deltas.empty()
        reader.plug("a", "web/p6")
        reader.plug("b", "id7")
        first = await reader.next()
        assert first.whole and reader.kept() == {2: "other", 5: "me", 6: "", 7: ""}
        assert list(reader.sync.interest.wanted) == ["id2"] and reader.sync.interest.own == {"id5", "id6", "id7"}
        assert reader.given == ["a", "b"]


async def test_of_others_nothing_is_kept_but_how_far_the_watch_is(store: Store) -> None:
    await filled(store)
    async with reading(store) as reader:
        reader.plug("a", "web/p6")
        await reader.next()
        revision = await put(store, port(3, mac=Mac(0x02 << 40 | 99)), bound(3, "another"), gone=(port(4),))
        delta = await reader.next()
        assert (delta.revision, delta.changes) == (revision, ()) and reader.kept() == {5: "me", 6: ""}
        await store.commit(Transaction(puts={key_of(port(3)): b"garbage"}))
        assert not (await reader.next()).changes and not reader.sync.problems


async def test_an_interface_finds_its_port_whichever_came_first(store: Store) -> None:
    await put(store, port(3))
    async with reading(store) as reader:
        reader.plug("a", "web/p1")
        reader.plug("b", "id2")
        await reader.next()
        await put(store, WEB, port(1), port(2), bound(2, "other"))
        await reader.has(p1="", p2="other")
        reader.plug("c", "web/p3")
        await reader.has(p1="", p2="other", p3="")
        assert reader.given == ["a", "b", "c"], "the interface is handed on behind its port"
        await put(store, Switch(id="s", name="renamed", key=9))
        await reader.until(lambda: reader.sync.interest.own == {"id2"})
        await reader.has(p2="other", p1="", p3="")
        assert set(reader.sync.interest.wanted) == {"id1", "id3"}, "for a while"
        await put(store, Switch(id="s", name="web", key=9))
        await reader.until(lambda: reader.sync.interest.own == {"id1", "id2", "id3"})


async def test_what_a_packet_was_for_is_found_and_followed(store: Store) -> None:
    await filled(store)
    async with reading(store) as reader:
        reader.plug("a", "web/p6")
        await reader.next()
        for _ in range(20):
            reader.want(1)
            reader.want(2)
            reader.sync.want("/retia/v1/index/mac/s/" + str(port(3).mac))
        delta = await reader.next()
        assert delta.asked and not delta.came and {change.old for change in delta.changes} == {None}
        assert reader.kept() == {1: "other", 2: "other", 3: "other", 5: "me", 6: ""}
        assert reader.sync.counts == Counter({"looked-up": 3})
        await put(store, bound(1, "another"))
        await reader.has(p1="another", p2="other", p3="other", p5="me", p6="")
        await put(store, gone=(port(2), bound(2, "")))
        await reader.has(p1="another", p3="other", p5="me", p6="")
        reader.sync.forget(["id1"])
        await reader.has(p3="other", p5="me", p6="")
        reader.want(1)
        await reader.has(p1="another", p3="other", p5="me", p6="")


async def test_what_nobody_has_yet_is_taken_when_it_comes(store: Store) -> None:
    await put(store, WEB)
    async with reading(store) as reader:
        reader.plug("a", "web/none")
        await reader.next()
        reader.want(1)
        await reader.next()
        assert reader.sync.counts["unknown"] == 1
        await put(store, bound(1, "other"))
        await put(store, port(1), port(2))
        await reader.has(p1="other")


async def test_an_own_port_that_moves_away_is_followed_for_a_while(store: Store) -> None:
    await filled(store)
    async with reading(store) as reader:
        reader.plug("a", "web/p5")
        await reader.next()
        reader.unplug("a", "web/p5")
        await put(store, bound(5, "other"))
        await reader.has(p5="other")
        await reader.until(lambda: list(reader.sync.interest.wanted) == ["id5"])
        assert reader.given == ["a", "-a"]


async def test_a_port_that_is_gone_is_kept_until_its_binding_is_released(store: Store) -> None:
    await filled(store)
    async with reading(store) as reader:
        reader.plug("a", "web/p5")
        await reader.next()
        await put(store, gone=(port(5),))
        await reader.until(lambda: (Port.kind, "id5") not in reader.sync.view)
        assert (Binding.kind, "id5") in reader.sync.view
        await put(store, gone=(bound(5, ""),))
        await reader.until(lambda: (Binding.kind, "id5") not in reader.sync.view)


async def test_after_a_break_only_the_difference_comes(store: Store) -> None:
    await filled(store)
    sync = PartialSync(store, "me", ["id1", "id2", "id3"])
    sync.plug([InterfaceChange(None, Interface("a", 1, "web/p6"))], True, lambda: None)
    assert len((await sync.first()).changes) == 3 + 3 + 2 + 1 + 1  # wanted, bound; p5, its binding; p6; the switch
    await put(store, port(6, mac=Mac(0x02 << 40 | 99)), bound(1, "another"), bound(8, "me"), gone=(port(3),))
    await compact(store, await put(store, port(7)))
    again = await sync.first()
    assert again.whole
    changed = {
        (type(one).__name__, getattr(one, "id", "") or one.port)
        for pair in again.changes
        if (one := pair[1] or pair[0])
    }
    wanted = {
        ("Port", "id6"),
        ("Binding", "id1"),
        ("Port", "id8"),
        ("Binding", "id8"),
        ("Port", "id3"),
        ("Binding", "id3"),
    }
    assert changed == wanted and len(again.changes) == 6
    assert not (await sync.first()).changes


async def test_an_edge_has_everything_from_the_delta_that_makes_it_one(store: Store) -> None:
    await filled(store)
    await put(store, Host(id="h", name="me"))
    async with reading(store, ("id1",)) as reader:
        reader.plug("a", "web/p6")
        await reader.next()
        edge = Edge(id="e", name="e", router="r", host="h", slot=1)
        await put(store, edge, port(9))
        delta = await reader.next()
        assert (None, edge) in delta.changes and reader.sync.full
        everything = {n: "other" for n in range(1, 5)} | {5: "me", 6: "", 7: "", 8: "", 9: ""}
        assert reader.kept() == everything and not reader.sync.interest.wanted
        await put(store, gone=(edge, port(7)))
        await reader.until(lambda: (Edge.kind, "e") not in reader.sync.view)
        everything.pop(7)
        assert reader.kept() == everything, "until the agent is started again"
        reader.plug("b", "web/p7")
        reader.want(7)
        assert reader.given == ["a", "b"] and not reader.sync.interest.asked


async def test_a_host_that_is_an_edge_at_the_start_reads_everything_at_once(store: Store) -> None:
    await filled(store)
    await put(store, Host(id="h", name="me"), Edge(id="e", name="e", router="r", host="h", slot=1))
    async with reading(store) as reader:
        reader.plug("a", "web/p6")
        await reader.next()
        assert len(reader.kept()) == 8
