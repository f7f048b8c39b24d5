"""Steps that send and hear: pings, frames byte for byte, ARP, a TCP stream."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from retia.errors import InvalidInput
from retia.lab.failure import CheckFailed
from retia.lab.frames import (
    ARP_LENGTH,
    BROADCAST,
    PORTS,
    Arp,
    Frame,
    difference,
    echo_source,
    is_icmp_error,
    parse_arp,
)
from retia.lab.pings import Pings
from retia.lab.words import ALL, MacTarget, StationName, Stations, Target
from retia.values import Ip, Ip4, Mac

if TYPE_CHECKING:
    from retia.lab.contract import Tap
    from retia.lab.lab import Lab

PATIENCE = 1.0
LISTEN = 0.3
"""Seconds: until a reply counts as lost, and how long silence is listened to."""

NOBODY = Mac(0)


@dataclass(frozen=True)
class Ping:
    """Every `from` to every `to` (lists, or `all`), `count` requests each, all pairs at once. With `at` that address is
    pinged, and `to` must be who hears of it; with `sees`, from that address."""

    from_: tuple[Stations, ...]
    to: tuple[Target, ...]
    count: int = 1
    every: float = 0.1
    ttl: int = 64
    reply_ttl: int | None = None
    expect: Literal["answer", "silence"] = "answer"
    at: Target | None = None
    sees: Target | None = None

    def __post_init__(self) -> None:
        if (self.at or self.sees) and (len(self.to) != 1 or self.to[0] == ALL or "/" in self.to[0]):
            raise InvalidInput("`at` and `sees` want one guest or outside node in `to`")

    async def run(self, lab: Lab) -> str:
        pairs = [(a, b) for a in _spread(self.from_, lab) for b in _spread(self.to, lab) if a != b]
        pingers = await asyncio.gather(*(self._ping(lab, *pair) for pair in pairs))
        for (source, target), pinger in zip(pairs, pingers, strict=True):
            self._judge(source, target, pinger)
        if self.expect == "silence":
            return "no answer"
        times = sorted(reply[0] for pinger in pingers for reply in pinger.replies.values())
        pairs_word = f"{len(pairs)} pairs, " if len(pairs) > 1 else ""
        return f"{pairs_word}{len(times)} answers, median {times[len(times) // 2]:.1f} ms"

    async def _ping(self, lab: Lab, source: str, target: str) -> Pings:
        with contextlib.ExitStack() as stack:
            pinger = stack.enter_context(lab.station(source).pinger(str(lab.address_of(self.at or target)), self.ttl))
            heard = [stack.enter_context(lab.station(target).tap())] if self.at or self.sees else []
            for number in range(self.count):
                if number:
                    await asyncio.sleep(self.every)
                pinger.send()
            await pinger.settle(self.count, PATIENCE)
            for tap in heard:
                self._judge_sources(lab, target, [echo_source(frame, pinger.token) for frame in tap.received()])
        return pinger

    def _judge_sources(self, lab: Lab, target: str, heard: list[Ip | None]) -> None:
        sources = [each for each in heard if each is not None]
        if self.expect == "answer" and len(sources) != self.count:
            raise CheckFailed(f"{target} heard {len(sources)} requests, expected {self.count}")
        if self.sees and sources:
            judge_source(lab, target, sources, self.sees)

    def _judge(self, source: str, target: str, pinger: Pings) -> None:
        replies = len(pinger.replies)
        if self.expect == "silence" and replies:
            raise CheckFailed(f"{target} answers {source}, {replies} of {self.count} times")
        if self.expect == "answer" and replies < self.count:
            raise CheckFailed(f"{target} answers {source} only {replies} of {self.count} times")
        ttls = {ttl for _, ttl in pinger.replies.values()}
        if self.reply_ttl is not None and ttls != {self.reply_ttl}:
            raise CheckFailed(f"the reply of {target} to {source} has TTL {ttls}, expected {self.reply_ttl}")


def judge_source(lab: Lab, who: str, seen: Sequence[Ip], wanted: str) -> None:
    """Raises CheckFailed unless `who` saw that address, and no other."""
    address = lab.address_of(wanted)
    if {*seen} != {address}:
        found = ", ".join(sorted(map(str, {*seen}))) or "nobody"
        raise CheckFailed(f"{who} saw {found}, expected {address}")


def _spread(names: tuple[str, ...], lab: Lab) -> list[str]:
    return [each for name in names for each in (lab.guests if name == ALL else (name,))]


@dataclass(frozen=True)
class Received:
    """How a frame arrives: `same`, or as sent but for these fields (checksums made anew)."""

    source_mac: MacTarget | None = None
    destination_mac: MacTarget | None = None
    source_ip: Target | None = None
    destination_ip: Target | None = None
    ttl: int | None = None

    @classmethod
    def from_text(cls, text: str) -> Received:
        if text != "same":
            raise InvalidInput(
                f"a frame arrives `same`, or changed; not {text!r}", advice="who hears nothing is left out"
            )
        return cls()

    def of(self, sent: Frame, lab: Lab) -> Frame:
        changes = {
            "source_mac": lab.mac_of(self.source_mac) if self.source_mac else None,
            "destination_mac": lab.mac_of(self.destination_mac) if self.destination_mac else None,
            "source": lab.address_of(self.source_ip) if self.source_ip else None,
            "destination": lab.address_of(self.destination_ip) if self.destination_ip else None,
            "ttl": self.ttl,
        }
        return replace(sent, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


@dataclass(frozen=True)
class SendFrame:
    """One frame from a guest; each guest in `received` hears it once, as it says; everyone else hears nothing.

    With `ip` it is UDP to that address, else a bare Ethernet frame. What a router says of it is not the frame: `told`.
    """

    from_: StationName
    to_mac: MacTarget
    received: dict[StationName, Received] = field(default_factory=dict)
    ip: Target | None = None
    ttl: int = 64
    source_mac: MacTarget | None = None
    source_ip: Target | None = None
    size: int = 0

    async def run(self, lab: Lab) -> str:
        frame = self._frame(lab)
        token = frame.payload[:24]
        wanted: dict[str, list[bytes]] = {name: [how.of(frame, lab).pack()] for name, how in self.received.items()}
        with contextlib.ExitStack() as stack:
            taps = {name: stack.enter_context(guest.tap()) for name, guest in lab.stations.items()}
            for guest in lab.stations.values():  # else its kernel would answer that nobody listens
                stack.enter_context(guest.absorb(PORTS[1]))
            taps[self.from_].send(frame.pack())
            got = await listen(taps, lambda data: token in data and not is_icmp_error(data), len(wanted))
        for name, frames in got.items():
            _compare(name, wanted.get(name, []), frames)
        return f"{len(frame.pack())} bytes heard by {', '.join(wanted) or 'nobody'}"

    def _frame(self, lab: Lab) -> Frame:
        payload = f"retia-lab-{secrets.token_hex(7)}".encode().ljust(self.size, b".")
        source = lab.mac_of(self.source_mac or self.from_)
        bare = Frame(lab.mac_of(self.to_mac), source, payload, ttl=self.ttl)
        if self.ip is None:
            return bare
        return replace(bare, source=lab.address_of(self.source_ip or self.from_), destination=lab.address_of(self.ip))


async def listen(taps: Mapping[str, Tap], ours: Callable[[bytes], bool], number: int) -> dict[str, list[bytes]]:
    """Frames that are `ours` by guest: until `number` came, and then a little for what should not come."""
    got: dict[str, list[bytes]] = {name: [] for name in taps}
    end = time.monotonic() + (PATIENCE if number else LISTEN)
    while time.monotonic() < end:
        for name, tap in taps.items():
            got[name] += [frame for frame in tap.received() if ours(frame)]
        if number and sum(map(len, got.values())) >= number:
            end, number = min(end, time.monotonic() + LISTEN / 2), 0
        await asyncio.sleep(0.005)
    return got


def _compare(name: str, wanted: list[bytes], got: list[bytes]) -> None:
    if len(wanted) != len(got):
        what = f"{name} heard the frame {len(got)} times, expected {len(wanted)}"
        raise CheckFailed(what + (f": {got[0][:64].hex()}" if got else ""))
    for one, other in zip(wanted, got, strict=True):
        if one != other:
            raise CheckFailed(f"{name} heard another frame: {difference(one, other)}")


@dataclass(frozen=True)
class AskArp:
    """A guest or outside node asks who has an address. One reply, with the MAC of `answer` (default: of who is asked
    for), or `silence`."""

    from_: StationName
    asks: Target
    answer: MacTarget | None = None
    expect: Literal["reply", "silence"] = "reply"

    async def run(self, lab: Lab) -> str:
        mine, me = lab.mac_of(self.from_), lab.address_of(self.from_)
        asked = lab.address_of(self.asks)
        request = Arp(1, mine, me, NOBODY, asked)
        with contextlib.ExitStack() as stack:
            taps = {name: stack.enter_context(guest.tap()) for name, guest in lab.stations.items()}
            taps[self.from_].send(request.pack(BROADCAST))
            got = await listen(taps, lambda frame: _is_about(frame, asked, me), int(self.expect == "reply"))
        near = _neighbours(lab, self.from_)
        others = [name for name, frames in got.items() if frames and name not in near]
        if others:
            raise CheckFailed(f"{', '.join(others)} heard of it too")
        return self._judge(lab, got[self.from_], request)

    def _judge(self, lab: Lab, replies: list[bytes], request: Arp) -> str:
        if self.expect == "silence":
            if replies:
                raise CheckFailed(f"{request.target} is answered: {parse_arp(replies[0])}")
            return f"nobody says it has {request.target}"
        mac = lab.mac_of(self.answer or str(self.asks))
        wanted = Arp(2, mac, request.target, request.sender_mac, request.sender).pack(request.sender_mac)
        _compare(self.from_, [wanted[:ARP_LENGTH]], [frame[:ARP_LENGTH] for frame in replies])
        return f"{request.target} is at {mac}"


def _neighbours(lab: Lab, name: str) -> set[str]:
    """Who hears a node's broadcasts by its own wire: itself, and all that is on a physical segment with it."""
    wish = lab.file.outside.get(name)
    places = set(wish.places) if wish else set()
    return {name, *(other for other, each in lab.file.outside.items() if places & set(each.places))}


