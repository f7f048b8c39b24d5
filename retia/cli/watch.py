"""`retia status --watch`: the overview, shown again whenever something changed, from the store's own watches.

In a terminal it is drawn in place; in a pipe each changed one is printed, as a page, a line of JSON or a document of
YAML. A store that is away is said, with since when; what was known then stays to be seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from retia import log
from retia.cli.output import Form, console, plain, show_data
from retia.cli.overview import Overview, newest, overview, page
from retia.errors import Retry
from retia.store import schema
from retia.store.contract import Store
from retia.store.records import APPLIED
from retia.store.sync import Sync

GLANCE = 0.5
"""Seconds between two looks whether the store is still there."""

Show = Callable[[Overview], None]


class Watch:
    """What is known of all hosts, kept up to date by `run`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._objects, self._told = Sync(store), Sync(store, APPLIED)
        self._newest = 0
        self._away_since = ""
        self._news = asyncio.Event()

    async def run(self, seconds: float, show: Show) -> None:
        """Until cancelled; at most one showing in `seconds`. Raises Unsupported for a store of a newer Retia."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_objects(), name="objects")
            tasks.create_task(self._follow_told(), name="told")
            tasks.create_task(self._show(seconds, show), name="show")

    async def _follow_objects(self) -> None:
        while not await self._is_ours():
            await asyncio.sleep(GLANCE)
        async for delta in self._objects.deltas():
            self._newest = delta.revision
            if delta.whole:
                self._newest = await self._look_for_newest()
            self._news.set()

    async def _is_ours(self) -> bool:
        try:
            await schema.check(self._store)
        except Retry:
            return False
        return True

    async def _look_for_newest(self) -> int:
        try:
            return await newest(self._store)
        except Retry:
            return self._newest  # away again, which the next look at it shows

    async def _follow_told(self) -> None:
        async for _ in self._told.deltas():
            self._news.set()

    async def _show(self, seconds: float, show: Show) -> None:
        shown: Overview = {}
        while True:
            answer = self._answer()
            if answer != shown:
                show(answer)
                shown = answer
                await asyncio.sleep(seconds)
            try:
                async with asyncio.timeout(GLANCE):
                    await self._news.wait()
            except TimeoutError:
                continue
            self._news.clear()

    def _answer(self) -> Overview:
        if self._objects.connected:
            self._away_since = ""
        elif not self._away_since:
            self._away_since = datetime.now().astimezone().isoformat(timespec="seconds")
        state = {"store": "away" if self._away_since else "connected", "away_since": self._away_since}
        return state | overview(self._objects, list(self._told.view.values()), self._newest)


async def watch(store: Store, seconds: float, output: Form) -> None:
    log.configure("error")  # what the store does is shown, not logged
    try:
        with _terminal(output) as live:
            await Watch(store).run(seconds, _in_place(live) if live is not None else _one_by_one(output))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        await store.close()


def _terminal(output: Form) -> AbstractContextManager[Live | None]:
    if output is Form.table and sys.stdout.isatty():
        return Live(console=console(), auto_refresh=False, vertical_overflow="visible")
    return nullcontext()


def _in_place(live: Live) -> Show:
    return lambda answer: live.update(_dated(answer), refresh=True)


def _one_by_one(output: Form) -> Show:
    def show(answer: Overview) -> None:
        if output is Form.json:
            print(json.dumps(plain(answer), ensure_ascii=False))
        elif output is Form.yaml:
            print("---")
            show_data(answer, output)
        else:
            console().print(_dated(answer), Text())
        sys.stdout.flush()

    return show


def _dated(answer: Overview) -> RenderableType:
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    away = f"; store away since {answer['away_since']}: what was known then" if answer["away_since"] else ""
    return Group(Text(now + away), page(answer))
