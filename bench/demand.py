"""On-demand mode beside full mode on the same network: flows, memory, and a guest's first packet to a new destination.

    etcd with the network ─► agent in either mode, 10 ports of it here ─► flows; RSS above one whose network is empty
    guest's packet ─► Open vSwitch ─► punt ─► agent ─► etcd ─► flow in Open vSwitch, as the observer is told

`python -m bench.demand [PORTS] [--json]`, or `--only demand` of the whole. The packet is put into the dummy datapath,
so that the time is that of a real upcall and a real punt.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, figure
from bench.network import Size, host_of, port
from bench.observer import ADDED, Event, eth_dst
from bench.ours import Ours
from bench.rounds import Rows
from bench.targets import FIRST, FLOWS, MEMORY
from retia.lab.frames import Frame
from retia.model.state import FULL, ON_DEMAND
from retia.values import Mac

SAMPLES = 50
PAUSE = 0.1
"""Seconds between two packets: far below what the meter lets through."""


class Host(Ours):
    """One host in `mode`; its agent runs, and its switch has all it wants."""

    def __init__(self, size: Size, mode: str) -> None:
        super().__init__(size, {"RETIA_MODE": mode})
        self._start_agent()
        self.processes.settle(20)

    def memory(self) -> float:
        """Resident megabytes of the agent now."""
        return self.processes.resident(self.agent)

    def flows(self) -> int:
        return self.observer.count()

    def first_packet(self, sender: int, receiver: int) -> float:
        """Seconds from a guest's packet to the flow of its destination's MAC."""
        wanted = eth_dst(port(self.size, receiver).mac)

        def direct(event: Event) -> bool:
            return event.what == ADDED and wanted in event.match

        self.observer.clear()
        frame = datagram(self.size, sender, receiver).hex()
        start = time.perf_counter()
        call(self.vswitch.dir / "vswitchd.ctl", "netdev-dummy/receive", f"g{sender}", frame)
        return self.observer.wait(direct, 10).when - start


def datagram(size: Size, sender: int, receiver: int) -> bytes:
    """As a guest sends it: to the router's MAC where the receiver is on another switch."""
    one, other = port(size, sender), port(size, receiver)
    mac = other.mac if one.switch == other.switch else Mac(0x0A << 40 | sender // size.per_switch)
    return Frame(mac, one.mac, b"first", one.addresses[0], other.addresses[0]).pack()


def call(path: Path, method: str, *words: str) -> None:
    """A command of ovs-appctl, without its start. Raises RuntimeError."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.sendall(json.dumps({"id": 0, "method": method, "params": words}).encode())
        answer = json.loads(caller.recv(1 << 16))
    if answer.get("error"):
        raise RuntimeError(f"{method}: {answer['error']}")


@contextlib.contextmanager
def running(size: Size, mode: str) -> Iterator[Host]:
    with contextlib.closing(Host(size, mode)) as host:
        yield host


def measure(size: Size, samples: int = SAMPLES) -> Rows:
    found: dict[str, Figure] = {}
    for mode in (FULL, ON_DEMAND):
        with running(Size(0), mode) as empty:
            least = empty.memory()
        with running(size, mode) as host:
            found[f"{FLOWS}, {mode}"] = figure([host.flows()], "")
            found[f"{MEMORY}, {mode}"] = figure([host.memory() - least], "MB")
            if mode == ON_DEMAND:
                times = first_packets(host, samples)
                found[FIRST] = figure([1e3 * one for one in times], "ms")
    return {row: {"Retia": one} for row, one in found.items()}


def first_packets(host: Host, samples: int) -> list[float]:
    """To as many ports of other hosts, every second of them on the sender's switch."""
    source, size = random.Random(7), host.size
    local = [n for n in range(size.ports) if host_of(size, n) == "me"]
    remote = source.sample([n for n in range(size.ports) if host_of(size, n) != "me"], samples)
    host.observer.watch()
    times = []
    for n, far in enumerate(remote):
        sender = local[n % len(local)]
        near = sender - sender % size.per_switch + 1 + n // 2
        time.sleep(PAUSE)
        times.append(host.first_packet(sender, near if n % 2 else far))
    return times


def main(arguments: list[str]) -> None:
    ports = next((int(word) for word in arguments if word.isdigit()), 10_000)
    rows = measure(Size(ports))
    if "--json" in arguments:
        print(json.dumps({row: one["Retia"].data() for row, one in rows.items()}, indent=1))
        return
    for row, one in rows.items():
        print(f"{row:40} {one['Retia']}")


if __name__ == "__main__":
    main(sys.argv[1:])
