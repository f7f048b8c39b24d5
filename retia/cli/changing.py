"""How commands for hands write: decide on a fresh view, commit, tell what changed, and wait where asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retia.cli.output import Form, show_data
from retia.cli.session import run, store_of
from retia.config import Settings
from retia.store import barrier, catalog
from retia.store.changes import Changes
from retia.store.view import View


def write(settings: Settings, decide: Callable[[View], Changes], wait: float | None, output: Form) -> None:
    changes = run(_write(settings, decide, wait))
    if output is not Form.table:
        show_data(changes.data(), output)
        return
    for line in changes.lines() or ["nothing changed: it is so already"]:
        print(line)


async def _write(settings: Settings, decide: Callable[[View], Changes], wait: float | None) -> Changes:
    async with store_of(settings) as store:
        changes, revision = await catalog.change(store, decide, wait is not None)
        if wait is not None:
            await barrier.wait(store, wait, revision)
        return changes


Common = dict[str, Any]
"""project, wait and output, as `forms.command` hands them over."""