def _is_about(frame: bytes, asked: Ip, asker: Ip) -> bool:
    """The request, or a reply to it; not the guests' own ARP."""
    arp = parse_arp(frame)
    return arp is not None and {arp.sender, arp.target} == {Ip4(asked), Ip4(asker)}


@dataclass(frozen=True)
class AnnounceAddress:
    """A gratuitous ARP request (RFC 5227, 3): a guest or outside node says that it has an address, at a MAC."""

    from_: StationName
    address: Target | None = None
    mac: MacTarget | None = None

    async def run(self, lab: Lab) -> str:
        mac, address = lab.mac_of(self.mac or self.from_), lab.address_of(self.address or self.from_)
        with lab.station(self.from_).tap() as tap:
            tap.send(Arp(1, mac, address, NOBODY, address).pack(BROADCAST))
        return f"{self.from_} says that {address} is at {mac}"


@dataclass(frozen=True)
class Tcp:
    """A stream of `size` bytes from one guest to another arrives whole."""

    from_: StationName
    to: StationName
    size: int = 1_000_000
    limit: float = 10.0

    async def run(self, lab: Lab) -> str:
        try:
            seconds = await lab.carry(self.from_, self.to, self.size, self.limit)
        except (OSError, TimeoutError) as error:
            raise CheckFailed(f"no stream from {self.from_} to {self.to}: {error or 'too slow'}") from None
        return f"{self.size / 1e6:g} MB in {seconds:.2f} s, {self.size * 8 / seconds / 1e6:.0f} Mbit/s"


ACTIONS: dict[str, type] = {"ping": Ping, "frame": SendFrame, "arp": AskArp, "announce": AnnounceAddress, "tcp": Tcp}
