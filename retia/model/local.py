"""What a host's own Open vSwitch shows: facts for the rules that come from neither the user nor the store."""

from __future__ import annotations

from typing import NamedTuple

TUNNEL_PORT = "retia-geneve"
"""The name of a host's one Geneve port."""


class Interface(NamedTuple):
    """An interface of the integration bridge. `ofport` > 0; `iface_id` is external_ids:iface-id, "" when unset."""

    name: str
    ofport: int
    iface_id: str = ""


class InterfaceChange(NamedTuple):
    """`old` is None when it came, `new` is None when it went."""

    old: Interface | None
    new: Interface | None

    @property
    def name(self) -> str:
        one = self.new or self.old
        return one.name if one else ""
