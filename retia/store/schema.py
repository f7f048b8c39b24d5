"""The schema guard: no process reads or writes a store that a newer Retia laid out."""

from __future__ import annotations

from retia.errors import Unsupported
from retia.store.contract import SCHEMA, SCHEMA_KEY, StaleWrite, Store, Transaction


async def check(store: Store, reading: bool = False) -> None:
    """Raises Unsupported for a newer schema, StoreAway. Writes ours where there is none, unless only `reading`."""
    record = await store.get(SCHEMA_KEY)
    if record is None:
        if reading:
            return
        try:
            await store.commit(Transaction({SCHEMA_KEY: 0}, {SCHEMA_KEY: str(SCHEMA).encode()}))
        except StaleWrite:
            await check(store)
        return
    text = record.value.decode("utf-8", "replace")
    if not text.isdigit() or int(text) > SCHEMA:
        raise Unsupported(
            f"the store has schema {text!r}, this Retia knows {SCHEMA}",
            where=SCHEMA_KEY,
            advice="use the Retia that wrote it, or a newer one",
        )
