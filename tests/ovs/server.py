"""A private Open vSwitch for tests: its own ovsdb-server and ovs-vswitchd in one directory, stopped by pid.

Userspace datapath without any real device (dummy), so it touches no network of the machine.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from retia.switch.socket import listens

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class OvsServer:
    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="retia-ovs-")
        self.dir = Path(self._temporary.name)
        where = {f"OVS_{name}DIR": str(self.dir) for name in ("RUN", "DB", "LOG")}
        self.environment = {"PATH": f"/usr/sbin:/usr/bin:{os.environ['PATH']}", **where}
        self._children: dict[str, subprocess.Popen] = {}
        self._numbers = itertools.count(1)
        self.run("ovsdb-tool", "create", str(self.dir / "conf.db"), SCHEMA)

    def run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def _start(self, name: str, *arguments: str) -> None:
        log = (self.dir / f"{name}.out").open("ab")
        self._children[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", name, *arguments, f"--pidfile={self.dir}/{name}.pid", "--no-chdir"],
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def start_database(self) -> None:
        database = self.dir / "db.sock"
        self._start(
            "ovsdb-server", str(self.dir / "conf.db"), f"--remote=punix:{database}", f"--unixctl={self.dir}/db.ctl"
        )
        wait_for(lambda: listens(database))

    def start_switch(self) -> None:
        self._start("ovs-vswitchd", f"unix:{self.dir}/db.sock", "--enable-dummy=override", f"--unixctl={self.dir}/ctl")
        wait_for(lambda: listens(self.dir / "ctl"))

    def start(self) -> OvsServer:
        self.start_database()
        self.vsctl("--no-wait", "init")
        self.start_switch()
        return self

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        child = self._children.pop(name, None)
        if child is not None and child.poll() is None:
            child.send_signal(how)
            child.wait(20)

    def stop(self) -> None:
        for name in list(self._children):
            self.kill(name)
        with contextlib.suppress(OSError):
            self._temporary.cleanup()

    def vsctl(self, *arguments: str) -> str:
        return self.run("ovs-vsctl", "--timeout=20", f"--db=unix:{self.dir}/db.sock", *arguments)

    def ofctl(self, *arguments: str) -> str:
        return self.run("ovs-ofctl", "-O", "OpenFlow15", *arguments)

    def appctl(self, *arguments: str) -> str:
        return self.run("ovs-appctl", f"--target={self.dir}/ctl", *arguments)

    def bridge(self) -> str:
        """A fresh bridge with a name of its own."""
        name = f"br{next(self._numbers)}"
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", "fail-mode=secure",
                   "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15")  # fmt: skip
        return name


def wait_for(ready, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.005)
