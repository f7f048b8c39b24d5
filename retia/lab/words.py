"""Names of a lab's nodes as types, so that a misspelt one is told with its line when the file is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from retia.errors import InvalidInput
from retia.model.names import did_you_mean, parse_path
from retia.pipeline.stages import STAGES
from retia.values import Cidr, Ip, Mac

ALL = "all"
EVERYONE = "everyone"


class HostName(str):
    """A host of this lab."""


class GuestName(str):
    """A guest of this lab."""


class NodeName(str):
    """A host or guest of this lab."""


class StageName(str):
    """A stage of the pipeline."""


class Guests(str):
    """A guest, or `all` of them."""


class Target(str):
    """What has an address: a guest (or `all`), ROUTER/PORT, or an IP address."""


class MacTarget(str):
    """What has a MAC: a guest, ROUTER/PORT, a MAC address, or `everyone` (the broadcast address)."""


def parsers(hosts: Sequence[str], guests: Sequence[str]) -> dict[type, Callable[[str], Any]]:
    """How to read each of these, and the values documents have too."""

    def one_of(kind: type, what: str, known: Sequence[str]) -> Callable[[str], Any]:
        def parse(text: str) -> Any:
            if text not in known:
                raise InvalidInput(f"there is no {what} {text!r}", advice=did_you_mean(text, known))
            return kind(text)

        return parse

    def target(text: str) -> Target:
        if text not in (ALL, *guests):
            _elsewhere(text, Ip.parse, guests)
        return Target(text)

    def mac_target(text: str) -> MacTarget:
        if text not in (EVERYONE, *guests):
            _elsewhere(text, Mac.parse, guests)
        return MacTarget(text)

    return {
        HostName: one_of(HostName, "host", hosts),
        GuestName: one_of(GuestName, "guest", guests),
        NodeName: one_of(NodeName, "host or guest", [*hosts, *guests]),
        StageName: one_of(StageName, "stage", list(STAGES)),
        Guests: one_of(Guests, "guest", [ALL, *guests]),
        Target: target,
        MacTarget: mac_target,
        Mac: Mac.parse,
        Ip: Ip.parse,
        Cidr: Cidr.parse,
    }


def _elsewhere(text: str, parse: Callable[[str], object], guests: Sequence[str]) -> None:
    """A router port, or an address. Raises InvalidInput."""
    if "/" in text:
        parse_path(text, 2)
        return
    try:
        parse(text)
    except InvalidInput:
        advice = did_you_mean(text, guests) or "name a guest, ROUTER/PORT or an address"
        raise InvalidInput(f"there is no guest {text!r}", advice=advice) from None
