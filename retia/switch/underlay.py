"""Keeps the underlay neighbour of every tunnel in use resolved, so that no first packet is lost to a cold one.

The kernel is asked by a datagram to the discard port (9) of the peer's tunnel address; with the userspace datapath
Open vSwitch learns from the ARP reply that passes through its physical bridge, with the kernel datapath the
kernel's own entry is what counts. Asked again well before either forgets (15 minutes in Open vSwitch).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

DISCARD = 9
REFRESH = 20.0
PATIENCE = 1.0
_COMPLETE = 0x2
_TABLE = Path("/proc/net/arp")


class Underlay:
    def __init__(self) -> None:
        self._peers: set[str] = set()

    async def warm(self, peers: set[str]) -> None:
        """From now on these are the peers in use. Waits at most `PATIENCE` seconds for new ones to resolve."""
        new = peers - self._peers
        self._peers = set(peers)
        if not new:
            return
        ask(new)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while cold(new):
                    await asyncio.sleep(0.01)

    async def run(self) -> None:
        """Ask again for ever."""
        while True:
            await asyncio.sleep(REFRESH)
            ask(self._peers)


def ask(peers: set[str]) -> None:
    """One empty datagram each. A peer that cannot be reached is no error here: the tunnel's counters tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for peer in peers:
            with contextlib.suppress(OSError):
                sender.sendto(b"", (peer, DISCARD))


def cold(peers: set[str]) -> set[str]:
    """Those of `peers` that are asked for and not yet resolved."""
    try:
        lines = _TABLE.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return set()
    entries = {fields[0]: int(fields[2], 16) for line in lines if len(fields := line.split()) >= 3}
    return {peer for peer in peers if peer in entries and not entries[peer] & _COMPLETE}
