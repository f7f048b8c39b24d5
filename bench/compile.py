"""Speed of the whole compiler: `python -m bench.compile [PORTS ...] [--flat] [--json]`.

Records and interfaces in, flow values out; no switch. Seconds to compile everything, milliseconds of one change, and
what a remote port costs in flows. `--flat`: all ports on one switch, instead of 100 on each.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from bench.network import PER_SWITCH, TUNNEL, Size, extra_port, host_of, interfaces, port, records
from retia.compile.compiler import Compiler
from retia.model.kinds import Port, Route
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding, HostState
from retia.values import Cidr, Ip4, Mac

SAMPLES = 200


def load(size: Size) -> tuple[Compiler, float]:
    changes = [(None, thing) for thing in records(size)]
    start = time.perf_counter()
    compiler = Compiler("me")
    compiler.change(changes, interfaces(size), TUNNEL)
    cold = time.perf_counter() - start
    compiler.warm()
    return compiler, cold


def measure(size: Size) -> dict[str, float]:
    compiler, cold = load(size)
    flows = len(compiler.flows)
    result: dict[str, float] = {"ports": size.ports, "flows": flows, "cold_s": cold}
    result["flows_per_remote_port"] = _per_remote_port(compiler, size)
    for name, change in _changes(compiler, size).items():
        times = []
        for n in range(SAMPLES):
            start = time.perf_counter()
            change(n)
            times.append(1e3 * (time.perf_counter() - start))
        result[f"{name}_p50_ms"] = statistics.median(times)
        result[f"{name}_p99_ms"] = sorted(times)[int(len(times) * 0.99)]
    return result


def _per_remote_port(compiler: Compiler, size: Size) -> int:
    """The flows that go with one port of another host."""
    one = next(n for n in range(size.ports) if host_of(size, n) != "me")
    things = port(size, one), Binding(port=f"p{one}", host=host_of(size, one))
    flows = len(compiler.change([(old, None) for old in things]).drops)
    compiler.change([(None, new) for new in things])
    return flows


def idle_host(size: Size) -> int:
    """The flows that one more port costs a host which reaches none of the network."""
    compiler = Compiler("idle")
    compiler.change([(None, thing) for thing in records(size)], [], TUNNEL)
    before, item = len(compiler.flows), extra_port(size, 0)
    compiler.change([(None, item), (None, Binding(port=item.id, host="h0"))])
    return len(compiler.flows) - before


def memory(size: Size) -> float:
    changes = [(None, thing) for thing in records(size)]
    tracemalloc.start()
    compiler = Compiler("me")
    compiler.change(changes, interfaces(size), TUNNEL)
    compiler.warm()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / 1e6


def _changes(compiler: Compiler, size: Size) -> dict[str, Callable[[int], None]]:
    def new(n: int) -> tuple[Port, Binding]:
        one = port(size, n)
        made = {"id": f"new{n}", "name": f"new{n}", "mac": Mac(one.mac + (1 << 30)), "key": 40_000 + n}
        return type(one)(**{**{f: getattr(one, f) for f in one.__struct_fields__}, **made, "addresses": (_free(n),)}), (
            Binding(port=f"new{n}", host="h1")
        )

    def add(n: int) -> None:
        made, binding = new(n)
        compiler.change([(None, made), (None, binding)])

    def delete(n: int) -> None:
        made, binding = new(n)
        compiler.change([(made, None), (binding, None)])

    def move(n: int) -> None:
        before, after = ("h1", "h0") if n % 2 else ("h0", "h1")
        compiler.change([(Binding(port="p7", host=before), Binding(port="p7", host=after))])

    def tunnel(n: int) -> None:
        old, fresh = (HostState(host="h0", key=2, tunnel=Ip4(0xCB007100 + k)) for k in (n, n + 1))
        compiler.change([(old, fresh)])

    def route(n: int) -> None:
        prefix = Cidr(Ip4(0xAC100000 | n << 8), 24)
        compiler.change(
            [(None, Route(id=f"t{n}", name=f"t{n}", router="r", prefix=prefix, next_hop=Ip4(10 << 24 | 9)))]
        )

    def bind(n: int) -> None:
        guest = Interface("guest", 900, "p1")
        here = Binding(port="p1", host="me"), Binding(port="p1", host="h1")
        plug, bound = (InterfaceChange(guest, None), here) if n % 2 else (InterfaceChange(None, guest), here[::-1])
        compiler.change([bound], [plug])

    return {"add": add, "delete": delete, "move": move, "bind": bind, "tunnel": tunnel, "route": route}


def _free(n: int) -> Ip4:
    return Ip4(10 << 24 | 12_000 + n)


def main(arguments: list[str]) -> None:
    sizes = [int(word) for word in arguments if word.isdigit()] or [100, 1_000, 10_000]
    shapes = [Size(ports, ports if "--flat" in arguments else PER_SWITCH) for ports in sizes]
    results = [{**measure(size), "memory_mb": memory(size)} for size in shapes]
    if "--json" in arguments:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        head = f"{result['ports']:,.0f} ports: {result['flows']:,.0f} flows"
        print(f"{head}, {result['flows_per_remote_port']} a remote port")
        print(f"  cold {result['cold_s']:.3f} s, {result['memory_mb']:.0f} MB")
        for name in ("add", "delete", "move", "bind", "tunnel", "route"):
            print(f"  {name:8} {result[f'{name}_p50_ms']:8.3f} ms median {result[f'{name}_p99_ms']:8.3f} ms p99")


if __name__ == "__main__":
    main(sys.argv[1:])
