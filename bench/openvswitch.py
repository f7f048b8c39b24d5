"""One private Open vSwitch, the same for both contenders: its own database, no device and no bridge of the machine.

`--enable-dummy=system` makes the ordinary datapath and interface types ones that carry no packet, so that a
controller sees the Open vSwitch it always sees. Used by `ovn` and `ours`.
"""

from __future__ import annotations

from pathlib import Path

from bench.database import Database
from bench.processes import Processes, wait_until
from retia.switch.socket import listens

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
BRIDGE = "br-int"
QUIET = ("--no-chdir", "-vconsole:off", "-vsyslog:off")


class OpenVswitch:
    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.dir = processes.dir
        processes.environment["PATH"] = f"/usr/sbin:/usr/bin:/sbin:/bin:{processes.environment.get('PATH', '')}"
        for name in ("RUN", "LOG", "DB", "SYSCONF"):
            processes.environment[f"OVS_{name}DIR"] = str(self.dir)
        start_database(processes, "db", SCHEMA)
        self.vsctl("--no-wait", "init")
        self.start()
        self.database = Database(self.dir / "db.sock", "Open_vSwitch")

    @property
    def management(self) -> Path:
        return self.dir / f"{BRIDGE}.mgmt"

    def start(self) -> None:
        control = self.dir / "vswitchd.ctl"
        control.unlink(missing_ok=True)
        words = [*QUIET, "--enable-dummy=system", "--disable-system", f"--pidfile={self.dir}/ovs-vswitchd.pid"]
        self._processes.start("vswitchd", ["ovs-vswitchd", *words, f"--unixctl={control}", f"unix:{self.dir}/db.sock"])
        wait_until(lambda: listens(control), "ovs-vswitchd")

    def restart(self) -> None:
        """All flows are lost; bridges and interfaces come back from the database."""
        self._processes.stop("vswitchd")
        self.management.unlink(missing_ok=True)
        self.start()
        wait_until(lambda: listens(self.management), BRIDGE)

    def vsctl(self, *words: str) -> str:
        return self._processes.run("ovs-vsctl", "--timeout=60", f"--db=unix:{self.dir}/db.sock", *words)

    def trace(self, packet: str) -> str:
        return self._processes.run("ovs-appctl", f"--target={self.dir}/vswitchd.ctl", "ofproto/trace", BRIDGE, packet)

    def dump(self) -> str:
        return self._processes.run("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", f"unix:{self.management}")

    def plug(self, names: list[str], ports: list[str] | None = None) -> None:
        """Add interfaces, named for their ports where some are given."""
        words: list[str] = []
        for place, name in enumerate(names):
            words += ["--", "add-port", BRIDGE, name]
            if ports:
                words += ["--", "set", "interface", name, f"external_ids:iface-id={ports[place]}"]
        self.vsctl(*words)

    def name(self, interface: str, port: str) -> None:
        """Write `iface-id`: from now on the interface is this port's."""
        named = ["external_ids", "insert", ["map", [["iface-id", port]]]]
        where = [["name", "==", interface]]
        self.database.transact({"op": "mutate", "table": "Interface", "where": where, "mutations": [named]})

    def ofport(self, interface: str) -> int:
        (row,) = self.database.select("Interface", [["name", "==", interface]], ["ofport"])
        return int(row["ofport"])

    def bring_up(self) -> int:
        """Let every tunnel that is watched by BFD be up, as if its other end were a host. How many there are."""
        rows = self.database.select("Interface", [], ["_uuid", "bfd_status"])
        watched = [row["_uuid"] for row in rows if row["bfd_status"][1]]
        up = ["map", [["state", "up"], ["forwarding", "true"], ["flap_count", "1"], ["remote_state", "up"]]]
        told = [
            {"op": "update", "table": "Interface", "where": [["_uuid", "==", one]], "row": {"bfd_status": up}}
            for one in watched
        ]
        self.database.transact(*told)
        return len(watched)

    def leads_to(self, ofport: int) -> str:
        """The tunnel address a port leads to, or its name."""
        rows = self.database.select("Interface", [["ofport", "==", ofport]], ["name", "options"])
        return str(dict(rows[0]["options"][1]).get("remote_ip") or rows[0]["name"]) if rows else "nowhere"


def start_database(processes: Processes, name: str, schema: Path) -> None:
    """An ovsdb-server of one database, on NAME.sock; the file is kept where there is one."""
    file, socket = processes.dir / f"{name}.db", processes.dir / f"{name}.sock"
    if not file.exists():
        processes.run("ovsdb-tool", "create", file, schema)
    words = [*QUIET, f"--remote=punix:{socket}", f"--unixctl={processes.dir}/{name}.ctl"]
    processes.start(name, ["ovsdb-server", *words, file])
    wait_until(lambda: listens(socket), name)
