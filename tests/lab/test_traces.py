"""The command `retia trace` on real hosts: killed amid a trace, several at once, and only what is wrong of many."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import yaml

from retia.lab import commands, file
from retia.lab.contract import AGENT
from retia.lab.spaces import SpacesLab
from retia.model.document import parse
from retia.pipeline.stage import HIGHEST_PRIORITY
from retia.store.records import TRACED, TRACES
from retia.store.traces import LEASE

LAB = """
hosts: [hv1, hv2]
guests: {a: {host: hv1, port: web/a}, b: {host: hv2, port: web/b}, c: {host: hv2, port: db/c}}
network:
  switches:
    web: {subnets: {web4: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, ports: {a: {}, b: {}}}
    db: {subnets: {db4: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}, ports: {c: {}}}
  routers: {r1: {ports: {to-web: {switch: web}, to-db: {switch: db, addresses: 10.0.2.1/24}}}}
"""
DOWN = {"retia": 1, "document": "lab", "routers": {"r1": {"ports": {"to-db": {"switch": "db", "admin_state": False}}}}}
PATIENCE = 20.0


@asynccontextmanager
async def up(name: str) -> AsyncIterator[SpacesLab]:
    spec = file.parse(LAB, name)
    async with commands.standing(spec, f"{name}-{os.getpid()}", agents=True, keep=False) as lab:
        assert isinstance(lab, SpacesLab)
        yield lab


async def flows(lab: SpacesLab) -> dict[str, list[str]]:
    return {name: await host.flows() for name, host in lab.hosts.items()}


def reporting(found: dict[str, list[str]]) -> list[str]:
    """Hosts with flows that report traced packets."""
    return [name for name, lines in found.items() if any(f"priority={HIGHEST_PRIORITY}," in one for one in lines)]


async def records(lab: SpacesLab) -> list[str]:
    return [key for prefix in (TRACES, TRACED) for key in (await lab.store.snapshot(prefix)).records]


async def test_who_traces_is_killed() -> None:
    """Amid a trace that waits for a host whose agent is dead: nothing of it is left once its lease has run out."""
    async with up("traces-killed") as lab:
        before = await flows(lab)
        assert not reporting(before)
        await lab.hosts["hv2"].stop(AGENT, signal.SIGKILL)
        hv1 = lab.hosts["hv1"]
        hv1.spawn("asker", "retia", "trace", "web/a", "--to", "web/b", "--timeout", "600")
        end = time.monotonic() + PATIENCE
        while not any(key.startswith(f"{TRACED}hv1/") for key in await records(lab)):
            assert time.monotonic() < end, (hv1.dir / "asker.out").read_text()
            await asyncio.sleep(0.05)
        assert reporting(await flows(lab)) == ["hv1"]
        await hv1.stop("asker", signal.SIGKILL)
        assert await records(lab), "nobody was there to take it away"
        end = time.monotonic() + LEASE + PATIENCE
        while await records(lab) or await flows(lab) != before:
            assert time.monotonic() < end, (await records(lab), reporting(await flows(lab)))
            await asyncio.sleep(0.2)


async def test_several_at_once_tell_each_its_own() -> None:
    async with up("traces-at-once") as lab:
        hv1, before = lab.hosts["hv1"], await flows(lab)
        asked = [("web/a", "web/b"), ("web/b", "db/c"), ("db/c", "web/a"), ("web/a", "web/b")]
        words = [("retia", "trace", one, "--to", other, "-o", "lines") for one, other in asked]
        alone = [(await hv1.run(*each, "--what-if")).out for each in words]
        at_once = await asyncio.gather(*(hv1.run(*each) for each in words))
        assert [done.out for done in at_once] == alone
        assert len({*alone}) == 3 and all(text.count("\n") > 5 for text in alone)
        end = time.monotonic() + PATIENCE
        while await records(lab) or await flows(lab) != before:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


async def test_only_wrong_ways_are_shown() -> None:
    async with up("traces-auto") as lab:
        hv1 = lab.hosts["hv1"]
        for how in ((), ("--what-if",)):
            right = await hv1.run("retia", "trace", "--auto", "web", "db", *how)
            assert right.out.startswith("6 ways tried, 0 wrong") and "→" not in right.out
        await lab.apply(parse(yaml.safe_dump(DOWN), "down.yaml"))
        await lab.settle(PATIENCE)
        ways = {"web/a → db/c", "web/b → db/c", "db/c → web/a", "db/c → web/b"}
        for how in ((), ("--what-if",)):
            wrong = await hv1.run("retia", "trace", "--auto", "web", "db", *how, "-o", "json", check=False)
            told = {one["trace"]: one for one in json.loads(wrong.out)}
            assert wrong.code == 3 and told.keys() == ways, wrong
            assert "6 ways tried, 4 wrong" in wrong.err
            said = [one["obstacle"]["what"] + one["obstacle"]["advice"] for one in told.values()]
            assert all("router-port r1/to-db" in text and "down" in text for text in said), said
