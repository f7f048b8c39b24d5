"""All declared objects with the indexes every question needs: by id, by name, by what refers to what, by address.

    objects ──put/remove──► Network ──► named, find, referrers, held (addresses, MACs and keys of a datapath)

Used by validation, the catalog and whoever looks up a name. A `Network` handed to others is not to be changed;
`copy` and change that. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from retia.errors import NotFound
from retia.model.kinds import (
    BY_KIND,
    DEFAULT_PROJECT,
    KINDS,
    Host,
    Nat,
    Object,
    Port,
    RouterPort,
    Subnet,
    Uplink,
)
from retia.model.names import did_you_mean, is_id, parse_path
from retia.model.shapes import depth, references
from retia.values import Cidr, Ip, Mac

Kind = TypeVar("Kind", bound=Object)


class Held:
    """Who holds what on one switch or router, and what a router translates: ids in order of arrival."""

    def __init__(self) -> None:
        self.addresses: dict[Ip, list[str]] = {}
        self.macs: dict[Mac, list[str]] = {}
        self.keys: dict[int, list[str]] = {}
        self.externals: dict[Ip, list[str]] = {}
        self.internals: dict[Cidr, list[str]] = {}

    def add(self, item: Object, datapath: str) -> None:
        for table, value in self._holdings(item, datapath):
            table.setdefault(value, []).append(item.id)

    def drop(self, item: Object, datapath: str) -> None:
        for table, value in self._holdings(item, datapath):
            table[value].remove(item.id)
            if not table[value]:
                del table[value]

    def _holdings(self, item: Object, datapath: str) -> Iterator[tuple[dict[Any, list[str]], Any]]:
        if isinstance(item, (Port, RouterPort)):
            if item.switch == datapath:
                yield self.macs, item.mac
                for address in dict.fromkeys(addresses_of(item)):
                    yield self.addresses, address
            key = item.switch_key if isinstance(item, RouterPort) and item.switch == datapath else item.key
            if key:
                yield self.keys, key
        elif isinstance(item, Uplink) and item.key:
            yield self.keys, item.key
        elif isinstance(item, Nat):
            yield self.internals, item.internal
            if item.external is not None:
                yield self.externals, item.external


def addresses_of(item: Object) -> tuple[Ip, ...]:
    """The addresses a port or router port holds on its switch."""
    if isinstance(item, Port):
        return item.addresses
    return tuple(cidr.address for cidr in item.addresses) if isinstance(item, RouterPort) else ()


def scope_of(item: Object) -> str:
    """Within what its name is unique: its parent's id, its project's name, or everything ("")."""
    return getattr(item, item.parent) if item.parent else "" if item.shared else item.project


class Network:
    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self.objects: dict[str, Object] = {}
        self._names: dict[tuple[str, str, str], list[str]] = {}
        self._referrers: dict[tuple[str, str], dict[str, None]] = {}  # (id, kind of the referrer)
        self._held: dict[str, Held] = {}
        self.memo: dict[tuple[str, str], Any] = {}
        """What checks worked out of the network as it is: any change forgets it."""
        for item in objects:
            self.put(item)

    def copy(self) -> Network:
        twin = Network()
        twin.objects = dict(self.objects)
        twin._names = {name: list(ids) for name, ids in self._names.items()}
        twin._referrers = {place: dict(ids) for place, ids in self._referrers.items()}
        return twin

    def put(self, item: Object) -> None:
        """Add `item`, or change it in place."""
        self.memo.clear()
        if item.id in self.objects:
            self._unindex(self.objects[item.id])
        self.objects[item.id] = item
        self._names.setdefault((item.kind, scope_of(item), item.name), []).append(item.id)
        for id_ in references_of(item):
            self._referrers.setdefault((id_, item.kind), {})[item.id] = None
            if id_ in self._held:
                self._held[id_].add(item, id_)

    def remove(self, item: Object) -> None:
        self.memo.clear()
        self._unindex(self.objects.pop(item.id))

    def _unindex(self, item: Object) -> None:
        self._names[item.kind, scope_of(item), item.name].remove(item.id)
        for id_ in references_of(item):
            del self._referrers[id_, item.kind][item.id]
            if id_ in self._held:
                self._held[id_].drop(item, id_)

    def get(self, kind: type[Kind], id_: str) -> Kind | None:
        item = self.objects.get(id_)
        return item if isinstance(item, kind) else None

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        return (item for item in self.objects.values() if isinstance(item, kind))

    def referrers(self, id_: str, kind: type[Kind]) -> list[Kind]:
        """The objects of `kind` (Object: of any) that live in, or lead to, the object `id_`."""
        kinds = (kind.kind,) if kind.kind else BY_KIND
        found = (self.objects[each] for name in kinds for each in self._referrers.get((id_, name), ()))
        return [item for item in found if isinstance(item, kind)]

    def has(self, id_: str, kind: type[Object]) -> bool:
        """Whether any object of `kind` lives in, or leads to, the object `id_`."""
        return bool(self._referrers.get((id_, kind.kind)))

    def externals(self, switch: str) -> Iterator[dict[Ip, list[str]]]:
        """The addresses on a switch that routers translate, a table for each router there."""
        return (self.held(port.router).externals for port in self.referrers(switch, RouterPort))

    def held(self, datapath: str) -> Held:
        """Built at the first question about a datapath and then kept up."""
        if datapath not in self._held:
            held = self._held[datapath] = Held()
            for item in self.referrers(datapath, Object):
                held.add(item, datapath)
        return self._held[datapath]

    def child(self, kind: type[Kind], scope: str, name: str) -> Kind | None:
        ids = self._names.get((kind.kind, scope, name))
        return self.get(kind, ids[0]) if ids else None

    def named(self, kind: type[Kind], project: str, names: tuple[str, ...]) -> Kind | None:
        """The object at a path, as a document knows it."""
        if not kind.parent:
            return self.child(kind, "" if kind.shared else project, names[0])
        parent = self.named(BY_KIND[kind.parent], project, names[:-1])
        return self.child(kind, parent.id, names[-1]) if parent else None

    def find(self, kind: type[Kind], text: str, project: str = DEFAULT_PROJECT) -> Kind:
        """What a user names: an id, NAME, PARENT/NAME, with PROJECT: before it. Raises NotFound, InvalidInput."""
        if is_id(text):
            found = self.get(kind, text)
        else:
            path = parse_path(text, depth(kind))
            found = self.named(kind, path.project or project, path.names)
        if found is None:
            raise NotFound(f"there is no {kind.kind} {text}", advice=self.near(kind, text, project))
        return found

    def near(self, kind: type[Object], text: str, project: str = DEFAULT_PROJECT) -> str:
        """Advice for a name nothing bears."""
        known = [self.path(item, project) for item in self.of(kind)]
        if kind is Host:
            near = did_you_mean(text, known)
            found = f"{near} Else " if near.startswith("did") else ""
            return f"{found}declare it (`hosts: {{{text}: {{}}}}`) or run `retia create host {text}`"
        return did_you_mean(text, known) or f"see `retia get {kind.plural}`"

    def path(self, item: Object, project: str = DEFAULT_PROJECT) -> str:
        """What a user calls it: web/web1, or acme:web/web1 from another project."""
        prefix = "" if item.shared or item.project == project else f"{item.project}:"
        parent = self.objects.get(scope_of(item)) if item.parent else None
        inside = f"{parent.name if parent else '?'}/" if item.parent else ""
        return f"{prefix}{inside}{item.name}"

    def label(self, item: Object) -> str:
        return f"{item.kind} {self.path(item)}"

    def ordered(self) -> list[Object]:
        """Parents before what lives in them, and by path."""
        return sorted(self.objects.values(), key=lambda item: (KINDS.index(type(item)), self.path(item)))

    def subnets(self, switch: str) -> list[Subnet]:
        return self.referrers(switch, Subnet)


def references_of(item: Object) -> tuple[str, ...]:
    """The ids of the objects this one lives in or leads to, its parent first."""
    return tuple(id_ for field in references(type(item)) if (id_ := getattr(item, field)))
