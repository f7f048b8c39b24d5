"""Namespaces and the links between them, by iproute2 in batches; and sockets opened inside a namespace.

A socket belongs to the namespace it was opened in, so the lab's own process sends and captures frames, pings and
connects inside any guest without a process there: `within` opens it in a thread that enters the namespace and ends.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from retia.errors import Fatal, NotAllowed
from retia.lab.names import NAMESPACES
from retia.lab.process import execute

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_QUIET = ("all", "default")


def check_right() -> None:
    """Raises NotAllowed unless we may make namespaces."""
    if os.geteuid() != 0:
        raise NotAllowed("a lab makes network namespaces", where="lab", advice="run it as root")


def within(namespace: str, make: Callable[[], T]) -> T:
    """What `make` returns when called inside `namespace`. Raises what it raises."""
    made: list[T] = []
    error: list[BaseException] = []

    def work() -> None:
        try:
            with (NAMESPACES / namespace).open() as file:
                if _LIBC.setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            made.append(make())
        except BaseException as found:
            error.append(found)

    thread = threading.Thread(target=work, name=f"within {namespace}")
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return made[0]


def silence() -> None:
    """Called inside a namespace: no IPv6 there, whose announcements would count as traffic."""
    for name in _QUIET:
        file = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if file.exists():
            file.write_text("1", encoding="ascii")


async def batch(lines: Iterable[str], env: Mapping[str, str], namespace: str = "") -> None:
    """One `ip` process for many commands. Raises Fatal with what it says."""
    where = ["-n", namespace] if namespace else []
    try:
        await execute(["ip", *where, "-batch", "-"], env, stdin="".join(f"{line}\n" for line in lines))
    except Fatal as error:
        raise Fatal(error.what, where=f"ip {namespace}".strip(), advice="is the kernel short of something?") from None
