"""Retia as a contender: a real `retia agent` and a real etcd, beside a private Open vSwitch.

    write to etcd ─► agent ─► Open vSwitch        apply --wait: a barrier in etcd comes back answered

Other hosts are records in the store; this bench claims their ports as their agents would. Writes go over one open
connection, which hears every answer, and compare what `retia apply` compares; `command` is the whole command line.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from bench import gateway
from bench.contender import Cold, Restart, Times, missing, time_to_all_flows
from bench.network import Size, extra_port, extra_route, extra_switch, host_of, tunnel
from bench.observer import ADDED, MODIFIED, REMOVED, Event, Observer, eth_dst, in_port, ip_dst, ip_src
from bench.openvswitch import OpenVswitch
from bench.processes import Processes, wait_until
from bench.writer import Changes, Writer
from retia.model.kinds import Nat
from retia.store.barrier import Answers
from retia.store.etcd import Access, EtcdStore
from retia.store.serve import Place, command
from tests.etcd import free_port

T = TypeVar("T")


class Ours:
    name, agent = "Retia", "agent"

    def __init__(self, size: Size, settings: Mapping[str, str] | None = None) -> None:
        """`settings` of its agent, as variables."""
        self.size, self._settings = size, settings
        self.processes = Processes("retia")
        self._runner = asyncio.Runner()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.processes.stop_all()
        self._runner.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    # -- before the clock starts -----------------------------------------------------------------------------------

    def _start(self) -> None:
        self.vswitch = OpenVswitch(self.processes)
        place = Place(self.processes.dir / "etcd", free_port())
        self.endpoint = place.endpoint
        self.processes.start("etcd", command(place))
        self._store = EtcdStore(Access((self.endpoint,)))
        self._writer, self._answers = Writer(self._store, self.size), self._do(self._listen())
        self._do(self._writer.fill())
        self._start_agent()
        wait_until(self._has_bridge, "the agent's bridge")
        local = [n for n in range(self.size.ports) if host_of(self.size, n) == "me"]
        if local:
            self.vswitch.plug([f"g{n}" for n in local], [f"p{n}" for n in local])
        self._do(self._writer.claimed(len(local)))
        self._stop_agent()
        self.observer = Observer(self.vswitch.management)

    async def _listen(self) -> Answers:
        return Answers(self._store)

    def _has_bridge(self) -> bool:
        self.processes.check()
        return "br-int" in self.vswitch.vsctl("list-br").split()

    def _start_agent(self) -> None:
        where = str(self.processes.dir)
        words = ["--etcd", self.endpoint, "--host", "me", "--run-dir", where, "agent", "--ovs-run-dir", where]
        words += ["--tunnel-address", str(tunnel("me")), "--log-level", "warning", "--datapath", "system"]
        self.processes.start("agent", [sys.executable, "-m", "retia", *words], self._settings)

    def _stop_agent(self, how: int = signal.SIGTERM) -> None:
        self.processes.stop("agent", how)

    # -- rows ------------------------------------------------------------------------------------------------------

    def cold(self, seconds: float) -> Cold:
        """etcd has the network and who holds its ports; there is no flow."""
        self._stop_agent()
        self.observer.close()
        self.vswitch.restart()
        self.observer = Observer(self.vswitch.management)
        before, start = sum(self.processes.cpu().values()), time.perf_counter()
        self._start_agent()
        cold = time_to_all_flows(self, start, seconds)
        return Cold(cold.seconds, sum(self.processes.cpu().values()) - before, cold.flows)

    async def _confirmed(self, changes: Changes, host: str = "") -> float:
        """Write (and have another host claim a new port); return when it began, once the switch has all of it."""
        self.observer.clear()
        start = time.perf_counter()
        asked = await self._writer.commit(changes, ask=not host)
        if host and (port := changes[0][1]) is not None:
            asked = await self._writer.bind(port.id, host, ask=True)
        await self._answers.wait(60, asked)
        return start

    def _changes(self, n: int, *what: int) -> Any:
        wanted = eth_dst(extra_port(self.size, n).mac)

        def about(event: Event) -> bool:
            return event.what in what and wanted in event.match

        return about

    def add(self, n: int) -> Times:
        start = self._do(self._confirmed([(None, extra_port(self.size, n))], "h0"))
        confirmed = time.perf_counter() - start
        flow = self.observer.wait(self._changes(n, ADDED)).when - start
        self._added = [*getattr(self, "_added", []), n]
        return {"flow": flow, "confirmed": confirmed}

    def delete(self, n: int) -> Times:
        item = extra_port(self.size, n)
        start = self._do(self._confirmed([(item, None)]))
        confirmed = time.perf_counter() - start
        flow = self.observer.wait(self._changes(n, REMOVED)).when - start
        self._added.remove(n)
        self._do(self._writer.release(item.id))
        return {"flow": flow, "confirmed": confirmed}

    def move(self, n: int) -> Times:
        moved = self._added[n % len(self._added)]
        self.observer.clear()
        target = "h1" if n // len(self._added) % 2 == 0 else "h0"
        start = time.perf_counter()
        self._do(self._writer.bind(extra_port(self.size, moved).id, target))
        return {"flow": self.observer.wait(self._changes(moved, ADDED, MODIFIED)).when - start}

    def prepare_binds(self, count: int) -> None:
        self._do(self._writer.commit([(None, extra_port(self.size, 1000 + n)) for n in range(count)]))
        self.vswitch.plug([f"w{n}" for n in range(count)])
        self._ofports = [self.vswitch.ofport(f"w{n}") for n in range(count)]
        self._do(self._answers.wait(60))

    def bind(self, n: int) -> Times:
        self.observer.clear()
        start = time.perf_counter()
        self.vswitch.name(f"w{n}", extra_port(self.size, 1000 + n).id)
        first = in_port(self._ofports[n])
        return {"flow": self.observer.last(lambda e: e.what == ADDED and first in e.match).when - start}

    def route(self, n: int) -> Times:
        start = self._do(self._confirmed([(None, extra_route(n))]))
        return {"confirmed": time.perf_counter() - start}

    def switch(self, n: int) -> Times:
        switch, joined = extra_switch(self.size, n)
        start = self._do(self._confirmed([(None, switch), (None, joined)]))
        return {"confirmed": time.perf_counter() - start}

    def command(self, n: int) -> Times:
        item = extra_port(self.size, 2000 + n)
        words = ["create", "port", f"{item.switch}/{item.name}", "--mac", str(item.mac)]
        words += ["--addresses", str(item.addresses[0]), "--wait", "60"]
        start = time.perf_counter()
        self.processes.run(sys.executable, "-m", "retia", "--etcd", self.endpoint, *words)
        return {"confirmed": time.perf_counter() - start}

    def meet_outside(self) -> None:
        self.vswitch.vsctl("add-br", gateway.BRIDGE)
        self._do(self._confirmed([(None, thing) for thing in gateway.objects()]))
        wait_until(lambda: gateway.uplink() in self.vswitch.vsctl("list-ports", "br-int").split(), "the uplink")
        wait_until(self.vswitch.bring_up, "the watched tunnels")
        self.processes.settle()
        self.vswitch.bring_up()
        self._do(self._answers.wait(60))
        self.processes.settle()

    def floating(self, n: int) -> Times:
        nat = gateway.floating(self.size, n)
        return self._translate(nat, ip_dst(nat.external or 0))

    def snat(self, n: int) -> Times:
        nat = gateway.snat(self.size, n)
        return self._translate(nat, ip_src(nat.internal.address, nat.internal.mask))

    def _translate(self, nat: Nat, about: bytes) -> Times:
        start = self._do(self._confirmed([(None, nat)]))
        confirmed = time.perf_counter() - start
        flow = self.observer.wait(lambda event: event.what == ADDED and about in event.match).when - start
        return {"flow": flow, "confirmed": confirmed}

    def edge(self) -> Times:
        start = self._do(self._confirmed([(None, thing) for thing in gateway.edge(gateway.ADDED)]))
        return {"confirmed": time.perf_counter() - start}

    def remove_edge(self) -> None:
        self._do(self._confirmed([(thing, None) for thing in gateway.edge(gateway.ADDED)]))

    def restart(self) -> Restart:
        """Killed, as no clean stop may be counted on."""
        full = self.observer.count()
        self.observer.watch()
        self.observer.clear()
        self._stop_agent(signal.SIGKILL)
        self._start_agent()
        seen, start = list[tuple[float, int]](), time.perf_counter()
        while time.perf_counter() - start < 10:
            seen.append((time.perf_counter(), self.observer.count()))
            time.sleep(0.02)
        removed = sum(event.what == REMOVED for event in self.observer.events())
        return Restart(missing(seen, full), removed)

    def reached(self, packet: str) -> str:
        """Retia has one tunnel port; where a packet goes is written into the packet's metadata."""
        text = self.vswitch.trace(packet)
        outputs = re.findall(r"^ *output:(\d+)$", text, re.M)
        where = self.vswitch.leads_to(int(outputs[-1])) if outputs else "nowhere"
        return re.findall(r"set_field:([\d.]+)->tun_dst", text)[-1] if where == "flow" else where
