"""What a run found: as data, as tables for people, and as the page and picture in `docs/`.

`python -m bench.report FILE.json` writes docs/benchmark.md and docs/benchmark.svg from a kept result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, times
from bench.plot import plot
from bench.rounds import Rows
from bench.targets import CHANGES, THEM, US, Verdict

DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class Result:
    facts: Mapping[str, Any]
    shapes: Mapping[str, Rows]
    changes: Mapping[int, Mapping[str, Figure]]
    disagreements: list[str]
    verdicts: list[Verdict]

    @property
    def missed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.held]

    def data(self) -> dict[str, Any]:
        return asdict(self)


def load(file: Path) -> Result:
    kept = json.loads(file.read_text(encoding="utf-8"))
    shapes = {
        shape: {row: {who: Figure(**one) for who, one in found.items()} for row, found in rows.items()}
        for shape, rows in kept["shapes"].items()
    }
    changes = {int(size): {name: Figure(**one) for name, one in row.items()} for size, row in kept["changes"].items()}
    return Result(kept["facts"], shapes, changes, kept["disagreements"], [Verdict(**one) for one in kept["verdicts"]])


Line = tuple[str, str, str, str]


def lines(rows: Rows) -> Iterator[Line]:
    """Row, OVN's figure, Retia's, and their ratio."""
    for name, found in rows.items():
        theirs, ours = found.get(THEM), found.get(US)
        share = times(ours.median, theirs.median) if ours and theirs else ""
        yield name, str(theirs or "no result"), str(ours or "no result"), share


def alone(rows: Rows) -> bool:
    """Whether only Retia was asked."""
    return not any(THEM in found for found in rows.values())


def change_lines(result: Result) -> Iterator[tuple[str, ...]]:
    for size, row in result.changes.items():
        yield f"{size:,}", *(str(row.get(name, "no result")) for name in ("cold", *CHANGES))


def show(result: Result, console: Console | None = None) -> None:
    console = console or Console(width=None if sys.stdout.isatty() else 120)
    for shape, rows in result.shapes.items():
        _table(console, f"{shape} (median / p99)", ("", THEM, US, "Retia to OVN"), lines(rows))
    if result.changes:
        head = ("ports", "cold", *CHANGES)
        _table(console, "One change without Open vSwitch (null switch)", head, change_lines(result))
    verdicts = [(one.what, one.wanted, one.got, "held" if one.held else "MISSED") for one in result.verdicts]
    _table(console, "Targets", ("what", "target", "now", ""), verdicts)
    for line in result.disagreements:
        console.print(f"reached differently: {line}")
    console.print(f"{len(result.missed)} targets missed" if result.missed else "all targets of what ran hold")
    for one in result.missed:
        console.print(f"  missed: {one.what}: {one.got}, wanted {one.wanted}")


def _table(console: Console, title: str, head: tuple[str, ...], body: Any) -> None:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place == 0 else "right")
    for line in body:
        table.add_row(*line)
    console.print(table)


def page(result: Result) -> str:
    """docs/benchmark.md."""
    facts = result.facts
    text = [
        "# Benchmark: Retia beside OVN",
        "",
        "Made by `make bench` and `python -m bench.report`; do not edit. Both in one run, on one machine "
        f"({facts['cores']} cores, shared with other work: load {facts['load']:.1f} at the end), each with its own "
        f"Open vSwitch, databases in memory, OVN {facts['ovn']}, Python {facts['python']}. One observer: an OpenFlow "
        f"flow monitor. Median / 99th percentile; only the ratios mean something elsewhere. {_length(facts)}",
        "",
        "![Cost of one change against size](benchmark.svg)",
    ]
    for shape, rows in result.shapes.items():
        if alone(rows):
            text += ["", f"## {shape}", "", *_markdown(("", US), ((line[0], line[2]) for line in lines(rows)))]
        else:
            text += ["", f"## {shape}", "", *_markdown(("", THEM, US, "Retia to OVN"), lines(rows))]
    head = ("ports", "cold", *CHANGES)
    text += ["", "## One change without Open vSwitch (null switch)", "", *_markdown(head, change_lines(result))]
    verdicts = ((one.what, one.wanted, one.got, "held" if one.held else "**missed**") for one in result.verdicts)
    text += ["", "## Targets", "", *_markdown(("what", "target", "now", ""), verdicts)]
    return "\n".join(text) + "\n"


def _length(facts: Mapping[str, Any]) -> str:
    return f"This was a {'quick run (`QUICK=1`: fewer samples)' if facts['quick'] else 'full run'}."


def _markdown(head: tuple[str, ...], body: Any) -> Iterator[str]:
    for line in (head, ("---", *["---:"] * (len(head) - 1)), *body):
        yield "| " + " | ".join(line) + " |"


def write(result: Result, docs: Path = DOCS) -> None:
    (docs / "benchmark.md").write_text(page(result), encoding="utf-8")
    (docs / "benchmark.svg").write_text(plot(result.shapes, result.changes), encoding="utf-8")


if __name__ == "__main__":
    write(load(Path(sys.argv[1])))
