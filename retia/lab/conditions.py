"""What must hold while a step is done: drops counted, packets in tunnels, flows and store untouched, pings not lost.

Each notes how things are, lets the step happen, and judges. When the step itself fails, that is what is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retia.compile.reasons import Reason
from retia.errors import InvalidInput
from retia.lab import beside
from retia.lab.beside import FLIGHT
from retia.lab.count import Count
from retia.lab.failure import CheckFailed
from retia.lab.pings import Pings, send_for
from retia.lab.reader import Reader, Spot
from retia.lab.words import HostName, StationName, Target
from retia.model.names import did_you_mean
from retia.pipeline.fields import REASON
from retia.pipeline.stages import DROP
from retia.store.contract import DATA, INDEX
from retia.store.records import OBJECTS

if TYPE_CHECKING:
    from retia.lab.contract import Host, Outage
    from retia.lab.lab import Lab

FLOWS_SETTLE, FLOWS_CALM = 3.0, 0.3
_KEPT = {"untouched": (OBJECTS, INDEX), "quiet": (DATA, INDEX)}
_REASONS = {reason.label: int(reason) for reason in Reason}


class Condition(Protocol):
    def watch(self, lab: Lab, notes: list[str]) -> AbstractAsyncContextManager[None]: ...


@dataclass(frozen=True)
class Drops:
    """Packets dropped on a host, by reason: those named as counted, no others of that reason."""

    wanted: dict[HostName, dict[str, Count]]

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Drops:
        for host, under in reader.entries(spot, "drops"):
            for reason, place in reader.entries(under, f"the drops of {host}"):
                if reason not in _REASONS:
                    reader.note(place, f"nothing is dropped for {reason!r}", did_you_mean(reason, _REASONS))
        return cls(reader.value(dict[HostName, dict[str, Count]], spot))

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        before = {host: await drops(lab.hosts[host]) for host in self.wanted}
        yield
        await asyncio.sleep(FLIGHT)
        for host, wanted in self.wanted.items():
            after = await drops(lab.hosts[host])
            for reason, count in wanted.items():
                number = after[reason] - before[host][reason]
                if not count.allows(number):
                    what = f"{number} packets were dropped for {reason}, expected {count}"
                    others = {name: after[name] - before[host][name] for name in after}
                    seen = ", ".join(f"{name} {n}" for name, n in others.items() if n and name != reason)
                    raise CheckFailed(what + (f" (others: {seen})" if seen else ""), where=host)
                notes.append(f"{number} dropped on {host}: {reason}")


async def drops(host: Host) -> dict[str, int]:
    """Packets dropped so far, by reason."""
    counts = await host.counts(int(DROP), REASON.field)
    return {label: counts.get(number, 0) for label, number in _REASONS.items()}


@dataclass(frozen=True)
class Flows:
    """`same`: all hosts' flows end as they were. `untouched`: and Open vSwitch reports no change in between.
    `kept`: flows may come and go, but of those that are there before and after none is touched meanwhile, and no
    counter falls."""

    word: str

    @classmethod
    def from_text(cls, text: str) -> Flows:
        if text not in ("same", "untouched", "kept"):
            raise InvalidInput(f"flows are `same`, `untouched` or `kept`, not {text!r}")
        return cls(text)

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        before = await _calm_flows(lab)
        packets = {name: await host.packets() for name, host in lab.hosts.items()}
        said: dict[str, list[str]] = {}
        async with contextlib.AsyncExitStack() as stack:
            if self.word != "same":
                for host in lab.hosts.values():
                    said[host.name] = await stack.enter_async_context(host.changes())
            yield
            if self.word != "kept":
                for name, host in lab.hosts.items():
                    await _same_flows(host, before[name])
        for name, host in lab.hosts.items():
            await self._judge(host, said.get(name, []), packets[name])
        notes.append(f"{sum(map(len, before.values()))} flows {self.word}")

    async def _judge(self, host: Host, said: list[str], before: dict[str, int]) -> None:
        if self.word == "untouched" and said:
            raise CheckFailed(f"{len(said)} flow changes, the first: {said[0]}", where=host.name)
        if self.word == "same":
            return
        after = await host.packets()
        kept = before.keys() & after.keys()
        touched = {flow_key(line) for line in said} & {flow_key(flow) for flow in kept}
        if touched:
            what = f"{len(touched)} flows were touched that stay as they are, the first: {' '.join(min(touched))}"
            raise CheckFailed(what, where=host.name)
        fallen = [flow for flow in kept if after[flow] < before[flow]]
        if fallen:
            raise CheckFailed(f"{len(fallen)} counters fell, the first: {fallen[0]}", where=host.name)


def flow_key(line: str) -> tuple[str, ...]:
    """Cookie, table and match from a line of `dump-flows` or `monitor`, which tells no priority."""
    head = line.partition("actions=")[0].replace(",", " ").split()
    table = next((word for word in head if word.startswith("table=")), "table=0")
    cookie = next((word for word in head if word.startswith("cookie=")), "")
    others = ("table=", "cookie=", "priority=", "event=", "reason=")
    return cookie, table, *(word for word in head if not word.startswith(others))


async def _calm_flows(lab: Lab) -> dict[str, list[str]]:
    """Of all hosts, as they are. What on-demand hosts asked for in the step before may still be on its way: there, once
    two looks agree, `FLOWS_SETTLE` seconds at most."""
    end = time.monotonic() + FLOWS_SETTLE if lab.file.on_demand else 0.0
    before: dict[str, list[str]] | None = None
    while True:
        flows = {name: await host.flows() for name, host in lab.hosts.items()}
        if flows == before or time.monotonic() >= end:
            return flows
        before = flows
        await asyncio.sleep(FLOWS_CALM)


async def _same_flows(host: Host, before: list[str]) -> None:
    end = time.monotonic() + FLOWS_SETTLE
    while (after := await host.flows()) != before:
        if time.monotonic() > end:
            gone, new = sorted({*before} - {*after}), sorted({*after} - {*before})
            lines = [*(f"- {line}" for line in gone[:4]), *(f"+ {line}" for line in new[:4])]
            what = f"its flows differ: {len(gone)} gone, {len(new)} new\n" + "\n".join(lines)
            raise CheckFailed(what, where=host.name)
        await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Ports:
    """`kept`: no port of any bridge is made anew or gets another number, and none goes."""

    word: str

    @classmethod
    def from_text(cls, text: str) -> Ports:
        if text != "kept":
            raise InvalidInput(f"ports are `kept`, not {text!r}")
        return cls(text)

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        before = {name: await host.ports() for name, host in lab.hosts.items()}
        yield
        for name, host in lab.hosts.items():
            gone = before[name] - await host.ports()
            if gone:
                raise CheckFailed(f"ports were not kept: {', '.join(sorted(gone))}", where=name)
        notes.append(f"{sum(map(len, before.values()))} ports kept")


@dataclass(frozen=True)
class StoreWord:
    """`untouched`: no declared object and no index of them is written. `quiet`: nothing at all is."""

    word: str

    @classmethod
    def from_text(cls, text: str) -> StoreWord:
        if text not in _KEPT:
            raise InvalidInput(f"the store is `untouched` or `quiet`, not {text!r}")
        return cls(text)

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        before = await self._revisions(lab)
        yield
        after = await self._revisions(lab)
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        if changed:
            raise CheckFailed(f"{len(changed)} records were written, the first: {changed[0]}", where="etcd")
        notes.append(f"{len(before)} records {self.word}")

    async def _revisions(self, lab: Lab) -> dict[str, int]:
        found = [await lab.store.snapshot(prefix) for prefix in _KEPT[self.word]]
        return {key: record.revision for each in found for key, record in each.records.items()}


@dataclass(frozen=True)
class Way:
    """From whom to whom, every so many seconds, from `before` the step until `after` it.

    With `at` that address is pinged. With `excuse`, what is lost while an Open vSwitch was away, and up to so many
    seconds after, is counted apart."""

    from_: StationName
    to: Target
    at: Target | None = None
    every: float = 0.1
    lost_at_most: int = 0
    before: float = 0.3
    after: float = 0.5
    excuse: float = -1.0

    def judge(self, pinger: Pings, outages: list[Outage]) -> str:
        """What was lost, in words. Raises CheckFailed where that is too much."""
        missing = [number for number in pinger.sent if number not in pinger.replies]
        excused = {number for number in missing if any(self._excuses(each, pinger.sent[number]) for each in outages)}
        sent, lost = len(pinger.sent), len(missing) - len(excused)
        if lost > self.lost_at_most:
            first = pinger.sent[1]
            when = ", ".join(f"{pinger.sent[number] - first:.2f}" for number in missing if number not in excused)
            what = f"{lost} of {sent} pings were lost, at most {self.lost_at_most} may be: after seconds {when[:200]}"
            raise CheckFailed(what, where=f"{self.from_} to {self.to}")
        if sent in missing:
            what = f"the last of {sent} pings was lost, so it may not be over"
            raise CheckFailed(what, where=f"{self.from_} to {self.to}")
        apart = f" and {len(excused)} while Open vSwitch was away" if excused else ""
        return f"{lost}{apart} of {sent} pings lost from {self.from_} to {self.to}"

    def _excuses(self, outage: Outage, moment: float) -> bool:
        return self.excuse >= 0 and outage.begin - FLIGHT <= moment <= outage.end + self.excuse


@dataclass(frozen=True)
class Pinging:
    """The lab pings all the while, on all ways at once, and counts what is lost."""

    ways: tuple[Way, ...]

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Pinging:
        return cls(reader.value(tuple[Way, ...], spot))

    @asynccontextmanager
    async def watch(self, lab: Lab, notes: list[str]) -> AsyncIterator[None]:
        done = asyncio.Event()
        with contextlib.ExitStack() as stack:
            pingers = [stack.enter_context(_pinger(lab, way)) for way in self.ways]
            sending = [
                asyncio.create_task(send_for(pinger, way.every, done), name="pinging")
                for pinger, way in zip(pingers, self.ways, strict=True)
            ]
            try:
                await asyncio.sleep(max(way.before for way in self.ways))
                for pinger, way in zip(pingers, self.ways, strict=True):
                    if not pinger.replies:
                        raise CheckFailed(f"{way.to} does not answer {way.from_} even before")
                yield
                await asyncio.sleep(max(way.after for way in self.ways))
            finally:
                done.set()
                await asyncio.gather(*sending)
            await asyncio.gather(*(pinger.settle(len(pinger.sent), 1.0) for pinger in pingers))
            outages = [outage for host in lab.hosts.values() for outage in host.outages]
            notes += [way.judge(pinger, outages) for pinger, way in zip(pingers, self.ways, strict=True)]


def _pinger(lab: Lab, way: Way) -> Pings:
    return lab.station(way.from_).pinger(str(lab.address_of(way.at or way.to)))


CONDITIONS: dict[str, type] = {
    "drops": Drops,
    "tunnel": beside.Tunnel,
    "flows": Flows,
    "ports": Ports,
    "store": StoreWord,
    "pinging": Pinging,
    **beside.CONDITIONS,
}
