"""`make bench`: Retia beside OVN, in one run. Prints a table, keeps JSON; exits 1 when a target of what ran is missed.

    python -m bench [--quick] [--json FILE] [--only PART ...]        PART: routed flat null harness demand

`QUICK=1` is `--quick`: fewer samples and sizes. Needs root, etcd, Open vSwitch; fetches OVN where it is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import compile, demand, null_switch, ovn_programs, report
from bench.contender import Contender
from bench.figures import Figure, figure
from bench.network import Size
from bench.ours import Ours
from bench.ovn import Ovn
from bench.rounds import Effort, Rounds, Rows
from bench.targets import DEMAND, FLAT, PARTS, ROUTED, judge

RESULTS = Path(__file__).resolve().parents[1] / "build/bench"
FULL = {100: Effort(50, 8, 30), 1_000: Effort(50, 8, 30), 10_000: Effort(50, 40, 120)}
QUICK = {1_000: Effort(10, 2, 30), 10_000: Effort(15, 8, 120)}
HARNESS = {
    "TupleNet's harness: 200 switches, 500 hosts, 5,000 ports": Size(5_000, 25, per_host=10),
    "200 switches, 2,000 hosts, 20,000 ports": Size(20_000, 100, per_host=10),
}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def both(programs: ovn_programs.Programs, size: Size) -> Iterator[Sequence[Contender]]:
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(contextlib.closing(Ovn(programs, size)))
        ours = stack.enter_context(contextlib.closing(Ours(size)))
        yield theirs, ours


def routed(programs: ovn_programs.Programs, quick: bool, shapes: dict[str, Rows]) -> list[str]:
    """The disagreements about who reaches whom."""
    wrong: list[str] = []
    for ports, effort in (QUICK if quick else FULL).items():
        say(f"{ports:,} ports on routed switches")
        with both(programs, Size(ports)) as contenders:
            rounds = Rounds(contenders, Size(ports), effort)
            rounds.run()
            say(f"{ports:,} ports, gateways")
            rounds.meet_outside()
        idle = compile.idle_host(Size(ports))
        rounds.rows["flows per remote port, where nothing reaches it"] = {"Retia": figure([idle], "")}
        shapes[f"{ports:,} {ROUTED}"] = rounds.rows
        wrong += rounds.disagreements
    return wrong


def flat(programs: ovn_programs.Programs, quick: bool, shapes: dict[str, Rows]) -> None:
    """One switch. OVN gets a minute at most (filling, settling), then has no result."""
    say(FLAT)
    size, limit = Size(10_000, 10_000), 10.0 if quick else 30.0
    rows: Rows = {}
    for make in (lambda: Ovn(programs, size, limit), lambda: Ours(size)):
        try:
            with contextlib.closing(make()) as contender:
                rounds = Rounds([contender], size, Effort(0, 0, limit))
                rounds.cold()
            for row, found in rounds.rows.items():
                rows.setdefault(row, {}).update(found)
        except TimeoutError as error:
            say(f"no result: {error}")
    shapes[FLAT] = rows


def harness(quick: bool, shapes: dict[str, Rows]) -> None:
    """Networks of the sizes that TupleNet's own harness has; Retia alone."""
    for name, size in list(HARNESS.items())[: 1 if quick else None]:
        say(name)
        with contextlib.closing(Ours(size)) as ours:
            rounds = Rounds([ours], size, Effort(10 if quick else 50, 20, 60))
            rounds.run()
        shapes[name] = rounds.rows


def null(quick: bool) -> dict[int, dict[str, Figure]]:
    """The cost of one change without Open vSwitch."""
    sizes = (100, 50_000) if quick else (100, 1_000, 10_000, 50_000)
    found = {}
    for ports in sizes:
        say(f"{ports:,} ports, null switch")
        found[ports] = asyncio.run(null_switch.measure(Size(ports)))
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Retia beside OVN, in one run.")
    parser.add_argument("--quick", action="store_true", default=os.environ.get("QUICK", "") not in ("", "0"))
    parser.add_argument("--json", type=Path, default=RESULTS / time.strftime("%Y%m%d-%H%M%S.json"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args(arguments)
    try:
        programs = ovn_programs.find()
    except ovn_programs.Missing as error:
        print(f"bench: {error}", file=sys.stderr)
        return 6
    start, shapes, changes, wrong = time.monotonic(), dict[str, Rows](), dict[int, dict[str, Figure]](), list[str]()
    if "null" in options.only:
        changes = null(options.quick)
    if "harness" in options.only:
        harness(options.quick, shapes)
    if "demand" in options.only:
        say(DEMAND)
        shapes[DEMAND] = demand.measure(Size(10_000), 10 if options.quick else demand.SAMPLES)
    if "flat" in options.only:
        flat(programs, options.quick, shapes)
    if "routed" in options.only:
        wrong = routed(programs, options.quick, shapes)
    facts = {"ovn": programs.version, "python": platform.python_version(), "cores": os.cpu_count()}
    facts |= {"load": os.getloadavg()[0], "quick": options.quick, "minutes": round((time.monotonic() - start) / 60, 1)}
    result = report.Result(facts, shapes, changes, wrong, judge(shapes, changes, options.only))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result.data(), indent=1), encoding="utf-8")
    report.show(result)
    print(f"kept in {options.json}")
    return 1 if result.missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
