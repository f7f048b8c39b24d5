"""ARP frames that an agent sends and hears on the physical network. Pure bytes. RFC 826, 1122 2.3.2.1, 5227."""

from __future__ import annotations

import struct
from typing import NamedTuple

from retia.flows.fields import ARP
from retia.values import Ip, Ip4, Mac

REQUEST = 1
EVERYONE = Mac(0xFFFFFFFFFFFF)
_ETHERNET_IPV4 = b"\0\1\x08\0\6\4"
_ARP = struct.Struct("!6sH6sI6sI")


class Said(NamedTuple):
    """What an ARP frame says of its sender."""

    address: Ip
    mac: Mac


def request(mac: Mac, address: Ip, target: Ip, at: Mac = EVERYONE) -> bytes:
    """Who has `target`? Asked of everyone, or of who had it last (`at`)."""
    known = Mac(0) if at == EVERYONE else at
    body = _ARP.pack(_ETHERNET_IPV4, REQUEST, _octets(mac), address, _octets(known), target)
    return _octets(at) + _octets(mac) + ARP.to_bytes(2, "big") + body


def announcement(mac: Mac, address: Ip) -> bytes:
    """Tells everyone who has `address`: an ARP Announcement of RFC 5227."""
    return request(mac, address, address)


def said(frame: bytes) -> Said | None:
    """None for what is no ARP, and for a sender that is no single station."""
    if len(frame) < 42 or frame[12:14] != ARP.to_bytes(2, "big") or frame[14:20] != _ETHERNET_IPV4:
        return None
    _, _, sender, address, _, _ = _ARP.unpack_from(frame, 14)
    mac = Mac(int.from_bytes(sender, "big"))
    return None if not mac or mac.is_multicast or not address else Said(Ip4(address), mac)


def _octets(mac: Mac) -> bytes:
    return int(mac).to_bytes(6, "big")
