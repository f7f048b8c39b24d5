"""What an agent owes the store: bindings claimed and released, problems named once, barriers answered.

Done beside the loop, so that a store which is away never holds up a flow. Each duty compares what should be with
what the store has, so it may be tried again at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterable, Mapping

from retia.compile.compiler import Compiler, FlowDelta, RecordChange
from retia.errors import Problem, Retry
from retia.log import logger
from retia.model.state import Alive, Barrier, Binding, HostProblem
from retia.store.host import HostAgent
from retia.switch.contract import Switch

AGAIN = 0.3
TOLD_EVERY = 1.0
MOST_PROBLEMS = 100

log = logger("duties")


class Duties:
    """`note` is called by the loop after every batch; `run` does what is due."""

    def __init__(self, host: HostAgent, compiler: Compiler, switch: Switch) -> None:
        self._host, self._compiler, self._switch = host, compiler, switch
        self._due = asyncio.Event()
        self._claims: dict[str, str] = {}
        self._held: dict[str, Binding] = {}
        self._others: dict[str, str] = {}
        self._asked = False
        self._ready = False
        self._revision = self._told = 0
        self._telling = asyncio.Lock()
        self._seen: object = None
        self.records: Mapping[str, Problem] = {}
        self.more: Callable[[], list[HostProblem]] = lambda: []

    def note(self, changes: Iterable[RecordChange], delta: FlowDelta, revision: int, ready: bool) -> None:
        """What changed. `ready`: interfaces and records are all known, so that what is not there may be released."""
        if delta.claims:
            self._claims = self._compiler.claims
        seen = (ready, dict(self.records), list(self._switch.refused), self._switch.hindrance, self.more())
        due = delta.claims or delta.troubles or seen != self._seen or self._asked
        self._ready, self._seen, self._revision = ready, seen, revision
        for old, new in changes:
            due |= self._note_one(old, new)
        if due:
            self._due.set()

    def _note_one(self, old: object, new: object) -> bool:
        if isinstance(new, Barrier):
            self._asked = True
            return True
        if isinstance(old or new, Alive):
            return new is None and bool(self._others)
        binding = new or old
        if not isinstance(binding, Binding):
            return False
        self._held.pop(binding.port, None)
        self._others.pop(binding.port, None)
        if isinstance(new, Binding):
            if new.host == self._compiler.host:
                self._held[new.port] = new
            elif new.port in self._claims:
                self._others[new.port] = new.host
        return binding.port in self._claims or binding.port in self._held

    @property
    def bound(self) -> int:
        """How many ports live on this host."""
        return len(self._held)

    async def run(self) -> None:
        said = ""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._do_all()
                said = ""
            except Retry as error:
                if error.what != said:
                    log.warning("cannot be told to the store", error=error.what, where=error.where, advice=error.advice)
                said = error.what
                await asyncio.sleep(AGAIN)
                self._due.set()

    async def tell_applied(self) -> None:
        """Every `TOLD_EVERY` seconds, if there is news: how far this host's switch is."""
        while True:
            await asyncio.sleep(TOLD_EVERY)
            if self._revision != self._told and self._ready and self._switch.connected:
                with contextlib.suppress(Retry):  # the store is away; `run` says so
                    await self._tell()

    async def _do_all(self) -> None:
        if not self._ready:
            return  # what is not known yet looks wrong, and is not
        await self._bind()
        await self._answer()
        await self._host.report({problem.about: problem for problem in self.problems()[:MOST_PROBLEMS]})

    async def _bind(self) -> None:
        claims = self._claims
        for port in [port for port in self._held if port not in claims]:
            await self._host.release(port)
            self._held.pop(port, None)
        for port, interface in claims.items():
            held = self._held.get(port)
            if held is None or held.interface != interface:
                binding = await self._host.claim(port, interface)
                if binding.host == self._compiler.host:
                    self._held[port] = binding
                else:
                    self._others[port] = binding.host

    async def _answer(self) -> None:
        """Only when the switch has everything; the loop is past the barrier's revision by then. One that is away tells
        the loop when it is back, and that is noted here."""
        if self._asked and self._switch.connected:
            self._asked = False
            try:
                await self._tell()
            except BaseException:
                self._asked = True
                raise

    async def _tell(self) -> None:
        """One at a time: else what was said first may be written last, and who waits for a barrier hears of less."""
        async with self._telling:
            revision = self._revision
            said = tuple(str(refusal.error) for refusal in self._switch.refused.values())
            await self._host.applied(revision, said, self._compiler.size)
            self._told = revision

    def problems(self) -> list[HostProblem]:
        """Everything this host finds wrong now."""
        host = self._compiler.host
        found = [
            HostProblem(host=host, about=one.about, what=one.what, where=one.where, advice=one.advice)
            for one in self._compiler.troubles
        ]
        if (error := self._switch.hindrance) is not None:
            found.append(
                HostProblem(host=host, about="bridge", what=error.what, where=error.where, advice=error.advice)
            )
        for key, refusal in self._switch.refused.items():
            about = f"refused-{key.table}-{zlib.crc32(repr(key).encode()):08x}"
            advice = "this is a fault of Retia or of its Open vSwitch: please report it"
            found.append(HostProblem(host=host, about=about, what=refusal.error.what, advice=advice))
        found += self.more()
        for record, problem in self.records.items():
            about = "record-" + record.strip("/").replace("/", ".")
            found.append(HostProblem(host=host, about=about, what=problem.what, where=record, advice=problem.advice))
        return found
