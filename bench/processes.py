"""Children of a benchmark: each in one private directory, ended by its own pid, its CPU and memory read from /proc.

Used by `openvswitch`, `ovn` and `ours`. Never touches a process it did not start, nor a directory it did not make.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
FASTEST = Path("/dev/shm")
"""Memory, where there is some: both contenders keep their databases in it."""
IDLE = 0.02
"""CPU seconds in a tenth of a second that still count as idle: two ticks, housekeeping."""


class Processes:
    """Start with `start`; `stop_all` ends them, last first, and removes the directory."""

    def __init__(self, name: str) -> None:
        parent = FASTEST if os.access(FASTEST, os.W_OK) else None
        self.dir = Path(tempfile.mkdtemp(prefix=f"retia-bench-{name}-", dir=parent))
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = dict(os.environ)

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        if name in self._children:
            raise ValueError(f"{name} runs already")
        words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
        with (self.dir / f"{name}.out").open("ab") as log:
            self._children[name] = subprocess.Popen(
                words, env={**self.environment, **(environment or {})}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.dir, start_new_session=True,
            )  # fmt: skip

    def run(self, *command: str | Path, seconds: float = 60) -> str:
        """A command's output. Raises RuntimeError with its errors."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=seconds, cwd=self.dir, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words[:6])}: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        child = self._children.pop(name, None)
        if child is None or child.poll() is not None:
            return
        child.send_signal(how)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def await_end(self, name: str, seconds: float = 30) -> None:
        self._children.pop(name).wait(seconds)

    def stop_all(self) -> None:
        for name in reversed(list(self._children)):
            self.stop(name, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def log(self, name: str) -> str:
        with contextlib.suppress(OSError):
            return (self.dir / f"{name}.out").read_text(errors="replace")[-2000:]
        return ""

    def check(self) -> None:
        """Raises RuntimeError when a child has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended with {child.returncode}: {self.log(name)}")

    # -- what they cost --------------------------------------------------------------------------------------------

    def cpu(self) -> dict[str, float]:
        """User and system CPU seconds of each, all threads."""
        return {name: _cpu(child.pid) for name, child in self._children.items()}

    def peak(self) -> dict[str, float]:
        """Most resident megabytes each had so far."""
        return {name: _memory(child.pid, "VmHWM") for name, child in self._children.items()}

    def resident(self, name: str) -> float:
        """Resident megabytes of one now."""
        return _memory(self.pid(name), "VmRSS")

    def settle(self, quiet: int = 3, seconds: float = 120.0, slot: float = 0.1) -> None:
        """Until all are idle for `quiet` slots in a row: what a change set off has ended."""
        still, end, before = 0, time.monotonic() + seconds, sum(self.cpu().values())
        while still < quiet and time.monotonic() < end:
            time.sleep(slot)
            now = sum(self.cpu().values())
            still = still + 1 if now - before <= IDLE else 0
            before = now


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int, which: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def wait_until(ready: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Raises TimeoutError naming `what`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.005)
