"""What is said of an import: counts, what was set aside, what is otherwise, what has no counterpart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from retia.errors import Problem
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Port
from retia.tuplenet.reading import KNOWN
from retia.tuplenet.settle import Outcome
from retia.tuplenet.tree import SwitchPort

WORDS = {
    "Chassis": "chassis",
    "Switch": "LS",
    "SwitchPort": "LSP",
    "Router": "LR",
    "RouterPort": "LRP",
    "StaticRoute": "LSR",
    "Translation": "LNAT",
}


def lines(outcome: Outcome, prefix: str) -> list[str]:
    """For people; keys are whole, as etcd has them but for what no terminal should be sent."""
    told = [
        *_counts(outcome),
        *_problems("set aside, and not in the document", outcome.aside.values(), prefix),
        *_problems("otherwise in Retia", _by_key(outcome.remarks), prefix),
        *_ignored(outcome),
    ]
    return ["".join(character if character.isprintable() else "?" for character in line) for line in told]


def summary(outcome: Outcome) -> list[str]:
    """What the document itself tells."""
    told = [f"set aside: {problem.where}: {problem.what}" for problem in outcome.aside.values()]
    return [*told, *(f"otherwise: {problem.where}: {problem.what}" for problem in _by_key(outcome.remarks))]


def iface_ids(outcome: Outcome, project: str) -> list[str]:
    """Of every guest's port: its host as TupleNet knows it, the iface-id there, the iface-id in Retia."""
    network = outcome.objects.network
    entities = outcome.tree.entities
    rows = []
    for port in network.of(Port):
        old = entities[outcome.objects.origins[port.id][0]]
        if isinstance(old, SwitchPort):
            new = network.path(port, project)
            rows.append(
                f"{old.chassis or '-'}\t{old.name}\t{new if project == DEFAULT_PROJECT else f'{project}/{new}'}"
            )
    return sorted(rows)


def _counts(outcome: Outcome) -> Iterator[str]:
    entities = outcome.tree.entities
    left = Counter(WORDS[type(each).__name__] for key, each in entities.items() if key not in outcome.aside)
    made = Counter(type(item) for item in outcome.objects.network.objects.values())
    yield f"read and translated: {_amounts((word, left[word]) for word in WORDS.values())}"
    yield f"in the document: {_amounts((kind.kind if made[kind] == 1 else kind.plural, made[kind]) for kind in KINDS)}"


def _amounts(pairs: Iterator[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {word}" for word, count in pairs if count) or "nothing"


def _by_key(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.where)


def _problems(title: str, told: Collection[Problem], prefix: str) -> Iterator[str]:
    if told:
        yield f"{title} ({len(told)}):"
    for problem in told:
        yield f"  {prefix}{problem.where}: {problem.what}"
        if problem.advice:
            yield f"    {problem.advice}"


def _ignored(outcome: Outcome) -> Iterator[str]:
    ignored = outcome.tree.ignored
    if ignored:
        yield "without a counterpart:"
    for kind, keys in sorted(ignored.items()):
        count = f"{len(keys)} key{'' if len(keys) == 1 else 's'}"
        why = KNOWN.get(kind, f"unknown to Retia; the first is {keys[0]}")
        yield f"  {kind} ({count}): {why}"
