"""The lab file: hosts, guests, what is outside, the network between them, and the checks it must pass. See docs/lab.md.

text ──reader──► LabFile(hosts, guests, outside, network, checks), or InvalidDocument with every problem
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from retia.errors import InvalidInput
from retia.lab.documents import Declared
from retia.lab.names import check_lab, check_node
from retia.lab.physical import (
    PARSERS,
    Attached,
    BridgeName,
    Outside,
    SettingName,
    check_bridges,
    check_settings,
    segments,
)
from retia.lab.reader import Reader, Spot, Wrong, compose
from retia.lab.step import Step
from retia.lab.words import HostName, parsers
from retia.model.document import Document
from retia.model.kinds import Edge, Uplink
from retia.model.state import FULL, ON_DEMAND
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
    outside: dict[str, Outside] = field(default_factory=dict)
    physical: dict[HostName, dict[BridgeName, Attached]] = field(default_factory=dict)
    settings: dict[HostName, dict[SettingName, str]] = field(default_factory=dict)
    network: Declared | None = None
    checks: tuple[Step, ...] = ()
    etcd: Etcd = Etcd()


@dataclass(frozen=True)
class LabFile:
    """`physical` are the bridges of each host, `settings` those of its agent."""

    path: str
    name: str
    about: str
    hosts: tuple[str, ...]
    guests: dict[str, Guest]
    network: Document | None
    checks: tuple[Step, ...]
    etcd: Etcd = Etcd()
    outside: dict[str, Outside] = field(default_factory=dict)
    physical: dict[HostName, dict[BridgeName, Attached]] = field(default_factory=dict)
    settings: dict[HostName, dict[SettingName, str]] = field(default_factory=dict)
    mode: str = FULL
    """What the check sets hosts to whose mode the file leaves open."""

    @property
    def on_demand(self) -> bool:
        return self.mode == ON_DEMAND

    @property
    def segments(self) -> list[str]:
        """The physical ones, by name."""
        return segments(self.outside.values(), self.physical.values())


def load(path: Path, mode: str = FULL) -> LabFile:
    """Raises InvalidDocument with every problem, or InvalidInput for a file that cannot be read."""
    return in_mode(_load(path), mode)


def in_mode(file: LabFile, mode: str) -> LabFile:
    """With all agents set to a mode, but where the file sets one. One host is full: an edge or one with an uplink is
    by itself; where there is none, the last."""
    if mode == FULL:
        return file
    gateways = {one.names[-1] for one in (file.network.wanted if file.network else ()) if one.kind in (Edge, Uplink)}
    last = file.hosts[-1:] if gateways.isdisjoint(file.hosts) else ()
    given = {SettingName("mode"): mode}
    settings = {
        HostName(host): (given if host not in last else {}) | file.settings.get(HostName(host), {})
        for host in file.hosts
    }
    return replace(file, settings=settings, mode=mode)


def _load(path: Path) -> LabFile:
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
        reader.words = {**parsers(nodes["hosts"], nodes["guests"], nodes["outside"]), **PARSERS}
        head = reader.record(Head, top)
    if head is None:
        reader.finish()
        raise InvalidInput("this lab file cannot be read", where=path)  # a problem was there but not noted: a bug
    name = head.lab or Path(path).stem
    with contextlib.suppress(Wrong):
        reader.guarded(top, lambda: check_lab(name))
    _check_ids(reader, top, head.checks)
    _check_hosts(reader, top, head)
    reader.finish()
    network = head.network.document if head.network else None
    hosts = tuple(head.hosts)
    physical_side = head.outside, head.physical, head.settings
    return LabFile(path, name, head.about, hosts, head.guests, network, head.checks, head.etcd, *physical_side)


def _nodes(reader: Reader, top: Spot) -> dict[str, list[str]]:
    """The names of all nodes, read before anything that speaks of them. Each is a name of its own."""
    found: dict[str, list[str]] = {"hosts": [], "guests": [], "outside": []}
    seen: set[str] = set()
    for section, spot in Reader(reader.file).entries(top, "a lab file"):
        if section not in found:
            continue
        for name, under in _names(spot):
            found[section].append(name)
            with contextlib.suppress(Wrong):
                reader.guarded(under, lambda name=name: check_node(name))  # type: ignore[misc]
            if name in seen:
                reader.note(
                    under, f"{name!r} names two nodes", "hosts, guests and outside nodes share one list of names"
                )
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


def _check_hosts(reader: Reader, top: Spot, head: Head) -> None:
    """What of a host's bridges and settings only shows when they are looked at together."""
    for section, spot in reader.entries(top, "a lab file"):
        for host, under in reader.entries(spot, section) if section in ("physical", "settings") else ():
            with contextlib.suppress(Wrong):
                if section == "physical":
                    reader.guarded(under, lambda host=host: check_bridges(head.physical.get(host, {})))  # type: ignore[misc]
                else:
                    reader.guarded(under, lambda host=host: check_settings(head.settings.get(host, {})))  # type: ignore[misc]
