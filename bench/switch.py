"""Speed of the way from a flow to Open vSwitch: `python -m bench.switch [FLOWS] [--json]`.

Starts an Open vSwitch of its own (dummy datapath). Prints microseconds to encode and decode a flow, seconds to load
and to read back all of them, and milliseconds (median, 99th percentile) of one change, confirmed by the switch.
Targets: 2 us to encode, 1 ms a change.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from retia.flows.actions import Goto, Load
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.flows.wire import flow_mod
from retia.switch.bridge import Wanted
from retia.switch.contract import Connected
from retia.switch.ovs import OvsSwitch, Place
from tests.ovs.server import OvsServer

SAMPLES = 300


def flow(n: int, version: int = 0) -> Flow:
    """A remote port's: its MAC in its switch to its key and host."""
    keys = Load(Subfield("reg1", 0, 32), n % 50 << 16 | n & 0xFFFF)
    return Flow(3, 200, match(metadata=n % 100 + 1, eth_dst=0x02_00_00_00_00_00 + n), (keys, Goto(4)), n + 1 + version)


async def measure(server: OvsServer, count: int) -> dict[str, float]:
    flows = [flow(n) for n in range(count)]
    result: dict[str, float] = {"flows": count, "encode_us": _encode(count)}
    switch = OvsSwitch(Place(server.dir, Wanted("brbench", "dummy")))
    connected = asyncio.Event()
    task = asyncio.create_task(switch.run(lambda event: connected.set() if isinstance(event, Connected) else None))
    try:
        await asyncio.wait_for(connected.wait(), 10)
        result["load_s"] = await _seconds(lambda: switch.start(flows))
        result["read_back_s"] = await _seconds(switch.observed)
        result["nothing_to_do_s"] = await _seconds(lambda: switch.start(flows))
        for name, change in _changes(switch, count).items():
            times = [1e3 * await _seconds(lambda n=n, change=change: change(n)) for n in range(SAMPLES)]
            result[f"{name}_p50_ms"] = statistics.median(times)
            result[f"{name}_p99_ms"] = sorted(times)[int(len(times) * 0.99)]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return result


def _encode(count: int) -> float:
    """Median of slices: other work on the machine should not count."""
    flows = [flow(n, version=1) for n in range(count)]
    times = []
    for at in range(0, count, 500):
        start = time.perf_counter()
        for one in flows[at : at + 500]:
            flow_mod(one)
        times.append(1e6 * (time.perf_counter() - start) / len(flows[at : at + 500]))
    return statistics.median(times)


async def _seconds(act: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await act()
    return time.perf_counter() - start


def _changes(switch: OvsSwitch, count: int) -> dict[str, Callable[[int], Awaitable[object]]]:
    return {
        "add": lambda n: switch.apply([flow(count + n)], []),
        "change": lambda n: switch.apply([flow(n, version=7)], []),
        "delete": lambda n: switch.apply([], [flow(count + n).key]),
        "port_of_three": lambda n: switch.apply([flow(2 * count + 3 * n + k) for k in range(3)], []),
    }


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    server = OvsServer().start()
    try:
        result = asyncio.run(measure(server, int(words[0]) if words else 10_000))
    finally:
        server.stop()
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:22} {value:10.3f}")


if __name__ == "__main__":
    main()
