"""Speed of `retia trace`: `python -m bench.trace [PORTS] [--json]`.

Live: three hosts of a lab with real Open vSwitch and etcd, a packet from a guest through a router on an edge to a guest
of the third host; milliseconds from the question to the whole way told. Offline: a network of that many ports, seconds
from records to the way told. Neither counts the start of the command, which is printed beside them.
Targets: 200 ms live, 1 s offline at 10,000 ports.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from bench.network import Size, records, subnets
from retia.cli.trace import Asked, Network, ends_of, packet_of, place_of
from retia.compile.explain import Things
from retia.daemons.following import Live, walk_ways
from retia.lab import file as lab_file
from retia.lab.commands import standing
from retia.reach.world import World, part_for
from retia.store.records import identity, key_of
from retia.store.sync import Sync
from retia.store.traces import Entry, tracing
from retia.trace.packets import Wish
from retia.trace.story import Story

SAMPLES = 50
LAB = """
hosts: [hv1, hv2, hv3]
guests: {a: {host: hv1, port: web/a}, b: {host: hv3, port: db/b}}
network:
  hosts: {hv1: {}, hv2: {}, hv3: {}}
  switches:
    web: {subnets: {n: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, ports: {a: {addresses: 10.0.1.2}}}
    db: {subnets: {n: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}, ports: {b: {addresses: 10.0.2.2}}}
  routers: {r: {edges: {hv2: {}}, ports: {web: {switch: web}, db: {switch: db}}}}
"""
ASKED = Asked("default", Wish(), back=False, deliver=False, what_if=True, timeout=3.0)


async def _live() -> list[float]:
    async with standing(lab_file.parse(LAB, "bench.yaml"), "bench-trace", True, False) as lab:
        await lab.settle(30)
        async with tracing(lab.store) as traces:
            sync = Sync(lab.store)
            await sync.first()
            live = Live(traces, sync.view, 3.0)
            known = Network(sync.view, ASKED.project)
            start = known.start("web/a", live=True)

            async def once() -> Story:
                packet = packet_of(known, start, known.target("db/b"), ASKED)
                return (await live.follow([Entry(start.host, start.item.id, packet.frame)]))[0]

            story = await once()
            hosts = [passage.host for passage in story.passages]
            if not story.arrived or hosts != ["hv1", "hv2", "hv3"]:
                raise RuntimeError(f"the way was {hosts}, {story.end.ending}")
            return [await _milliseconds(once) for _ in range(SAMPLES)]


async def _milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    begin = time.perf_counter()
    await work()
    return 1e3 * (time.perf_counter() - begin)


def _offline(ports: int) -> float:
    size = Size(ports)
    things: Things = {identity(key_of(one)) or ("", ""): one for one in [*records(size), *subnets(size)]}
    begin = time.perf_counter()
    known = Network(things, ASKED.project)
    start, target = known.start("s0/p0", live=False), known.target(f"s{size.switches - 1}/p{ports - 1}")
    packet = packet_of(known, start, target, ASKED)
    world = World(part_for(things, ends_of(start, target, packet)))
    place = place_of(world, start)
    if place is None or not walk_ways(world, place, packet, back=False)[0].story.arrived:
        raise RuntimeError("the packet does not arrive")
    return time.perf_counter() - begin


def _offline_alone(ports: int) -> float:
    """In a process of its own, as a command would be."""
    code = f"from bench.trace import _offline; print(_offline({ports}))"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def _start() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "retia", "trace", "--help"], check=True, capture_output=True)
    return 1e3 * (time.perf_counter() - begin)


def main(words: list[str]) -> None:
    ports = int(next((word for word in words if word.isdigit()), "10000"))
    times = asyncio.run(_live())
    result = {
        "live_p50_ms": statistics.median(times),
        "live_p99_ms": sorted(times)[int(len(times) * 0.99)],
        "ports": ports,
        "offline_s": statistics.median(_offline_alone(ports) for _ in range(3)),
        "start_ms": statistics.median(_start() for _ in range(3)),
    }
    if "--json" in words:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:12} {value:10.3f}" for name, value in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
