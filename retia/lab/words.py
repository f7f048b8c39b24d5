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
    """A host, guest or outside node of this lab."""


class StationName(str):
    """What sends and hears in this lab: a guest or an outside node."""


class StageName(str):
    """A stage of the pipeline."""


class Stations(str):
    """A guest, `all` of them, or an outside node."""


class Target(str):
    """What has an address: a guest (or `all`), an outside node, ROUTER/PORT, or an IP address."""


class MacTarget(str):
    """What has a MAC: a guest, an outside node, ROUTER/PORT, a MAC address, or `everyone` (the broadcast address)."""


def parsers(
    hosts: Sequence[str], guests: Sequence[str], outside: Sequence[str] = ()
) -> dict[type, Callable[[str], Any]]:
    """How to read each of these, and the values documents have too."""
    stations = [*guests, *outside]

    def one_of(kind: type, what: str, known: Sequence[str]) -> Callable[[str], Any]:
        def parse(text: str) -> Any:
            if text not in known:
                raise InvalidInput(f"there is no {what} {text!r}", advice=did_you_mean(text, known))
            return kind(text)

        return parse

    def target(text: str) -> Target:
        if text not in (ALL, *stations):
            _elsewhere(text, Ip.parse, stations)
        return Target(text)

    def mac_target(text: str) -> MacTarget:
        if text not in (EVERYONE, *stations):
            _elsewhere(text, Mac.parse, stations)
        return MacTarget(text)

    return {
        HostName: one_of(HostName, "host", hosts),
        GuestName: one_of(GuestName, "guest", guests),
        NodeName: one_of(NodeName, "node", [*hosts, *stations]),
        StationName: one_of(StationName, "guest", stations),
        StageName: one_of(StageName, "stage", list(STAGES)),
        Stations: one_of(Stations, "guest", [ALL, *stations]),
        Target: target,
        MacTarget: mac_target,
        Mac: Mac.parse,
        Ip: Ip.parse,
        Cidr: Cidr.parse,
    }


def _elsewhere(text: str, parse: Callable[[str], object], stations: Sequence[str]) -> None:
    """A router port, or an address. Raises InvalidInput."""
    if "/" in text:
        parse_path(text, 2)
        return
    try:
        parse(text)
    except InvalidInput:
        advice = did_you_mean(text, stations) or "name a guest, ROUTER/PORT or an address"
        raise InvalidInput(f"there is no guest {text!r}", advice=advice) from None
