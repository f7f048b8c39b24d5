"""The boxes of hosts: one for each host that a line leads to, one for many with the same lines, one for all the others.

A host that is dead, has a problem, or was asked for is never folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from retia.graph.picture import Box, Row, Tone
from retia.graph.rows import Rows, counted, joined
from retia.model.kinds import Host

MOST_PROBLEMS = 3
"""So many of a host's problems are written out."""
HOSTS = "hosts"


class HostBoxes:
    """`led`: what leads to each host; `boxes`, and by host in which one it is (`place`)."""

    def __init__(self, rows: Rows, limit: int, marked: str, led: Mapping[str, frozenset[object]]) -> None:
        self._rows, self._limit, self._marked = rows, limit, marked
        self.boxes: list[Box] = []
        self.place: dict[str, str] = {}
        alike: dict[frozenset[object], list[str]] = {}
        for name in sorted(led):
            alike.setdefault(led[name] if name != marked else frozenset([marked]), []).append(name)
        others = alike.pop(frozenset(), [])
        for names in alike.values():
            well = self._well(names)
            if well:
                self._put(f"{counted(len(well), Host.kind, Host.plural)}: {_span(well)}", well, [self._folded(well)])
            for name in names:
                if name not in well:
                    self._put_alone(name)
        if others:
            self._put(HOSTS, others, self._listed(others), "other hosts" if self.boxes else "hosts")

    def _put(self, box: str, names: Iterable[str], rows: Iterable[Row], title: str = "") -> None:
        self.boxes.append(Box(box, Host.kind, title or box, rows=tuple(rows)))
        self.place.update(dict.fromkeys(names, box))

    def _put_alone(self, name: str) -> None:
        row, box = self._rows.host(name), host_box(name)
        told, rows = joined(row.detail, row.state), tuple(self._problems(name))
        self.boxes.append(Box(box, Host.kind, box, told, row.tone, rows, row.names, marked=name == self._marked))
        self.place[name] = box

    def _well(self, names: list[str]) -> dict[str, None]:
        """Those to fold, if they are too many."""
        if len(names) <= self._limit:
            return {}
        fine = (Tone.GOOD, Tone.PLAIN)
        well = dict.fromkeys(name for name in names if self._rows.host(name).tone in fine)
        return well if len(well) > 1 else {}

    def _listed(self, names: list[str]) -> Iterator[Row]:
        well = self._well(names)
        for name in names:
            if name not in well:
                yield self._rows.host(name)
                yield from self._problems(name)
        if well:
            yield self._folded(well)

    def _folded(self, well: Iterable[str]) -> Row:
        rows = [self._rows.host(name) for name in well]
        standing = self._rows.standing
        ports = sum(len(standing.ports.get(row.name, ())) for row in rows)
        text = f"{counted(len(rows), Host.kind, Host.plural)}: {_span([row.name for row in rows])}"
        told = joined(text, counted(ports, "port", "ports") if standing.known else "", rows[0].state)
        return Row("", told, tone=rows[0].tone, names=tuple(name for row in rows for name in row.names))

    def _problems(self, host: str) -> Iterator[Row]:
        problems = self._rows.standing.problems.get(host, [])
        for what in problems[:MOST_PROBLEMS]:
            yield Row("", f"problem: {what}", tone=Tone.BAD)
        if len(problems) > MOST_PROBLEMS:
            yield Row("", f"and {len(problems) - MOST_PROBLEMS} more: see `retia status`", tone=Tone.BAD)


def host_box(name: str) -> str:
    return f"{Host.kind} {name}"


def _span(names: Iterable[str]) -> str:
    first, *_, last = names
    return f"{first} to {last}"
