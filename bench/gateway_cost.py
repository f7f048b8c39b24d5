"""What gateways cost the compiler alone: `python -m bench.gateway_cost [PORTS ...] [--json]`.

Of one floating IP, one rule for sources and one edge more: milliseconds, and how many flows change, on an edge and on
a host that sends through edges. Uplinks, zones and watched tunnels are assumed to be there and to live. No switch.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

from bench import gateway
from bench.figures import Figure, figure
from bench.network import TUNNEL, Size, host_of, interfaces, records
from retia.compile.assumed import assumed
from retia.compile.compiler import Compiler, RecordChange
from retia.model.local import Interface, InterfaceChange

SAMPLES = 30
EDGE, USER = "me", "h5"
NAMES = {"floating": "floating IP", "snat": "SNAT", "edge": "edge added"}


def measure(size: Size, host: str) -> dict[str, Figure]:
    """By `NAMES`: milliseconds; with " flows": flows that change."""
    compiler = _load(size, host)
    found: dict[str, list[float]] = {}
    for n in range(SAMPLES):
        for name, change, undone in _changes(size, n):
            start = time.perf_counter()
            delta = compiler.change(change)
            found.setdefault(name, []).append(1e3 * (time.perf_counter() - start))
            found.setdefault(f"{name} flows", []).append(len(delta.rows))
            compiler.change(undone)
    return {name: figure(values, "" if name.endswith("flows") else "ms") for name, values in found.items()}


def _load(size: Size, host: str) -> Compiler:
    things = [*records(size), *gateway.objects()]
    local = assumed(things).rows(host)
    compiler = Compiler(host)
    compiler.change([(None, thing) for thing in things], _interfaces(size, host), TUNNEL, [((), local)])
    compiler.warm()
    return compiler


def _interfaces(size: Size, host: str) -> list[InterfaceChange]:
    if host == EDGE:
        return interfaces(size)
    held = [n for n in range(size.ports) if host_of(size, n) == host][:10]
    return [InterfaceChange(None, Interface(f"g{n}", place + 1, f"p{n}")) for place, n in enumerate(held)]


def _changes(size: Size, n: int) -> Iterator[tuple[str, list[RecordChange], list[RecordChange]]]:
    """Name, the change, and what takes it back."""
    made = {
        "floating": (gateway.floating(size, n),),
        "snat": (gateway.snat(size, n),),
        "edge": gateway.edge(gateway.ADDED),
    }
    for name, things in made.items():
        yield name, [(None, thing) for thing in things], [(thing, None) for thing in things]


def main(arguments: list[str]) -> None:
    sizes = [int(word) for word in arguments if word.isdigit()] or [1_000, 10_000]
    for ports in sizes:
        for host in (EDGE, USER):
            result = measure(Size(ports), host)
            if "--json" in arguments:
                print(json.dumps({"ports": ports, "host": host, **{name: one.data() for name, one in result.items()}}))
                continue
            print(f"{ports:,} ports, {'an edge' if host == EDGE else 'a host that sends through edges'}")
            for name, title in NAMES.items():
                print(f"  {title:12} {result[name]}, {result[f'{name} flows'].median:g} flows")


if __name__ == "__main__":
    main(sys.argv[1:])
