"""Answers for routers: punted packets in, ICMP errors and resets out, through the same flows as any other packet.

    switch ─► Punted ─► queue ─► answerer ─► switch.send ─► ROUTE ─► ... ─► the sender

Meters in the switch hold the rate down; what is more than the queue holds is let go. Never touches a flow, and takes
one packet at a time, so that the agent's loop goes on in between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from retia.compile.compiler import Compiler
from retia.compile.complaints import address_towards, mtu_beyond
from retia.errors import SwitchAway
from retia.flows.actions import Actions, Load, Resubmit
from retia.flows.carrying import Punted
from retia.flows.complaint import (
    FRAGMENTATION_NEEDED,
    HOST_UNREACHABLE,
    NET_UNREACHABLE,
    TIME_EXCEEDED,
    Original,
    error,
    original_of,
    refusal,
)
from retia.log import logger
from retia.pipeline.fields import DATAPATH, DESTINATION_PORT, SNAT_ZONE, SOURCE_PORT, TRACED
from retia.pipeline.punts import KIND_OF, PuntKind
from retia.pipeline.stages import ROUTE, ZONES
from retia.switch.contract import Switch
from retia.values import Ip4

WAITING = 500
"""Punts that may wait to be answered."""

_SAYS = {
    PuntKind.TIME_EXCEEDED: TIME_EXCEEDED,
    PuntKind.NET_UNREACHABLE: NET_UNREACHABLE,
    PuntKind.HOST_UNREACHABLE: HOST_UNREACHABLE,
    PuntKind.ASK_NEIGHBOUR: HOST_UNREACHABLE,
}
_TRANSLATED = (PuntKind.HOST_UNREACHABLE, PuntKind.TOO_BIG, PuntKind.ASK_NEIGHBOUR)
"""What is said of a packet whose source a router with NAT may have translated already."""

log = logger("answerer")


class Answerer:
    """`take` what the switch punts; `run` answers. `heard` and `answered` count by kind since the start. Kinds in
    `elsewhere` are handed on."""

    def __init__(self, compiler: Compiler, switch: Switch) -> None:
        self._compiler, self._switch = compiler, switch
        self._queue: asyncio.Queue[Punted] = asyncio.Queue(WAITING)
        self.elsewhere: Mapping[PuntKind, Callable[[Punted], None]] = {}
        self.heard: Counter[PuntKind] = Counter()
        self.answered: Counter[PuntKind] = Counter()

    def take(self, punt: Punted) -> None:
        if not self._queue.full():
            self._queue.put_nowait(punt)

    async def run(self) -> None:
        while True:
            punt = await self._queue.get()
            try:
                self.answer(punt)
            except SwitchAway as away:
                log.debug("not answered", why=away.what)
            await asyncio.sleep(0)

    def answer(self, punt: Punted) -> None:
        """Raises SwitchAway."""
        kind = KIND_OF.get(punt.userdata)
        if kind is None:
            return  # another pipeline's, from before this agent
        self.heard[kind] += 1
        if kind in self.elsewhere:
            self.elsewhere[kind](punt)
        else:
            self._answer(kind, punt)

    def unreachable(self, punt: Punted) -> None:
        """The neighbour that this packet waited for is not there."""
        try:
            self._answer(PuntKind.ASK_NEIGHBOUR, punt)
        except SwitchAway as away:
            log.debug("not answered", why=away.what)

    def _answer(self, kind: PuntKind, punt: Punted) -> None:
        """Nobody hears of traced packets but who traces them."""
        original = original_of(punt.frame) if not punt.read(TRACED) else None
        frame = self._say(kind, original, punt) if original is not None else None
        if frame is not None:
            self._switch.send(frame, self._way(kind, punt))
            self.answered[kind] += 1

    def _say(self, kind: PuntKind, original: Original, punt: Punted) -> bytes | None:
        if kind is PuntKind.REFUSED:
            return refusal(original)
        router, port = punt.read(DATAPATH), punt.read(SOURCE_PORT)
        speaker = address_towards(self._compiler.program, router, port, Ip4(original.source))
        if speaker is None:
            return None
        if kind is not PuntKind.TOO_BIG:
            return error(original, speaker, _SAYS[kind])
        mtu = mtu_beyond(self._compiler.program, router, punt.read(DESTINATION_PORT))
        return None if mtu is None else error(original, speaker, FRAGMENTATION_NEEDED, mtu)

    def _way(self, kind: PuntKind, punt: Punted) -> Actions:
        """The answer is routed by the router that the packet ended in. To a translated source it finds back as any
        answer does: as one about a tracked connection."""
        translated = kind in _TRANSLATED and punt.read(SNAT_ZONE)
        return (
            Load(DATAPATH, punt.read(DATAPATH)),
            Load(SOURCE_PORT, punt.read(SOURCE_PORT)),
            Resubmit(int(ZONES if translated else ROUTE)),
        )
