"""What Retia writes into Open vSwitch's database: its bridge, the one Geneve port, and the numbers ports shall keep.

`ensure` makes the bridge and the tunnel port where missing, leaves right ones alone and takes nobody else's. A
guest's port gets `ofport_request`, so that its number survives restarts. What is read there: `interfaces`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retia.errors import Conflict, SwitchAway, Unsupported
from retia.model.local import TUNNEL_PORT
from retia.switch.exports import Exports
from retia.switch.ovsdb import Database, Row, as_map, identifiers, many, mapping

TUNNEL_OFPORT = 60000
OLDEST = (2, 17)
_TUNNEL = {"remote_ip": "flow", "key": "flow", "csum": "true"}
_MARK = ("retia", "integration")
_IN_BAND = ("disable-in-band", "true")


@dataclass(frozen=True)
class Wanted:
    """The bridge as it should be. `datapath` is Open vSwitch's datapath_type, `bfd_interval` in milliseconds."""

    bridge: str
    datapath: str = "system"
    bfd_interval: int = 200
    exports: Exports = field(default_factory=Exports)

    @property
    def has_devices(self) -> bool:
        """Whether its ports can be devices of this host. Open vSwitch's datapath for tests makes none."""
        return self.datapath != "dummy"


async def ensure(database: Database, wanted: Wanted) -> None:
    """Everything is looked at before anything is written. Raises Unsupported for an Open vSwitch that is too old or
    lacks the datapath, Conflict for a bridge or port that someone else uses."""
    (root,) = await database.select("Open_vSwitch", [], ["_uuid", "ovs_version", "datapath_types"])
    _check_version(root, database.where)
    _check_datapath(root, wanted, database.where)
    columns = ["_uuid", "ports", "controller", "external_ids", "fail_mode"]
    bridges = await database.select("Bridge", [["name", "==", wanted.bridge]], columns)
    if bridges:
        _check_owner(bridges[0], wanted, database.where)
    tunnels = await database.select("Interface", [["name", "==", TUNNEL_PORT]], ["_uuid", "type", "options"])
    if tunnels:
        await _check_tunnel(database, tunnels[0], wanted)
    if bridges:
        await _adopt(database, bridges[0], wanted)
    else:
        await database.transact(*_new_bridge(wanted))
    await _ensure_tunnel(database, tunnels, wanted)


def _check_datapath(root: Row, wanted: Wanted, where: str) -> None:
    known = [one for one in many(root["datapath_types"]) if one]
    if known and wanted.datapath not in known:  # none: ovs-vswitchd has not written it yet
        system = "load the kernel module (modprobe openvswitch) and restart ovs-vswitchd, or "
        raise Unsupported(
            f"this Open vSwitch has no datapath of type {wanted.datapath}, only {', '.join(sorted(known))}",
            where=where,
            advice=(system if wanted.datapath == "system" else "") + f"set --datapath {known[0]}",
        )


def _check_owner(bridge: Row, wanted: Wanted, where: str) -> None:
    if whose := _owner(bridge):
        raise Conflict(
            f"bridge {wanted.bridge} {whose}, so its flows are someone else's",
            where=where,
            advice="give Retia a bridge of its own with --bridge; it makes one that does not exist",
        )


def _check_version(root: Row, where: str) -> None:
    text = "".join(many(root["ovs_version"])[:1])
    try:
        version = tuple(int(part) for part in text.split(".")[:2])
    except ValueError:
        return  # ovs-vswitchd has not written it yet; OpenFlow's greeting judges
    if version and version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Unsupported(f"Open vSwitch {text} is too old", where=where, advice=f"install {oldest} or newer")


def _new_bridge(wanted: Wanted) -> list[Row]:
    local = {"name": wanted.bridge, "type": "internal"}
    return [
        {"op": "insert", "table": "Interface", "row": local, "uuid-name": "interface"},
        _insert_port(wanted.bridge, ["named-uuid", "interface"]),
        {
            "op": "insert",
            "table": "Bridge",
            "row": {"name": wanted.bridge, "ports": ["named-uuid", "port"], **_columns(wanted)},
            "uuid-name": "bridge",
        },
        reach("Open_vSwitch", [], "bridges", ["named-uuid", "bridge"]),
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
    ]


def _columns(wanted: Wanted) -> Row:
    return {
        "fail_mode": "secure",
        "datapath_type": "" if wanted.datapath == "system" else wanted.datapath,
        "protocols": ["set", ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]],
        "external_ids": ["map", [list(_MARK)]],
        "other_config": ["map", [list(_IN_BAND)]],
    }


def _insert_port(name: str, interface: list[str]) -> Row:
    return {"op": "insert", "table": "Port", "row": {"name": name, "interfaces": interface}, "uuid-name": "port"}


