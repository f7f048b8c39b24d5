"""The whole agent without Open vSwitch: etcd, rules and duties are real, the switch takes everything and does nothing.

What one change costs Retia itself, at sizes that no one wants to wait for Open vSwitch at: `python -m
bench.null_switch PORTS [--json]`. The clock runs from the write to etcd until the delta reaches the switch.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Iterable

from bench import gateway
from bench.figures import Figure, figure
from bench.network import Size, extra_port, interfaces
from bench.processes import Processes
from bench.writer import Writer
from retia import log
from retia.config import Settings
from retia.daemons.agent import attend
from retia.flows.actions import Actions
from retia.flows.flow import Flow, FlowKey
from retia.flows.meter import Meter
from retia.flows.wire import Observed
from retia.model.kinds import Object
from retia.model.local import (
    TUNNEL_PORT,
    Attachment,
    AttachmentChange,
    Interface,
    InterfaceChange,
    WantedPeer,
    WantedUplink,
)
from retia.store.etcd import Access, EtcdStore
from retia.store.host import register
from retia.store.serve import Place, command
from retia.switch.bridge import TUNNEL_OFPORT
from retia.switch.bundle import Refusal
from retia.switch.contract import AttachmentsChanged, Connected, InterfacesChanged, Reporter
from retia.values import Ip
from tests.etcd import free_port

SAMPLES = 100
UPLINKS, WATCHED = 50_000, 20_000
"""OpenFlow ports of the uplink, and of the watched tunnels from here on."""
SETTLED = 3.0
"""Seconds in which the agent has the way outside and all that follows from it."""


def number_of(peer: str) -> int:
    return WATCHED + int(peer.rpartition("-")[2])


class NullSwitch:
    """Takes all, keeps nothing; `took` is set, and `when` written, at every delta with flows."""

    connected = True
    hindrance = None
    local_mac = ""
    refused: dict[FlowKey, Refusal] = {}  # noqa: RUF012 - nothing is ever refused
    attachment_problems: dict[str, str] = {}  # noqa: RUF012 - nor missing

    def __init__(self, size: Size) -> None:
        self._size = size
        self.took = asyncio.Event()
        self.when = 0.0
        self._attached: set[str] = set()
        self._report: Reporter = lambda event: None

    async def run(self, report: Reporter) -> None:
        self._report = report
        tunnel = InterfaceChange(None, Interface(TUNNEL_PORT, TUNNEL_OFPORT, ""))
        report(InterfacesChanged((*interfaces(self._size), tunnel), whole=True))
        report(AttachmentsChanged((), whole=True))
        report(Connected())
        await asyncio.Event().wait()

    async def start(self, flows: Iterable[Flow]) -> list[Refusal]:
        self._take(bool(list(flows)))
        return []

    async def apply(self, puts: Iterable[Flow], drops: Iterable[FlowKey]) -> list[Refusal]:
        self._take(bool(list(puts)) or bool(list(drops)))
        return []

    def _take(self, something: bool) -> None:
        if something:
            self.when = time.perf_counter()
            self.took.set()

    async def limit(self, meters: Iterable[Meter]) -> None:
        return None

    def send(self, frame: bytes, actions: Actions, in_port: int = 0) -> None:
        return None

    async def observed(self, table: int | None = None) -> list[Observed]:
        return []

    async def sizes(self) -> dict[int, int]:
        return {}

    async def warm(self, peers: set[str]) -> set[str]:
        return set()

    async def attach(self, uplinks: Collection[WantedUplink], peers: Collection[WantedPeer]) -> None:
        """All of them are there at once; and whoever is watched lives."""
        wanted = [Attachment(one.name, UPLINKS) for one in uplinks]
        wanted += [Attachment(one.name, number_of(one.name), "up", True) for one in peers]
        new = [one for one in wanted if one.name not in self._attached]
        self._attached |= {one.name for one in new}
        if new:
            self._report(AttachmentsChanged(tuple(AttachmentChange(None, one) for one in new)))

    async def flush_zones(self, zones: Iterable[int]) -> None:
        return None

    async def open_local(self) -> str:
        return ""


async def measure(size: Size) -> dict[str, Figure]:
    """Milliseconds of one change by name, and seconds of the cold start."""
    log.configure("warning")
    processes = Processes("null")
    try:
        place = Place(processes.dir / "etcd", free_port())
        processes.start("etcd", command(place))
        settings = Settings(etcd=(place.endpoint,), host="me", run_dir=str(processes.dir))
        writer = Writer(EtcdStore(Access(settings.etcd)), size)
        await writer.fill()
        return await _agent(settings, writer)
    finally:
        processes.stop_all()


async def _agent(settings: Settings, writer: Writer) -> dict[str, Figure]:
    store, switch = EtcdStore(Access(settings.etcd)), NullSwitch(writer.size)
    state = await register(store, "me", Ip.parse("192.0.2.1"), "bench")
    start = time.perf_counter()
    agent = asyncio.create_task(attend(settings, state, store, switch, lambda *_: None), name="agent")
    try:
        claimed = asyncio.ensure_future(writer.claimed(writer.size.local))
        await asyncio.wait([agent, claimed], return_when=asyncio.FIRST_COMPLETED)
        if agent.done():
            agent.result()
            raise RuntimeError("the agent ended")
        await claimed
        await asyncio.sleep(1)
        cold = figure([switch.when - start], "s")
        return {"cold": cold, **await _changes(writer, switch), **await _gateways(writer, switch)}
    finally:
        agent.cancel()
        await asyncio.gather(agent, return_exceptions=True)
        await store.close()
        await writer.store.close()


async def _changes(writer: Writer, switch: NullSwitch) -> dict[str, Figure]:
    times: dict[str, list[float]] = {"add": [], "move": [], "delete": []}
    for n in range(SAMPLES):
        item = extra_port(writer.size, n)
        await writer.commit([(None, item)])
        times["add"].append(await _time(switch, lambda port=item.id: writer.bind(port, "h0")))
        times["move"].append(await _time(switch, lambda port=item.id: writer.bind(port, "h1")))
        times["delete"].append(await _time(switch, lambda gone=item: writer.commit([(gone, None)])))
        await writer.release(item.id)
    return {name: figure([1e3 * one for one in found], "ms") for name, found in times.items()}


async def _gateways(writer: Writer, switch: NullSwitch) -> dict[str, Figure]:
    """Of one more each time, on a router that meets the physical network."""
    await writer.commit([(None, thing) for thing in gateway.objects()])
    await asyncio.sleep(SETTLED)
    found: dict[str, list[float]] = {}
    for n in range(SAMPLES):
        more: dict[str, tuple[Object, ...]] = {
            "floating IP": (gateway.floating(writer.size, n),),
            "SNAT": (gateway.snat(writer.size, n),),
            "edge added": gateway.edge(gateway.ADDED),
        }
        for name, things in more.items():
            new = [(None, thing) for thing in things]
            found.setdefault(name, []).append(await _time(switch, lambda new=new: writer.commit(new)))
            await _time(switch, lambda things=things: writer.commit([(thing, None) for thing in things]))
    return {name: figure([1e3 * one for one in times], "ms") for name, times in found.items()}


async def _time(switch: NullSwitch, write: Callable[[], Awaitable[int]]) -> float:
    await asyncio.sleep(0.01)
    switch.took.clear()
    start = time.perf_counter()
    await write()
    async with asyncio.timeout(10):
        await switch.took.wait()
    return switch.when - start


def main(arguments: list[str]) -> None:
    sizes = [int(word) for word in arguments if word.isdigit()] or [100, 50_000]
    for ports in sizes:
        result = asyncio.run(measure(Size(ports)))
        if "--json" in arguments:
            print(json.dumps({name: one.data() for name, one in result.items()}))
        else:
            print(f"{ports:,} ports: " + ", ".join(f"{name} {one}" for name, one in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
