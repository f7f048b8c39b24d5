"""A software host's own network: its addresses on physical bridges, and what it forwards, as an operator lets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from retia.lab.physical import Attached
from retia.lab.software.packets import parse_datagram
from retia.lab.software.stack import Link, Stack
from retia.values import Ip, Mac

MACS = 0x0A_00_00_00_00_00

Put = Callable[[str, bytes], None]
"""A frame into a segment."""


class OwnStack(Stack):
    """`links` are those into the segments where the host has an address of its own."""

    forwards = True

    def __init__(self, name: str, attached: Iterable[Attached], put: Put) -> None:
        super().__init__(name)
        self._gateways: list[tuple[Link, Ip]] = []
        self.segments: dict[str, Link] = {}
        for one in attached:
            if one.address is not None:
                link = Link(self, partial(put, one.segment))
                link.configure(Mac(MACS | int(one.address.address)), (one.address,))
                self.links.append(link)
                self.segments[one.segment] = link
                self._gateways += [(link, one.gateway)] if one.gateway is not None else []

    def route(self, to: Ip) -> tuple[Link, Ip] | None:
        near = next(((link, to) for link in self.links if link.reaches(to)), None)
        return near or next(iter(self._gateways), None)

    def take_frame(self, frame: bytes) -> None:
        """What the integration bridge gives it by its own port."""
        packet = parse_datagram(frame)
        if packet is not None:
            self.take(packet)
