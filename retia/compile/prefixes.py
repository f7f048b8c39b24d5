"""Prefixes in rules."""

from __future__ import annotations

from retia.rules import fn
from retia.values import Cidr, Ip


@fn
def network(address: Ip, length: int) -> Ip:
    return Cidr(address, length).first


@fn
def within(address: Ip, prefix: Ip, length: int) -> bool:
    return address >> (32 - length) == prefix >> (32 - length)
