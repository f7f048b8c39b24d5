"""What the store says of each host's Open vSwitch: the ports bound to it, each of which counts as plugged in there.

OpenFlow numbers are not in the store: each interface gets one that no real port has, shown as the port's name; so do
uplinks and the ports that watch tunnels (`attachments`). Called by the CLI before a forecast. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from retia.compile.assumed import WATCHED_PORTS, uplink_port
from retia.compile.compiler import Thing
from retia.model.kinds import Switch, Uplink
from retia.model.local import TUNNEL_PORT, Interface
from retia.model.network import Network
from retia.model.state import Binding, HostState

UNTOLD = 1 << 20
"""Where the numbers begin: Open vSwitch goes up to 0xff00."""


class HostView(NamedTuple):
    """A host as the store knows it. `names`: what stands for the number of an interface."""

    host: str
    tunnel_port: int
    interfaces: tuple[Interface, ...]
    names: dict[int, str]


def hosts(states: Iterable[Thing], network: Network) -> list[HostView]:
    """Every host that has registered, in the order of their names."""
    bound: dict[str, list[Binding]] = {}
    registered: list[str] = []
    for thing in states:
        if isinstance(thing, HostState):
            registered.append(thing.host)
        elif isinstance(thing, Binding):
            bound.setdefault(thing.host, []).append(thing)
    return [_view(host, bound.get(host, []), network) for host in sorted(registered)]


def _view(host: str, bindings: list[Binding], network: Network) -> HostView:
    interfaces = tuple(Interface(one.port, UNTOLD + place, one.port) for place, one in enumerate(bindings))
    names = {UNTOLD - 1: TUNNEL_PORT}
    for one in interfaces:
        port = network.objects.get(one.iface_id)
        names[one.ofport] = network.path(port) if port else one.iface_id
    return HostView(host, UNTOLD - 1, interfaces, names)


def attachments(states: Iterable[Thing], networks: Iterable[Network]) -> dict[int, str]:
    """What stands for the numbers of uplinks and of the ports that watch tunnels, on any host."""
    names = {WATCHED_PORTS + one.key: f"tunnel to {one.host}" for one in states if isinstance(one, HostState)}
    for network in networks:
        for uplink in network.of(Uplink):
            switch = network.get(Switch, uplink.switch)
            if switch is not None:
                names[uplink_port(switch)] = f"uplink of {network.path(switch)}"
    return names
