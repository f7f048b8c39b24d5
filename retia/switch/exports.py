"""What Open vSwitch tells collectors of the bridge's packets: IPFIX records and sFlow datagrams, as settings ask.

    settings ─► `read` ─► Exports ─► `ensure` ─► Bridge.ipfix, Bridge.sflow

Only rows that Retia wrote (`external_ids:retia`) are changed or taken away. Where someone else exports from the bridge
already, theirs stays, and there is none of Retia's: a bridge has one of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retia.config import Settings
from retia.errors import Conflict, InvalidInput
from retia.switch.ovsdb import Database, Row, as_map, identifiers, many, mapping
from retia.values import Ip

CACHE_FLOWS = 16384
"""Open vSwitch adds up the sampled packets of so many connections at the most."""
HEADER_BYTES = 128
"""Of each sampled packet, to the sFlow collector."""


@dataclass(frozen=True)
class Exports:
    """A row's columns as they should be, for each table; None for no row."""

    rows: dict[str, Row | None] = field(default_factory=lambda: {"IPFIX": None, "sFlow": None})


def read(settings: Settings) -> Exports:
    """Raises InvalidInput."""
    return Exports({"IPFIX": _ipfix(settings), "sFlow": _sflow(settings)})


def _ipfix(settings: Settings) -> Row | None:
    """Packets are sampled where they come in and where they go out, as a record's flowDirection says: only a guest's
    side sees all of its packets, since a patch port samples none. `enable-tunnel-sampling` makes records name the
    tunnel too."""
    if not settings.ipfix_collector:
        return None
    return {
        "targets": _collector(settings.ipfix_collector, "ipfix_collector", 4739),
        "sampling": settings.ipfix_sampling,
        "obs_domain_id": int(Ip.parse(settings.tunnel_address)) if settings.tunnel_address else 0,
        "cache_active_timeout": settings.ipfix_timeout,
        "cache_max_flows": CACHE_FLOWS,
        "other_config": as_map({"enable-tunnel-sampling": "true"}),
    }


def _sflow(settings: Settings) -> Row | None:
    """The host goes by its tunnel address, where Open vSwitch else guesses one from its routes, or sends nothing."""
    if not settings.sflow_collector:
        return None
    return {
        "targets": _collector(settings.sflow_collector, "sflow_collector", 6343),
        "sampling": settings.sflow_sampling,
        "polling": settings.sflow_polling,
        "header": HEADER_BYTES,
        "agent": settings.tunnel_address or ["set", []],
    }


def _collector(text: str, setting: str, port: int) -> str:
    """As Open vSwitch takes it, which looks no names up and says nothing of what it does not understand."""
    address, colon, number = text.rpartition(":")
    bare = address.removeprefix("[").removesuffix("]")
    try:
        family = Ip.parse(bare).family
    except InvalidInput:
        family = 0
    if (
        not colon
        or address != {4: bare, 6: f"[{bare}]"}.get(family)
        or not number.isdecimal()
        or not 0 < int(number) < 65536
    ):
        raise InvalidInput(
            f"{text!r} is no ADDRESS:PORT",
            where=setting,
            advice=f"give an IP address and a port, as 192.0.2.9:{port} or [2001:db8::9]:{port}",
        )
    return text


async def ensure(database: Database, bridge: str, exports: Exports) -> None:
    """Raises Conflict when someone else exports from this bridge, after all else is done."""
    taken = [table for table, row in exports.rows.items() if not await _ensure(database, bridge, table, row)]
    if taken:
        raise Conflict(
            f"someone else has {' and '.join(taken)} on bridge {bridge}",
            where=database.where,
            advice=f"clear it (ovs-vsctl clear Bridge {bridge} {taken[0].lower()}), or set no collector here",
        )


async def _ensure(database: Database, bridge: str, table: str, wanted: Row | None) -> bool:
    """Whether it is as wanted now."""
    column, where = table.lower(), [["name", "==", bridge]]
    (row,) = await database.select("Bridge", where, [column])
    there = identifiers(row[column])
    this = [["_uuid", "==", ["uuid", *there]]]
    found = await database.select(table, this, ["external_ids", *(wanted or ())]) if there else []
    if found and mapping(found[0]["external_ids"]).get("retia") != column:
        return wanted is None
    if wanted is None:
        if found:
            await database.transact(_point(where, column, ["set", []]))
    elif not found:
        marked = {**wanted, "external_ids": as_map({"retia": column})}
        insert = {"op": "insert", "table": table, "row": marked, "uuid-name": "exports"}
        await database.transact(insert, _point(where, column, ["named-uuid", "exports"]))
    elif any(_plain(found[0][name]) != _plain(value) for name, value in wanted.items()):
        await database.transact({"op": "update", "table": table, "where": this, "row": wanted})
    return True


def _point(where: list[Any], column: str, row: list[Any]) -> Row:
    """A row that no bridge points to any more goes by itself."""
    return {"op": "update", "table": "Bridge", "where": where, "row": {column: row}}


def _plain(value: Any) -> Any:
    """Columns compare alike however the database writes them."""
    return sorted(mapping(value).items()) if mapping(value) else many(value)
