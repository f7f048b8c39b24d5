"""Steps that reach the world and are reached from it: downloads, datagrams and their echoes, flows over many edges."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retia.errors import InvalidInput
from retia.lab.actions.traffic import judge_source
from retia.lab.contract import Offer
from retia.lab.failure import CheckFailed
from retia.lab.reader import Reader, Spot
from retia.lab.words import HostName, MacTarget, StationName, Target
from retia.values import Mac

if TYPE_CHECKING:
    from retia.lab.contract import Tap
    from retia.lab.lab import Lab
    from retia.values import Ip

PATIENCE = 1.0
LANDED = 0.5
"""Seconds without a datagram more until all are there."""

PORT = 8000


@dataclass(frozen=True)
class At:
    """Where one connects to, when that is not the target's own: an address, and perhaps another port than its own."""

    target: Target
    port: int = 0

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> At:
        address, _, port = (spot.text or "").partition(":")
        if port and not (port.isdigit() and 0 < int(port) < 1 << 16):
            raise reader.wrong(spot, f"{port!r} is no port", "write ADDRESS or ADDRESS:PORT")
        return cls(reader.guarded(spot, lambda: reader.words[Target](address)), int(port or 0))

    @classmethod
    def of(cls, lab: Lab, at: At | None, to: str, port: int) -> tuple[Ip, int]:
        return (lab.address_of(at.target), at.port or port) if at else (lab.address_of(to), port)


@dataclass(frozen=True)
class Download:
    """By TCP from a server in `to` that listens at `port`, `size` bytes; `at`: by that address. `sees` is who connects
    in the server's eyes."""

    from_: StationName
    to: StationName
    size: int = 1_000_000
    limit: float = 10.0
    at: At | None = None
    port: int = PORT
    sees: Target | None = None

    async def run(self, lab: Lab) -> str:
        address, port = At.of(lab, self.at, self.to, self.port)
        pieces: list[int] = []
        begin = time.monotonic()
        async with lab.station(self.to).serve(self.port, Offer(self.size)) as peers:
            try:
                async with asyncio.timeout(self.limit):
                    await lab.station(self.from_).fetch(address, port, pieces.append)
            except (OSError, TimeoutError) as error:
                got = f"{sum(pieces)} of {self.size} bytes came"
                raise CheckFailed(f"no download: {error or 'too slow'}, {got}", where=self._way) from None
        took = time.monotonic() - begin
        if sum(pieces) != self.size:
            raise CheckFailed(f"{sum(pieces)} of {self.size} bytes came", where=self._way)
        if self.sees:
            judge_source(lab, self.to, peers, self.sees)
        seen = f", {self.to} sees {peers[0]}" if self.sees else ""
        return f"{self.size / 1e6:g} MB in {took:.2f} s, {self.size * 8 / took / 1e6:.0f} Mbit/s{seen}"

    @property
    def _way(self) -> str:
        return f"{self.from_} from {self.to}"


@dataclass(frozen=True)
class Udp:
    """Datagrams from one port to `to`, which sends each back; all must come back from where they were sent to."""

    from_: StationName
    to: StationName
    count: int = 1
    at: At | None = None
    port: int = PORT
    sees: Target | None = None

    async def run(self, lab: Lab) -> str:
        address, port = At.of(lab, self.at, self.to, self.port)
        async with lab.station(self.to).echo(self.port) as peers:
            answers = await lab.station(self.from_).ask(address, port, self.count, PATIENCE)
        if answers < self.count:
            heard = f"{self.to} heard {len(peers)}"
            raise CheckFailed(
                f"{answers} of {self.count} datagrams came back from {address}, {heard}", where=self.from_
            )
        if self.sees:
            judge_source(lab, self.to, peers, self.sees)
        return f"{answers} back" + (f", {self.to} sees {peers[0]}" if self.sees else "")


