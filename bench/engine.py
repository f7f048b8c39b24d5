"""Speed and memory of the rule engine: `python -m bench.engine [PORTS ...] [--json]`.

Prints seconds to load everything, milliseconds (median, 99th percentile) of one change, and megabytes. Targets at
10,000 ports: a port change at most 0.1 ms, cold at most 0.3 s.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from bench.engine_network import OUTPUTS, RULES, Binding, Chassis, Port, Route, facts, host_of, mac, port
from retia.rules import Program

SAMPLES = 200


def measure(ports: int) -> dict[str, float]:
    rows = facts(ports)
    gc.collect()
    program = Program(RULES, OUTPUTS)
    start = time.perf_counter()
    program.transact(put=rows)
    cold = time.perf_counter() - start
    program.warm()
    result = {"ports": ports, "facts": len(rows), "flows": _flows(program), "cold_s": cold}
    for name, change in _changes(ports).items():
        times = _time(program, change)
        result[f"{name}_p50_ms"] = statistics.median(times)
        result[f"{name}_p99_ms"] = sorted(times)[int(len(times) * 0.99)]
    return result


def memory(ports: int) -> float:
    """Megabytes that the engine holds, facts included, measured apart from the times."""
    rows = facts(ports)
    tracemalloc.start()
    program = Program(RULES, OUTPUTS)
    program.transact(put=rows)
    program.warm()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / 1e6


def _flows(program: Program) -> int:
    return sum(len(list(program.raw_rows(output))) for output in OUTPUTS)


def _time(program: Program, change: Callable[[Program, int], None]) -> list[float]:
    times = []
    for n in range(SAMPLES):
        start = time.perf_counter()
        change(program, n)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def _changes(ports: int) -> dict[str, Callable[[Program, int], None]]:
    def add(program: Program, n: int) -> None:
        new = port(n * 31 % ports)
        name = f"new{n}"
        program.transact(
            put=[Port(name, new.switch, f"172.16.{n >> 8}.{n & 255}", mac(1 << 30 | n)), Binding(name, "h1")]
        )

    def delete(program: Program, n: int) -> None:
        program.transact(drop=[Port(f"new{n}"), Binding(f"new{n}")])

    def move(program: Program, n: int) -> None:
        number = (n * 37 + 1) % ports
        target = "h0" if host_of(number, ports) != "h0" else "h1"
        program.transact(put=[Binding(f"p{number}", target)])

    def tunnel(program: Program, n: int) -> None:
        program.transact(put=[Chassis("h0", f"203.0.113.{n}")])

    def route(program: Program, n: int) -> None:
        program.transact(put=[Route(f"new{n}", "r0", f"172.20.{n}.0", 24, 1, "10.0.0.9", "r0-s0")])

    return {"add": add, "move": move, "tunnel": tunnel, "route": route, "delete": delete}


def main(arguments: list[str]) -> None:
    sizes = [int(word) for word in arguments if word.isdigit()] or [1_000, 10_000]
    results = [{**measure(size), "memory_mb": memory(size)} for size in sizes]
    if "--json" in arguments:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        print(f"{result['ports']:,.0f} ports, {result['facts']:,.0f} facts, {result['flows']:,.0f} flows")
        print(f"  cold {result['cold_s']:.3f} s, {result['memory_mb']:.0f} MB")
        for name in _changes(1):
            print(f"  {name:8} {result[f'{name}_p50_ms']:8.3f} ms median {result[f'{name}_p99_ms']:8.3f} ms p99")


if __name__ == "__main__":
    main(sys.argv[1:])
