"""etcd behind the contract: its gRPC API over asyncio, several endpoints, TLS, user and password.

The stubs are those that `aetcd` ships; its client is not used, since it hands a watch's events over one by one
(Retia needs those of one revision together) and speaks no TLS: docs/decisions/0002-etcd-client.md. An endpoint
that does not answer is left for the next one. Nothing here waits longer than `TIMEOUT`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
from aetcd import rpc

from retia.errors import InvalidInput, NotAllowed, Retry, StoreAway
from retia.store.contract import Batch, Compacted, Event, Record, Snapshot, StaleWrite, TooLarge, Transaction

T = TypeVar("T")

TIMEOUT = 2.0
PAGE = 2000
_CHANNEL = [
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
]
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN)
_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


@dataclass(frozen=True)
class Access:
    """How to reach etcd. With `ca` the connection is TLS, with `certificate` and `key` it is mutual."""

    endpoints: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials | None:
        if not self.ca:
            return None
        files = [Path(name).read_bytes() if name else None for name in (self.ca, self.key, self.certificate)]
        return grpc.ssl_channel_credentials(*files)


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
        self._access = access
        self._place = 0
        self._channel: grpc.aio.Channel | None = None
        self._token: tuple[tuple[str, str], ...] = ()

    @property
    def where(self) -> str:
        return self._access.endpoints[self._place]

    # -- connection ------------------------------------------------------------------------------------------------

    async def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            credentials = self._access.credentials()
            if credentials is None:
                self._channel = grpc.aio.insecure_channel(self.where, options=_CHANNEL)
            else:
                self._channel = grpc.aio.secure_channel(self.where, credentials, options=_CHANNEL)
            await self._authenticate(self._channel)
        return self._channel

    async def _authenticate(self, channel: grpc.aio.Channel) -> None:
        if self._access.user:
            request = rpc.AuthenticateRequest(name=self._access.user, password=self._access.password)
            answer = await rpc.AuthStub(channel).Authenticate(request, timeout=TIMEOUT)
            self._token = (("token", answer.token),)

    async def _next_endpoint(self) -> None:
        await self.close()
        self._place = (self._place + 1) % len(self._access.endpoints)

    async def _call(self, ask: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """Ask one endpoint after the other. Raises StoreAway when none answers."""
        error: grpc.aio.AioRpcError | None = None
        for _ in self._access.endpoints:
            try:
                return await ask(await self._open())
            except grpc.aio.AioRpcError as found:
                if found.code() not in _AWAY:
                    raise _translate(found, self.where) from None
                error = found
                await self._next_endpoint()
        raise self._away(error)

    def _away(self, error: grpc.aio.AioRpcError | None) -> StoreAway:
        detail = (error.details() or "").splitlines()[0][:120] if error is not None and error.details() else "no answer"
        return StoreAway(
            f"etcd does not answer: {detail}",
            where=", ".join(self._access.endpoints),
            advice="is it running, and are the endpoints right? Packets still flow; changes wait",
        )

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    # -- the contract ----------------------------------------------------------------------------------------------

    async def get(self, key: str) -> Record | None:
        answer = await self._range(rpc.RangeRequest(key=key.encode()))
        return _record(answer.kvs[0]) if answer.kvs else None

    async def _range(self, request: Any) -> Any:
        return await self._call(
            lambda channel: rpc.KVStub(channel).Range(request, timeout=TIMEOUT, metadata=self._token)
        )

    async def snapshot(self, prefix: str) -> Snapshot:
        start, end = prefix.encode(), _after(prefix)
        revision = 0
        records: dict[str, Record] = {}
        while True:
            answer = await self._range(
                rpc.RangeRequest(key=start, range_end=end, limit=PAGE, revision=revision)  # one revision for all pages
            )
            revision = revision or answer.header.revision
            records.update((record.key, record) for record in map(_record, answer.kvs))
            if not answer.more:
                return Snapshot(revision, records)
            start = answer.kvs[-1].key + b"\0"

    async def commit(self, transaction: Transaction) -> int:
        request = _request(transaction)
        answer = await self._call(
            lambda channel: rpc.KVStub(channel).Txn(request, timeout=TIMEOUT, metadata=self._token)
        )
        if not answer.succeeded:
            raise StaleWrite(_stale(transaction, answer))
        return int(answer.header.revision)

    async def watch(self, prefix: str, start: int) -> AsyncIterator[Batch]:
        channel = await self._call(self._reachable)
        create = rpc.WatchCreateRequest(key=prefix.encode(), range_end=_after(prefix), start_revision=start)

        async def requests() -> AsyncIterator[Any]:
            yield rpc.WatchRequest(create_request=create)
            await asyncio.Event().wait()

        stream = rpc.WatchStub(channel).Watch(requests(), metadata=(*self._token, ("hasleader", "true")))
        try:
            async for answer in stream:
                if answer.compact_revision:
                    raise Compacted("the history to watch is gone", where=self.where, after=0.0)
                if answer.canceled:
                    raise StoreAway(f"etcd ended the watch: {answer.cancel_reason}", where=self.where)
                for batch in _batches(answer.events):
                    yield batch
        except grpc.aio.AioRpcError as error:
            await self._next_endpoint()
            raise self._away(error) from None
        finally:
            stream.cancel()
        await self._next_endpoint()
        raise self._away(None)

    async def _reachable(self, channel: grpc.aio.Channel) -> grpc.aio.Channel:
        await rpc.KVStub(channel).Range(rpc.RangeRequest(key=b"/"), timeout=TIMEOUT, metadata=self._token)
        return channel

    async def lease(self, ttl: float) -> EtcdLease:
        seconds = max(1, round(ttl))
        answer = await self._call(
            lambda channel: rpc.LeaseStub(channel).LeaseGrant(
                rpc.LeaseGrantRequest(TTL=seconds), timeout=TIMEOUT, metadata=self._token
            )
        )
        return EtcdLease(self, answer.ID, float(seconds))

    async def refresh(self, lease: int) -> float:
        """Seconds a lease has left after keeping it once; 0 when it is gone."""

        async def ask(channel: grpc.aio.Channel) -> float:
            async def once() -> AsyncIterator[Any]:
                yield rpc.LeaseKeepAliveRequest(ID=lease)

            stream = rpc.LeaseStub(channel).LeaseKeepAlive(once(), timeout=TIMEOUT, metadata=self._token)
            async for answer in stream:
                return float(answer.TTL)
            return 0.0

        return await self._call(ask)

    async def revoke(self, lease: int) -> None:
        request = rpc.LeaseRevokeRequest(ID=lease)
        await self._call(
            lambda channel: rpc.LeaseStub(channel).LeaseRevoke(request, timeout=TIMEOUT, metadata=self._token)
        )


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
            except StoreAway:
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


def _translate(error: grpc.aio.AioRpcError, where: str) -> Exception:
    detail = error.details() or ""
    if "too many operations" in detail or error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(detail, where=where, advice="raise etcd's --max-txn-ops and --max-request-bytes")
    if error.code() in _REFUSED or "permission denied" in detail or "authentication" in detail:
        return NotAllowed(f"etcd refuses: {detail}", where=where, advice="check --etcd-user and its role")
    if error.code() == grpc.StatusCode.OUT_OF_RANGE:
        return Compacted("that revision is gone", where=where, after=0.0)
    return StoreAway(f"etcd fails: {detail}", where=where, advice="look at etcd's log")
