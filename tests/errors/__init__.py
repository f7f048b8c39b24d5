"""Bad documents in, messages out: `cases/NAME.yaml` and `cases/NAME.txt`.

A case may say what is in the store before it: a first line `# before: A.yaml B.yaml` names documents of `before/`;
a line `# prune` applies it with --prune.
`python -m tests.errors` writes the messages anew and prints what changed.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from retia.errors import RetiaError
from retia.model.document import parse
from retia.store import catalog
from retia.store.memory import MemoryStore

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.yaml"))
MARK = "# before: "


def message(case: Path) -> str:
    """What applying the case says; the store must be as it was before."""
    return asyncio.run(_message(case))


async def _message(case: Path) -> str:
    store = MemoryStore()
    text = case.read_text()
    if text.startswith(MARK):
        for name in text.splitlines()[0].removeprefix(MARK).split():
            await _apply(store, (HERE / "before" / name).read_text(), name)
    held = await store.snapshot("")
    try:
        await _apply(store, text, case.name, prune="# prune" in text)
    except RetiaError as error:
        if await store.snapshot("") != held:
            return "something was written"
        return f"exit {error.exit_code}\n{error}\n"
    return "nothing was wrong\n"


async def _apply(store: MemoryStore, text: str, file: str, prune: bool = False) -> None:
    source = random.Random(1)
    await catalog.change(store, lambda view: catalog.plan(view, parse(text, file), prune, source))
