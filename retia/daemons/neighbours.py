"""Physical neighbours: asked for by ARP while packets wait, kept as rows of the rules, asked again while they are kept.

    ASK_NEIGHBOUR ───► held, row without MAC ─► switch hears its answers ─► ARP request ─► ... given up: unreachable
    HEARD_NEIGHBOUR ─► row with MAC ─► its flow is in the switch ─► held packets go on at NEXT_HOP

Those that the rules want (`WantsNeighbour`) are asked for before any packet is, and as long as they are wanted.
Only what is asked for here is ever learned, so that nobody outside fills the table; it has bounds, and over them
the one goes that was not asked for longest. What is known is kept in a file: a restart changes no flow.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import count
from pathlib import Path

from retia.compile.compiler import LocalChange
from retia.compile.local import NeighbourFact
from retia.compile.outputs import Outside, WantsNeighbour
from retia.daemons import arp, kept
from retia.errors import InvalidInput, SwitchAway
from retia.flows.actions import Actions, Output, Resubmit
from retia.flows.carrying import Punted
from retia.pipeline.fields import DATAPATH, DESTINATION_PORT, NEIGHBOUR_IP4
from retia.pipeline.punts import KIND_OF, PuntKind
from retia.pipeline.stages import NEXT_HOP
from retia.rules.terms import Row
from retia.switch.contract import Switch
from retia.values import Ip, Ip4, Mac

TRIES, APART = 3, 1.0
"""So often is a neighbour asked, seconds apart, before it is given up."""
HELD = 3
"""Packets that wait for one neighbour; the oldest goes when another comes (RFC 1122 section 2.3.2.2)."""
REFRESH = 30.0
"""Seconds after which a neighbour is asked whether it is still there."""
FORGIVEN = 5.0
"""Seconds for which one that did not answer is not asked again; one that is wanted is, each time they are over."""
OF_A_PORT, OF_ALL = 1024, 4096
"""The most neighbours of one router port, and of all."""
NONE = Mac(0)
NEVER = float("-inf")
WRITTEN = 1.0
"""Seconds between two writes of the file, at least."""

COUNTS = ("held", "given-up", "aged-out", "crowded-out")

Key = tuple[str, Ip]
Rows = Iterable[tuple[Row | None, Row | None]]
"""Rows of an output before and after."""
Tell = Callable[[Iterable[LocalChange], Callable[[], None] | None], None]
"""Rows that change, and what is to be done once the switch has the flows that follow."""


class Standing(StrEnum):
    asked = "asked"
    known = "known"
    failed = "failed"


@dataclass(eq=False)
class Neighbour:
    """`ready`: its flow is in the switch. `due`: when something is to be done about it. `used`: when a packet
    last asked for it."""

    port: str
    address: Ip
    due: float
    used: float
    mac: Mac = NONE
    standing: Standing = Standing.asked
    ready: bool = False
    tries: int = 0
    held: deque[Punted] = field(default_factory=lambda: deque(maxlen=HELD))

    @property
    def key(self) -> Key:
        return self.port, self.address

    @property
    def row(self) -> NeighbourFact:
        return NeighbourFact(self.port, self.address, self.mac)


class Neighbours:
    """`take` punts of the two kinds; `note` router ports outside and neighbours wanted; `run` asks, forgets and keeps.
    `counts` those of COUNTS since the start; `silent` are wanted and do not answer."""

    def __init__(
        self,
        switch: Switch,
        file: Path,
        unreachable: Callable[[Punted], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._switch, self._file, self._unreachable, self._clock = switch, file, unreachable, clock
        self.tell: Tell = lambda changes, then: None
        self.counts: Counter[str] = Counter()
        self._outside: dict[str, Outside] = {}
        self._by_keys: dict[tuple[int, int], str] = {}
        self._at: dict[int, set[str]] = {}
        self._all: dict[Key, Neighbour] = {}
        self._wanted: set[Key] = set()
        self.silent: dict[Key, None] = {}
        self._of: Counter[str] = Counter()
        self._due: list[tuple[float, int, Neighbour]] = []
        self._numbers = count()
        self._wake = asyncio.Event()
        self._unsaved = False
        self._saved_at = -WRITTEN
        self._load()

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[NeighbourFact]:
        return [one.row for one in self._all.values()]

    def number(self) -> Counter[Standing]:
        """How many there are, by how they stand."""
        return Counter(one.standing for one in self._all.values())

    @property
    def waiting(self) -> int:
        """Packets held now."""
        return sum(len(one.held) for one in self._all.values())

    def _load(self) -> None:
        """Those that the last agent knew are asked again over the time in which all are, others at once."""
        rows = kept.read(self._file, list[tuple[str, str, str]]) or []
        try:
            found = [(port, Ip.parse(address), Mac.parse(mac)) for port, address, mac in rows[:OF_ALL]]
        except InvalidInput as error:
            kept.refuse(self._file, error.what)
            return
        now = self._clock()
        for place, (port, address, mac) in enumerate(found, 1):
            if mac:
                due = now + REFRESH * place / len(found)
                self._add(Neighbour(port, address, due, now, mac, Standing.known, ready=True))
            else:
                self._add(Neighbour(port, address, now + APART, now))

    def save(self) -> None:
        """All of them: each is a flow of some kind."""
        kept.write(self._file, [(one.port, str(one.address), str(one.mac)) for one in self._all.values()])
        self._unsaved, self._saved_at = False, self._clock()

    def note(self, outside: Rows, wanted: Rows = ()) -> None:
        """Router ports outside, and neighbours that are wanted."""
        for old, new in outside:
            if old is not None:
                gone = Outside.of(old)
                self._outside.pop(gone.port, None)
                self._by_keys.pop((gone.router_key, gone.key), None)
                self._at.get(gone.ofport, set()).discard(gone.port)
            if new is not None:
                one = Outside.of(new)
                self._outside[one.port] = one
                self._by_keys[one.router_key, one.key] = one.port
                self._at.setdefault(one.ofport, set()).add(one.port)
        pairs = [(_key(old), _key(new)) for old, new in wanted]
        for key in [old for old, new in pairs if old and not new]:
            self._wanted.discard(key)
            self.silent.pop(key, None)
        self._want([new for _, new in pairs if new])

    def _want(self, keys: list[Key]) -> None:
        """Ask for those that are not there. For them nobody is crowded out."""
        self._wanted.update(keys)
        begun: list[Neighbour] = []
        for key in keys:
            if key in self._all:
                self._judge(self._all[key])
            elif not self._is_full(key[0]):
                begun.append(Neighbour(*key, due=self._clock() + APART, used=NEVER))
                self._add(begun[-1])
        if begun:
            self._mark_unsaved()
            self.tell([((), tuple(one.row for one in begun))], partial(self._ask_all, begun))

    # -- what the switch says --------------------------------------------------------------------------------------

    def take(self, punt: Punted) -> None:
        if KIND_OF.get(punt.userdata) is PuntKind.ASK_NEIGHBOUR:
            self._asked(punt)
        else:
            self._heard(punt)

    def _asked(self, punt: Punted) -> None:
        port = self._by_keys.get((punt.read(DATAPATH), punt.read(DESTINATION_PORT)))
        address = Ip4(punt.read(NEIGHBOUR_IP4))
        if port is None or not address:
            return
        one = self._all.get((port, address)) or self._begin(port, address)
        one.used = self._clock()
        if one.standing is Standing.failed:
            self._unreachable(punt)
        elif one.ready:  # it was on its way while the flow was
            self._go_on(punt)
        else:
            one.held.append(punt)
            self.counts["held"] += 1

    def _begin(self, port: str, address: Ip) -> Neighbour:
        self._make_room(port)
        now = self._clock()
        one = Neighbour(port, address, now + APART, now)
        self._add(one)
        self._mark_unsaved()
        self.tell([((), (one.row,))], partial(self._ask_all, [one]))
        return one

    def _is_full(self, port: str) -> bool:
        return self._of[port] >= OF_A_PORT or len(self._all) >= OF_ALL

    def _make_room(self, port: str) -> None:
        if self._is_full(port):
            crowded = self._of[port] >= OF_A_PORT
            others = [one for one in self._all.values() if one.port == port] if crowded else self._all.values()
            self._forget(min(others, key=self._worth), "crowded-out")

    def _worth(self, one: Neighbour) -> tuple[bool, bool, float]:
        return one.key in self._wanted, one.standing is Standing.known, one.used

    def _heard(self, punt: Punted) -> None:
        said = arp.said(punt.frame)
        if said is None:
            return
        for port in self._at.get(punt.fields.get("in_port", 0), ()):
            one = self._all.get((port, said.address))
            if one is not None and said.mac != self._outside[port].mac:
                self._learn(one, said.mac)

    def _learn(self, one: Neighbour, mac: Mac) -> None:
        one.tries, one.due = 0, self._clock() + REFRESH
        if one.standing is Standing.known and one.mac == mac:
            return
        before = one.row
        one.mac, one.standing = mac, Standing.known
        self._judge(one)
        self._mark_unsaved()
        self.tell([((before,), (one.row,))], partial(self._settled, one))

    def _settled(self, one: Neighbour) -> None:
        """Its flow is in the switch."""
        if self._is_current(one):
            one.ready = True
            while one.held:
                self._go_on(one.held.popleft())

    def _go_on(self, punt: Punted) -> None:
        self._send(punt.frame, (*punt.restored, Resubmit(int(NEXT_HOP))))

    def _send(self, frame: bytes, actions: Actions) -> None:
        with contextlib.suppress(SwitchAway):  # packets get lost, and who is asked is asked again
            self._switch.send(frame, actions)

    # -- as time goes by -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Do what is due now."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, one = heapq.heappop(self._due)
            if self._is_current(one):
                if one.due <= now:
                    self._next(one)
                if self._is_current(one):
                    self._push(one)
        if self._unsaved and now - self._saved_at >= WRITTEN:
            self.save()

    def _next(self, one: Neighbour) -> None:
        wanted = one.key in self._wanted
        if not wanted and (one.standing is Standing.failed or one.used == NEVER):
            self._forget(one)
        elif one.standing is Standing.failed:
            self._ask(one, FORGIVEN)
        elif one.tries < TRIES:
            self._ask(one)
        elif one.standing is Standing.known and not wanted:
            self._forget(one, "aged-out")
        else:
            self._give_up(one)

    def _ask_all(self, begun: list[Neighbour]) -> None:
        """Now that their answers would be heard."""
        for one in begun:
            if self._is_current(one) and one.standing is Standing.asked and not one.tries:
                self._ask(one)

    def _ask(self, one: Neighbour, apart: float = APART) -> None:
        """Who is known is asked alone, so that nobody else is disturbed (RFC 1122 section 2.3.2.1)."""
        one.tries, one.due = one.tries + 1, self._clock() + apart
        by = self._outside.get(one.port)
        if by is not None:
            frame = arp.request(by.mac, by.address, one.address, one.mac or arp.EVERYONE)
            self._send(frame, (Output(by.ofport),))

    def _give_up(self, one: Neighbour) -> None:
        """One that is wanted and was known stays, without its MAC."""
        self.counts["given-up" if one.standing is Standing.asked else "aged-out"] += 1
        before = one.row
        one.mac, one.ready = NONE, False
        one.standing, one.due = Standing.failed, self._clock() + FORGIVEN
        self._judge(one)
        while one.held:
            self._unreachable(one.held.popleft())
        if one.row != before:
            self._mark_unsaved()
            self.tell([((before,), (one.row,))], None)
        elif one.key in self.silent:
            self.tell((), None)  # for the problem that is to be told

    def _judge(self, one: Neighbour) -> None:
        if one.standing is Standing.failed and one.key in self._wanted:
            self.silent[one.key] = None
        else:
            self.silent.pop(one.key, None)

    def _add(self, one: Neighbour) -> None:
        self._all[one.key] = one
        self._of[one.port] += 1
        self._push(one)

    def _push(self, one: Neighbour) -> None:
        heapq.heappush(self._due, (one.due, next(self._numbers), one))
        self._wake.set()

    def _forget(self, one: Neighbour, why: str = "") -> None:
        del self._all[one.key]
        self.silent.pop(one.key, None)
        self._of[one.port] -= 1
        self.counts[why] += bool(why)
        self._mark_unsaved()
        self.tell([((one.row,), ())], None)

    def _is_current(self, one: Neighbour) -> bool:
        return self._all.get(one.key) is one

    def _mark_unsaved(self) -> None:
        self._unsaved = True
        self._wake.set()

    async def run(self) -> None:
        try:
            while True:
                self.look()
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._rest()):  # wait_for may swallow that it is to end
                        await self._wake.wait()
        finally:
            self.save()

    def _rest(self) -> float | None:
        """Seconds until something is due; None: nothing is."""
        moments = [self._due[0][0]] if self._due else []
        if self._unsaved:
            moments.append(self._saved_at + WRITTEN)
        return max(0.0, min(moments) - self._clock()) if moments else None


def _key(row: Row | None) -> Key | None:
    if row is None:
        return None
    one = WantsNeighbour.of(row)
    return one.port, one.address
