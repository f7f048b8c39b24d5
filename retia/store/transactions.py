"""Changes as store transactions: objects with their index keys, and compares that keep the whole referentially true.

    Changes ──► units (one object: what it puts, deletes, takes, gives up) ──► groups that swap index keys
            ──► chunks within the server's limit, parents first, deletes last ──► Transaction

Index keys make names, addresses, MACs and keys unique whoever writes; fences (see `fence`) keep parents and
cross-object checks true. Called by the catalog; commits nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from retia.model.kinds import KINDS, Edge, Object, Port, Router, RouterPort, Switch, Uplink
from retia.model.network import Network, addresses_of
from retia.store import fence, records
from retia.store.contract import INDEX, Transaction
from retia.store.index import address_key, mac_key, name_key


def index_keys(item: Object) -> Iterator[str]:
    """The index keys an object holds while it lives; their value is its id."""
    scope = getattr(item, item.parent) if item.parent else item.project
    yield name_key(item.kind, scope, item.name)
    if isinstance(item, (Switch, Router)):
        yield f"{INDEX}key/datapath/{item.key}"
    if isinstance(item, (Port, RouterPort)):
        yield mac_key(item.switch, item.mac)
        yield from (address_key(item.switch, address) for address in addresses_of(item))
        yield f"{INDEX}key/port/{getattr(item, item.parent)}/{item.key}"
    if isinstance(item, RouterPort):
        yield f"{INDEX}key/port/{item.switch}/{item.switch_key}"
    if isinstance(item, Uplink):
        yield f"{INDEX}key/port/{item.switch}/{item.key}"
    if isinstance(item, Edge):
        yield f"{INDEX}key/slot/{item.router}/{item.slot}"


@dataclass(frozen=True)
class Unit:
    """The change of one object."""

    before: Object | None
    after: Object | None
    takes: frozenset[str]
    gives_up: frozenset[str]
    touch: fence.Touch

    @property
    def item(self) -> Object:
        return self.after or self.before  # type: ignore[return-value]

    @property
    def rank(self) -> int:
        """Parents are written first and deleted last, deletes after all else."""
        place = KINDS.index(type(self.item))
        return place if self.after else 2 * len(KINDS) - place

    @property
    def weight(self) -> int:
        """No fewer compares, and no fewer writes, than the unit will have, fences apart."""
        return 1 + len(self.takes) + len(self.gives_up)


def make_unit(network: Network, before: Object | None, after: Object | None) -> Unit:
    had = frozenset(index_keys(before)) if before else frozenset()
    has = frozenset(index_keys(after)) if after else frozenset()
    return Unit(before, after, has - had, had - has, fence.touch(network, before, after))


def group(units: Iterable[Unit]) -> list[list[Unit]]:
    """Units that hand an index key on to each other must share a transaction. Groups come in order of rank."""
    ordered = sorted(units, key=lambda unit: unit.rank)
    givers = {key: unit for unit in ordered for key in unit.gives_up}
    leader: dict[int, int] = {id(unit): id(unit) for unit in ordered}

    def find(unit: int) -> int:
        while leader[unit] != unit:
            leader[unit] = unit = leader[leader[unit]]
        return unit

    for unit in ordered:
        for key in unit.takes & givers.keys():
            leader[find(id(givers[key]))] = find(id(unit))
    groups: dict[int, list[Unit]] = {}
    for unit in ordered:
        groups.setdefault(find(id(unit)), []).append(unit)
    return list(groups.values())


def chunk(units: Iterable[Unit], limit: int) -> Iterator[list[Unit]]:
    """Groups packed, in order, into transactions of at most `limit` compares and writes (or one group alone)."""
    packed: list[Unit] = []
    weight, fences = 0, set[str]()
    for each in group(units):
        more = sum(unit.weight for unit in each)
        touched = {place.id for unit in each for place in unit.touch.member | unit.touch.shaper}
        if packed and weight + more + 3 * len(fences | touched) > limit:
            yield packed
            packed, weight, fences = [], 0, set()
        packed += each
        weight += more
        fences |= touched
    if packed:
        yield packed


def transaction(units: list[Unit], revisions: Mapping[str, int]) -> Transaction:
    """One atomic change. `revisions` are those of object and fence keys as the view, or our own writes, had them."""
    made = Transaction()
    handed_on = {key for unit in units for key in unit.gives_up}
    for unit in units:
        key = records.key_of(unit.item)
        made.compares[key] = revisions[key] if unit.before else 0
        made.deletes |= unit.gives_up
        if unit.after:
            made.puts[key] = records.encode(unit.after)
            made.puts |= {taken: unit.after.id.encode() for taken in unit.takes}
            made.compares |= {taken: 0 for taken in unit.takes - handed_on}
        else:
            made.deletes.add(key)
    _raise_fences(made, units, revisions)
    made.deletes -= made.puts.keys()
    return made


def _raise_fences(made: Transaction, units: list[Unit], revisions: Mapping[str, int]) -> None:
    """Compare and put the fences of every object touched that was there before; its own end takes them away."""
    created = {unit.item.id for unit in units if unit.before is None}
    deleted = {unit.item.id for unit in units if unit.after is None}
    members = {place for unit in units for place in unit.touch.member if place.id not in created}
    shapers = {place for unit in units for place in unit.touch.shaper if place.id not in created}
    for place in members | shapers:
        shape, joined = fence.shape(place.id), fence.members(place.id)
        made.compares[place.record] = revisions.get(place.record, 0)  # 0: another program left it dangling
        made.compares[shape] = revisions.get(shape, 0)
        if place in shapers:
            made.compares[joined] = revisions.get(joined, 0)
        if place.id in deleted:
            made.deletes |= {shape, joined}
            continue
        if place in shapers:
            made.puts[shape] = b""
        if place in members and made.compares[place.record]:  # of several transactions an earlier one may have ended it
            made.puts[joined] = b""
