"""OVN as a contender: its own northd, controller and databases, private, beside a private Open vSwitch.

    write NB ─► northd ─► SB ─► controller ─► Open vSwitch        --wait=hv: nb_cfg comes back as hv_cfg

Other hosts are rows of the southbound database; this bench claims their ports as their agents would. All writes go
over open connections, so that no tool's start is timed (but in `command`).
"""

from __future__ import annotations

import re
import time
from typing import Any

from bench import gateway, ovn_network
from bench.contender import Cold, Restart, Times, missing, time_to_all_flows
from bench.database import Database, Row
from bench.network import Size, extra_port, extra_route, host_of, tunnel
from bench.observer import ADDED, MODIFIED, REMOVED, Event, Observer, in_port, ip_dst, ip_src, metadata, reg15
from bench.openvswitch import QUIET, OpenVswitch, start_database
from bench.ovn_programs import Programs
from bench.processes import Processes, wait_until
from retia.model.kinds import Nat

PATIENCE = 300.0


class Ovn:
    name, agent = "OVN", "controller"

    def __init__(self, programs: Programs, size: Size, patience: float = PATIENCE) -> None:
        """Raises TimeoutError when its databases are not full within `patience` seconds."""
        self.size, self._programs, self._patience = size, programs, patience
        self.processes = Processes("ovn")
        try:
            self._start()
        except BaseException:
            self.processes.stop_all()
            raise

    def close(self) -> None:
        self.processes.stop_all()

    # -- before the clock starts -----------------------------------------------------------------------------------

    def _start(self) -> None:
        environment = self.processes.environment
        self.vswitch = OpenVswitch(self.processes)
        environment["PATH"] = f"{self._programs.path}:{environment['PATH']}"
        for name in ("RUN", "LOG", "DB", "SYSCONF"):
            environment[f"OVN_{name}DIR"] = str(self.processes.dir)
        self._start_databases()
        self.processes.run("ovn-nbctl", f"--db=unix:{self.processes.dir}/nb.sock", "init")
        self.processes.run("ovn-sbctl", f"--db=unix:{self.processes.dir}/sb.sock", "init")
        ids = {
            "system-id": "me",
            "ovn-remote": f"unix:{self.processes.dir}/sb.sock",
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": str(tunnel("me")),
            "ovn-remote-probe-interval": "0",
        }
        self.vswitch.vsctl("set", "open_vswitch", ".", *(f"external_ids:{key}={value}" for key, value in ids.items()))
        self.vswitch.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "fail-mode=secure")
        local = [n for n in range(self.size.ports) if host_of(self.size, n) == "me"]
        self.vswitch.plug([f"g{n}" for n in local], [f"p{n}" for n in local])
        self._fill()
        self.observer = Observer(self.vswitch.management)

    def _start_databases(self) -> None:
        for name in ("nb", "sb"):
            start_database(self.processes, name, self._programs.schemas / f"ovn-{name}.ovsschema")
        self._north = Database(self.processes.dir / "nb.sock", "OVN_Northbound")
        self._south = Database(self.processes.dir / "sb.sock", "OVN_Southbound")
        now = self._north.monitor("NB_Global", ["nb_cfg", "hv_cfg"])
        self._asked = next(iter(now.values()))["new"]["nb_cfg"] if now else 0

    def _fill(self) -> None:
        """This host registers itself; then the network and the other hosts' ports, while no controller looks on."""
        self._start_northd()
        self._start_controller()
        mine = [["name", "==", "me"]]
        wait_until(lambda: self._south.select("Chassis", mine, ["name"]), "the local chassis")
        self._stop_controller()
        (row,) = self._south.select("Chassis", mine, ["other_config"])
        hosts = [f"h{n}" for n in range(self.size.hosts)]
        self._south.transact(*ovn_network.chassis(hosts, row["other_config"]))
        self._chassis = {row["name"]: row["_uuid"] for row in self._south.select("Chassis", [], ["_uuid", "name"])}
        self._north.transact(*ovn_network.whole(self.size))
        columns = ["_uuid", "logical_port"]
        wait_until(lambda: len(self._bindings(columns)) == self.size.ports, "OVN's port bindings", self._patience)
        self._bind_all(self._bindings(columns))
        self.processes.settle(seconds=self._patience)

    def _bindings(self, columns: list[str]) -> list[Row]:
        return self._south.select("Port_Binding", [["type", "==", ""]], columns)

    def _bind_all(self, rows: list[Row]) -> None:
        hosts = [(row["_uuid"], ovn_network.remote_host(self.size, row["logical_port"])) for row in rows]
        self._south.transact(*(ovn_network.bind(row, self._chassis[host]) for row, host in hosts if host))

    def _start_northd(self) -> None:
        where = self.processes.dir
        words = [*QUIET, f"--unixctl={where}/northd.ctl", f"--pidfile={where}/northd.pid"]
        databases = [f"--ovnnb-db=unix:{where}/nb.sock", f"--ovnsb-db=unix:{where}/sb.sock"]
        self.processes.start("northd", ["ovn-northd", *words, *databases])

    def _start_controller(self) -> None:
        where = self.processes.dir
        words = [*QUIET, f"--pidfile={where}/controller.pid", f"unix:{where}/db.sock"]
        self.processes.start("controller", ["ovn-controller", *words])

    def _stop_controller(self) -> None:
        """It keeps its chassis and the flows."""
        control = self.processes.dir / f"ovn-controller.{self.processes.pid('controller')}.ctl"
        wait_until(control.exists, "ovn-controller")
        self.processes.run("ovn-appctl", "-t", control, "exit", "--restart")
        self.processes.await_end("controller")

    # -- rows ------------------------------------------------------------------------------------------------------

    def cold(self, seconds: float) -> Cold:
        """The southbound database has the ports and who holds them, and no logical flow."""
        self.processes.stop("northd")
        if "controller" in self.processes.cpu():
            self._stop_controller()
        self.observer.close()
        groups = {"op": "delete", "table": "Logical_DP_Group", "where": []}
        self._south.transact({"op": "delete", "table": "Logical_Flow", "where": []}, groups)
        self._restart_databases()
        self.vswitch.restart()
        self.observer = Observer(self.vswitch.management)
        before, start = sum(self.processes.cpu().values()), time.perf_counter()
        self._start_northd()
        self._start_controller()
        cold = time_to_all_flows(self, start, seconds)
        self._find_output_table()
        return Cold(cold.seconds, sum(self.processes.cpu().values()) - before, cold.flows)

    def _restart_databases(self) -> None:
        self.processes.run("ovn-appctl", "-t", self.processes.dir / "sb.ctl", "ovsdb-server/compact")
        for database, name in ((self._north, "nb"), (self._south, "sb")):
            database.close()
            self.processes.stop(name)
        self._start_databases()
        self._new_bindings = Database(self.processes.dir / "sb.sock", "OVN_Southbound")
        self._new_bindings.monitor("Port_Binding", ["logical_port", "datapath", "tunnel_key"])

    def _find_output_table(self) -> None:
        """The table of flows to remote ports: the only one that writes the tunnel's option."""
        found = re.search(r"table=(\d+),[^\n]*tun_metadata0", self.vswitch.dump())
        self._output = int(found[1]) if found else -1

    def _datapath(self, row: Any) -> int:
        (found,) = self._south.select("Datapath_Binding", [["_uuid", "==", row]], ["tunnel_key"])
        return int(found["tunnel_key"])

    def _ask(self) -> Row:
        self._asked += 1
        return {"op": "update", "table": "NB_Global", "where": [], "row": {"nb_cfg": self._asked}}

    def _confirmed(self) -> float:
        """When the answer to the last `_ask` came."""
        asked = self._asked

        def answer(update: Row) -> bool | None:
            rows = update.get("NB_Global", {}).values()
            return True if any(row.get("new", {}).get("hv_cfg") == asked for row in rows) else None

        return self._north.wait(answer, PATIENCE)[0]

    def _write(self, operations: list[Row]) -> float:
        """Write and ask; when it was begun."""
        self.observer.clear()
        self._new_bindings.updates.clear()
        start = time.perf_counter()
        self._north.transact(*operations, self._ask())
        return start

    def _changes(self, key: tuple[int, int], *what: int) -> Any:
        """Whether an event is about the flow that leads to a remote port."""

        def wanted(event: Event) -> bool:
            fields = metadata(key[0]) in event.match and reg15(key[1]) in event.match
            return event.what in what and event.table == self._output and fields

        return wanted

    def add(self, n: int) -> Times:
        port = extra_port(self.size, n)
        start = self._write(ovn_network.add_port(port))

        def made(update: Row) -> tuple[str, Row] | None:
            rows = update.get("Port_Binding", {}).items()
            return next(((key, row["new"]) for key, row in rows if row.get("new", {}).get("logical_port") == port.name),
                        None)  # fmt: skip

        row, binding = self._new_bindings.wait(made)[1]
        self._south.transact(ovn_network.bind(["uuid", row], self._chassis["h0"]))
        # its keys may be looked up only now: whoever claims a port has them already
        keys = self._datapath(binding["datapath"]), int(binding["tunnel_key"])
        self._added = {**getattr(self, "_added", {}), n: (["uuid", row], keys)}
        flow = self.observer.wait(self._changes(keys, ADDED)).when - start
        confirmed = self._confirmed() - start
        return {"flow": flow, "confirmed": max(flow, confirmed)}

    def delete(self, n: int) -> Times:
        port = extra_port(self.size, n)
        (row,) = self._north.select("Logical_Switch_Port", [["name", "==", port.name]], ["_uuid"])
        gone = self._changes(self._added.pop(n)[1], REMOVED)
        start = self._write([ovn_network.member("Logical_Switch", port.switch, "ports", row["_uuid"], "delete")])
        flow = self.observer.wait(gone).when - start
        return {"flow": flow, "confirmed": max(flow, self._confirmed() - start)}

    def move(self, n: int) -> Times:
        row, keys = self._added[n % len(self._added)]
        self.observer.clear()
        target = self._chassis["h1" if n // len(self._added) % 2 == 0 else "h0"]
        start = time.perf_counter()
        self._south.transact(ovn_network.bind(row, target))
        return {"flow": self.observer.wait(self._changes(keys, ADDED, MODIFIED)).when - start}

    def prepare_binds(self, count: int) -> None:
        for n in range(count):
            self._north.transact(*ovn_network.add_port(extra_port(self.size, 1000 + n)))
        self.vswitch.plug([f"w{n}" for n in range(count)])
        self._ofports = [self.vswitch.ofport(f"w{n}") for n in range(count)]
        self._write([])
        self._confirmed()

    def bind(self, n: int) -> Times:
        self.observer.clear()
        start = time.perf_counter()
        self.vswitch.name(f"w{n}", extra_port(self.size, 1000 + n).name)
        first = in_port(self._ofports[n])
        return {"flow": self.observer.last(lambda e: e.what == ADDED and first in e.match).when - start}

    def route(self, n: int) -> Times:
        start = self._write(ovn_network.add_route(extra_route(n)))
        return {"confirmed": self._confirmed() - start}

    def switch(self, n: int) -> Times:
        start = self._write(ovn_network.add_switch(self.size, n))
        return {"confirmed": self._confirmed() - start}

    def command(self, n: int) -> Times:
        port = extra_port(self.size, 2000 + n)
        adds = ["lsp-add", port.switch, port.name, "--", "lsp-set-addresses", port.name]
        start = time.perf_counter()
        database = f"--db=unix:{self.processes.dir}/nb.sock"
        self.processes.run("ovn-nbctl", database, "--wait=hv", *adds, f"{port.mac} {port.addresses[0]}")
        self._asked += 1
        return {"confirmed": time.perf_counter() - start}

    def meet_outside(self) -> None:
        self.vswitch.vsctl("add-br", gateway.BRIDGE)
        mapped = f"external_ids:ovn-bridge-mappings={ovn_network.PHYSICAL}:{gateway.BRIDGE}"
        self.vswitch.vsctl("set", "open_vswitch", ".", mapped)
        self._write(ovn_network.outside())
        self._confirmed()
        wait_until(self.vswitch.bring_up, "OVN's watched tunnels", PATIENCE)
        self.processes.settle()
        self.vswitch.bring_up()
        mine = [["logical_port", "==", f"cr-{ovn_network.OUTSIDE}"], ["chassis", "==", self._chassis["me"]]]
        wait_until(lambda: self._south.select("Port_Binding", mine, ["_uuid"]), "OVN's gateway port here", PATIENCE)
        self.processes.settle()

    def floating(self, n: int) -> Times:
        nat = gateway.floating(self.size, n)
        return self._translate(nat, ip_dst(nat.external or 0))

    def snat(self, n: int) -> Times:
        nat = gateway.snat(self.size, n)
        return self._translate(nat, ip_src(nat.internal.address, nat.internal.mask))

    def _translate(self, nat: Nat, about: bytes) -> Times:
        start = self._write(ovn_network.add_nat(nat))
        flow = self.observer.wait(lambda event: event.what == ADDED and about in event.match).when - start
        return {"flow": flow, "confirmed": max(flow, self._confirmed() - start)}

    def edge(self) -> Times:
        start = self._write(ovn_network.add_edge(gateway.ADDED))
        return {"confirmed": self._confirmed() - start}

    def remove_edge(self) -> None:
        where = [["chassis_name", "==", gateway.ADDED]]
        (row,) = self._north.select("Gateway_Chassis", where, ["_uuid"])
        port, column = ovn_network.OUTSIDE, "gateway_chassis"
        self._write([ovn_network.member("Logical_Router_Port", port, column, row["_uuid"], "delete")])
        self._confirmed()

    def restart(self) -> Restart:
        full, seen = self.observer.count(), list[tuple[float, int]]()
        self._stop_controller()
        start = time.perf_counter()
        self._start_controller()
        while time.perf_counter() - start < 60:
            seen.append((time.perf_counter(), self.observer.count()))
            if seen[-1][1] >= full and (missing(seen, full) or seen[-1][0] - start > 15):
                break
            time.sleep(0.02)
        return Restart(missing(seen, full), max(0, full - min(count for _, count in seen)))

    def reached(self, packet: str) -> str:
        """OVN has a tunnel port for each host."""
        outputs = re.findall(r"^ *output:(\d+)$", self.vswitch.trace(packet), re.M)
        return self.vswitch.leads_to(int(outputs[-1])) if outputs else "nowhere"
