"""A tree as a network that Retia takes: translated, judged as a whole, and what does not fit set aside, until all fits.

    Tree ──► Shape ──► objects ──► validation ──finds──► records set aside ──► again, without them

Validation is Retia's own, so nothing here repeats what it knows. Each round sets something aside, so it ends. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from retia.errors import Problem
from retia.model.finding import Finding
from retia.model.kinds import DEFAULT_PROJECT, Port
from retia.model.network import Network
from retia.model.validate import check
from retia.tuplenet.differences import differences
from retia.tuplenet.fold import fold
from retia.tuplenet.links import join
from retia.tuplenet.objects import Objects, make
from retia.tuplenet.reading import VERSION
from retia.tuplenet.renumber import renumber
from retia.tuplenet.shape import Shape
from retia.tuplenet.tree import Tree


@dataclass(frozen=True)
class Outcome:
    """The network, and everything that is not in it as it was in the tree."""

    tree: Tree
    shape: Shape
    objects: Objects
    aside: dict[str, Problem]
    """By key, in the order of keys."""
    remarks: list[Problem]


def settle(tree: Tree, project: str = DEFAULT_PROJECT) -> Outcome:
    aside: dict[str, Problem] = {}
    while True:
        shape, following = join(tree, aside)
        shape = renumber(fold(shape))
        objects = make(shape, project)
        found = _judge(objects)
        if not found:
            break
        aside |= following | found
    if tree.version is None:
        shape.remark("globals/version", f"it is missing, so the tree was read as one of version {VERSION}")
    left = dict(sorted((tree.problems | aside | following).items()))
    return Outcome(tree, shape, objects, left, [*shape.remarks, *differences(shape, objects)])


def _judge(objects: Objects) -> dict[str, Problem]:
    """What validation finds, by the keys of the records at fault: of two that do not fit, the guest's or the later."""
    network = objects.network
    found: dict[str, Problem] = {}
    blamed: set[str] = set()
    for finding in sorted(check(Network(), network, list(network.objects)), key=lambda finding: len(finding.others)):
        ids = (finding.about, *finding.others)
        if blamed.isdisjoint(ids):  # else it may be well once that one is gone
            about = next((id_ for id_ in ids if network.get(Port, id_)), finding.about)
            blamed.add(about)
            problem = Problem("", _spoken(objects, finding), finding.advice)
            found |= {key: replace(problem, where=key) for key in objects.origins[about]}
    return found


def _spoken(objects: Objects, finding: Finding) -> str:
    """In the words of validation, where objects are named by their records."""
    if not finding.others:
        return finding.what
    return finding.what.format(*(_record(objects, id_) for id_ in (finding.about, *finding.others)))


def _record(objects: Objects, id_: str) -> str:
    keys = objects.origins[id_]
    return keys[0] if keys else objects.network.label(objects.network.objects[id_])
