"""A host: a namespace with its own Open vSwitch (userspace datapath) and its agent, on the underlay.

    fabric (bridge) ─ to-hv1 ═ eth0 ─ br-phys (address of the tunnel) ··· Geneve ··· br-int ─ web1 ═ guest's eth0

    segment (bridge) ─ hv1 ═ SEGMENT.nic ─ br-ex        and for each physical bridge, if the lab file gives it any

The NIC's own ARP is off: it shares br-phys' network with br-phys itself, and the kernel would answer for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from retia.errors import Fatal
from retia.lab import netns
from retia.lab.contract import AGENT, DATABASE, VSWITCHD, Outage
from retia.lab.failure import CheckFailed
from retia.lab.names import FABRIC, INTEGRATION, PHYSICAL, Place, nic_of
from retia.lab.physical import Attached, BridgeName, SettingName
from retia.lab.process import Done, environment, execute, spawn, tail
from retia.lab.sockets import Datagrams
from retia.lab.wire import Tap, until
from retia.model.local import TUNNEL_PORT
from retia.switch.socket import listens

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PATIENCE = 15.0
FLIGHT = 0.1
"""Seconds a report may take, at the very most."""

OPENFLOW = ("-O", "OpenFlow15")


@dataclass
class Host:
    """`children` are those this process started; in a lab found again they are looked up by their pid files. `bridges`
    are its physical ones, `settings` its agent's, `cuts` the tunnel addresses that nothing gets to from here."""

    name: str
    address: str
    place: Place
    mark: str
    bridges: Mapping[BridgeName, Attached] = field(default_factory=dict)
    settings: Mapping[SettingName, str] = field(default_factory=dict)
    cuts: set[str] = field(default_factory=set)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)

    @property
    def dir(self) -> Path:
        return self.place.host_dir(self.name)

    @property
    def namespace(self) -> str:
        return self.place.namespace(self.name)

    @property
    def log(self) -> Path:
        return self.dir / "agent.log"

    def environment(self) -> Mapping[str, str]:
        """That of a command on this host: `ovs-vsctl`, `ovs-ofctl` and `retia` find what is theirs."""
        directory = str(self.dir)
        ovs = {f"OVS_{name}DIR": directory for name in ("RUN", "DB", "LOG")}
        retia = {
            "ETCD": ",".join(self.place.endpoints),
            "HOST": self.name,
            "RUN_DIR": directory,
            "OVS_RUN_DIR": directory,
        }
        retia |= {"TUNNEL_ADDRESS": self.address, "BRIDGE": INTEGRATION, "DATAPATH": "netdev"}
        retia |= {name.upper(): value for name, value in self.settings.items()}
        return environment(self.mark, ovs | {f"RETIA_{name}": value for name, value in retia.items()})

    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        """A command inside, to its end."""
        inside = ("ip", "netns", "exec", self.namespace, *command)
        return await execute(inside, self.environment(), check=check, limit=limit)

    async def tool(self, *command: str) -> str:
        """A command of Open vSwitch, which needs only the sockets, not the namespace."""
        return (await execute(command, self.environment())).out

    def spawn(self, name: str, *command: str, log: str = "") -> None:
        inside = ("ip", "netns", "exec", self.namespace, *command)
        self.children[name] = spawn(inside, self.environment(), self.dir / (log or f"{name}.out"))
        (self.dir / f"{name}.child").write_text(str(self.children[name].pid), encoding="ascii")

    # -- Open vSwitch ----------------------------------------------------------------------------------------------

    async def start_switch(self, empty: Path) -> None:
        """`empty` is a database with nothing but its schema. Returns with both bridges up."""
        self.dir.mkdir(exist_ok=True)
        shutil.copy(empty, self.dir / "conf.db")
        await self._spawn_database()
        self._spawn_vswitchd()
        await self._make_bridges()
        await self._take_addresses()

    async def start_database(self) -> float:
        """Start it again, with what it had on disk. Returns the seconds until ovs-vswitchd had found it: without its
        database it answers nobody, and looks for it now and then."""
        begin = time.monotonic()
        await self._spawn_database()
        await self.tool("ovs-ofctl", *OPENFLOW, "show", INTEGRATION)
        self._is_back(time.monotonic())
        return time.monotonic() - begin

    async def _spawn_database(self) -> None:
        self._database.unlink(missing_ok=True)
        self.spawn(DATABASE, "ovsdb-server", str(self.dir / "conf.db"), f"--remote=punix:{self._database}",
                   "--pidfile", "--log-file", "-vconsole:off")  # fmt: skip
        if not await until(partial(listens, self._database), PATIENCE):
            raise self._did_not_start(DATABASE)

    def _spawn_vswitchd(self) -> None:
        self.spawn(VSWITCHD, "ovs-vswitchd", f"unix:{self._database}", "--disable-system", "--pidfile",
                   "--log-file", "-vconsole:off")  # fmt: skip

    async def start_vswitchd(self) -> float:
        """Start it again, with the bridges its database has. Returns the seconds until OpenFlow answered."""
        begin = time.monotonic()
        self._management.unlink(missing_ok=True)
        self._spawn_vswitchd()
        if not await until(partial(listens, self._management), PATIENCE):
            raise self._did_not_start(VSWITCHD)
        back = time.monotonic()
        self._is_back(back)
        await self._take_addresses()
        await self._mind_cuts()
        return back - begin

    def _is_back(self, moment: float) -> None:
        for outage in self.outages:
            outage.end = min(outage.end, moment)

    @property
    def _database(self) -> Path:
        return self.dir / "db.sock"

    @property
    def _management(self) -> Path:
        return self.dir / f"{INTEGRATION}.mgmt"

    async def _take_addresses(self) -> None:
        """As the host's own network configuration does, when Open vSwitch has made its devices. Those that have
        outlived it keep what they have: an address taken away and given back would cost a tunnel's packet."""
        wanted = {PHYSICAL, *(name for name, each in self.bridges.items() if each.address)}
        if not await until(lambda: wanted <= netns.within(self.namespace, _links), PATIENCE):
            raise self._did_not_start(VSWITCHD)
        lines = [f"addr replace {self.address}/16 dev {PHYSICAL}", f"link set dev {PHYSICAL} up"]
        for name, each in self.bridges.items():
            if each.address:
                lines += [f"addr replace {each.address} dev {name}", f"link set dev {name} up"]
            if each.gateway:
                lines.append(f"route replace default via {each.gateway}")
        await netns.batch(lines, self.environment(), self.namespace)

    def _did_not_start(self, name: str) -> Fatal:
        log = self.dir / f"{name}.out"
        return Fatal(f"{name} did not start:\n{tail(log)}", where=self.name, advice=f"look into {self.dir}")

    async def _make_bridges(self) -> None:
        threads = ["--", "set", "Open_vSwitch", ".", "other_config:n-revalidator-threads=1"]
        threads += ["other_config:n-handler-threads=1"]
        physical = _standalone(PHYSICAL, "eth0")
        for name, each in self.bridges.items():
            physical += _standalone(name, nic_of(each.segment))
        versions = "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"
        inner = ["--", "add-br", INTEGRATION, "--", "set", "bridge", INTEGRATION, "datapath_type=netdev"]
        inner += ["fail-mode=secure", versions]
        try:
            await self.tool("ovs-vsctl", f"--timeout={PATIENCE:g}", "init", *threads, *physical, *inner)
        except Fatal:
            if self.children[VSWITCHD].poll() is not None:
                raise self._did_not_start(VSWITCHD) from None
            raise

    async def plug(self, link: str, iface_id: str) -> None:
        """Add a link to the integration bridge. With no `iface_id` it names no port."""
        name = ["--", "set", "Interface", link, f"external_ids:iface-id={iface_id}"] if iface_id else []
        await self.tool("ovs-vsctl", "--timeout=20", "--may-exist", "add-port", INTEGRATION, link, *name)

    async def unplug(self, link: str) -> None:
        await self.tool("ovs-vsctl", "--timeout=20", "--if-exists", "del-port", INTEGRATION, link)

    async def set_iface_id(self, link: str, iface_id: str) -> None:
        await self.tool("ovs-vsctl", "--timeout=20", "set", "Interface", link, f"external_ids:iface-id={iface_id}")

    async def flows(self) -> list[str]:
        """Its flows as text without counters, sorted."""
        out = await self.tool("ovs-ofctl", *OPENFLOW, "--no-stats", "dump-flows", INTEGRATION)
        return sorted(_plain(line) for line in out.splitlines() if "actions=" in line)

    async def packets(self) -> dict[str, int]:
        """Packets counted by each flow, by the flow as `flows` has it. Exact: caches are read first."""
        await self.caught_up()
        out = await self.tool("ovs-ofctl", *OPENFLOW, "dump-flows", INTEGRATION)
        counts: dict[str, int] = {}
        for line in out.splitlines():
            if found := re.search(r" n_packets=(\d+),", line):
                counts[_plain(re.sub(r" (duration|n_packets|n_bytes|idle_age|hard_age)=[^ ]+,", "", line))] = int(
                    found[1]
                )
        return counts

    async def ports(self) -> set[str]:
        """Each port of its bridges: name, OpenFlow number and the identity of its record."""
        columns = "--columns=name,ofport,_uuid"
        out = await self.tool(
            "ovs-vsctl", "--timeout=20", "--format=csv", "--no-headings", columns, "list", "Interface"
        )
        return set(out.split())

    async def remove_flows(self, match: str) -> None:
        """By hand, as an operator would. `match` is Open vSwitch's: `table=3,metadata=1`; "" for all."""
        await self.tool("ovs-ofctl", *OPENFLOW, "del-flows", INTEGRATION, match)

    async def add_flow(self, flow: str) -> None:
        await self.tool("ovs-ofctl", *OPENFLOW, "add-flow", INTEGRATION, flow)

    async def remove_tunnel(self) -> None:
        await self.tool("ovs-vsctl", "--timeout=20", "del-port", TUNNEL_PORT)

    async def remove_bridge(self) -> None:
        """With all its ports: whoever plugged the guests in has to do so again."""
        await self.tool("ovs-vsctl", "--timeout=20", "del-br", INTEGRATION)

    async def caught_up(self) -> None:
        """Open vSwitch looks through its caches by itself, but in threads of their own; half a second, at most."""
        await self.tool("ovs-appctl", "revalidator/wait")

    async def has_bridge(self) -> bool:
        """Whether it is there, with the tunnel port, and Open vSwitch has made both."""
        done = await execute(["ovs-vsctl", "--timeout=20", "get", "Interface", TUNNEL_PORT, "ofport"],
                             self.environment(), check=False)  # fmt: skip
        return done.code == 0 and done.out.strip().isdigit() and self._management.exists()

    async def counts(self, table: int, field_: str) -> dict[int, int]:
        """Packets counted by the flows of a table, by the value they match in a field. Exact: caches are read first."""
        await self.caught_up()
        out = await self.tool("ovs-ofctl", *OPENFLOW, "dump-flows", INTEGRATION, f"table={table}")
        pattern = re.compile(rf"n_packets=(\d+).*\b{field_}=(0x[0-9a-f]+|\d+)")
        found = (pattern.search(line) for line in out.splitlines())
        return {int(one[2], 0): int(one[1]) for one in found if one}

    def tunnel_tap(self) -> Tap:
        """What it sends into the underlay."""
        return Tap(self.place.namespace(FABRIC), f"to-{self.name}")

    def arrival_tap(self) -> Tap:
        """What the underlay brings it."""
        return Tap(self.namespace, "eth0")

    def segment_tap(self, segment: str) -> Tap:
        """What it sends into a physical segment."""
        return Tap(self.place.segment(segment), self.name)

    def hear(self, port: int) -> Datagrams:
        return Datagrams(self.namespace, port)

    # -- what lies around it ---------------------------------------------------------------------------------------

    async def cut(self, address: str) -> None:
        """Nothing gets from here to the host with that tunnel address, neither data nor BFD."""
        self.cuts.add(address)
        await self._mind_cuts()

    async def mend(self, address: str) -> None:
        self.cuts.discard(address)
        await self.tool("ovs-ofctl", "del-flows", PHYSICAL, f"ip,nw_dst={address}")

    async def _mind_cuts(self) -> None:
        for address in self.cuts:
            await self.tool("ovs-ofctl", "add-flow", PHYSICAL, f"priority=100,ip,nw_dst={address},actions=drop")

    async def set_underlay(self, up: bool) -> None:
        await self._set_link(f"to-{self.name}", self.place.namespace(FABRIC), up)

    async def set_segment(self, segment: str, up: bool) -> None:
        await self._set_link(self.name, self.place.segment(segment), up)

    async def _set_link(self, link: str, namespace: str, up: bool) -> None:
        await netns.batch([f"link set dev {link} {'up' if up else 'down'}"], self.environment(), namespace)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[list[str]]:
        """`ovs-ofctl monitor` beside a step; afterwards the list holds each change of a flow that it told."""
        log = self.dir / "monitor.out"
        log.unlink(missing_ok=True)
        command = ["ovs-ofctl", "-O", "OpenFlow14", "monitor", INTEGRATION, "watch:!initial"]
        child = spawn(command, self.environment(), log)
        said: list[str] = []
        try:
            await asyncio.sleep(FLIGHT)
            if child.poll() is not None:
                raise CheckFailed(f"cannot watch its flows: {tail(log)}", where=self.name)
            yield said
            await asyncio.sleep(2 * FLIGHT)
            if child.poll() is not None:
                raise CheckFailed("its flows were not watched to the end: Open vSwitch was away", where=self.name)
        finally:
            child.kill()
            child.wait()
        said += [line.strip() for line in log.read_text(encoding="utf-8").splitlines() if "event=" in line]

    # -- the agent -------------------------------------------------------------------------------------------------

    def start_agent(self, later: bool = False) -> None:
        """`later`: that of another Retia, whose pipeline differs. Both take their settings from the environment."""
        program = ["-m", "retia.lab.later"] if later else ["-m", "retia", "agent"]
        self.spawn(AGENT, sys.executable, *program, log="agent.log")

    async def kill(self) -> None:
        """The machine is cut off, as when it loses its power; `boot` brings it back."""
        running = [name for name in (VSWITCHD, AGENT, DATABASE) if self.pid(name)]
        await asyncio.gather(*(self.stop(name, signal.SIGKILL) for name in running))

    async def boot(self, address: str) -> None:
        """The machine is cut off and comes up again, at `address`: nothing of it was told to end."""
        await self.kill()
        await self._forget_devices()
        self.address = address
        await self._spawn_database()
        await self.start_vswitchd()
        self.start_agent()

    async def _forget_devices(self) -> None:
        """Those of its bridges, which outlive an Open vSwitch that was killed, but no machine."""
        there = netns.within(self.namespace, _links) & {INTEGRATION, PHYSICAL, *self.bridges}
        await netns.batch([f"link del dev {name}" for name in sorted(there)], self.environment(), self.namespace)

    async def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a process of this host by its pid, and wait for its end. Raises Fatal after a while."""
        pid = self.pid(name)
        if pid is None:
            raise Fatal(f"{name} does not run", where=self.name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if name in (VSWITCHD, DATABASE):
            self.outages.append(Outage(self.name, time.monotonic()))
        child = self.children.pop(name, None)
        if not await until(lambda: _has_ended(pid, child), PATIENCE):
            raise Fatal(f"{name} does not end", where=self.name, advice=f"look into {self.log}")

    def pause(self) -> None:
        self._signal_agent(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_agent(signal.SIGCONT)

    def _signal_agent(self, how: signal.Signals) -> None:
        pid = self.pid(AGENT)
        if pid is None:
            raise Fatal("its agent does not run", where=self.name)
        os.kill(pid, how)

    def runs(self, name: str) -> bool:
        return self.pid(name) is not None

    def check_agent(self) -> None:
        """Raises Fatal, with the end of its log, when it ended by itself."""
        child = self.children.get(AGENT)
        if child is not None and child.poll() is not None:
            what = f"its agent ended with {child.returncode}:\n{tail(self.log)}"
            raise Fatal(what, where=self.name, advice=f"look into {self.log}")

    def pid(self, name: str) -> int | None:
        """Of a process of this host that runs, whoever started it. Our own child is known without a look at what it
        says of itself, which a process just started cannot say yet."""
        if (child := self.children.get(name)) is not None:
            return None if _has_ended(child.pid, child) else child.pid
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.dir / f"{name}.child").read_text(encoding="ascii"))
            if not _has_ended(pid, None) and f"={self.mark}".encode() in _environment_of(pid):
                return pid
        return None


def _plain(line: str) -> str:
    """A line of `dump-flows` without the mark of a flow that was once put in the place of another."""
    return line.replace(" reset_counts", "").strip()


def _standalone(bridge: str, nic: str) -> list[str]:
    """For ovs-vsctl: a bridge that learns and forwards by itself, on a link."""
    made = ["--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail-mode=standalone"]
    return [*made, "--", "add-port", bridge, nic]


def _links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _has_ended(pid: int, child: subprocess.Popen[bytes] | None) -> bool:
    return child.poll() is not None if child else not Path(f"/proc/{pid}").exists()
