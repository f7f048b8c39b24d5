"""Uplinks and peers in Open vSwitch's database: which are there, and what to write for just the wanted to be. No I/O.

    wanted ──────────┐
                     ├─► `plan`: the operations of one transaction; `problems` in words
    monitor's rows ──┤
                     └─► `update`: changes of what is there, net and by name

    integration bridge ┬ NAME ═ patch ═ NAME-p ─ physical bridge        an uplink: there when both ends are
                       └ NAME ═ Geneve with BFD ═ another host          a peer

All of Retia's bear `external_ids:retia` (`interfaces.mark`), so that those of an earlier agent are known. Whatever is
right is left alone: a BFD session and the counters of a port outlive agents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from retia.model.local import Attachment, AttachmentChange, WantedPeer, WantedUplink
from retia.switch.bridge import Wanted, reach, write_keys
from retia.switch.interfaces import MONITORED, PEER, UPLINK, mark, number_of
from retia.switch.ovsdb import Row, Updates, as_map, identifiers, many, mapping

_VOLATILE = {"bfd_status"}
"""What changes by itself and makes nothing wrong."""


class _End(NamedTuple):
    """A port as it should be, for the uplink or peer `of`."""

    of: str
    name: str
    bridge: str
    mark: str
    type: str
    options: dict[str, str]
    bfd: dict[str, str]
    tag: int = 0


class _Place(NamedTuple):
    """Where an interface is: uuids of its port and its bridge."""

    port: str
    bridge: str


class Attachments:
    """Of one integration bridge. `dirty`: there may be something to write, so ask `plan`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._ends: dict[str, _End] | None = None
        self._rows: dict[str, dict[str, Row]] = {table: {} for table in MONITORED}
        self._named: dict[str, str] = {}  # interface name -> uuid
        self._places: dict[str, _Place] = {}  # interface uuid -> where; of Retia's own and what bears their names
        self._numbers: dict[str, int] = {}  # the last one each had, for a port made again to have it too
        self.known: dict[str, Attachment] = {}
        self.problems: dict[str, str] = {}
        self.dirty = False

    def want(self, uplinks: Iterable[WantedUplink], peers: Iterable[WantedPeer]) -> None:
        ends = [end for uplink in uplinks for end in self._both_ends(uplink)]
        ends += [self._tunnel(peer) for peer in peers]
        self._ends = {end.name: end for end in ends}
        self._numbers = {name: number for name, number in self._numbers.items() if name in self._ends}
        self.dirty = True

    def _both_ends(self, one: WantedUplink) -> Iterator[_End]:
        other = one.other_end
        yield _End(one.name, one.name, self._wanted.bridge, UPLINK, "patch", {"peer": other}, {})
        yield _End(one.name, other, one.bridge, UPLINK, "patch", {"peer": one.name}, {}, one.vlan)

    def _tunnel(self, peer: WantedPeer) -> _End:
        options = {"remote_ip": peer.address, "key": "flow", "csum": "true"}
        interval = str(self._wanted.bfd_interval)
        bfd = {"enable": "true", "min_rx": interval, "min_tx": interval}
        return _End(peer.name, peer.name, self._wanted.bridge, PEER, "geneve", options, bfd)

    # -- what is there ---------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Before a new monitor's first rows: what is known stays, so that only the difference comes out."""
        self._rows = {table: {} for table in MONITORED}
        self._named.clear()

    def update(self, updates: Updates, whole: bool = False) -> list[AttachmentChange]:
        """The changes that these rows make. `whole`: they are all there is."""
        touched: set[str] = set()
        for table, rows in updates.items():
            for uuid, change in rows.items():
                before, after = self._rows[table].pop(uuid, None), change.get("new")
                if after is not None:
                    self._rows[table][uuid] = after
                if table == "Interface":
                    self._name(uuid, before, after)
                touched |= self._concerned(table, before, after)
        if whole or self._moved(updates):
            self.dirty = True
            self._places = self._find()
            touched |= self.known.keys() | {self._rows["Interface"][uuid]["name"] for uuid in self._places}
        return list(self._compare(touched))

    def _name(self, uuid: str, before: Row | None, after: Row | None) -> None:
        if before is not None and self._named.get(before["name"]) == uuid:
            del self._named[before["name"]]
        if after is not None:
            self._named[after["name"]] = uuid

    def _concerned(self, table: str, *rows: Row | None) -> set[str]:
        """The attachments whose own interfaces these are; the other end speaks for the uplink too."""
        if table != "Interface":
            return set()
        return {row["name"].removesuffix("-p") for row in rows if row is not None and self._is_ours(row)}

    def _is_ours(self, row: Row) -> bool:
        return bool(mark(row)) or (self._ends is not None and row["name"] in self._ends)

    def _moved(self, updates: Updates) -> bool:
        """Whether more than what changes by itself has, of anything that concerns attachments."""
        for uuid, change in updates.get("Interface", {}).items():
            row = change.get("new") or change["old"]
            if not change.keys() >= {"old", "new"}:
                if uuid in self._places or ("new" in change and self._is_ours(row)):
                    return True
            elif change["old"].keys() - _VOLATILE and (uuid in self._places or self._is_ours(row)):
                return True
        ports = {place.port for place in self._places.values()}
        if ports & updates.get("Port", {}).keys():
            return True
        return any(self._bridge_moved(change, ports) for change in updates.get("Bridge", {}).values())

    @staticmethod
    def _bridge_moved(change: dict[str, Row], ports: set[str]) -> bool:
        if not change.keys() >= {"old", "new"} or change["old"].keys() & {"name", "datapath_type"}:
            return True
        if "ports" not in change["old"]:
            return False
        return not ports.isdisjoint(set(identifiers(change["old"]["ports"])) ^ set(identifiers(change["new"]["ports"])))

    def _find(self) -> dict[str, _Place]:
        """Where the interfaces are that are Retia's or bear a wanted name."""
        bridges = {port: uuid for uuid, row in self._rows["Bridge"].items() for port in identifiers(row["ports"])}
        ports = {one: uuid for uuid, row in self._rows["Port"].items() for one in identifiers(row["interfaces"])}
        return {
            uuid: _Place(ports[uuid], bridges[ports[uuid]])
            for uuid, row in self._rows["Interface"].items()
            if self._is_ours(row) and ports.get(uuid) in bridges
        }

    def _compare(self, names: Iterable[str]) -> Iterator[AttachmentChange]:
        for name in sorted(names):
            old, new = self.known.get(name), self._attachment(name)
            if new is not None:
                self.known[name] = new
                self._numbers[name] = new.ofport
            else:
                self.known.pop(name, None)
            if old != new:
                yield AttachmentChange(old, new)

    def _attachment(self, name: str) -> Attachment | None:
        """None while one of its ends has no number, or is not on our bridge."""
        uuid = self._named.get(name, "")
        row = self._rows["Interface"].get(uuid)
        place = self._places.get(uuid)
        if row is None or place is None or not number_of(row):
            return None
        if self._rows["Bridge"][place.bridge]["name"] != self._wanted.bridge:
            return None
        if mark(row) == PEER:
            return self._peer(name, row)
        return Attachment(name, number_of(row)) if mark(row) == UPLINK and self._other_end_is(row) else None

    def _peer(self, name: str, row: Row) -> Attachment:
        """A database that was started again says nothing of BFD until Open vSwitch does: then it is as it was."""
        status, before = mapping(row["bfd_status"]), self.known.get(name)
        if not status and before is not None and before.ofport == number_of(row):
            return before
        live = status.get("forwarding") == "true"
        return Attachment(name, number_of(row), "up" if live else "down", live or _flapped(status))

    def _other_end_is(self, row: Row) -> bool:
        uuid = self._named.get(mapping(row["options"]).get("peer", ""), "")
        other = self._rows["Interface"].get(uuid)
        return other is not None and uuid in self._places and mark(other) == UPLINK and bool(number_of(other))

    # -- what to write ---------------------------------------------------------------------------------------------

    def plan(self) -> list[Row]:
        """What makes it right, in one transaction; nothing before the first `want`. Says the `problems` anew."""
        self.dirty = False
        if self._ends is None:
            return []
        self._places = self._find()
        self.problems = {}
        rows = self._rows["Interface"]
        changes = [
            self._remove(place)
            for uuid, place in self._places.items()
            if mark(rows[uuid]) and rows[uuid]["name"] not in self._ends
        ]
        for number, end in enumerate(self._ends.values()):
            changes += self._make_right(end, number)
        return changes

    def _make_right(self, end: _End, number: int) -> list[Row]:
        bridge = self._bridge_of(end)
        uuid = self._named.get(end.name)
        if uuid is None:
            return self._insert(end, bridge, number) if bridge else []
        row = self._rows["Interface"][uuid]
        if mark(row) != end.mark:
            self.problems[end.of] = f"an interface {end.name} is there, and is not Retia's"
            return []
        self._note_error(end, row)
        place = self._places.get(uuid)
        if place is not None and place.bridge == bridge and row["type"] == end.type:
            return list(self._differences(end, uuid, place))
        gone = [self._remove(place)] if place is not None else []
        return gone + (self._insert(end, bridge, number) if bridge else [])

    def _bridge_of(self, end: _End) -> str:
        """The uuid of the bridge it belongs on, "" when it must not be there."""
        bridges = self._rows["Bridge"]
        uuid = next((uuid for uuid, row in bridges.items() if row["name"] == end.bridge), "")
        if end.name == end.of:
            return uuid
        if end.bridge == self._wanted.bridge:
            self.problems[end.of] = f"bridge {end.bridge} is Retia's own, and leads nowhere"
            return ""
        if not uuid:
            self.problems[end.of] = f"bridge {end.bridge} is not there"
        elif (bridges[uuid]["datapath_type"] or "system") != self._wanted.datapath:
            self.problems[end.of] = (
                f"bridge {end.bridge} has datapath type {bridges[uuid]['datapath_type'] or 'system'} and "
                f"{self._wanted.bridge} {self._wanted.datapath}: nothing passes between them"
            )
        return uuid

    def _note_error(self, end: _End, row: Row) -> None:
        """Of a tunnel. One end of an uplink has an error just because, and as long as, the other is missing."""
        said = [one for one in many(row["error"]) if one]
        if said and end.mark == PEER:
            self.problems[end.of] = f"Open vSwitch cannot make {end.name}: {said[0]}"

    def _differences(self, end: _End, uuid: str, place: _Place) -> Iterator[Row]:
        row = self._rows["Interface"][uuid]
        for column, wanted in (("options", end.options), ("bfd", end.bfd)):
            if not wanted.items() <= mapping(row[column]).items():
                yield write_keys("Interface", _where(uuid), column, wanted)
        if many(self._rows["Port"][place.port]["tag"]) != ([end.tag] if end.tag else []):
            yield {"op": "update", "table": "Port", "where": _where(place.port), "row": {"tag": _tag(end.tag)}}

    def _insert(self, end: _End, bridge: str, number: int) -> list[Row]:
        """`number` tells it from others of the transaction."""
        maps = {"options": end.options, "bfd": end.bfd, "external_ids": {"retia": end.mark}}
        interface: Row = {"name": end.name, "type": end.type, **{name: as_map(value) for name, value in maps.items()}}
        if end.name in self._numbers:
            interface["ofport_request"] = self._numbers[end.name]
        port = {"name": end.name, "interfaces": ["named-uuid", f"interface{number}"], "tag": _tag(end.tag)}
        return [
            {"op": "insert", "table": "Interface", "row": interface, "uuid-name": f"interface{number}"},
            {"op": "insert", "table": "Port", "row": port, "uuid-name": f"port{number}"},
            reach("Bridge", _where(bridge), "ports", ["named-uuid", f"port{number}"]),
        ]

    @staticmethod
    def _remove(place: _Place) -> Row:
        mutation = ["ports", "delete", ["uuid", place.port]]
        return {"op": "mutate", "table": "Bridge", "where": _where(place.bridge), "mutations": [mutation]}

    def refused(self, why: str) -> None:
        """What was planned is not done."""
        lacking = {end.of for end in (self._ends or {}).values()} - self.known.keys() - self.problems.keys()
        self.problems |= dict.fromkeys(lacking, why)


def _tag(vlan: int) -> object:
    return vlan or ["set", []]


def _where(uuid: str) -> list[list[object]]:
    return [["_uuid", "==", ["uuid", uuid]]]


def _flapped(status: dict[str, str]) -> bool:
    """Open vSwitch counts how often the far end became reachable or unreachable, from the start of the session."""
    count = status.get("flap_count", "0")
    return count.isdecimal() and int(count) > 0
