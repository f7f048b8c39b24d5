"""What things of a lab are called, and where they are kept. Does no I/O but looking at its directories.

/run/retia/lab/NAME/            lab.json, etcd/, one directory for each host (sockets, logs)
/run/netns/retia-NAME.NODE      a namespace for each host, guest and outside node, `fabric`, the underlay between hosts,
                                and `segment.NAME` for each physical segment
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from retia.errors import InvalidInput

BASE = Path("/run/retia/lab")
NAMESPACES = Path("/run/netns")
FABRIC = "fabric"
SEGMENT = "segment"
"""The bridge that is a physical segment, in a namespace of its own; its ports are called as the nodes they lead to."""

INTEGRATION = "br-int"
PHYSICAL = "br-phys"
MARK = "RETIA_LAB"
"""Every process of a lab has NAME.NONCE under this word in its environment, so that no one else's is ever ended."""

SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's directories, which not every user's path has."""

LONGEST_LAB = 40
LONGEST_NODE = 15  # a guest's link on its host bears its name, and Linux ends there
_RESERVED = (FABRIC, SEGMENT, INTEGRATION, PHYSICAL, "eth0", "lo", "all")
_NODE = re.compile(rf"[a-z][a-z0-9-]{{0,{LONGEST_NODE - 1}}}")
_LAB = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{LONGEST_LAB - 1}}}")


def check_lab(name: str) -> str:
    if not _LAB.fullmatch(name):
        advice = f"use up to {LONGEST_LAB} small letters, digits and '-'"
        raise InvalidInput(f"{name!r} is no name for a lab", advice=advice)
    return name


def check_node(name: str) -> str:
    if not _NODE.fullmatch(name):
        advice = f"use up to {LONGEST_NODE} small letters, digits and '-', a letter first"
        raise InvalidInput(f"{name!r} is no name for a node", advice=advice)
    if name in _RESERVED:
        raise InvalidInput(f"{name!r} has a meaning of its own in a lab", advice="choose another name")
    return name


def nic_of(segment: str) -> str:
    """A host's link into a physical segment. No guest's link is called so."""
    return f"{segment}.nic"


@dataclass(frozen=True)
class Place:
    """Where the lab NAME is."""

    name: str
    members: int = 1
    """Of its etcd."""

    @property
    def dir(self) -> Path:
        return BASE / self.name

    @property
    def file(self) -> Path:
        return self.dir / "lab.json"

    def etcd(self, number: int) -> str:
        """The name of a member, counted from 1."""
        return f"etcd{number}" if self.members > 1 else "etcd"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """etcd's: gRPC takes unix sockets, and those know no namespaces."""
        return tuple(f"unix:{self.dir / self.etcd(number)}:1" for number in range(1, self.members + 1))

    def host_dir(self, host: str) -> Path:
        return self.dir / host

    def namespace(self, node: str) -> str:
        return f"retia-{self.name}.{node}"

    def segment(self, name: str) -> str:
        """The namespace of a physical segment. No node is called so."""
        return self.namespace(f"segment.{name}")

    def namespaces(self) -> list[str]:
        """Those that exist, whatever the files say."""
        prefix = self.namespace("")
        if not NAMESPACES.is_dir():
            return []
        return sorted(path.name for path in NAMESPACES.iterdir() if path.name.startswith(prefix))
