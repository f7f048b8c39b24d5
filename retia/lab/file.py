"""The lab file: hosts, guests, the network between them, and the checks it must pass. See docs/lab.md.

text ──reader──► LabFile(hosts, guests, network, checks), or InvalidDocument with every problem
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from retia.errors import InvalidInput
from retia.lab.documents import Declared
from retia.lab.names import check_lab, check_node
from retia.lab.reader import Reader, Spot, Wrong, compose
from retia.lab.step import Step
from retia.lab.words import HostName, parsers
from retia.model.document import Document
from retia.values import Cidr, Ip, Mac


@dataclass(frozen=True)
class Guest:
    """`port` is what its interface says: SWITCH/PORT. With `mac` it does not ask the network who it is."""

    host: HostName
    port: str
    plugged: bool = True
    mac: Mac | None = None
    address: Cidr | None = None
    gateway: Ip | None = None

    def __post_init__(self) -> None:
        if self.mac is None and (self.address or self.gateway):
            raise InvalidInput("an address of its own wants a MAC of its own", advice="write `mac:`")


@dataclass(frozen=True)
class Etcd:
    """The lab's store: of how many members."""

    members: int = 1

    def __post_init__(self) -> None:
        if self.members not in (1, 3, 5):
            raise InvalidInput(f"an etcd of {self.members} members", advice="write 1, 3 or 5")


@dataclass(frozen=True)
class Head:
    """What stands at the top of a lab file."""

    hosts: tuple[HostName, ...]
    lab: str = ""
    about: str = ""
    guests: dict[str, Guest] = field(default_factory=dict)
    network: Declared | None = None
    checks: tuple[Step, ...] = ()
    etcd: Etcd = Etcd()


@dataclass(frozen=True)
class LabFile:
    path: str
    name: str
    about: str
    hosts: tuple[str, ...]
    guests: dict[str, Guest]
    network: Document | None
    checks: tuple[Step, ...]
    etcd: Etcd = Etcd()


def load(path: Path) -> LabFile:
    """Raises InvalidDocument with every problem, or InvalidInput for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "is not UTF-8"
        raise InvalidInput(f"cannot read the lab file: {what}", where=str(path)) from None
    return parse(text, str(path))


def parse(text: str, path: str) -> LabFile:
    """Raises InvalidDocument with every problem."""
    top = compose(text, path)
    reader = Reader(path)
    head = None
    with contextlib.suppress(Wrong):
        nodes = _nodes(reader, top)
        reader.words = parsers(nodes["hosts"], nodes["guests"])
        head = reader.record(Head, top)
    if head is None:
        reader.finish()
        raise InvalidInput("this lab file cannot be read", where=path)  # a problem was there but not noted: a bug
    name = head.lab or Path(path).stem
    with contextlib.suppress(Wrong):
        reader.guarded(top, lambda: check_lab(name))
    _check_ids(reader, top, head.checks)
    reader.finish()
    network = head.network.document if head.network else None
    return LabFile(path, name, head.about, tuple(head.hosts), head.guests, network, head.checks, head.etcd)


def _nodes(reader: Reader, top: Spot) -> dict[str, list[str]]:
    """The names of hosts and guests, read before anything that speaks of them. Each is a name of its own."""
    found: dict[str, list[str]] = {"hosts": [], "guests": []}
    seen: set[str] = set()
    for section, spot in Reader(reader.file).entries(top, "a lab file"):
        if section not in found:
            continue
        for name, under in _names(spot):
            found[section].append(name)
            with contextlib.suppress(Wrong):
                reader.guarded(under, lambda name=name: check_node(name))  # type: ignore[misc]
            if name in seen:
                reader.note(under, f"{name!r} names two nodes", "hosts and guests share one list of names")
            seen.add(name)
    return found


def _names(spot: Spot) -> list[tuple[str, Spot]]:
    if isinstance(spot.node, yaml.MappingNode):
        return [(str(key.value), spot.under(str(key.value), key)) for key, _ in spot.node.value]
    nodes = spot.node.value if isinstance(spot.node, yaml.SequenceNode) else [spot.node]
    return [(str(node.value), spot.under(index, node)) for index, node in enumerate(nodes)]


def _check_ids(reader: Reader, top: Spot, steps: tuple[Step, ...]) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.id and step.id in seen:
            reader.note(top, f"two checks have the id {step.id!r}", "an id names one check")
        seen.add(step.id)
