"""Fences: what lets two who change a network at once both succeed or one of them notice, without a hot key.

A check over several objects (an address lies in a subnet, nothing lives in a deleted switch) is made on a view. Its
transaction must fail when that view is no longer true, and only then. Each switch, router and project has two
records beside the watched data:

    fence/shape/<id>     put by whoever changes what its members are judged by: its subnets, router ports, routes, end
    fence/members/<id>   put, without comparing it, by whoever adds or changes a member

    a member (a port)            compares shape, puts members       any number of them at once
    a shaper (a subnet, delete)  compares shape and members, puts shape

Creating a port and deleting its switch therefore never both succeed, while two ports never hinder each other.
Pure. Called by `transactions`; the reasons are in docs/decisions.
"""

from __future__ import annotations

from typing import NamedTuple

from retia.model.kinds import DEFAULT_PROJECT, Object, Port, Project
from retia.model.network import Network, references_of
from retia.store.contract import INDEX

FENCES = f"{INDEX}fence/"
MEMBERS_ONLY = frozenset({Port})
"""The kinds created by the thousand and in parallel: nothing else is judged by them."""


class Touch(NamedTuple):
    """Which objects a change is a member of, and which ones it shapes, by id."""

    member: frozenset[str]
    shaper: frozenset[str]


def shape(id_: str) -> str:
    return f"{FENCES}shape/{id_}"


def members(id_: str) -> str:
    return f"{FENCES}members/{id_}"


def touch(network: Network, before: Object | None, after: Object | None) -> Touch:
    """What a change of one object touches. `network` holds the projects."""
    item = after or before
    if item is None:
        raise ValueError("a change has a before or an after")
    if type(item) in MEMBERS_ONLY:
        return Touch(frozenset(references_of(item)) if after else frozenset(), frozenset())
    if not item.parent:
        project = network.child(Project, "", item.project) if item.project != DEFAULT_PROJECT and after else None
        return Touch(frozenset({project.id} if project else ()), frozenset() if after else frozenset({item.id}))
    parents = frozenset(references_of(each)[0] for each in (before, after) if each)
    return Touch(frozenset(references_of(after)) - parents if after else frozenset(), parents)
