"""What a store is: keys with revisions, transactions that compare them, watches from a revision, leases.

etcd's own model, so that `EtcdStore` adds nothing and `MemoryStore` can be held against it by the same tests
(`tests/contract/store`). Keys are text and values bytes; what they mean is `records`' to say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from retia.errors import Conflict, Fatal, Retry

PREFIX = "/retia/v1/"
DATA = PREFIX + "data/"
INDEX = PREFIX + "index/"
SCHEMA_KEY = PREFIX + "version"
SCHEMA = 1


class Record(NamedTuple):
    key: str
    value: bytes
    revision: int
    """The revision that wrote this value."""


class Snapshot(NamedTuple):
    """All records that were asked for, as they were at `revision`: none that was written by then is missing."""

    revision: int
    records: dict[str, Record]


class Event(NamedTuple):
    """`value` is None for a deletion."""

    key: str
    value: bytes | None


class Batch(NamedTuple):
    """All events of one revision, which one transaction made."""

    revision: int
    events: tuple[Event, ...]


@dataclass
class Transaction:
    """All of it or nothing. `compares` maps a key to the revision it must have; 0: it must not exist."""

    compares: dict[str, int] = field(default_factory=dict)
    puts: dict[str, bytes] = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)
    lease: int = 0

    @property
    def size(self) -> int:
        """Operations, as etcd's limit counts them: the larger of comparisons and changes."""
        return max(len(self.compares), len(self.puts) + len(self.deletes))


class StaleWrite(Conflict):
    """Another writer was first: `keys` are those whose revision was not the one compared."""

    code = "stale-write"

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        super().__init__("something was changed meanwhile", where=", ".join(sorted(self.keys)), advice="try again")


class TooLarge(Fatal):
    """A transaction has more operations than the server takes. `catalog` then writes in several."""

    code = "too-large"


class Compacted(Retry):
    """The revisions to watch from are gone: take a new snapshot and go on with the difference."""

    code = "compacted"


class Lease(Protocol):
    """Keys written under it live as long as it is kept."""

    id: int
    ttl: float

    async def keep(self) -> None:
        """Keep it alive until cancelled. Raises Retry when it was lost."""

    async def revoke(self) -> None:
        """End it now, and its keys with it."""


async def let_go(lease: Lease) -> None:
    """At a clean end nobody need wait for a lease to run out; where the store is away, they do."""
    with contextlib.suppress(Retry, TimeoutError):
        async with asyncio.timeout(1.0):
            await lease.revoke()


class Store(Protocol):
    async def get(self, key: str) -> Record | None:
        """Raises StoreAway."""

    async def snapshot(
        self, prefix: str, without: Collection[str] = (), only: Callable[[Record], bool] | None = None
    ) -> Snapshot:
        """Everything under `prefix` at one revision, but for what is under one of `without`, and of the rest `only`
        the records of which this is true: the others are let go as they come. Raises StoreAway."""

    async def read(self, keys: Collection[str]) -> Snapshot:
        """Those of these records that exist, at one revision. Raises StoreAway."""

    async def commit(self, transaction: Transaction) -> int:
        """The revision it made. Raises StaleWrite, TooLarge or StoreAway."""

    def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        """Batches from revision `start` on, in order, for ever. Raises Compacted or StoreAway.

        0: from now on. The first batch then has no events: whatever comes after its revision will be heard.
        """

    async def lease(self, ttl: float) -> Lease:
        """A lease of `ttl` seconds. Raises StoreAway."""

    async def close(self) -> None: ...


def put_all(records: Mapping[str, bytes]) -> Transaction:
    """An unconditional write, for records that have this process as their one writer."""
    return Transaction(puts=dict(records))
