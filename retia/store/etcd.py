"""etcd behind the contract: its gRPC API over asyncio, several endpoints, TLS, user and password.

The stubs are those that `aetcd` ships; its client is not used, since it hands a watch's events over one by one
(Retia needs those of one revision together) and speaks no TLS: docs/decisions/0002-etcd-client.md. An endpoint
that does not answer is left for the next one. Nothing here waits longer than `TIMEOUT`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from typing import Any, TypeVar

import grpc
from aetcd import rpc

from retia.errors import InvalidInput, Retry, StoreAway, StoreRefused
from retia.store.access import Access
from retia.store.connection import TIMEOUT, Connection, Connections, is_cancelled
from retia.store.contract import PREFIX, Batch, Compacted, Event, Record, Snapshot, StaleWrite, Transaction

__all__ = ["Access", "EtcdLease", "EtcdStore"]

T = TypeVar("T")

PAGE = 2000
OF_MANY = 500
"""Records of a page of which most are let go."""
READS = 100
"""Keys read in one transaction: etcd's own limit is 128, if it has no other."""


class EtcdStore:
    """Raises InvalidInput without an endpoint. Connects at the first call."""

    def __init__(self, access: Access) -> None:
        if not access.endpoints:
            raise InvalidInput(
                "no endpoint of etcd is given",
                where="etcd",
                advice="set --etcd HOST:2379, RETIA_ETCD, or `etcd:` in the settings file; "
                "`retia store run` starts one for a single machine",
            )
        self._access, self._connections = access, Connections(access)

    @property
    def where(self) -> str:
        return self._connections.where

    async def close(self) -> None:
        await self._connections.close()

    async def ask(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What the contract has no word for: users and roles (`roles`). Raises as everything here does."""
        return await self._connections.ask(ask)

    # -- the contract ----------------------------------------------------------------------------------------------

    async def get(self, key: str) -> Record | None:
        answer = await self._range(rpc.RangeRequest(key=key.encode()))
        return _record(answer.kvs[0]) if answer.kvs else None

    async def _range(self, request: Any) -> Any:
        def ask(to: Connection) -> Any:
            return rpc.KVStub(to.channel).Range(request, timeout=TIMEOUT, metadata=to.metadata)

        return await self._may(ask, "read", request.key)

    async def _may(self, ask: Callable[[Connection], Awaitable[T]], what: str, *keys: bytes) -> T:
        """Ask; where the role is too weak, say what it lacks."""
        try:
            return await self._connections.ask(ask)
        except StoreRefused as error:
            if "permission denied" not in error.what:
                raise
            whose = self._access.user or "this certificate's user"
            shown = [key.decode("utf-8", "replace") for key in keys]
            more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
            raise StoreRefused(
                f"the role of {whose} is too weak to {what} {', '.join(shown[:3])}{more}",
                where=self.where,
                advice="`retia store auth agent HOST` (or `operator NAME`) gives what is needed: docs/security.md",
            ) from None

    async def snapshot(
        self, prefix: str, without: Collection[str] = (), only: Callable[[Record], bool] | None = None
    ) -> Snapshot:
        revision = 0  # one for all pages
        records: dict[str, Record] = {}
        for first, end in _ranges(prefix, without):
            start = first
            while start:
                request = rpc.RangeRequest(key=start, range_end=end, limit=OF_MANY if only else PAGE, revision=revision)
                answer = await self._range(request)
                revision = revision or answer.header.revision
                found = map(_record, answer.kvs)
                records.update((record.key, record) for record in found if only is None or only(record))
                start = answer.kvs[-1].key + b"\0" if answer.more else b""
        return Snapshot(revision, records)

    async def read(self, keys: Collection[str]) -> Snapshot:
        wanted, revision = [key.encode() for key in keys] or [PREFIX.encode()], 0
        records: dict[str, Record] = {}
        for at in range(0, len(wanted), READS):
            answer = await self._read(wanted[at : at + READS], revision)
            revision = revision or answer.header.revision
            for one in answer.responses:
                records.update((record.key, record) for record in map(_record, one.response_range.kvs))
        return Snapshot(revision, records)

    async def _read(self, keys: list[bytes], revision: int) -> Any:
        looks = [rpc.RequestOp(request_range=rpc.RangeRequest(key=key, revision=revision)) for key in keys]
        request = rpc.TxnRequest(success=looks)

        def ask(to: Connection) -> Any:
            return rpc.KVStub(to.channel).Txn(request, timeout=TIMEOUT, metadata=to.metadata)

        return await self._may(ask, "read", *keys)

    async def commit(self, transaction: Transaction) -> int:
        request = _request(transaction)

        def ask(to: Connection) -> Any:
            return rpc.KVStub(to.channel).Txn(request, timeout=TIMEOUT, metadata=to.metadata)

        keys = sorted((transaction.puts.keys() | transaction.deletes) or transaction.compares)
        answer = await self._may(ask, "write", *(key.encode() for key in keys))
        if not answer.succeeded:
            raise StaleWrite(_stale(transaction, answer))
        return int(answer.header.revision)

    async def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        connection = await self._may(self._reachable, "read", prefix.encode())
        create = rpc.WatchCreateRequest(key=prefix.encode(), range_end=_after(prefix), start_revision=start)

        async def requests() -> AsyncIterator[Any]:
            yield rpc.WatchRequest(create_request=create)
            await asyncio.Event().wait()

        stream = rpc.WatchStub(connection.channel).Watch(
            requests(), metadata=(*connection.metadata, ("hasleader", "true"))
        )
        try:
            async for answer in stream:
                if answer.compact_revision:
                    raise Compacted("the history to watch is gone", where=self.where, after=0.0)
                if answer.canceled:
                    raise StoreAway(f"etcd ended the watch: {answer.cancel_reason}", where=self.where)
                if answer.created and not start:
                    yield Batch(answer.header.revision, ())
                for batch in _batches(answer.events):
                    yield batch
        except grpc.aio.AioRpcError as error:
            self._connections.leave(connection)
            raise await self._connections.away(error) from None
        except (asyncio.CancelledError, grpc.aio.UsageError):
            if is_cancelled():
                raise
        finally:
            stream.cancel()
        self._connections.leave(connection)
        raise await self._connections.away()

    async def _reachable(self, to: Connection) -> Connection:
        key = PREFIX.encode()
        await rpc.KVStub(to.channel).Range(rpc.RangeRequest(key=key), timeout=TIMEOUT, metadata=to.metadata)
        return to

    async def lease(self, ttl: float) -> EtcdLease:
        seconds = max(1, round(ttl))

        def ask(to: Connection) -> Any:
            request = rpc.LeaseGrantRequest(TTL=seconds)
            return rpc.LeaseStub(to.channel).LeaseGrant(request, timeout=TIMEOUT, metadata=to.metadata)

        answer = await self._connections.ask(ask)
        return EtcdLease(self, answer.ID, float(seconds))

    async def refresh(self, lease: int) -> float:
        """Seconds a lease has left after keeping it once; 0 when it is gone."""

        async def ask(to: Connection) -> float:
            async def once() -> AsyncIterator[Any]:
                yield rpc.LeaseKeepAliveRequest(ID=lease)

            stream = rpc.LeaseStub(to.channel).LeaseKeepAlive(once(), timeout=TIMEOUT, metadata=to.metadata)
            async for answer in stream:
                return float(answer.TTL)
            return 0.0

        return await self._connections.ask(ask)

    async def revoke(self, lease: int) -> None:
        request = rpc.LeaseRevokeRequest(ID=lease)

        def ask(to: Connection) -> Any:
            return rpc.LeaseStub(to.channel).LeaseRevoke(request, timeout=TIMEOUT, metadata=to.metadata)

        await self._connections.ask(ask)


class EtcdLease:
    def __init__(self, store: EtcdStore, identifier: int, ttl: float) -> None:
        self._store, self.id, self.ttl = store, identifier, ttl

    async def keep(self) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + self.ttl
        while True:
            await asyncio.sleep(self.ttl / 4)
            try:
                left = await self._store.refresh(self.id)
            except Retry:
                left = end - clock()
            if left <= 0:
                raise Retry("the lease at etcd ran out", where=self._store.where, after=0.0)
            end = clock() + left

    async def revoke(self) -> None:
        await self._store.revoke(self.id)


def _record(kv: Any) -> Record:
    return Record(kv.key.decode("utf-8", "replace"), kv.value, kv.mod_revision)


def _after(prefix: str) -> bytes:
    """The first key behind all that begin with `prefix`."""
    data = prefix.encode()
    return data[:-1] + bytes([data[-1] + 1])


def _ranges(prefix: str, without: Collection[str]) -> Iterator[tuple[bytes, bytes]]:
    """What is under `prefix`, in order, but for what is under one of `without`: where each part begins and ends."""
    start = prefix.encode()
    for left_out in sorted(without):
        yield start, left_out.encode()
        start = _after(left_out)
    yield start, _after(prefix)


def _request(transaction: Transaction) -> Any:
    compares = [
        rpc.Compare(key=key.encode(), target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=revision)
        for key, revision in transaction.compares.items()
    ]
    changes = [
        rpc.RequestOp(request_put=rpc.PutRequest(key=key.encode(), value=value, lease=transaction.lease))
        for key, value in transaction.puts.items()
    ]
    changes += [
        rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key.encode())) for key in transaction.deletes
    ]
    looks = [
        rpc.RequestOp(request_range=rpc.RangeRequest(key=key.encode(), keys_only=True)) for key in transaction.compares
    ]
    return rpc.TxnRequest(compare=compares, success=changes, failure=looks)


def _stale(transaction: Transaction, answer: Any) -> set[str]:
    found = [one.response_range.kvs for one in answer.responses]
    now = {key: (kvs[0].mod_revision if kvs else 0) for key, kvs in zip(transaction.compares, found, strict=True)}
    return {key for key, revision in transaction.compares.items() if now[key] != revision}


def _batches(events: Any) -> list[Batch]:
    """A watch's events by revision. etcd sends the events of one revision in one answer."""
    by_revision: dict[int, list[Event]] = {}
    for event in events:
        value = event.kv.value if event.type == rpc.Event.EventType.PUT else None
        key = event.kv.key.decode("utf-8", "replace")
        by_revision.setdefault(event.kv.mod_revision, []).append(Event(key, value))
    return [Batch(revision, tuple(found)) for revision, found in by_revision.items()]
