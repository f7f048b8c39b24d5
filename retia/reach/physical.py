"""The physical network as it is taken to be: the uplinks of one switch are on one segment, and whatever nobody of ours
has there is there, and answers.

    send ─► the hosts' switches ─► out by an uplink: it has arrived
                └─ a neighbour is not known ─► asked for on the segment ─► learned, and the packet goes again

What is for a MAC of ours goes by a tunnel, so no frame leaves by one uplink to come in by another; ARP does.
"""

from __future__ import annotations

from typing import NamedTuple

from retia.compile.local import NeighbourFact
from retia.compile.outputs import Outside
from retia.flows.journey import Journey, walk_hosts
from retia.flows.packet import parse
from retia.flows.walk import PuntedCopy
from retia.model.gateways import is_outside
from retia.model.kinds import Route, RouterPort
from retia.pipeline.punts import KIND_OF, PuntKind
from retia.reach.probes import REPLY, arp_request
from retia.reach.world import Place, World
from retia.values import Ip, Ip4, Mac

STRANGERS = 0x065E << 32
"""The MAC of whoever has an address outside is this and the address."""
MOST_ASKED = 8
"""Neighbours that one packet may make its hosts ask for."""


class Door(NamedTuple):
    """An uplink that somebody outside sends a packet in by, and the MAC it sends it to."""

    place: Place
    mac: Mac


def stranger(address: Ip) -> Mac:
    return Mac(STRANGERS | int(address))


class Physical:
    """Carries packets between hosts, and asks on the segments that their uplinks are on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._learned: set[tuple[str, str, Ip]] = set()
        self._segments: dict[str, list[Place]] = {}
        for place, uplink in world.uplinks.items():
            self._segments.setdefault(uplink.switch, []).append(place)

    def send(self, place: Place, frame: bytes) -> Journey:
        """What becomes of a frame that comes in there: all its ends."""
        journey = walk_hosts(self._world.hosts, place.host, frame, place.ofport)
        for _ in range(MOST_ASKED):
            if not self._learn(journey):
                break
            journey = walk_hosts(self._world.hosts, place.host, frame, place.ofport)
        return journey

    # -- ARP -------------------------------------------------------------------------------------------------------

    def _learn(self, journey: Journey) -> bool:
        """Ask for the neighbours that packets on the way wait for; whether there was one that was not yet known."""
        copies = [(leg.host, copy) for leg in journey.legs for copy in leg.walk.punted]
        return any([self._ask_for(host, copy) for host, copy in copies])

    def _ask_for(self, host: str, copy: PuntedCopy) -> bool:
        if KIND_OF.get(copy.action.userdata) is not PuntKind.ASK_NEIGHBOUR:
            return False
        router, port = copy.fields.get("metadata", 0), copy.fields.get("reg1", 0) & 0xFFFF
        address = Ip4(copy.fields.get("reg7", 0))
        for one in self._world.compilers[host].outside.values():
            if (one.router_key, one.key) == (router, port) and (host, one.port, address) not in self._learned:
                self._learned.add((host, one.port, address))
                self._world.learn(host, NeighbourFact(one.port, address, self._neighbour(host, one, address)))
                return True
        return False

    def _neighbour(self, host: str, asking: Outside, address: Ip) -> Mac:
        link = self._world.network.get(RouterPort, asking.port)
        doors = self.who_has(link.switch, address, asking.address, asking.mac) if link else []
        return next((door.mac for door in doors if door.place.host != host), stranger(address))

    def who_has(self, switch: str, address: Ip, asking: Ip, mac: Mac | None = None) -> list[Door]:
        """Which hosts answer by their uplinks of a switch when somebody on the segment asks for an address."""
        request = arp_request(mac or stranger(asking), asking, address)
        found = []
        for place in self._segments.get(switch, ()):
            for arrival in walk_hosts(self._world.hosts, place.host, request, place.ofport).arrivals:
                fields = parse(arrival.frame).fields
                if fields.get("arp_op") == REPLY and fields["arp_spa"] == address and Place(*arrival[:2]) == place:
                    found.append(Door(place, Mac(fields["arp_sha"])))
        return found

    # -- from outside ----------------------------------------------------------------------------------------------

    def on_segment(self, address: Ip) -> list[str]:
        """The switches with uplinks that have a subnet with this address."""
        network = self._world.network
        return [s for s in self._segments if any(address in one.cidr for one in network.subnets(s))]

    def doors(self, address: Ip, source: Ip) -> list[Door]:
        """By which uplinks a packet for an address comes in, if it is sent to who answers for it, or to the routers
        that lead there."""
        near = self.on_segment(address)
        if near:
            return [door for switch in near for door in self.who_has(switch, address, source)]
        links = [link for s in self._segments for link in self._world.network.referrers(s, RouterPort)]
        hops = [
            (link.switch, link.addresses[0].address) for link in links if link.addresses and self._leads(link, address)
        ]
        return [door for switch, hop in hops for door in self.who_has(switch, hop, source)]

    def _leads(self, link: RouterPort, address: Ip) -> bool:
        """Whether the router of an outside port knows a way inside for an address, or translates it."""
        network = self._world.network
        if address in network.held(link.router).externals:
            return True
        inside = [port for port in network.referrers(link.router, RouterPort) if not is_outside(network, port.switch)]
        prefixes = [cidr for port in inside for cidr in port.addresses]
        hops = [one for one in network.referrers(link.router, Route) if one.next_hop and address in one.prefix]
        return any(address in cidr for cidr in prefixes) or any(
            route.next_hop in cidr for route in hops for cidr in prefixes
        )
