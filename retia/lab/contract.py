"""What a lab's nodes are to its steps and conditions: real ones in namespaces, or software ones in this process.

    Lab ─┬─ SpacesLab      namespaces, Open vSwitch, etcd: hosts.Host, guests.Guest
         └─ SoftwareLab    all in this process, no root:   software.host, software.guest

An action says what is to be done to a host or guest, never how; so that one lab file is checked in both worlds. What
only a real host can do an action says in its `needs`, and a software lab leaves that step out, aloud.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from retia.lab.pings import Pings
from retia.model.setup import Setup
from retia.values import Ip, Mac

DATABASE, VSWITCHD, AGENT = "ovsdb-server", "ovs-vswitchd", "agent"
"""The processes of a host, by the names that `stop` and `runs` take."""


@dataclass
class Outage:
    """A time in which a host carried nothing, by `time.monotonic()`: its ovs-vswitchd was away, or ovsdb-server was,
    without which ovs-vswitchd does not run its main loop, and so not its userspace datapath."""

    host: str
    begin: float
    end: float = float("inf")


@dataclass(frozen=True)
class Offer:
    """What a server gives whoever connects: `size` bytes (0: no end), `rate` of them a second (0: all it can)."""

    size: int = 0
    rate: float = 0.0

    def next(self, sent: int, most: int) -> int:
        """Bytes of the next piece after so many; 0 at the end."""
        left = self.size - sent if self.size else most
        return min(left, most, max(1, int(self.rate / 20)) if self.rate else most)


class Done(Protocol):
    """A command that ended."""

    @property
    def code(self) -> int: ...
    @property
    def out(self) -> str: ...
    @property
    def err(self) -> str: ...


class Tap(Protocol):
    """Every frame a link carries towards its guest, from now on. A context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def send(self, frame: bytes) -> None: ...
    def received(self) -> Iterator[bytes]:
        """Frames that came in and were not read yet."""


class Node(Protocol):
    @property
    def name(self) -> str: ...
    async def run(self, *command: str, check: bool = True, limit: float = 60.0) -> Done:
        """A command inside, to its end."""


class Datagrams(Protocol):
    """Datagrams that come to a UDP port, from now on. A context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def received(self) -> Iterator[bytes]:
        """Those that came and were not read yet."""


class Station(Node, Protocol):
    """What sends and hears: a guest, or a node outside."""

    @property
    def mac(self) -> Mac | None: ...
    @property
    def address(self) -> Ip | None:
        """The first, of several."""

    def pinger(self, address: str, ttl: int = 64) -> Pings: ...
    def tap(self) -> Tap: ...
    def absorb(self, port: int) -> AbstractContextManager[object]:
        """While it holds, nobody answers that no one listens at that UDP port."""

    def serve(self, port: int, offer: Offer) -> AbstractAsyncContextManager[list[Ip]]:
        """By TCP to whoever connects. The list grows by who did."""

    async def fetch(self, address: Ip, port: int, news: Callable[[int], None]) -> None:
        """By TCP, to its end; `news` hears of each piece how long it is. Raises OSError."""

    def echo(self, port: int) -> AbstractAsyncContextManager[list[Ip]]:
        """Each datagram back to its sender. The list grows by who that was."""

    async def ask(self, address: Ip, port: int, count: int, patience: float) -> int:
        """So many datagrams from one port; how many came back from there within `patience` seconds."""

    async def scatter(self, address: Ip, port: int, flows: int, payload: bytes) -> None:
        """One datagram from each of so many ports. Without a way there is none, as with `ask`."""

    def hear(self, port: int) -> Datagrams: ...


class Guest(Station, Protocol):
    """`plugged`: whether its link is in the bridge of its host."""

    iface_id: str
    setup: Setup | None
    plugged: bool

    @property
    def host(self) -> Host: ...
    async def configure(self, setup: Setup) -> None:
        """Once more does nothing unless something changed."""

    async def plug(self) -> None: ...
    async def unplug(self) -> None: ...


class Host(Node, Protocol):
    address: str

    @property
    def outages(self) -> Sequence[Outage]: ...
    def start_agent(self, later: bool = False) -> None:
        """`later`: that of another Retia, whose pipeline differs."""

    def runs(self, name: str) -> bool:
        """Whether a process of this host runs, whoever started it."""

    def check_agent(self) -> None:
        """Raises Fatal, with what it said, when the agent ended by itself."""

    def pause(self) -> None:
        """The agent hears and says nothing until `resume`."""

    def resume(self) -> None: ...
    async def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None: ...
    async def start_vswitchd(self) -> float:
        """Start it again, with the bridges its database has. Returns the seconds until it answered."""

    async def start_database(self) -> float:
        """Start it again, with what it had. Returns the seconds until the switch had found it."""

    async def boot(self, address: str) -> None:
        """The machine is cut off and comes up again, at `address`: nothing of it was told to end."""

    async def kill(self) -> None:
        """The machine is cut off, as when it loses its power; `boot` brings it back."""

    async def cut(self, address: str) -> None:
        """Nothing gets from here to the host with that tunnel address, until `mend`."""

    async def mend(self, address: str) -> None: ...
    async def caught_up(self) -> None:
        """Until packets meet the flows as they are: what was cached of former ones is gone, and counted."""

    async def set_underlay(self, up: bool) -> None:
        """Its link into the underlay."""

    async def set_segment(self, segment: str, up: bool) -> None:
        """Its link into a physical segment."""

    def hear(self, port: int) -> Datagrams:
        """On the host itself, not on what it carries."""

    async def set_iface_id(self, link: str, iface_id: str) -> None: ...
    async def flows(self) -> list[str]:
        """Its flows as text without counters, sorted."""

    async def counts(self, table: int, field_: str) -> dict[int, int]:
        """Packets counted by the flows of a table, by the value they match in a field."""

    async def remove_flows(self, match: str) -> None:
        """By hand, as an operator would. `match` is Open vSwitch's: `table=3,metadata=1`; "" for all."""

    async def add_flow(self, flow: str) -> None: ...
    async def remove_tunnel(self) -> None: ...
    async def remove_bridge(self) -> None:
        """With all its ports: whoever plugged the guests in has to do so again."""

    async def has_bridge(self) -> bool:
        """Whether it is there, with the tunnel port."""

    async def packets(self) -> dict[str, int]:
        """Packets counted by each flow, by the flow as `flows` has it."""

    async def ports(self) -> set[str]:
        """Each port: its name, its number, and what tells it from one made anew."""

    def tunnel_tap(self) -> Tap:
        """What it sends into the underlay."""

    def arrival_tap(self) -> Tap:
        """What the underlay brings it."""

    def segment_tap(self, segment: str) -> Tap:
        """What it sends into a physical segment."""

    def changes(self) -> AbstractAsyncContextManager[list[str]]:
        """Its switch beside a step: afterwards the list holds each change of a flow, with table=N and its match."""
