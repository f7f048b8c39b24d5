"""Users and roles at etcd: who may write what, as etcd's own authentication holds it.

    root              everything, users included
    retia-operator    declare: read and write all of Retia's keys
    retia-agent-HOST  read all of Retia's keys; write those that are HOST's own (`own_keys`)

Called by `retia store auth`. Giving what was given already changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

from aetcd import rpc

from retia.errors import Conflict, NotFound, RetiaError
from retia.store.connection import TIMEOUT, Connection
from retia.store.contract import PREFIX, StaleWrite, Transaction
from retia.store.etcd import EtcdStore
from retia.store.host import KEYS, free_key, host_key
from retia.store.records import APPLIED, STATES, TRACED

ROOT, OPERATOR = "root", "retia-operator"
READ, WRITE, READWRITE = 0, 1, 2

Span = tuple[str, bytes]
"""A key and where its range ends: b"" for this one key."""


def agent_user(host: str) -> str:
    return f"retia-agent-{host}"


def own_keys(host: str) -> Iterator[Span]:
    """What the agent of a host writes. Bindings are kept by port, and the first host to claim one has it: an agent may
    write any of them, and nothing else that another host writes or reads as its own."""
    yield f"{STATES}host/{host}", b""
    yield f"{STATES}alive/{host}", b""
    yield f"{APPLIED}{host}", b""
    yield _below(f"{STATES}problem/{host}/")
    yield _below(f"{STATES}binding/")
    yield _below(f"{TRACED}{host}/")


def _below(prefix: str) -> Span:
    data = prefix.encode()
    return prefix, data[:-1] + bytes([data[-1] + 1])


class Roles:
    """Every method raises StoreRefused without the right, StoreAway."""

    def __init__(self, store: EtcdStore) -> None:
        self._store = store

    async def _ask(self, method: str, request: Any) -> Any:
        def ask(to: Connection) -> Any:
            return getattr(rpc.AuthStub(to.channel), method)(request, timeout=TIMEOUT, metadata=to.metadata)

        return await self._store.ask(ask)

    async def enable(self, password: str) -> None:
        """Turn authentication on, with `root` and the operators' role. From then on everyone signs in."""
        await self._role(ROOT, ())
        await self._role(OPERATOR, [(_below(PREFIX), READWRITE)])
        await self._user(ROOT, password, ROOT)
        await self._ask("AuthEnable", rpc.AuthEnableRequest())

    async def operator(self, name: str, password: str) -> None:
        await self._role(OPERATOR, [(_below(PREFIX), READWRITE)])
        await self._user(name, password, OPERATOR)

    async def agent(self, host: str, password: str) -> str:
        """The user of a host's agent. The host's key is drawn now, since no agent may draw its own."""
        await self._draw_key(host)
        name = agent_user(host)
        await self._role(name, [(_below(PREFIX), READ), *((span, READWRITE) for span in own_keys(host))])
        await self._user(name, password, name)
        return name

    async def remove(self, host: str) -> None:
        """The user and the role of a host's agent; its session ends. Raises NotFound when it has neither."""
        name = agent_user(host)
        user = await _unless(self._ask("UserDelete", rpc.AuthUserDeleteRequest(name=name)), "name not found")
        role = await _unless(self._ask("RoleDelete", rpc.AuthRoleDeleteRequest(role=name)), "name not found")
        if not user and not role:
            advice = "`etcdctl user list` says which there are; `retia store auth agent HOST` makes one"
            raise NotFound(f"the agent of {host} has no user at etcd", where=name, advice=advice)

    async def _draw_key(self, host: str) -> None:
        for _ in range(20):
            if await host_key(self._store, host):
                return
            key = f"{KEYS}{await free_key(self._store)}"
            with contextlib.suppress(StaleWrite):
                await self._store.commit(Transaction({key: 0}, {key: host.encode()}))
                return
        raise Conflict(f"no key could be drawn for host {host}: others draw them all the time", where=host)

    async def _role(self, name: str, spans: Iterable[tuple[Span, int]]) -> None:
        await _unless_there(self._ask("RoleAdd", rpc.AuthRoleAddRequest(name=name)))
        for (key, end), kind in spans:
            permission = rpc.Permission(permType=kind, key=key.encode(), range_end=end)
            await self._ask("RoleGrantPermission", rpc.AuthRoleGrantPermissionRequest(name=name, perm=permission))

    async def _user(self, name: str, password: str, role: str) -> None:
        """Without a password only a certificate of that name signs in."""
        options = rpc.UserAddOptions(no_password=not password)
        request = rpc.AuthUserAddRequest(name=name, password=password, options=options)
        if not await _unless_there(self._ask("UserAdd", request)) and password:
            again = rpc.AuthUserChangePasswordRequest(name=name, password=password)
            await self._ask("UserChangePassword", again)
        await _unless_there(self._ask("UserGrantRole", rpc.AuthUserGrantRoleRequest(user=name, role=role)))


async def _unless_there(asking: Awaitable[Any]) -> bool:
    """Whether it was new."""
    return await _unless(asking, "already exists", "already has")


async def _unless(asking: Awaitable[Any], *words: str) -> bool:
    """Whether it was done; not, where etcd refuses in these words."""
    try:
        await asking
    except RetiaError as error:
        if not any(word in error.what for word in words):
            raise
        return False
    return True
