"""docs/pipeline.md, written from the declarations: stages with their priorities and ways, registers, the option.

`make docs` writes the page, a test compares it. Pure.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from retia.flows.fields import Subfield
from retia.pipeline import fields, stages
from retia.pipeline.stage import Stage
from retia.pipeline.stages import STAGES

_HEAD = """\
# The pipeline

Generated from `retia/pipeline/` by `make docs`. How to add a stage: [adding-a-stage.md](adding-a-stage.md).

```
{figure}
```

Every OpenFlow table is a stage; the order of declaration is the order of the tables. Only a flow of a stage that says
*back* may resubmit to an earlier one, and only one that *asks* may resubmit to a stage for an answer in a register.
A packet that nothing matches is dropped without being counted, so a stage that packets of every kind reach has a flow
of priority 0 ("miss"). `retia.pipeline.check` holds each flow to what its stage declares.
"""

_REGISTERS = """\
## What is known of a packet
```
{figure}
```

Rules and `when()` use these names. {aliases} are parts or larger views of others.

| name | where |
|---|---|"""


def render() -> str:
    """The whole page."""
    lines = [
        _HEAD.format(figure=_figure(stages)),
        "| table | stage | what it does | priorities | goes on to |",
        "|---|---|---|---|---|",
        *map(_row, STAGES.values()),
        "",
        _REGISTERS.format(figure=_figure(fields), aliases=", ".join(f"`{name}`" for name in fields.ALIASES)),
        f"| `datapath` | `{fields.DATAPATH}` |",
        *(f"| `{name}` | `{place}` |" for name, place in _places()),
    ]
    return "\n".join(lines) + "\n"


def _figure(module: object) -> str:
    """The drawing in a module's docstring: its second part."""
    return inspect.cleandoc((inspect.getdoc(module) or "").split("\n\n")[1])


def _places() -> Iterator[tuple[str, Subfield]]:
    yield from fields.NAMED.items()
    yield from fields.ALIASES.items()


def _row(stage: Stage) -> str:
    ways = [*stage.next, *(f"{name} (back)" for name in stage.backwards), *(f"asks {name}" for name in stage.asks)]
    return f"| {int(stage)} | {stage.name} | {stage.doc} | {', '.join(_priorities(stage))} | {', '.join(ways) or '–'} |"


def _priorities(stage: Stage) -> Iterator[str]:
    """Names and numbers, highest first; those of prefix lengths as a range."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for name, priority in stage.priorities.items():
        by_length = re.fullmatch(r"(.+)-(\d+)", name)
        if by_length is None:
            ranges[name] = [(0, priority)]
        else:
            ranges.setdefault(f"{by_length[1]}-", []).append((int(by_length[2]), priority))
    for name, members in ranges.items():
        if name.endswith("-"):
            (longest, first), (shortest, last) = members[0], members[-1]
            yield f"{name}{longest}..{shortest} {first}..{last}"
        else:
            yield f"{name} {members[0][1]}"
