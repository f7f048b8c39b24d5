"""Which datapath carries the packets: Open vSwitch's kernel module where this kernel has it, else userspace.

Asked once when an agent starts with `datapath: auto`. A bridge that exists keeps the one it has: another would take
all its packets away for a moment. Never loads a module by itself, but the kernel may when asked for it.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from retia.switch import ovsdb

AUTO, KERNEL, USERSPACE = "auto", "system", "netdev"
FAMILY = "ovs_datapath"
_GENERIC, _CONTROLLER, _GET_FAMILY, _FAMILY_NAME, _REQUEST, _ERROR = 16, 16, 3, 2, 1, 2
"""Of linux/netlink.h and linux/genetlink.h."""


async def choose(wanted: str, database: Path, bridge: str) -> str:
    """The datapath type to use; `wanted` unless that is auto. Raises SwitchAway or NotAllowed."""
    if wanted != AUTO:
        return wanted
    asked = await ovsdb.connect(database)
    try:
        found = await asked.select("Bridge", [["name", "==", bridge]], ["datapath_type"])
    finally:
        await asked.close()
    if found:
        return found[0]["datapath_type"] or KERNEL
    return KERNEL if kernel_has(FAMILY) else USERSPACE


def kernel_has(family: str) -> bool:
    """Whether the kernel speaks this family of generic netlink: the module's own, by which Open vSwitch reaches it."""
    name = family.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(name), _FAMILY_NAME) + name + bytes(-len(name) % 4)
    body = struct.pack("=BBxx", _GET_FAMILY, 1) + attribute
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as kernel:
            kernel.settimeout(2.0)
            kernel.send(struct.pack("=IHHII", 16 + len(body), _CONTROLLER, _REQUEST, 1, 0) + body)
            (kind,) = struct.unpack_from("=H", kernel.recv(8192), 4)
    except OSError:
        return False
    return bool(kind != _ERROR)
