"""Which interfaces are on Retia's bridge: the monitor's rows in, interface changes out, net and by name. No I/O.

    Bridge ─ ports ─► Port ─ interfaces ─► Interface (name, ofport, external_ids:iface-id)

An interface is there once it has a port number. After a gap in the connection only the difference comes out. Uplinks
and peers are none of them: they are `attachments`.
"""

from __future__ import annotations

from collections.abc import Iterator

from retia.model.local import TUNNEL_PORT, Interface, InterfaceChange
from retia.switch.ovsdb import Row, Updates, identifiers, many, mapping

MONITORED = {
    "Bridge": ["name", "ports", "fail_mode", "protocols", "controller", "datapath_type", "ipfix", "sflow"],
    "Port": ["name", "interfaces", "tag"],
    "Interface": [
        *("name", "ofport", "ofport_request", "external_ids", "error", "type", "options", "bfd", "bfd_status"),
    ],
}
_OURS = ("fail_mode", "protocols", "controller", "ipfix", "sflow", "type", "options")
"""What `bridge.ensure` and `exports.ensure` have written, or would not have touched."""

UPLINK, PEER = "uplink", "peer"


def mark(row: Row) -> str:
    """Whether an interface is an uplink's or a peer's: what it bears as `external_ids:retia`, or nothing."""
    said = mapping(row["external_ids"]).get("retia", "")
    return said if said in (UPLINK, PEER) else ""


def number_of(row: Row) -> int:
    """0 while Open vSwitch has not given it one."""
    ofport = many(row["ofport"])
    return ofport[0] if ofport and isinstance(ofport[0], int) and ofport[0] > 0 else 0


class Interfaces:
    """The interfaces of one bridge, from the monitor's rows. Changes come out net, by name."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._rows: dict[str, dict[str, Row]] = {table: {} for table in MONITORED}
        self._owner: dict[str, str] = {}  # interface uuid -> port uuid
        self._ports: set[str] = set()  # ports of our bridge
        self.known: dict[str, Interface] = {}
        self.unrequested: dict[str, int] = {}
        self.troubles: dict[str, str] = {}  # what Open vSwitch says of interfaces it could not make
        self.disturbed = False  # whether someone has changed the bridge or the tunnel port, or removed one

    def reset(self) -> None:
        """Before a new monitor's first rows: what is known stays, so that only the difference comes out."""
        self._rows = {table: {} for table in MONITORED}
        self._owner.clear()
        self._ports.clear()

    def update(self, updates: Updates, whole: bool = False) -> list[InterfaceChange]:
        """The changes that these rows make. `whole`: they are all there is."""
        touched = self._touch(updates)
        rows = self._rows["Interface"]
        present: dict[str, Interface] = {}
        gone = self._gone | set(self.known) if whole else self._gone
        for uuid in rows if whole else touched & rows.keys():
            interface = self._interface(uuid, rows[uuid])
            if interface is not None:
                present[interface.name] = interface
            else:
                gone.add(rows[uuid]["name"])
        return list(self._compare(gone - set(present), present))

    def _touch(self, updates: Updates) -> set[str]:
        """Store the rows; answer which interfaces they concern."""
        touched: set[str] = set()
        self._gone: set[str] = set()
        for table, rows in updates.items():
            for uuid, change in rows.items():
                touched |= self._concerned(table, uuid)
                self._note_disturbance(table, uuid, change.get("new"))
                if "new" in change:
                    self._rows[table][uuid] = change["new"]
                else:
                    self._forget(table, uuid)
                touched |= self._concerned(table, uuid)
        return touched

    def _forget(self, table: str, uuid: str) -> None:
        row = self._rows[table].pop(uuid, None)
        if row is None:
            return
        if table == "Interface":
            self._gone.add(row["name"])
            self._owner.pop(uuid, None)
            self.troubles.pop(row["name"], None)
        elif table == "Bridge" and row["name"] == self._bridge:
            self._ports = set()

    def _note_disturbance(self, table: str, uuid: str, new: Row | None) -> None:
        old = self._rows[table].get(uuid)
        if old is not None and old["name"] in (self._bridge, TUNNEL_PORT):
            self.disturbed |= new is None or any(old.get(column) != new.get(column) for column in _OURS)

    def _concerned(self, table: str, uuid: str) -> set[str]:
        row = self._rows[table].get(uuid)
        if table == "Interface" or row is None:
            return {uuid}
        if table == "Port":
            members = set(identifiers(row["interfaces"]))
            self._owner.update(dict.fromkeys(members, uuid))
            return members
        if row["name"] != self._bridge:
            return set()
        before, self._ports = self._ports, set(identifiers(row["ports"]))
        changed = before ^ self._ports
        return {i for port in changed for i in self._members(port)}

    def _members(self, port: str) -> list[str]:
        row = self._rows["Port"].get(port)
        return identifiers(row["interfaces"]) if row else []

    def _interface(self, uuid: str, row: Row) -> Interface | None:
        """None while it has no port number, is not on our bridge, is the bridge's own, or an uplink or peer."""
        if self._owner.get(uuid) not in self._ports:
            return None
        if not mark(row):
            self._note_trouble(row)
        ofport = number_of(row)
        if row["name"] == self._bridge or not ofport:
            return None
        if not [one for one in many(row["ofport_request"]) if isinstance(one, int)]:
            self.unrequested[row["name"]] = ofport
        return None if mark(row) else Interface(row["name"], ofport, mapping(row["external_ids"]).get("iface-id", ""))

    def _note_trouble(self, row: Row) -> None:
        said = [one for one in many(row.get("error", "")) if one]
        if said:
            self.troubles[row["name"]] = said[0]
        else:
            self.troubles.pop(row["name"], None)

    def _compare(self, gone: set[str], present: dict[str, Interface]) -> Iterator[InterfaceChange]:
        for name in gone:
            old = self.known.pop(name, None)
            self.disturbed |= old is not None and name == TUNNEL_PORT
            if old is not None:
                yield InterfaceChange(old, None)
        for name, interface in present.items():
            old = self.known.get(name)
            if old != interface:
                self.known[name] = interface
                yield InterfaceChange(old, interface)