def reach(table: str, where: list[Any], column: str, member: list[str]) -> Row:
    """Without a reference from above a row would be collected as garbage."""
    return {"op": "mutate", "table": table, "where": where, "mutations": [[column, "insert", ["set", [member]]]]}


async def _adopt(database: Database, bridge: Row, wanted: Wanted) -> None:
    columns = _columns(wanted)
    maps = {name: columns.pop(name) for name in ("external_ids", "other_config")}
    where = [["_uuid", "==", bridge["_uuid"]]]
    (current,) = await database.select("Bridge", where, [*columns, *maps])
    changes: list[Row] = []
    if any(sorted(map(str, many(current[key]))) != sorted(map(str, many(columns[key]))) for key in columns):
        changes.append({"op": "update", "table": "Bridge", "where": where, "row": columns})
    for column, value in maps.items():
        if not mapping(value).items() <= mapping(current[column]).items():
            changes.append(write_keys("Bridge", where, column, mapping(value)))
    if changes:
        await database.transact(*changes)


def _owner(bridge: Row) -> str:
    """Who else's bridge this looks like: in words, or nothing. One with Retia's mark is Retia's."""
    ids = mapping(bridge["external_ids"])
    if [one for one in many(bridge["controller"]) if one]:
        return "has a controller"
    if ids.get(_MARK[0]) == _MARK[1]:
        return ""
    if any(key.startswith(("ovn", "ct-zone-")) for key in ids):
        return "is OVN's"
    if bridge["fail_mode"] != "secure" and len(identifiers(bridge["ports"])) > 1:
        return "has ports and switches by itself (its fail_mode is not secure)"
    return ""


def write_keys(table: str, where: list[Any], column: str, values: dict[str, str]) -> Row:
    """Insert alone would leave a key that is there with its old value."""
    keys = [column, "delete", ["set", list(values)]]
    inserted = [column, "insert", as_map(values)]
    return {"op": "mutate", "table": table, "where": where, "mutations": [keys, inserted]}


async def _ensure_tunnel(database: Database, found: list[Row], wanted: Wanted) -> None:
    if found:
        if not _TUNNEL.items() <= mapping(found[0]["options"]).items():
            where = [["_uuid", "==", found[0]["_uuid"]]]
            await database.transact(write_keys("Interface", where, "options", _TUNNEL))
        return
    row = {"name": TUNNEL_PORT, "type": "geneve", "options": as_map(_TUNNEL)}
    await database.transact(
        {
            "op": "insert",
            "table": "Interface",
            "row": {**row, "ofport_request": TUNNEL_OFPORT},
            "uuid-name": "interface",
        },
        _insert_port(TUNNEL_PORT, ["named-uuid", "interface"]),
        reach("Bridge", [["name", "==", wanted.bridge]], "ports", ["named-uuid", "port"]),
    )


async def _check_tunnel(database: Database, interface: Row, wanted: Wanted) -> None:
    if interface["type"] != "geneve":
        raise Conflict(
            f"an interface called {TUNNEL_PORT} exists and is no Geneve port",
            where=database.where,
            advice=f"remove it: ovs-vsctl del-port {TUNNEL_PORT}",
        )
    ports = await database.select("Port", [["interfaces", "includes", interface["_uuid"]]], ["_uuid"])
    holders = await database.select("Bridge", [["ports", "includes", ports[0]["_uuid"]]], ["name"])
    if holders[0]["name"] != wanted.bridge:
        raise Conflict(
            f"{TUNNEL_PORT} is a port of bridge {holders[0]['name']}, and a host has only one",
            where=database.where,
            advice=f"use that bridge (--bridge {holders[0]['name']}), or remove the port: "
            f"ovs-vsctl del-port {TUNNEL_PORT}",
        )


async def keep_mac(database: Database, wanted: Wanted) -> str:
    """The MAC of the bridge's own port, which Open vSwitch else takes from whatever ports there are. Raises
    SwitchAway."""
    name = ["name", "==", wanted.bridge]
    found = await database.select("Interface", [name], ["mac_in_use"])
    macs = [mac for row in found for mac in many(row["mac_in_use"])]
    if not macs:
        raise SwitchAway(f"{wanted.bridge} has no MAC yet", where=database.where, advice="start ovs-vswitchd")
    (row,) = await database.select("Bridge", [name], ["other_config"])
    kept = mapping(row["other_config"]).get("hwaddr")
    if not kept:
        await database.transact(write_keys("Bridge", [name], "other_config", {"hwaddr": macs[0]}))
    return kept or str(macs[0])


async def request_ofports(database: Database, numbers: dict[str, int]) -> None:
    """Ask Open vSwitch to keep the numbers that these interfaces have."""
    await database.transact(
        *(
            {"op": "update", "table": "Interface", "where": [["name", "==", name]], "row": {"ofport_request": ofport}}
            for name, ofport in numbers.items()
        )
    )
