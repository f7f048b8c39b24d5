"""A physical segment that knows VLANs: an Open vSwitch of its own in the segment's namespace, in place of the kernel's
bridge, since not every kernel has VLANs. To hosts it is a trunk; an outside node's link is an access port of its VLAN.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from retia.errors import Fatal
from retia.lab.names import SEGMENT, Place
from retia.lab.process import environment, execute, spawn, tail
from retia.lab.wire import until

PATIENCE = 15.0


class VlanSegment:
    """Its two programs bear the lab's mark, so that they end with it."""

    def __init__(self, name: str, place: Place, mark: str) -> None:
        self._name, self._namespace = name, place.segment(name)
        self._dir = place.dir / f"{SEGMENT}.{name}"
        self._env = environment(mark, {f"OVS_{each}DIR": str(self._dir) for each in ("RUN", "DB", "LOG")})

    async def start(self, empty: Path, ports: Mapping[str, int]) -> None:
        """`ports`: links in the namespace, each with its VLAN; 0: all of them, tagged, and what is not."""
        self._dir.mkdir()
        shutil.copy(empty, self._dir / "conf.db")
        socket = self._dir / "db.sock"
        self._spawn("ovsdb-server", str(self._dir / "conf.db"), f"--remote=punix:{socket}")
        if not await until(socket.exists, PATIENCE):
            said = tail(self._dir / "ovsdb-server.out")
            raise Fatal(f"ovsdb-server did not start:\n{said}", where=f"segment {self._name}")
        self._spawn("ovs-vswitchd", f"unix:{socket}", "--disable-system")
        made = ["--", "add-br", SEGMENT, "--", "set", "bridge", SEGMENT, "datapath_type=netdev"]
        made.append("fail-mode=standalone")
        for port, vlan in ports.items():
            made += ["--", "add-port", SEGMENT, port, *([f"tag={vlan}"] if vlan else [])]
        await execute(["ovs-vsctl", f"--timeout={PATIENCE:g}", "init", *made], self._env)

    def _spawn(self, program: str, *words: str) -> None:
        inside = ["ip", "netns", "exec", self._namespace, program, *words, "--pidfile", "--log-file", "-vconsole:off"]
        spawn(inside, self._env, self._dir / f"{program}.out")