@dataclass(frozen=True)
class Share:
    """`20-47`: a share in percent, both included. `33`: just that."""

    least: float
    most: float

    @classmethod
    def from_text(cls, text: str) -> Share:
        least, _, most = text.partition("-")
        try:
            share = cls(float(least), float(most or least))
        except ValueError:
            raise InvalidInput(f"{text!r} is no share", advice="write 20-47 for 20 to 47 percent") from None
        if not 0 <= share.least <= share.most <= 100:
            raise InvalidInput(f"{text!r} is no share", advice="percent, the smaller first")
        return share

    def allows(self, percent: float) -> bool:
        return self.least <= percent <= self.most

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g} %"


@dataclass(frozen=True)
class Spread:
    """`flows` datagrams, each from another port. `over`: each host's share of those that come out into its segments, on
    their way to an outside node. `via`: the share that has each MAC, as `to` hears them. With neither `to` hears them
    all. All must come, but for `lost-at-most`, and none twice."""

    from_: tuple[StationName, ...]
    to: StationName
    over: dict[HostName, Share] = field(default_factory=dict)
    via: dict[MacTarget, Share] = field(default_factory=dict)
    flows: int = 1000
    at: Target | None = None
    port: int = PORT
    lost_at_most: int = 0

    def __post_init__(self) -> None:
        if self.over and self.via:
            raise InvalidInput("shares are of hosts, with `over`, or of MACs, with `via`")

    async def run(self, lab: Lab) -> str:
        token = secrets.token_hex(12).encode()
        address = lab.address_of(self.at or self.to)
        each = self.flows // len(self.from_)
        with contextlib.ExitStack() as stack:
            stack.enter_context(lab.station(self.to).absorb(self.port))
            taps = {place: [stack.enter_context(tap) for tap in taps] for place, taps in self._taps(lab).items()}
            sending = (lab.station(name).scatter(address, self.port, each, token) for name in self.from_)
            await asyncio.gather(*sending)
            frames = await _collected(taps, token)
        return self._judge(self._counts(lab, frames), each * len(self.from_))

    def _taps(self, lab: Lab) -> dict[str, list[Tap]]:
        """At each link of a host into a segment; or at who is to hear them."""
        if self.over:
            attached = {host: lab.file.physical.get(host, {}).values() for host in self.over}
            return {host: [lab.hosts[host].segment_tap(one.segment) for one in each] for host, each in attached.items()}
        return {self.to: [lab.station(self.to).tap()]}

    def _counts(self, lab: Lab, frames: dict[str, list[bytes]]) -> dict[str, int]:
        if not self.via:
            return {place: len(came) for place, came in frames.items()}
        sources = Counter(Mac(int.from_bytes(frame[6:12])) for frame in frames[self.to])
        return {name: sources[lab.mac_of(name)] for name in self.via}

    def _judge(self, counts: dict[str, int], sent: int) -> str:
        total = sum(counts.values())
        if not sent - self.lost_at_most <= total <= sent:
            raise CheckFailed(f"{total} of {sent} came out: {_shares(counts, sent)}")
        for where, share in (self.over or self.via).items():
            percent = counts[where] * 100 / sent
            if not share.allows(percent):
                raise CheckFailed(f"{percent:.0f} % came out there, expected {share}", where=where)
        return f"{total} of {sent} flows came out: {_shares(counts, sent)}"


async def _collected(taps: dict[str, list[Tap]], token: bytes) -> dict[str, list[bytes]]:
    """Frames with the token by place, once no more come."""
    frames: dict[str, list[bytes]] = {place: [] for place in taps}
    end = time.monotonic() + LANDED
    while time.monotonic() < end:
        for place, links in taps.items():
            if came := [frame for tap in links for frame in tap.received() if token in frame]:
                frames[place] += came
                end = time.monotonic() + LANDED
        await asyncio.sleep(0.01)
    return frames


def _shares(counts: dict[str, int], sent: int) -> str:
    return ", ".join(f"{place} {number * 100 / sent:.0f} %" for place, number in counts.items())


ACTIONS: dict[str, type] = {"download": Download, "udp": Udp, "spread": Spread}
