"""What a switch is to the agent: interfaces, foreign changes and punted packets come up; flows, the meters they name
and packets go down. One suite tests them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from retia.errors import RetiaError
from retia.flows.actions import CONTROLLER, Actions
from retia.flows.carrying import Punted
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import Observed
from retia.model.local import AttachmentChange, InterfaceChange, WantedPeer, WantedUplink
from retia.switch.bundle import Refusal


class InterfacesChanged(NamedTuple):
    """`whole` marks the first report after the database was reached: only now is it known what is not there."""

    changes: tuple[InterfaceChange, ...]
    whole: bool = False


class AttachmentsChanged(NamedTuple):
    """Uplinks and peers, which are no interfaces to `InterfacesChanged`. `whole` as there. Without changes:
    `attachment_problems` are others."""

    changes: tuple[AttachmentChange, ...]
    whole: bool = False


class Connected(NamedTuple):
    """The switch agrees (again) with what is desired."""

    refusals: tuple[Refusal, ...] = ()


VSWITCHD, DATABASE = "ovs-vswitchd", "ovsdb-server"


class Disconnected(NamedTuple):
    """`what` says which part is away: Open vSwitch or its database."""

    what: str


class ForeignChange(NamedTuple):
    """Someone else changed flows of our bridge; that many had to be put right, and have been."""

    flows: int


class Refused(NamedTuple):
    """Flows the switch did not take in a repair. Those of `start` and `apply` are returned by them."""

    refusals: tuple[Refusal, ...]


class Hindered(NamedTuple):
    """Something keeps the switch from being as it should until a person mends it; None: no more."""

    error: RetiaError | None


SwitchEvent = (
    InterfacesChanged | AttachmentsChanged | Connected | Disconnected | ForeignChange | Refused | Hindered | Punted
)


class Switch(Protocol):
    async def run(self, report: Callable[[SwitchEvent], None]) -> None:
        """Keep connected until cancelled. Raises Fatal errors only before the first connection."""

    async def start(self, flows: Iterable[Flow]) -> list[Refusal]:
        """The first whole set of desired flows."""

    async def apply(self, puts: Iterable[Flow], drops: Iterable[FlowKey]) -> list[Refusal]:
        """A delta of desired flows; all that the switch takes is in when this returns, if it is connected."""

    async def limit(self, meters: Iterable[Meter]) -> None:
        """All the meters there are to be, before the flows that name them: a flow whose meter is missing is refused.
        Those left out go, and with them every flow that still names one. The switch keeps them whatever happens."""

    def send(self, frame: bytes, actions: Actions, in_port: int = CONTROLLER) -> None:
        """Carry out `actions` (`Resubmit`, no `Goto`) on a packet that comes by no port, or as if it came by one.
        Raises SwitchAway."""

    async def observed(self, table: int | None = None) -> list[Observed]:
        """The flows as the switch has them, with counters; those of one table cost no more than there are.
        Raises SwitchAway."""

    async def sizes(self) -> dict[int, int]:
        """How many flows each table has, however many: tables without any may be left out. Raises SwitchAway."""

    async def warm(self, peers: set[str]) -> set[str]:
        """Keep the underlay neighbours of these tunnel addresses resolved. Returns when they are, or after a short
        time with those that are not."""

    async def attach(self, uplinks: Collection[WantedUplink], peers: Collection[WantedPeer]) -> None:
        """From now on exactly these are to be there; what others do to them is put right. Those that are right are not
        touched; before the first call none is taken away. Remembered while the switch is away: raises nothing."""

    @property
    def attachment_problems(self) -> Mapping[str, str]:
        """What keeps uplinks and peers, by name, from being there. Those of which there is nothing to say are left
        out."""

    async def flush_zones(self, zones: Iterable[int]) -> None:
        """Forget the connections tracked in these zones. Remembered while the switch is away: raises nothing."""

    async def open_local(self) -> str:
        """Bring the bridge's own port up, for this host's kernel to send and receive by it, and keep it up; its MAC,
        which stays as it is. Raises SwitchAway."""

    @property
    def local_mac(self) -> str:
        """The MAC of the bridge's own port; "" before `open_local`."""

    @property
    def hindrance(self) -> RetiaError | None:
        """What keeps the switch from being as it should, until a person mends it."""

    @property
    def connected(self) -> bool:
        """Whether every desired flow that the switch takes is in it."""

    @property
    def refused(self) -> dict[FlowKey, Refusal]:
        """The flows it does not take."""


Reporter = Callable[[SwitchEvent], None]


async def events(switch: Switch) -> AsyncIterator[SwitchEvent]:
    """`switch.run` as an iterator, for one who has no queue of his own. Close it (`aclosing`) to stop the switch."""
    queue: asyncio.Queue[SwitchEvent] = asyncio.Queue()
    running = asyncio.create_task(switch.run(queue.put_nowait), name="switch")
    try:
        while True:
            taking = asyncio.ensure_future(queue.get())
            await asyncio.wait([taking, running], return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                await running
                return
            yield taking.result()
    finally:
        running.cancel()
        await asyncio.wait([running])
