"""Index keys: what is taken under them is taken once, and their value is the id of the object that has it.

Written by `transactions` with the object; looked up by whoever knows an address, a MAC or a name and wants the object.
"""

from __future__ import annotations

from retia.store.contract import INDEX
from retia.values import Ip, Mac


def name_key(kind: str, scope: str, name: str) -> str:
    """`scope`: the id of its parent, or its project where it has none."""
    return f"{INDEX}name/{kind}/{scope}/{name}"


def mac_key(switch: str, mac: Mac) -> str:
    return f"{INDEX}mac/{switch}/{mac}"


def address_key(switch: str, address: Ip) -> str:
    return f"{INDEX}address/{switch}/{address}"
