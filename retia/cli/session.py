"""What commands share: the store they talk to, the view they read, and how their coroutines run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from retia.cli.output import Form
from retia.config import Settings
from retia.store import schema
from retia.store.access import Access
from retia.store.contract import Store
from retia.store.etcd import EtcdStore
from retia.store.sync import Sync

T = TypeVar("T")

Output = Annotated[Form, typer.Option("-o", "--output", help="table for people, json or yaml for programs.")]
Project = Annotated[str, typer.Option("--project", help="Project that names are looked up in.")]
Wait = Annotated[
    float | None,
    typer.Option("--wait", help="Wait this many seconds until every live host's switch has it.", show_default=False),
]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@contextlib.asynccontextmanager
async def store_of(settings: Settings, reading: bool = False) -> AsyncIterator[Store]:
    """The store, its schema checked. Raises InvalidInput without an endpoint, StoreAway, Unsupported."""
    store = EtcdStore(Access.of(settings))
    try:
        await schema.check(store, reading)
        yield store
    finally:
        await store.close()


async def everything(settings: Settings) -> Sync:
    """`read_all`, of a store that is opened for it alone."""
    async with store_of(settings) as store:
        return await read_all(store)


async def read_all(store: Store) -> Sync:
    """All that the store holds now, objects and what agents say. Raises StoreAway."""
    sync = Sync(store)
    await sync.first()
    return sync
