"""The one connection to etcd that all of a process shares: which endpoint, signed in as whom, and what to do without.

A call that finds its endpoint away leaves it for the next, and goes round again while the members choose a new leader:
for a second or two none of them answers then, though all is well. Others may be under way on the same connection: it is
closed behind them, and what that ends is an outage to them, not a cancellation. A token that etcd no longer knows (it
was restarted, or the token grew old) is renewed once, by the way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else gRPC prints what is said better in our errors

import grpc
from aetcd import rpc

from retia.errors import Problem, StoreAway, StoreFull, StoreRefused
from retia.store.access import Access, diagnose
from retia.store.contract import Compacted, TooLarge

T = TypeVar("T")

TIMEOUT = 2.0
GRACE = 2 * TIMEOUT
"""Seconds others may go on over a connection that one found broken."""
ELECTION, PAUSE = 8.0, 0.1
"""Seconds members may take to choose a leader before they count as away, and between two rounds. etcd's own election
timeout is 1 s, each member's up to twice that by chance, and again when votes are split."""

_OPTIONS = [
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # two clients of one process need not have the same certificate
]
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN)
_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_STALE_TOKEN = ("invalid auth token", "revision of auth store is old", "auth revision in header is old")


@dataclass
class Connection:
    """`metadata` goes with every call."""

    endpoint: str
    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str], ...] = ()


class Connections:
    def __init__(self, access: Access) -> None:
        self._access = access
        self._place = 0
        self._current: Connection | None = None
        self._signing_in = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def where(self) -> str:
        return self._access.endpoints[self._place]

    async def _open(self) -> Connection:
        if self._current is not None:
            return self._current
        async with self._signing_in:
            if self._current is None:
                credentials = self._access.credentials()
                made = Connection(
                    self.where,
                    grpc.aio.insecure_channel(self.where, options=_OPTIONS)
                    if credentials is None
                    else grpc.aio.secure_channel(self.where, credentials, options=_OPTIONS),
                )
                try:
                    await self._sign_in(made)
                except BaseException:
                    self._close_later(made)
                    raise
                self._current = made
            return self._current

    async def _sign_in(self, connection: Connection) -> None:
        if self._access.user:
            request = rpc.AuthenticateRequest(name=self._access.user, password=self._access.password)
            answer = await rpc.AuthStub(connection.channel).Authenticate(request, timeout=TIMEOUT)
            connection.metadata = (("token", answer.token),)

    def leave(self, connection: Connection | None) -> None:
        """The next endpoint is to be tried, unless someone else has left this one already."""
        if connection is self._current:
            self._current = None
            self._place = (self._place + 1) % len(self._access.endpoints)
            if connection is not None:
                self._close_later(connection)

    def _close_later(self, connection: Connection) -> None:
        task = asyncio.ensure_future(connection.channel.close(GRACE))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def ask(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """One endpoint after the other, and again while they elect. Raises StoreAway when none answers, or what the
        answer means."""
        clock = asyncio.get_running_loop().time
        end = clock() + ELECTION
        while True:
            error: grpc.aio.AioRpcError | None = None
            elects = False
            for _ in self._access.endpoints:
                connection: Connection | None = None
                try:
                    connection = await self._open()
                    return await self._signed_in(connection, ask)
                except grpc.aio.AioRpcError as found:
                    if found.code() not in _AWAY:
                        raise translate(found, self.where, self._access) from None
                    error = found
                    elects |= self._may_elect(found)
                except (asyncio.CancelledError, grpc.aio.UsageError):
                    if is_cancelled():
                        raise
                self.leave(connection)
            if not elects or clock() > end:
                raise await self.away(error)
            await asyncio.sleep(PAUSE)

    def _may_elect(self, error: grpc.aio.AioRpcError) -> bool:
        """etcd itself answers that it has no leader, or one of several members is there and does not answer: it or we
        give up waiting."""
        silent = error.code() is not grpc.StatusCode.UNAVAILABLE and len(self._access.endpoints) > 1
        return silent or (error.details() or "").startswith("etcdserver:")

    async def _signed_in(self, connection: Connection, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """Once more with a new token where etcd does not know the old one."""
        used = connection.metadata
        try:
            return await ask(connection)
        except grpc.aio.AioRpcError as error:
            if not used or not any(words in (error.details() or "") for words in _STALE_TOKEN):
                raise
        async with self._signing_in:
            if connection.metadata == used:
                await self._sign_in(connection)
        return await ask(connection)

    async def away(self, error: grpc.aio.AioRpcError | None = None) -> StoreAway | StoreRefused:
        """Why none answers: by what is wrong with TLS at the first endpoint where something is, or by gRPC."""
        for endpoint in self._access.endpoints:
            try:
                problem = await diagnose(self._access, endpoint)
            except StoreRefused as refused:
                return refused
            if problem is not None:
                return _refused(problem)
        detail = (error.details() or "").splitlines()[0][:120] if error is not None and error.details() else "no answer"
        return StoreAway(
            f"etcd does not answer: {detail}",
            where=", ".join(self._access.endpoints),
            advice="is it running, and are the endpoints right? Packets still flow; changes wait",
        )

    async def close(self) -> None:
        connection, self._current = self._current, None
        if connection is not None:
            await connection.channel.close()
        await asyncio.gather(*self._closing, return_exceptions=True) if self._closing else None


def is_cancelled() -> bool:
    """Whether our own task is told to end: a closed channel raises the same error."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _refused(problem: Problem) -> StoreRefused:
    return StoreRefused(problem.what, where=problem.where, advice=problem.advice)


def translate(error: grpc.aio.AioRpcError, where: str, access: Access) -> Exception:
    detail = (error.details() or "").removeprefix("etcdserver: ")
    if "database space exceeded" in detail:
        return StoreFull(
            "etcd's database is full (alarm NOSPACE): it takes no more writes",
            where=where,
            advice="make room there: `etcdctl compact REVISION`, `etcdctl defrag`, perhaps a larger "
            "--quota-backend-bytes, then `etcdctl alarm disarm`. Packets still flow; changes wait",
        )
    if "too many operations" in detail or error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(detail, where=where, advice="raise etcd's --max-txn-ops and --max-request-bytes")
    if "user name is empty" in detail:
        advice = "set etcd_user and etcd_password, or a certificate whose name is a user's"
        return StoreRefused("etcd wants a user, and none is set", where=where, advice=advice)
    if "invalid user ID or password" in detail or "authentication failed" in detail:
        what = f"etcd knows no user {access.user} with this password"
        return StoreRefused(what, where=where, advice="check etcd_user and etcd_password")
    if error.code() in _REFUSED or "permission denied" in detail:
        return StoreRefused(f"etcd refuses: {detail}", where=where, advice="see docs/security.md for roles")
    if error.code() == grpc.StatusCode.OUT_OF_RANGE:
        return Compacted("that revision is gone", where=where, after=0.0)
    return StoreAway(f"etcd fails: {detail}", where=where, advice="look at etcd's log")
