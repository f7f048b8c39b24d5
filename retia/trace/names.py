"""What people call the switches, routers and ports that packets name by their keys."""

from __future__ import annotations

from typing import NamedTuple

from retia.model.kinds import Port, Router, RouterPort, Switch, Uplink
from retia.model.network import Network
from retia.model.state import HostState
from retia.trace.story import Point

UNKNOWN = "<UNKNOWN>"


class Where(NamedTuple):
    """`kind` is "switch", "router" or "" for neither, and names what they are called; "" for what is not known."""

    kind: str
    datapath: str
    source: str
    destination: str


class Names:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._datapaths: dict[int, Switch | Router] = {switch.key: switch for switch in network.of(Switch)}
        self._datapaths |= {router.key: router for router in network.of(Router)}
        self._ports: dict[str, dict[int, str]] = {}

    def where(self, point: Point) -> Where:
        """Where the packet was when it came to a stage."""
        datapath = self._datapaths.get(point.datapath)
        if datapath is None:
            return Where("", "", "", "")
        ports = self._ports_of(datapath)
        ends = (ports.get(point.source, ""), ports.get(point.destination, ""))
        return Where(datapath.kind, self._network.path(datapath), *ends)

    def _ports_of(self, datapath: Switch | Router) -> dict[int, str]:
        if datapath.id not in self._ports:
            refer = self._network.referrers
            links = refer(datapath.id, RouterPort)
            if isinstance(datapath, Router):
                named = {link.key: link.name for link in links if link.router == datapath.id}
            else:
                named = {link.switch_key: self._network.path(link) for link in links if link.switch == datapath.id}
                named |= {port.key: port.name for port in refer(datapath.id, Port)}
                named |= {uplink.key: f"uplink {uplink.name}" for uplink in refer(datapath.id, Uplink)}
            self._ports[datapath.id] = named
        return self._ports[datapath.id]

    def object(self, identifier: str) -> str:
        """A port or an uplink, by its id."""
        port, uplink = self._network.get(Port, identifier), self._network.get(Uplink, identifier)
        if port is not None:
            return f"port {self._network.path(port)}"
        return f"uplink {self._network.path(uplink)}" if uplink is not None else identifier


def tunnels(states: list[HostState]) -> dict[int, str]:
    """Hosts by their tunnel addresses."""
    return {int(one.tunnel): one.host for one in states}
