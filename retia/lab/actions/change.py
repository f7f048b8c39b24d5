"""Steps that change what is declared: as users do (`apply`, `delete`), or as nobody should (`withdraw`, `forge`).

Those that write behind the catalog's back show what agents make of a store that other programs have written to.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from retia.errors import RetiaError
from retia.lab.documents import Declared
from retia.lab.failure import CheckFailed
from retia.lab.reader import Reader, Spot
from retia.model.kinds import BY_KIND, Object
from retia.model.names import did_you_mean
from retia.store import catalog
from retia.store.changes import Changes
from retia.store.contract import PREFIX, Transaction
from retia.store.records import OBJECTS, key_of

if TYPE_CHECKING:
    from retia.lab.lab import Lab

SETTLE = 10.0
_IDS = {"first": "00000000-0000-4000-8000-000000000000", "last": "ffffffff-ffff-4fff-bfff-ffffffffffff"}


@dataclass(frozen=True)
class ObjectName:
    """An object as one says it: `port web/web1`."""

    kind: str
    name: str

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> ObjectName:
        kind, _, name = (spot.text or "").partition(" ")
        if kind not in BY_KIND or not name:
            advice = did_you_mean(kind, BY_KIND) or "write `port web/web1`"
            raise reader.wrong(spot, f"{spot.text!r} is no kind and name", advice)
        return cls(kind, name.strip())

    def find(self, lab: Lab) -> Object:
        return lab.network.find(BY_KIND[self.kind], self.name)


async def _guarded(lab: Lab, refused: str, change: object, settled: bool = True) -> str:
    """Do a change and let the lab settle (if `settled`); or see it refused, with `refused` in what is said, and
    nothing written."""
    try:
        changes: Changes = await change  # type: ignore[misc]
    except RetiaError as error:
        if not refused:
            raise CheckFailed(f"refused: {error}") from None
        if refused not in str(error):
            raise CheckFailed(f"refused, but not for {refused!r}: {error}") from None
        return f"refused: {str(error).splitlines()[0]}"
    if refused:
        raise CheckFailed("was not refused")
    await lab.refresh()
    if settled:
        await lab.settle(SETTLE)
    counts = {"new": changes.creates, "changed": changes.updates, "deleted": changes.deletes}
    return ", ".join(f"{len(items)} {word}" for word, items in counts.items() if items) or "nothing to change"


@dataclass(frozen=True)
class Apply:
    """`network` is a document or the path to one. With `refused` it must be, saying that. Else the lab settles, unless
    it cannot (`settled: false`)."""

    network: Declared
    prune: bool = False
    refused: str = ""
    settled: bool = True

    async def run(self, lab: Lab) -> str:
        return await _guarded(lab, self.refused, lab.apply(self.network.document, self.prune), self.settled)


@dataclass(frozen=True)
class Delete:
    """Objects, each as KIND NAME; all at once."""

    objects: tuple[ObjectName, ...]
    cascade: bool = False
    refused: str = ""

    @classmethod
    def from_text(cls, text: str) -> Delete:
        kind, _, name = text.partition(" ")
        return cls((ObjectName(kind, name),))

    async def run(self, lab: Lab) -> str:
        await lab.refresh()
        items = [each.find(lab) for each in self.objects]

        async def change() -> Changes:
            made, _ = await catalog.change(lab.store, lambda view: catalog.delete(view, items, self.cascade))
            return made

        return await _guarded(lab, self.refused, change())


@dataclass(frozen=True)
class Withdraw:
    """Take records of objects, and of all that lives in them, out of etcd, to be put back as they were by `restore`."""

    objects: tuple[ObjectName, ...]

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Withdraw:
        return cls(reader.value(tuple[ObjectName, ...], spot))

    async def run(self, lab: Lab) -> str:
        await lab.refresh()
        found = catalog.with_dependents(lab.network.copy(), [each.find(lab) for each in self.objects])
        records = [await lab.store.get(key_of(item)) for item in found]
        taken = {record.key: record.value for record in records if record is not None}
        await lab.store.commit(Transaction(deletes=set(taken)))
        lab.withdrawn |= taken
        await lab.refresh()
        await lab.settle(SETTLE)
        return f"{len(taken)} records withdrawn"


@dataclass(frozen=True)
class Restore:
    """Put back what was withdrawn, byte for byte."""

    async def run(self, lab: Lab) -> str:
        taken, lab.withdrawn = lab.withdrawn, {}
        await lab.store.commit(Transaction(puts=taken))
        await lab.refresh()
        await lab.settle(SETTLE)
        return f"{len(taken)} records put back"


@dataclass(frozen=True)
class Forge:
    """Write a copy of an object's record with another id and name straight into etcd, other fields as `but` says.

    `id: first` and `id: last` sort before and after all others: who wins must not hang on that.
    """

    like: ObjectName
    name: str
    id: Literal["random", "first", "last"] = "random"
    but: dict[str, str] = field(default_factory=dict)

    async def run(self, lab: Lab) -> str:
        await lab.refresh()
        item = self.like.find(lab)
        record = await lab.store.get(key_of(item))
        if record is None:
            raise CheckFailed(f"{self.like.kind} {self.like.name} is gone")
        new = _IDS.get(self.id) or str(uuid.uuid4())
        data = {**json.loads(record.value), "id": new, "name": self.name, "document": "", **self._values(lab)}
        await lab.store.commit(Transaction(puts={f"{OBJECTS}{item.kind}/{new}": json.dumps(data).encode()}))
        await lab.refresh()
        await lab.settle(SETTLE)
        return f"{item.kind} {self.name} forged"

    def _values(self, lab: Lab) -> dict[str, object]:
        """Fields as JSON, or as text where they are none; the name of a parent becomes its id."""
        values: dict[str, object] = {}
        for name, text in self.but.items():
            if name in BY_KIND:
                values[name] = lab.network.find(BY_KIND[name], text).id
                continue
            try:
                values[name] = json.loads(text)
            except ValueError:
                values[name] = text
        return values


@dataclass(frozen=True)
class Put:
    """Any record, straight into etcd, as another program might. Without `value` it is erased."""

    key: str
    value: str | None = None

    async def run(self, lab: Lab) -> str:
        key = self.key if self.key.startswith("/") else PREFIX + self.key
        puts = {key: self.value.encode()} if self.value is not None else {}
        await lab.store.commit(Transaction(puts=puts, deletes=set() if puts else {key}))
        await lab.settle(SETTLE)
        return f"{key} {'written' if puts else 'erased'}"


ACTIONS: dict[str, type] = {
    "apply": Apply,
    "delete": Delete,
    "withdraw": Withdraw,
    "restore": Restore,
    "forge": Forge,
    "put": Put,
}
