"""From a wish to transactions: what a document, or a hand, would change; and making it so.

    View + Document ──plan──► Changes ──commit──► one transaction (or a few, where the server takes no more at once)
    View + kind, path, fields ──create, set_fields, delete──► Changes
    change(store, decide): view, decide, commit; again with a fresh view when another writer was first

The whole resulting state is validated before anything is written, for hands as for documents. What exists already
keeps its id, keys and, unless the wish says otherwise, its MAC and addresses; a wish that changes nothing writes
nothing. Called by the CLI and the lab. Never deletes what another document or a hand declared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from retia.errors import Conflict, InvalidDocument, InvalidInput, Problem
from retia.model.document import Document, Wanted
from retia.model.gateways import is_outside, outside_has_an_uplink, outside_ports
from retia.model.kinds import DEFAULT_PROJECT, Edge, Nat, Object, Port, Project, Route, RouterPort, Subnet, Uplink
from retia.model.names import did_you_mean, parse_path
from retia.model.network import Network
from retia.model.shapes import depth, fields, references
from retia.store import barrier
from retia.store.changes import Changes, Update
from retia.store.contract import StaleWrite, Store, TooLarge, Transaction
from retia.store.draft import Draft
from retia.store.transactions import Unit, chunk, make_unit, transaction
from retia.store.view import View

ATTEMPTS = 20
"""How often `change` meets another writer before it gives up."""

LIMITS = (10_000, 128)
"""Operations in one transaction: what `retia store run` takes with ease, then etcd's own default."""


def plan(view: View, document: Document, prune: bool = False, source: random.Random | None = None) -> Changes:
    """What applying `document` would change. Raises InvalidDocument with every problem."""
    draft = Draft(view.network, document.name, document.project, source)
    if prune:
        draft.prune(document)
    for wanted in document.wanted:
        draft.want(wanted)
    draft.project_exists(document)
    changes = draft.finish()
    if draft.problems:
        raise InvalidDocument(draft.problems)
    return changes


def create(
    view: View,
    kind: type[Object],
    path: str,
    given: Mapping[str, Any] | None = None,
    project: str = DEFAULT_PROJECT,
    source: random.Random | None = None,
) -> Changes:
    """A new object at `path` (web, or web/web1). Raises Conflict when it exists, InvalidInput, NotFound."""
    where = parse_path(path, depth(kind))
    project = where.project or project
    existing = view.network.named(kind, project, where.names)
    if existing:
        raise Conflict(f"{view.network.label(existing)} exists already", advice="change it with `retia set`")
    values = parse_fields(kind, given or {})
    for field, leads_to in references(kind).items():
        text = where.names[0] if field == kind.parent else values.get(field)
        if text is not None:
            view.find(leads_to, text, project)
    missing = [name for name, field in fields(kind).items() if field.required and values.get(name) is None]
    raise_problems([Problem(name, f"{name} is missing", f"give {name}") for name in missing])
    draft = Draft(view.network, "", project, source)
    draft.want(Wanted(kind, where.names, values))
    return _finish(draft)


def set_fields(view: View, item: Object, given: Mapping[str, Any], source: random.Random | None = None) -> Changes:
    """`item` with other values in the fields `given`; it stays with its document. Raises InvalidInput, NotFound."""
    draft = Draft(view.network, item.document, item.project, source)
    draft.change(item, parse_fields(type(item), given))
    return _finish(draft)


def _finish(draft: Draft) -> Changes:
    changes = draft.finish()
    raise_problems(draft.problems)
    return changes


