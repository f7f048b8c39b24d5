"""Keeps the underlay neighbour of every tunnel in use resolved, so that no first packet is lost to a cold one.

    peer ─► next hop (routing table) ─► datagram to its port 9 ─► the kernel asks by ARP ─► kernel's table
                                                                      └─ the reply passes Open vSwitch, which learns it

With the kernel datapath the kernel's entry is what counts. The userspace datapath has a table of its own, filled by
the ARP replies it sees, and only while a tunnel port exists: an entry the kernel had before, or kept over a restart
of ovs-vswitchd, makes no ARP and so stays unknown there for up to a minute. So what the kernel knows and Open
vSwitch does not is told to it (`tnl/neigh/set`, over its control socket). Asked again long before either forgets
(15 minutes in Open vSwitch). Measured: docs/decisions/0006-underlay-neighbours.md. IPv4 only, as the tunnels are.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from retia.errors import RetiaError
from retia.switch import ovsdb
from retia.values import Ip, Ip4

DISCARD = 9
REFRESH = 20.0
PATIENCE = 1.0
RETRY = 0.1
GLANCE = 0.01
"""Seconds: between two rounds, to wait for a new peer, until the next round for one that did not answer (doubled each
time), and between two looks while waiting."""

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
_COMPLETE, _PERMANENT = 0x2, 0x4
_NEIGHBOURS, _ROUTES = Path("/proc/net/arp"), Path("/proc/net/route")


class Neighbour(NamedTuple):
    """`mac` is empty while it is not resolved."""

    address: str
    mac: str
    device: str


class Underlay:
    """`run_dir`: Open vSwitch's, for the userspace datapath; None where the kernel's own table is what counts."""

    def __init__(self, run_dir: Path | None) -> None:
        self._run_dir = run_dir
        self._peers: set[str] = set()
        self._late: set[str] = set()
        self._came_late = asyncio.Event()

    async def warm(self, peers: set[str]) -> set[str]:
        """From now on these are the peers in use. Returns when the new ones are resolved, or after `PATIENCE`
        seconds with those that are not."""
        new = peers - self._peers
        self._peers = set(peers)
        return await self._resolve_soon(new, PATIENCE)

    async def again(self) -> None:
        """After Open vSwitch was away: it may have forgotten. Waits less, since all its flows wait for this."""
        await self._resolve_soon(self._peers, PATIENCE / 5)

    async def _resolve_soon(self, peers: set[str], patience: float) -> set[str]:
        late = await self._resolve(peers, patience) if peers else set()
        if late:
            self._late |= late
            self._came_late.set()
        return late

    async def run(self) -> None:
        """Ask again for ever; those that are late sooner, as a host that boots, this one or the peer, has its tunnel
        address late."""
        pause = REFRESH
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._came_late.wait()
                self._came_late.clear()
                pause = RETRY
                continue
            except TimeoutError:
                asked = self._peers if pause >= REFRESH else self._late & self._peers
            self._late = await self._resolve(asked, PATIENCE / 5) if asked else set()
            pause = min(2 * pause, REFRESH) if self._late else REFRESH

    async def _resolve(self, peers: Iterable[str], patience: float) -> set[str]:
        """Those that are not, after `patience` seconds; a peer to which there is no way is not waited for."""
        hops = next_hops(peers)
        astray = ask(hops)
        left = await self._cold(set(hops.values()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while left:
                    await asyncio.sleep(GLANCE)
                    left = await self._cold(left)
        return astray | {peer for peer, hop in hops.items() if hop in left}

    async def _cold(self, hops: set[str]) -> set[str]:
        """Those of `hops` not resolved, after telling Open vSwitch of those that are. A hop that the kernel was just
        asked for and does not list needs no neighbour (loopback, point to point)."""
        listed = {neighbour.address: neighbour for neighbour in neighbours() if neighbour.address in hops}
        known = [neighbour for neighbour in listed.values() if neighbour.mac]
        if self._run_dir is not None and known:
            with contextlib.suppress(RetiaError, OSError, ValueError):  # Open vSwitch is away; `again` comes with it
                await _tell(self._run_dir, known)
        return {address for address, neighbour in listed.items() if not neighbour.mac}


def ask(peers: Iterable[str]) -> set[str]:
    """One empty datagram each; those to whom there is no way now, as before this host has its address. A peer that does
    not get it is no error here: the tunnel's counters tell."""
    astray: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for peer in peers:
            try:
                sender.sendto(b"", (peer, DISCARD))
            except OSError as error:
                if error.errno in _NO_WAY:
                    astray.add(peer)
    return astray


def neighbours() -> list[Neighbour]:
    """The kernel's IPv4 neighbours."""
    entries = [line.split() for line in _lines(_NEIGHBOURS)]
    return [
        Neighbour(fields[0], fields[3] if int(fields[2], 16) & (_COMPLETE | _PERMANENT) else "", fields[5])
        for fields in entries
        if len(fields) >= 6
    ]


def next_hops(peers: Iterable[str]) -> dict[str, str]:
    """Whom the kernel asks for the way to each peer: its gateway, or the peer itself."""
    routes = [route for line in _lines(_ROUTES) if (route := _route(line.split())) is not None]
    routes.sort(reverse=True)
    return {peer: _next_hop(peer, routes) for peer in peers}


_Route = tuple[int, int, int, int]
"""Mask, minus the metric, destination, gateway: sorted downwards, the first that fits is the kernel's choice."""


def _route(fields: list[str]) -> _Route | None:
    if len(fields) < 8 or not int(fields[3], 16) & 1:
        return None
    destination, gateway, mask = (int.from_bytes(bytes.fromhex(fields[n]), "little") for n in (1, 2, 7))
    return mask, -int(fields[6]), destination, gateway


def _next_hop(peer: str, routes: list[_Route]) -> str:
    address = Ip.parse(peer)
    for mask, _, destination, gateway in routes:
        if address & mask == destination:
            return str(Ip4(gateway)) if gateway else peer
    return peer


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []


async def _tell(run_dir: Path, known: list[Neighbour]) -> None:
    """What it knows already is left alone: it sees replies before we see the kernel's table."""
    number = (run_dir / "ovs-vswitchd.pid").read_text(encoding="ascii").strip()
    control = await ovsdb.connect(run_dir / f"ovs-vswitchd.{number}.ctl")
    try:
        shown: str = await control.call("tnl/neigh/show", [])
        there = {fields[0] for line in shown.splitlines() if (fields := line.split())}
        for neighbour in known:
            if neighbour.address not in there:
                await control.call("tnl/neigh/set", [neighbour.device, neighbour.address, neighbour.mac])
    finally:
        await control.close()
