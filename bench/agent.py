"""One change through the whole agent: `python -m bench.agent [PORTS] [--json]`. Needs root, etcd and Open vSwitch.

Real etcd, a real Open vSwitch (userspace, no device of the machine), a real `retia agent` process. A change is
written to etcd; the clock stops when a second OpenFlow connection, which only watches, sees the flow. Target at
1,000 ports: under 5 ms in the median.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.network import Size, host_of, port, records
from retia.model.kinds import Object
from retia.model.state import Binding, State
from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.records import encode, key_of
from retia.switch.connection import FLOW_MONITOR, Connection, Kind, Message, connect
from tests.etcd import EtcdServer
from tests.ovs.server import OvsServer

SAMPLES = 100
BRIDGE = "br-int"


async def measure(size: Size) -> dict[str, float]:
    etcd, ovs = EtcdServer().start(), OvsServer().start()
    agent = None
    try:
        store = EtcdStore(Access((etcd.endpoint,)))
        await _load(store, size)
        agent = _start_agent(etcd, ovs)
        _plug(ovs, size)
        watcher = await _watch(ovs, size)
        try:
            return {"ports": size.ports, **await _changes(store, watcher, size)}
        finally:
            await watcher.close()
            await store.close()
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait(10)
        ovs.stop()
        etcd.stop()


async def _load(store: EtcdStore, size: Size) -> None:
    things = list(records(size))
    for start in range(0, len(things), 5000):
        await store.commit(_puts(*things[start : start + 5000]))


def _puts(*things: Object | State) -> Transaction:
    return Transaction(puts={key_of(thing): encode(thing) for thing in things})


def _start_agent(etcd: EtcdServer, ovs: OvsServer) -> subprocess.Popen[bytes]:
    words = ["-m", "retia", "--etcd", etcd.endpoint, "--host", "me", "--run-dir", str(ovs.dir), "agent"]
    words += ["--tunnel-address", "192.0.2.1", "--datapath", "dummy", "--ovs-run-dir", str(ovs.dir)]
    log = (Path(ovs.dir) / "agent.log").open("wb")
    return subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)


def _plug(ovs: OvsServer, size: Size) -> None:
    """The local ports' interfaces, once the agent has made its bridge."""
    end = time.monotonic() + 20
    while BRIDGE not in ovs.vsctl("list-br").split():
        if time.monotonic() > end:
            raise TimeoutError((Path(ovs.dir) / "agent.log").read_text())
        time.sleep(0.05)
    for n in range(size.ports):
        if host_of(size, n) == "me":
            words = ["--", "set", "interface", f"g{n}", "type=dummy", f"external_ids:iface-id=p{n}"]
            ovs.vsctl("add-port", BRIDGE, f"g{n}", *words)


async def _watch(ovs: OvsServer, size: Size) -> Connection:
    """A connection that sees every flow change, once all flows are in."""
    watcher = await connect(ovs.dir / f"{BRIDGE}.mgmt")
    before, end = -1, time.monotonic() + 60
    while time.monotonic() < end:
        count = len(await watcher.dump())
        if count == before and count > size.ports:
            await watcher.monitor()
            return watcher
        before = count
        await asyncio.sleep(0.5)
    raise TimeoutError(f"{before} flows after 60 s: {(Path(ovs.dir) / 'agent.log').read_text()[-2000:]}")


async def _changes(store: EtcdStore, watcher: Connection, size: Size) -> dict[str, float]:
    seen = asyncio.Event()

    def take(message: Message) -> None:
        if message.kind == Kind.MULTIPART_REPLY and message.body[:2] == FLOW_MONITOR.to_bytes(2, "big"):
            seen.set()

    watcher.on_message = take
    result: dict[str, float] = {}
    for name, change in _kinds(size).items():
        times = []
        for n in range(SAMPLES):
            await asyncio.sleep(0.02)
            seen.clear()
            start = time.perf_counter()
            await store.commit(change(n))
            async with asyncio.timeout(5):
                await seen.wait()
            times.append(1e3 * (time.perf_counter() - start))
        result[f"{name}_p50_ms"] = statistics.median(times)
        result[f"{name}_p99_ms"] = sorted(times)[int(len(times) * 0.99)]
    return result


def _kinds(size: Size) -> dict[str, Callable[[int], Transaction]]:
    def move(n: int) -> Transaction:
        return _puts(Binding(port="p7", host=f"h{n % 2}"))

    def add(n: int) -> Transaction:
        one = port(size, 7)
        values = {name: getattr(one, name) for name in one.__struct_fields__}
        mac, address = type(one.mac)(one.mac + (1 << 30) + n), type(one.addresses[0])(one.addresses[0] + 8000 + n)
        values |= {"id": f"new{n}", "name": f"new{n}", "mac": mac, "addresses": (address,), "key": 40_000 + n}
        return _puts(type(one)(**values), Binding(port=f"new{n}", host="h1"))

    def delete(n: int) -> Transaction:
        gone = {"/retia/v1/data/object/port/", "/retia/v1/data/state/binding/"}
        return Transaction(deletes={f"{place}new{n}" for place in gone})

    return {"move": move, "add": add, "delete": delete}


def main(arguments: list[str]) -> None:
    sizes = [int(word) for word in arguments if word.isdigit()] or [1_000]
    results = [asyncio.run(measure(Size(ports))) for ports in sizes]
    if "--json" in arguments:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        print(f"{result['ports']:,.0f} ports, etcd write to flow in Open vSwitch")
        for name in ("move", "add", "delete"):
            print(f"  {name:8} {result[f'{name}_p50_ms']:6.2f} ms median {result[f'{name}_p99_ms']:6.2f} ms p99")


if __name__ == "__main__":
    main(sys.argv[1:])
