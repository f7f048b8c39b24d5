"""A copy of what is declared and allocated, at one revision, and putting it back: `retia store backup` and `restore`.

    store at R ──capture──► JSON: objects with their ids and keys, hosts with theirs, where ports live
    JSON ──read──► Copy, all of it validated ──restore──► only what differs is written; what is equal is not touched

Names, addresses, MACs and keys that are taken follow from the objects and are not in the file. Nor is what agents
say anew anyway: that they live, their problems, how far they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from retia.errors import Conflict, InvalidDocument, InvalidInput, Problem, Unsupported
from retia.model.kinds import KINDS, Object
from retia.model.network import Network
from retia.model.state import HostState
from retia.model.validate import check
from retia.store import schema
from retia.store.contract import DATA, INDEX, PREFIX, SCHEMA, Record, Store, TooLarge, Transaction
from retia.store.fence import FENCES
from retia.store.host import KEYS
from retia.store.records import OBJECTS, RESTORING, STATES, Thing, decode, encode
from retia.store.transactions import index_keys

_KIND = "give a file that `retia store backup` wrote"
FORMAT = "retia-backup"
PIECE = 120
"""Operations at once: what every etcd takes (128), and some to spare."""

HOSTS = f"{STATES}host/"
BINDINGS = f"{STATES}binding/"


class File(msgspec.Struct, forbid_unknown_fields=True):
    retia: str
    schema: int
    revision: int
    records: dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """`records` is everything that is to be in the store, index keys included."""

    revision: int
    records: Mapping[str, bytes]
    objects: int


async def capture(store: Store) -> bytes:
    """Raises StoreAway; InvalidDocument when a record of the store cannot be read: a copy must be whole."""
    snapshot = await store.snapshot(DATA)
    kept = {key: record.value for key, record in snapshot.records.items() if _belongs(key)}
    problems = [found for key, value in kept.items() if isinstance(found := decode(key, value), Problem)]
    if problems:
        raise InvalidDocument(problems)
    records = {key.removeprefix(PREFIX): json.loads(value) for key, value in sorted(kept.items())}
    data = {"retia": FORMAT, "schema": SCHEMA, "revision": snapshot.revision, "records": records}
    return json.dumps(data, indent=1).encode() + b"\n"


def _belongs(key: str) -> bool:
    return key.startswith((OBJECTS, HOSTS, BINDINGS))


def read(data: bytes, where: str) -> Copy:
    """Raises InvalidInput for what is no backup, Unsupported for a newer one, InvalidDocument with every problem."""
    try:
        file = msgspec.json.decode(data, type=File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"is no whole backup: {error}", where=where, advice=_KIND) from None
    if file.retia != FORMAT:
        raise InvalidInput(f"is no backup but {file.retia!r}", where=where, advice=_KIND)
    if file.schema != SCHEMA:
        what = f"has schema {file.schema}, this Retia knows {SCHEMA}"
        raise Unsupported(what, where=where, advice="restore it by the Retia that wrote it")
    things: dict[str, Thing] = {}
    problems: list[Problem] = []
    for name, value in file.records.items():
        found = decode(PREFIX + name, json.dumps(value).encode()) if _belongs(PREFIX + name) else _stranger(name)
        if isinstance(found, Problem):
            problems.append(Problem(f"{where}: {name}", found.what, "was the file changed by hand?"))
        else:
            things[PREFIX + name] = found
    return _whole(file.revision, things, problems, where)


def _stranger(name: str) -> Problem:
    return Problem(name, "no backup has such a record")


def _whole(revision: int, things: Mapping[str, Thing], problems: list[Problem], where: str) -> Copy:
    """All records and what is taken by them, once they fit each other."""
    network = Network()
    objects = [thing for thing in things.values() if isinstance(thing, Object)]
    for item in sorted(objects, key=lambda item: KINDS.index(type(item))):
        network.put(item)
    for finding in check(Network(), network, [item.id for item in objects]):
        names = [network.label(network.objects[id_]) for id_ in (finding.about, *finding.others)]
        what = finding.what.format(*names) if finding.others else finding.what
        problems.append(Problem(f"{where}: {names[0]}, {finding.field}", what, finding.advice))
    records = {key: encode(thing) for key, thing in things.items()}
    for taken, by in _taken(things.values()):
        if records.get(taken, by.encode()) != by.encode():
            problems.append(Problem(f"{where}: {by}", f"{taken.removeprefix(INDEX)} is taken twice"))
        records[taken] = by.encode()
    if problems:
        raise InvalidDocument(sorted(problems))
    return Copy(revision, records, len(objects))


def _taken(things: Any) -> Iterator[tuple[str, str]]:
    for thing in things:
        if isinstance(thing, Object):
            yield from ((key, thing.id) for key in index_keys(thing))
        elif isinstance(thing, HostState):
            yield f"{KEYS}{thing.key}", thing.host


async def restore(store: Store, copy: Copy, replace: bool = False) -> tuple[int, int]:
    """Make the store that copy: (records written, records deleted). Raises Conflict where something is declared and
    `replace` is not said; StaleWrite when someone declares meanwhile (then again); Unsupported, StoreAway."""
    await schema.check(store)
    held = {**(await store.snapshot(DATA)).records, **(await store.snapshot(INDEX)).records}
    if not replace and any(key.startswith(OBJECTS) for key in held):
        advice = "`--replace` makes it the backup's, and deletes what is not in that"
        raise Conflict("the store is not empty", where=PREFIX, advice=advice)
    _check_keys(copy, held)
    puts = {key: value for key, value in copy.records.items() if key not in held or _differs(key, value, held)}
    gone = {key for key in held if _is_ours(key) and key not in copy.records}
    compares = {key: held[key].revision if key in held else 0 for key in (*puts, *gone)}
    if not puts and not gone:
        return 0, 0
    try:
        await store.commit(Transaction(compares, puts, gone))
    except TooLarge:
        await _in_pieces(store, compares, puts, gone)
    return len(puts), len(gone)


def _differs(key: str, value: bytes, held: Mapping[str, Record]) -> bool:
    """What a host says of itself, or of its ports, is newer than the backup."""
    return held[key].value != value and not key.startswith(STATES)


def _check_keys(copy: Copy, held: Mapping[str, Record]) -> None:
    """Raises Conflict where a host drew, after the loss, another's key."""
    for key, host in copy.records.items():
        if key.startswith(KEYS) and key in held and held[key].value != host:
            what = f"host {held[key].value.decode()} has the key of host {host.decode()}"
            advice = "stop its agent, delete this key and its data/state/host record, restore, and start it again"
            raise Conflict(what, where=key, advice=advice)


def _is_ours(key: str) -> bool:
    """What a backup decides on: not what is another's to say."""
    return key.startswith((OBJECTS, INDEX)) and not key.startswith((FENCES, KEYS))


async def _in_pieces(store: Store, compares: dict[str, int], puts: dict[str, bytes], gone: set[str]) -> None:
    """Where the server takes no more at once. Half of it is never taken for the whole: see RESTORING."""
    await store.commit(Transaction(puts={RESTORING: b"{}"}))
    keys = [*puts, *gone]
    for start in range(0, len(keys), PIECE):
        piece = keys[start : start + PIECE]
        written = {key: puts[key] for key in piece if key in puts}
        await store.commit(Transaction({key: compares[key] for key in piece}, written, gone.intersection(piece)))
    await store.commit(Transaction(deletes={RESTORING}))
