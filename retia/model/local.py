"""What a host's own Open vSwitch shows: facts for the rules that come from neither the user nor the store."""

from __future__ import annotations

from typing import NamedTuple

from retia.model.kinds import DEFAULT_PROJECT

TUNNEL_PORT = "retia-geneve"
"""The name of a host's one Geneve port."""


class Interface(NamedTuple):
    """An interface of the integration bridge. `ofport` > 0; `iface_id` is external_ids:iface-id, "" when unset."""

    name: str
    ofport: int
    iface_id: str = ""


def spelt(iface_id: str) -> tuple[str, str, str]:
    """The project, switch and port in [PROJECT/]SWITCH/PORT. In anything else the switch is "", as none is called."""
    parts = iface_id.split("/")
    return (
        parts[0] if len(parts) == 3 else DEFAULT_PROJECT,
        parts[-2] if len(parts) in (2, 3) else "",
        parts[-1],
    )


class InterfaceChange(NamedTuple):
    """`old` is None when it came, `new` is None when it went."""

    old: Interface | None
    new: Interface | None

    @property
    def name(self) -> str:
        one = self.new or self.old
        return one.name if one else ""


class WantedUplink(NamedTuple):
    """A way out of the integration bridge: a patch port `name`, whose other end `name` + "-p" is a port of `bridge`,
    there with tag `vlan` unless it is 0."""

    name: str
    bridge: str
    vlan: int = 0

    @property
    def other_end(self) -> str:
        return f"{self.name}-p"


class WantedPeer(NamedTuple):
    """A tunnel port to one other host, for BFD to say whether it is reached. It carries nothing else out."""

    name: str
    address: str


class Attachment(NamedTuple):
    """An uplink or peer port that is there: of an uplink both ends. `bfd` is "up" or "down", "" for an uplink; `seen`:
    it was up once since Open vSwitch started."""

    name: str
    ofport: int
    bfd: str = ""
    seen: bool = False


class AttachmentChange(NamedTuple):
    """`old` is None when it came, `new` is None when it went."""

    old: Attachment | None
    new: Attachment | None

    @property
    def name(self) -> str:
        one = self.new or self.old
        return one.name if one else ""
