"""The physical side of a lab as its file declares it: segments, what of a host is on them, and the nodes outside.

    world ── eth0 ─┐                        a segment is made by being named; it joins all that name it
                   ├─ segment ext ─ br-ex of hv2
    gw ───── eth0 ─┘              └ br-ex of hv3

Values only, read by `file`; `spaces` and `software.lab` make of them what they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from retia.config import Settings
from retia.errors import InvalidInput
from retia.lab.names import INTEGRATION, PHYSICAL
from retia.model.names import did_you_mean
from retia.values import Cidr, Ip, Mac

LONGEST_SEGMENT = 11  # a host's link into it is called SEGMENT.nic, and Linux ends at 15
_SEGMENT = re.compile(rf"[a-z][a-z0-9-]{{0,{LONGEST_SEGMENT - 1}}}")
_BRIDGE = re.compile(r"[a-z][a-z0-9-]{0,14}")
_OWN_SETTINGS = ("etcd", "host", "run_dir", "ovs_run_dir", "tunnel_address", "bridge", "datapath")
"""Those that the lab itself gives its agents."""


class SegmentName(str):
    """A physical segment."""


class BridgeName(str):
    """A physical bridge of a host."""


class SettingName(str):
    """A setting of the agent that a lab file may give."""


class Interface(NamedTuple):
    """One of an outside node: eth0, eth1, ... in the order of its segments."""

    link: str
    segment: str
    address: Cidr
    mac: Mac


@dataclass(frozen=True)
class Outside:
    """A node that is no guest. One interface, by `segment` and `address`, or one for each of `segments`; `addresses`
    are more for the first. `forward`: it passes on what is not for it. `vlan`: its frames bear this tag."""

    segment: SegmentName | None = None
    address: Cidr | None = None
    segments: dict[SegmentName, Cidr] = field(default_factory=dict)
    mac: Mac | None = None
    addresses: tuple[Cidr, ...] = ()
    routes: dict[Cidr, Ip] = field(default_factory=dict)
    forward: bool = False
    vlan: int = 0

    def __post_init__(self) -> None:
        one = self.segment is not None and self.address is not None
        if one == bool(self.segments) or (self.segment is None) != (self.address is None):
            advice = "write `segment:` and `address:`, or `segments: {NAME: ADDRESS, ...}`"
            raise InvalidInput("an outside node is on one segment with an address, or on several", advice=advice)
        if not 0 <= self.vlan < 4095:
            raise InvalidInput(f"{self.vlan} is no VLAN", advice="write 1 to 4094")
        for hop in self.routes.values():
            if not any(hop in each.network for each in [*self.places.values(), *self.addresses]):
                raise InvalidInput(f"no address of this node reaches {hop}", advice="a next hop is on its segment")

    @property
    def places(self) -> dict[SegmentName, Cidr]:
        """Where it is, and by which address."""
        if self.segment is not None and self.address is not None:
            return {self.segment: self.address}
        return self.segments

    def interfaces(self, number: int) -> list[Interface]:
        """`number` is that of the node among all outside ones: MACs it does not name come from it."""
        made = [Mac(0x06_00_00_00_00_00 | number << 8 | index) for index in range(len(self.places))]
        macs = [self.mac or made[0], *made[1:]]
        places = zip(self.places.items(), macs, strict=True)
        return [Interface(f"eth{i}", name, address, mac) for i, ((name, address), mac) in enumerate(places)]


@dataclass(frozen=True)
class Attached:
    """What a physical bridge of a host hangs on: its segment; and the host's own address there, and its way out."""

    segment: SegmentName
    address: Cidr | None = None
    gateway: Ip | None = None

    def __post_init__(self) -> None:
        if self.gateway is not None and (self.address is None or self.gateway not in self.address.network):
            raise InvalidInput(f"the host cannot reach {self.gateway}", advice="give it an `address:` beside it")

    @classmethod
    def from_text(cls, text: str) -> Attached:
        return cls(SegmentName(check_segment(text)))


def segments(outside: Iterable[Outside], physical: Iterable[Mapping[BridgeName, Attached]]) -> list[str]:
    """All that are named, each once, in order."""
    return list(dict.fromkeys(_named(outside, physical)))


def _named(outside: Iterable[Outside], physical: Iterable[Mapping[BridgeName, Attached]]) -> Iterator[str]:
    for node in outside:
        yield from node.places
    for bridges in physical:
        yield from (each.segment for each in bridges.values())


def check_segment(name: str) -> str:
    if not _SEGMENT.fullmatch(name):
        advice = f"use up to {LONGEST_SEGMENT} small letters, digits and '-', a letter first"
        raise InvalidInput(f"{name!r} is no name for a segment", advice=advice)
    return name


def check_bridge(name: str) -> str:
    if not _BRIDGE.fullmatch(name) or name in (INTEGRATION, PHYSICAL):
        advice = f"use up to 15 small letters, digits and '-', and neither {INTEGRATION} nor {PHYSICAL}"
        raise InvalidInput(f"{name!r} is no name for a physical bridge", advice=advice)
    return name


def check_bridges(bridges: Mapping[BridgeName, Attached]) -> None:
    """Raises InvalidInput."""
    seen: set[str] = set()
    for each in bridges.values():
        if each.segment in seen:
            raise InvalidInput(
                f"two bridges of one host on segment {each.segment}", advice="frames would go in circles"
            )
        seen.add(each.segment)


def check_setting(name: str) -> str:
    known = [each for each in Settings.__struct_fields__ if each not in _OWN_SETTINGS]
    if name not in known:
        advice = did_you_mean(name, known) or f"they are {', '.join(known)}"
        raise InvalidInput(f"an agent of a lab has no setting {name!r}", advice=advice)
    return name


def check_settings(values: Mapping[SettingName, str]) -> None:
    """Raises InvalidInput for a value that is none."""
    try:
        msgspec.convert({str(name): value for name, value in values.items()}, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), advice="see docs/settings.md") from None


PARSERS: dict[type, Callable[[str], Any]] = {
    SegmentName: lambda text: SegmentName(check_segment(text)),
    BridgeName: lambda text: BridgeName(check_bridge(text)),
    SettingName: lambda text: SettingName(check_setting(text)),
}
