"""Takes a lab away: its processes (by pid), its namespaces and so its links, its files. From anywhere, any time.

Called by `retia lab down`, and by the guardian when a lab's own process is done or dead. What belongs to a lab is
read from the kernel (the mark in a process' environment, the namespace it is in), never from our own bookkeeping,
so that nothing is forgotten however far the lab had come. Standard library only: the guardian starts quickly.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from retia.lab.names import MARK, NAMESPACES, SEARCH, Place

PATIENCE = 20.0
QUIET = 3
"""Looks in a row that must find nothing: a child may just be between its fork and its namespace."""


def remove(place: Place) -> None:
    """Until nothing is left. Idempotent. Raises OSError or TimeoutError when the kernel will not let go."""
    end = time.monotonic() + PATIENCE
    known = _inodes(place)
    quiet = 0
    while quiet < QUIET:
        known |= _inodes(place)
        found = list(_processes(place, known))
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        left = place.namespaces()
        if not found:
            _delete(left)
        quiet = 0 if found or left else quiet + 1
        if time.monotonic() > end:
            raise TimeoutError(f"processes {found} and namespaces {left} of lab {place.name} do not go away")
        time.sleep(0.01)
    shutil.rmtree(place.dir, ignore_errors=True)


def _inodes(place: Place) -> set[int]:
    found = set()
    for name in place.namespaces():
        with contextlib.suppress(OSError):
            found.add((NAMESPACES / name).stat().st_ino)
    return found - {Path("/proc/self/ns/net").stat().st_ino}  # a name whose mount is not made yet or gone


def _processes(place: Place, inodes: set[int]) -> Iterator[int]:
    mark = f"{MARK}={place.name}.".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _is_ours(entry, mark, inodes):
            yield int(entry.name)


def _is_ours(process: Path, mark: bytes, inodes: set[int]) -> bool:
    with contextlib.suppress(OSError):
        if any(word.startswith(mark) for word in (process / "environ").read_bytes().split(b"\0")):
            return True
        return (process / "ns/net").stat().st_ino in inodes
    return False


def _delete(namespaces: list[str]) -> None:
    batch = "".join(f"netns del {name}\n" for name in namespaces)
    env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SEARCH}"}
    if batch:
        subprocess.run(["ip", "-force", "-batch", "-"], input=batch.encode(), env=env, capture_output=True, check=False)
