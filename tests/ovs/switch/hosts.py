"""Two hosts in network namespaces, each with its own Open vSwitch (userspace datapath), joined by an underlay bridge.

guest ── br-int ═ Geneve ═ br-phys ── (underlay bridge) ── br-phys ═ Geneve ═ br-int ── guest
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from retia.switch.socket import listens
from tests.ovs.server import OvsServer, wait_for

ROOT = Path(__file__).parents[3]


def ip(*words: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr}")
    return done.stdout


class Host(OvsServer):
    """`number` 1 or 2: tunnel address 192.168.79.NUMBER, guest 10.0.0.NUMBER."""

    def __init__(self, number: int, fabric: str) -> None:
        self.number = number
        self.name, self.guest = f"{fabric}h{number}", f"{fabric}g{number}"
        self.address, self.guest_address = f"192.168.79.{number}", f"10.0.0.{number}"
        ip("netns", "add", self.name)
        ip("netns", "add", self.guest)
        ip("link", "add", f"{fabric}u{number}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", f"{fabric}u{number}", "master", fabric, "up")
        super().__init__()

    def run(self, *command: str, check: bool = True) -> str:
        return super().run("ip", "netns", "exec", self.name, *command, check=check)

    def _start(self, name: str, *arguments: str) -> None:
        command = ["ip", "netns", "exec", self.name, "setpriv", "--pdeathsig", "KILL", name, *arguments]
        with (self.dir / f"{name}.out").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [*command, f"--pidfile={self.dir}/{name}.pid", "--no-chdir"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_switch(self) -> None:
        """With real devices, and its control socket where Open vSwitch puts it by itself."""
        self._start("ovs-vswitchd", f"unix:{self.dir}/db.sock")
        wait_for(lambda: any(listens(path) for path in self.dir.glob("ovs-vswitchd.*.ctl")))

    def appctl(self, *arguments: str) -> str:
        return self.run("ovs-appctl", *arguments)

    def build(self) -> None:
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "link", "set", "eth0", "up", "arp", "off")  # else the kernel's NIC answers ARP too
        self.start()
        self.vsctl("add-br", "br-phys", "--", "set", "bridge", "br-phys", "datapath_type=netdev",
                   "fail-mode=standalone", "--", "add-port", "br-phys", "eth0")  # fmt: skip
        self.address_up()
        self.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure")

    def address_up(self) -> None:
        ip("-n", self.name, "addr", "replace", f"{self.address}/24", "dev", "br-phys")
        ip("-n", self.name, "link", "set", "br-phys", "up")

    def add_tunnel(self) -> None:
        self.vsctl("add-port", "br-int", "retia-geneve", "--", "set", "interface", "retia-geneve", "type=geneve",
                   "options:remote_ip=flow", "options:key=flow", "ofport_request=60000")  # fmt: skip

    def add_guest(self, other: Host) -> None:
        """Its neighbour is written down, so that the first packet of all is the ping."""
        device = f"{self.name}v"
        ip("link", "add", device, "netns", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.guest)
        ip("-n", self.name, "link", "set", device, "up")
        ip("-n", self.guest, "link", "set", "eth0", "address", f"02:00:00:00:00:0{self.number}", "up")
        ip("-n", self.guest, "addr", "add", f"{self.guest_address}/24", "dev", "eth0")
        ip("-n", self.guest, "neigh", "replace", other.guest_address, "lladdr", f"02:00:00:00:00:0{other.number}",
           "dev", "eth0")  # fmt: skip
        self.vsctl("add-port", "br-int", device, "--", "set", "interface", device, "ofport_request=1")
        self.ofctl("add-flow", "br-int", f"in_port=1,actions=set_field:{other.address}->tun_dst,output:60000")
        self.ofctl("add-flow", "br-int", "in_port=60000,actions=output:1")

    def ping(self, other: Host) -> bool:
        command = ["ip", "netns", "exec", self.guest, "ping", "-c", "1", "-W", "1", other.guest_address]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def warm(self, *peers: str) -> str:
        """What the agent does, in the host's own namespace: prints who stayed cold, and the seconds it took."""
        return self.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.ovs.switch.warm", str(self.dir),
                        *peers)  # fmt: skip

    def neighbours(self) -> set[str]:
        """What Open vSwitch has resolved."""
        return {line.split()[0] for line in self.appctl("tnl/neigh/show").splitlines()[2:]}

    def stop(self) -> None:
        super().stop()
        for name in (self.name, self.guest):
            ip("netns", "del", name, check=False)


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    fabric = f"rt{os.getpid() % 100000}"
    ip("link", "add", fabric, "type", "bridge")
    hosts: list[Host] = []
    try:
        ip("link", "set", fabric, "up")
        for number in (1, 2):
            hosts.append(Host(number, fabric))
            hosts[-1].build()
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            host.stop()
        ip("link", "del", fabric, check=False)
