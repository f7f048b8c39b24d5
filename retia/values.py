"""Addresses as values: parsed once at the edge, trusted inside.

A `Mac` and an `Ip` are ints, so that they hash and compare at C speed in the rules and encode without
parsing; they print as people write them. Used by every layer; does no I/O and knows no model.
Addresses of ::/96 are refused as IPv6, so an IPv4 and an IPv6 value never compare equal.
Sources: RFC 7042 (MAC), RFC 4632 (CIDR), RFC 5952 (IPv6 text).
"""

from __future__ import annotations

import ipaddress
import re

from retia.errors import InvalidInput

HIGHEST_PORT = 0xFFFF
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


class Mac(int):
    """A 48-bit Ethernet address."""

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Raises InvalidInput unless `text` is six hex bytes joined by colons."""
        if not isinstance(text, str) or not _MAC.fullmatch(text):
            raise InvalidInput(f"{text!r} is no MAC address", advice="write six hex bytes, as in 02:00:00:00:00:01")
        return cls(int(text.replace(":", ""), 16))

    @property
    def is_multicast(self) -> bool:
        return bool(self >> 40 & 1)

    def __str__(self) -> str:
        return ":".join(f"{self >> shift & 255:02x}" for shift in range(40, -8, -8))

    __repr__ = __str__

    def __format__(self, spec: str) -> str:  # an int's own format would print digits
        return format(str(self), spec)


class Ip(int):
    """An IPv4 or IPv6 address; `family` is 4 or 6. Make one with `Ip.parse`, `Ip4(n)` or `Ip6(n)`."""

    family = 0
    bits = 0

    @staticmethod
    def parse(text: str) -> Ip4 | Ip6:
        """Raises InvalidInput unless `text` is an address without a prefix length."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise InvalidInput(f"{text!r} is no IP address", advice="write it as 10.0.0.1 or 2001:db8::1") from None
        if address.version == 4:
            return Ip4(int(address))
        if int(address) >> 32 == 0:
            raise InvalidInput(f"{text!r} lies in ::/96, which no network uses", advice="choose another address")
        return Ip6(int(address))

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Ip4(Ip):
    family = 4
    bits = 32

    def __str__(self) -> str:
        return f"{self >> 24}.{self >> 16 & 255}.{self >> 8 & 255}.{self & 255}"


class Ip6(Ip):
    family = 6
    bits = 128

    def __str__(self) -> str:
        return str(ipaddress.IPv6Address(int(self)))


def same_family(like: Ip, number: int) -> Ip4 | Ip6:
    """`number` as an address of the family of `like`."""
    return Ip4(number) if like.family == 4 else Ip6(number)


class Cidr:
    """An address with its prefix length: a network when no host bit is set, else an interface address."""

    __slots__ = ("address", "length")

    def __init__(self, address: Ip, length: int) -> None:
        self.address, self.length = address, length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.address, self.length) == (other.address, other.length)

    def __hash__(self) -> int:
        return hash((self.address, self.length))

    def __lt__(self, other: Cidr) -> bool:
        return (self.address, self.length) < (other.address, other.length)

    @staticmethod
    def parse(text: str) -> Cidr:
        """Raises InvalidInput unless `text` is ADDRESS/LENGTH. Host bits are kept."""
        address, slash, length = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not slash or not length.isascii() or not length.isdigit():
            raise InvalidInput(f"{text!r} is no CIDR", advice="write ADDRESS/LENGTH, as in 10.0.0.0/24")
        ip = Ip.parse(address)
        if int(length) > ip.bits:
            raise InvalidInput(f"{text!r} has a prefix longer than {ip.bits} bits", advice="mind the address family")
        return Cidr(ip, int(length))

    @property
    def family(self) -> int:
        return self.address.family

    @property
    def mask(self) -> int:
        bits = self.address.bits
        return (1 << bits) - (1 << (bits - self.length))

    @property
    def network(self) -> Cidr:
        return Cidr(same_family(self.address, self.address & self.mask), self.length)

    @property
    def first(self) -> Ip:
        return self.network.address

    @property
    def last(self) -> Ip:
        return same_family(self.address, self.address | ((1 << (self.address.bits - self.length)) - 1))

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, Ip):
            return False
        return item.family == self.family and (item & self.mask) == (self.address & self.mask)

    def overlaps(self, other: Cidr) -> bool:
        return self.first in other or other.first in self

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    __repr__ = __str__


class Prefix(Cidr):
    """A CIDR that may be written as one address, which then is all of it."""

    __slots__ = ()

    @staticmethod
    def parse(text: str) -> Prefix:
        """Raises InvalidInput unless `text` is ADDRESS or ADDRESS/LENGTH."""
        if isinstance(text, str) and "/" in text:
            cidr = Cidr.parse(text)
            return Prefix(cidr.address, cidr.length)
        address = Ip.parse(text)
        return Prefix(address, address.bits)

    @property
    def is_address(self) -> bool:
        return self.length == self.address.bits

    def __str__(self) -> str:
        return str(self.address) if self.is_address else super().__str__()

    __repr__ = __str__


class PortRange:
    """Ports from `first` to `last`, both among them."""

    __slots__ = ("first", "last")

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortRange) and (self.first, self.last) == (other.first, other.last)

    def __hash__(self) -> int:
        return hash((self.first, self.last))

    @staticmethod
    def parse(text: str) -> PortRange:
        """Raises InvalidInput unless `text` is FIRST-LAST, or one port, within 1 to 65535."""
        found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text) if isinstance(text, str) else None
        first = int(found[1]) if found else 0
        last = int(found[2] or first) if found else 0
        if not 0 < first <= last <= HIGHEST_PORT:
            raise InvalidInput(f"{text!r} is no range of ports", advice="write FIRST-LAST, as in 1024-65535")
        return PortRange(first, last)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    __repr__ = __str__
