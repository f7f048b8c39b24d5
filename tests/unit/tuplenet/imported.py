"""What tests ask of an import: trees as text, the outcome, and what it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from retia.model.document import parse
from retia.model.network import Network
from retia.model.writing import write
from retia.store import catalog
from retia.store.view import View
from retia.tuplenet.reading import read
from retia.tuplenet.settle import Outcome, settle

VIEW = "entity_view/"


def outcome_of(tree: Mapping[str, str], project: str = "default") -> Outcome:
    """The outcome, its document proven to be one that applies, and no record of the tree lost on the way."""
    outcome = settle(read({key: value.encode() for key, value in tree.items()}), project)
    catalog.plan(View(Network()), parse(text_of(outcome, project), "imported"))
    told = {key for keys in outcome.objects.origins.values() for key in keys} | outcome.aside.keys()
    assert outcome.tree.entities.keys() <= told, outcome.tree.entities.keys() - told
    return outcome


def text_of(outcome: Outcome, project: str = "default") -> str:
    return write(outcome.objects.network, "tuplenet", project)


def document_of(tree: Mapping[str, str]) -> dict[str, Any]:
    """The document as plain data, every value a text."""
    made: dict[str, Any] = yaml.load(text_of(outcome_of(tree)), yaml.BaseLoader)
    return made


def aside_of(tree: Mapping[str, str]) -> dict[str, str]:
    """What was set aside: key (without entity_view/) and why."""
    return {key.removeprefix(VIEW): problem.what for key, problem in outcome_of(tree).aside.items()}


def remarks_of(tree: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(one.where.removeprefix(VIEW), one.what) for one in outcome_of(tree).remarks]
