"""The whole chaos: a lab, pings that go on, harm until the time is over, questions at quiet points, an account."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from retia.lab import commands
from retia.lab.hosts import AGENT
from retia.lab.pings import Pings, send_for
from retia.lab.spaces import SpacesLab
from tests.chaos import judge
from tests.chaos.harm import WATCHED, Chaos, Harm
from tests.chaos.model import PAIRS, STEADY, Wish, lab_of

EVERY = 0.02
"""Seconds between two pings of a pair."""
QUIET_EVERY = 20.0
SETTLE = 30.0
GROWTH = 1.25
SLACK = 8 << 20
LATE = 3.0
LOGS = 2.5
"""Seconds before and after a failure of which agents' logs are shown."""
LAST = 30
"""Lines of the log of an agent that does not run."""


@dataclass
class Account:
    """What a run has to say for itself. `failures` empty: all went well."""

    seed: int
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    quiet: int = 0
    pings: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    around: list[float] = field(default_factory=list)
    """When something failed, by `time.monotonic()`."""
    logs: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        done = ", ".join(f"{number} {kind}" for kind, number in sorted(self.counts.items()))
        lost = ", ".join(f"{number} {cause}" for cause, number in sorted(self.lost.items()))
        kept = f"{self.memory[0] >> 20} MB at first, {self.memory[-1] >> 20} MB at the end" if self.memory else "?"
        return [
            f"seed {self.seed}, {self.seconds:.0f} s, {sum(self.counts.values())} deeds: {done}",
            f"{self.acknowledged} changes acknowledged; asked {self.quiet} times in quiet",
            f"{self.pings} pings, {sum(self.lost.values())} lost" + (f": {lost}" if lost else ""),
            f"memory of the agent of {WATCHED}: {kept}",
            *(f"FAILED {line}" for line in self.failures[:20]),
            *self.logs,
        ]


async def run(seconds: float, seed: int, tell: bool = False) -> Account:
    """Raises only when the lab itself cannot be."""
    account, wish = Account(seed), Wish()
    async with commands.standing(lab_of(wish), f"chaos-{seed}-{time.monotonic_ns() % 10**6}", True, False) as lab:
        assert isinstance(lab, SpacesLab)
        chaos = Chaos(lab, wish, random.Random(seed))
        try:
            async with _pinging(lab, chaos, account):
                await _until(chaos, account, seconds, tell)
        except Exception as error:  # the history tells how it came to that
            account.failures.append(f"{type(error).__name__}: {error}")
        if account.failures:
            account.logs = _logs(lab, account.around[:1] or [time.monotonic()])
        account.seconds = time.monotonic() - chaos.begin
        account.counts, account.acknowledged, account.history = chaos.counts, chaos.acknowledged, chaos.history
    return account


def _logs(lab: SpacesLab, moments: list[float]) -> list[str]:
    """What agents said around these moments, and last before they ended."""
    away = time.time() - time.monotonic()
    found = []
    for moment in moments:
        begin, at, end = (datetime.fromtimestamp(moment + away + by, UTC).isoformat()[:23] for by in (-LOGS, 0, LOGS))
        found.append(f"--- {begin} to {end}, around {at}")
        for host in lab.hosts.values():
            lines = host.log.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{host.name} {line}" for line in lines if begin <= line[:23] <= end]
    for host in lab.hosts.values():
        if host.pid(AGENT) is None:
            found.append(f"--- the agent of {host.name} does not run; the last it said:")
            found += host.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST:]
    return found


async def _until(chaos: Chaos, account: Account, seconds: float, tell: bool) -> None:
    await _quiet(chaos, account)
    end, next_quiet = time.monotonic() + seconds, time.monotonic() + QUIET_EVERY
    while time.monotonic() < end and not account.failures:
        await chaos.once()
        if tell:
            print(chaos.history[-1], flush=True)
        if time.monotonic() > next_quiet:
            await _quiet(chaos, account)
            next_quiet = time.monotonic() + QUIET_EVERY
    await _quiet(chaos, account)


async def _quiet(chaos: Chaos, account: Account) -> None:
    await asyncio.gather(*chaos.mending)
    await chaos.lab.refresh()
    await chaos.lab.settle(SETTLE)
    account.quiet += 1
    lost = [f"a change was lost: {line}" for line in await judge.lost_changes(chaos.lab, chaos.wish)]
    differ = [f"not as a fresh compile: {line}" for line in await judge.differences(chaos.lab)]
    wrong = await judge.wrong_ways(chaos.lab, chaos.wish)
    account.failures += [*lost, *differ[:10], *wrong]
    account.memory.append(judge.memory(chaos.lab.hosts[WATCHED]))
    _judge_memory(account)


def _judge_memory(account: Account) -> None:
    """Against the second look: the first load and the first repair have been by then."""
    if len(account.memory) > 2 and account.memory[-1] > GROWTH * account.memory[1] + SLACK:
        account.failures.append(f"the agent of {WATCHED} grew: {[size >> 20 for size in account.memory]} MB")


@asynccontextmanager
async def _pinging(lab: SpacesLab, chaos: Chaos, account: Account) -> AsyncIterator[None]:
    done = asyncio.Event()
    with contextlib.ExitStack() as stack:
        ways = {pair: stack.enter_context(lab.guests[pair[0]].pinger(str(lab.address_of(pair[1])))) for pair in PAIRS}
        sending = [asyncio.create_task(send_for(pings, EVERY, done), name="pinging") for pings in ways.values()]
        try:
            yield
        finally:
            done.set()
            await asyncio.gather(*sending)
            await asyncio.gather(*(pings.settle(len(pings.sent), LATE) for pings in ways.values()))
            for pair, pings in ways.items():
                _attribute(account, pair, pings, chaos)


def _attribute(account: Account, pair: tuple[str, str], pings: Pings, chaos: Chaos) -> None:
    """Lay every lost ping to what happened then on one of the two hosts; what nothing explains is a failure."""
    account.pings += len(pings.sent)
    hosts = {STEADY[guest][0] for guest in pair}
    harms = sorted((harm for harm in chaos.harms if harm.host in hosts), key=lambda harm: -harm.recovery)
    for number in sorted(pings.sent.keys() - pings.replies.keys()):
        moment = pings.sent[number]
        cause = next((harm.cause for harm in harms if _explains(harm, moment)), None)
        account.lost[cause or "unexplained"] += 1
        if cause is None:
            account.around.append(moment)
            at = f"{moment - chaos.begin:.2f} s"
            account.failures.append(
                f"ping {number} from {pair[0]} to {pair[1]} at {at} was lost, and nothing explains it"
            )


def _explains(harm: Harm, moment: float) -> bool:
    return harm.begin - 0.2 <= moment <= harm.end + harm.recovery