def parse_fields(kind: type[Object], given: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as values. Raises InvalidInput or, for several problems, InvalidDocument."""
    known = fields(kind)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        if name not in known:
            problems.append(Problem(name, f"a {kind.kind} has no {name!r}", did_you_mean(name, known)))
            continue
        try:
            values[name] = known[name].parse(value)
        except InvalidInput as error:
            problems.append(Problem(name, error.what, error.advice))
    raise_problems(problems)
    return values


def delete(view: View, items: Object | Sequence[Object], cascade: bool = False) -> Changes:
    """Without `cascade` refused while anything lives in them or needs them. Raises Conflict naming it."""
    given = list({item.id: item for item in ([items] if isinstance(items, Object) else items)}.values())
    draft = Draft(view.network, "", DEFAULT_PROJECT)
    for item in with_dependents(view.network.copy(), given) if cascade else given:
        draft.remove(item)
    if not cascade:
        _raise_still_used(view.network, draft.after, given)
    return _finish(draft)


def _raise_still_used(before: Network, left: Network, gone: list[Object]) -> None:
    users = {each.id: each for item in gone for each in dependents(left, item)}
    names = [before.label(each) for each in users.values()]
    if names:
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        what = f"{before.label(gone[0])} is still used by {shown}"
        raise Conflict(what, advice="delete these first, or all at once with --cascade")


def with_dependents(left: Network, items: Sequence[Object]) -> list[Object]:
    """`items` and all that can't stay without them, each taken out of `left`."""
    gone: list[Object] = []
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if item.id in left.objects:
            left.remove(item)
            gone.append(item)
            waiting += dependents(left, item)
    return gone


def dependents(left: Network, item: Object) -> list[Object]:
    """What can't stay in `left`, from which `item` is gone: what lives in it, leads to it, has its address from it."""
    found = left.referrers(item.id, Object)
    if isinstance(item, Project):
        found += [each for each in left.objects.values() if each.project == item.name and not each.shared]
    elif isinstance(item, Subnet):
        found += [each for each in left.referrers(item.switch, Port) if any(a in item.cidr for a in each.addresses)]
        ports = left.referrers(item.switch, RouterPort)
        found += [each for each in ports if any(cidr.address in item.cidr for cidr in each.addresses)]
    elif isinstance(item, RouterPort):
        ports = left.referrers(item.router, RouterPort)
        others = [cidr for port in ports for cidr in port.addresses]
        for route in left.referrers(item.router, Route):
            if any(route.next_hop in cidr for cidr in item.addresses):
                found += [route] if not any(route.next_hop in cidr for cidr in others) else []
        found += _without_outside(left, item.router)
    elif isinstance(item, Uplink):
        found += _without_uplink(left, item)
    elif isinstance(item, Edge):
        found += _without_edge(left, item)
    return found


def _without_outside(left: Network, router: str) -> list[Object]:
    """What is translated where nothing leads to the physical network any more."""
    return [] if outside_ports(left, router) else [*left.referrers(router, Nat)]


def _without_uplink(left: Network, uplink: Uplink) -> list[Object]:
    ports = left.referrers(uplink.switch, RouterPort)
    if is_outside(left, uplink.switch):
        return [port for port in ports if any(outside_has_an_uplink(left, port))]
    return [nat for port in ports for nat in _without_outside(left, port.router)]


def _without_edge(left: Network, edge: Edge) -> list[Object]:
    its_own: list[RouterPort | Nat] = [*left.referrers(edge.router, RouterPort), *left.referrers(edge.router, Nat)]
    found: list[Object] = [each for each in its_own if each.host == edge.host]
    return found if left.has(edge.router, Edge) else [*found, *outside_ports(left, edge.router)]


def raise_problems(problems: Sequence[Problem]) -> None:
    """One as itself, several together."""
    if len(problems) == 1:
        (problem,) = problems
        raise InvalidInput(problem.what, where=problem.where, advice=problem.advice)
    if problems:
        raise InvalidDocument(problems)


async def commit(store: Store, view: View, changes: Changes, ask: bool = False) -> int:
    """Write `changes` as planned on `view`; the revision they made, or the view's when there are none.

    With `ask` a barrier is asked for the revision that is answered.

    Raises StaleWrite when another writer was first (`change` then plans again), TooLarge or StoreAway.
    """
    return await _write(store, view, changes, [], ask)


async def change(store: Store, decide: Callable[[View], Changes], ask: bool = False) -> tuple[Changes, int]:
    """Decide on a fresh view and commit, again when another writer was first. What was done, and its revision.

    With `ask` that revision is one for which a barrier was asked: `barrier.wait` may wait for it.

    Raises what `decide` raises, Conflict when others were first ATTEMPTS times, TooLarge or StoreAway.
    """
    done: list[Unit] = []
    paths: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        view = await View.load(store)
        changes = decide(view)
        before = len(done)
        paths |= changes.paths
        try:
            revision = await _write(store, view, changes, done, ask)
        except StaleWrite as error:
            stale = error
            continue
        return (_sum(done[:before], changes, paths) if before else changes), revision
    advice = "wait until others have finished, then try again; `retia status` names records that hinder"
    raise Conflict(f"others changed the same {ATTEMPTS} times", where=stale.where, advice=advice)


async def _write(store: Store, view: View, changes: Changes, done: list[Unit], ask: bool) -> int:
    """In one transaction or, where the server takes no more, in several; `done` grows by what is written."""
    units = [make_unit(view.network, before, after) for before, after in changes.objects]
    revisions = dict(view.revisions)
    revision = view.revision
    for limit in LIMITS:
        written = {id(unit) for unit in done}
        try:
            for each in chunk((unit for unit in units if id(unit) not in written), limit - ask):
                revision = await _write_chunk(store, each, revisions, done, ask)
            break
        except TooLarge:
            if limit == LIMITS[-1]:
                raise
    if ask and revision == view.revision:
        revision = await store.commit(Transaction(puts=barrier.question()))
    return revision


async def _write_chunk(store: Store, units: list[Unit], revisions: dict[str, int], done: list[Unit], ask: bool) -> int:
    made = transaction(units, revisions)
    if ask:
        made.puts.update(barrier.question())
    revision = await store.commit(made)
    revisions |= dict.fromkeys(made.puts, revision)
    revisions |= dict.fromkeys(made.deletes, 0)
    done += units
    return revision


def _sum(done: Sequence[Unit], rest: Changes, paths: Mapping[str, str]) -> Changes:
    """What earlier, half-finished attempts wrote, and the rest, as one account."""
    return Changes(
        tuple(unit.item for unit in done if unit.before is None) + rest.creates,
        tuple(Update(unit.before, unit.after) for unit in done if unit.before and unit.after) + rest.updates,
        tuple(unit.item for unit in done if unit.after is None) + rest.deletes,
        rest.unchanged,
        paths,
    )
