"""`retia get`: what is declared, as tables for people and as data for programs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from retia.cli.output import Form, plain, show_data, show_table
from retia.cli.session import Output, Project, run, store_of
from retia.config import Settings
from retia.errors import NotFound
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Object
from retia.model.names import did_you_mean
from retia.model.network import Network
from retia.model.shapes import fields, keys, references
from retia.store.view import View

WORDS = {word: kind for kind in KINDS for word in (kind.kind, kind.plural)}


NONE_AT_ZERO = frozenset({"external_port", "internal_port"})
"""Columns that are empty where they are 0: a rule for no single port."""


def kind_of(word: str) -> type[Object]:
    """Raises NotFound with what comes near."""
    kind = WORDS.get(word)
    if kind is None:
        advice = did_you_mean(word, WORDS) or f"the kinds are {', '.join(kind.plural for kind in KINDS)}"
        raise NotFound(f"there is no kind {word!r}", advice=advice)
    return kind


def get(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Kind, as in ports; all kinds when left out.")] = "",
    name: Annotated[str, typer.Argument(help="Name, as in web or web/web1; or an id.")] = "",
    project: Project = DEFAULT_PROJECT,
    output: Output = Form.table,
) -> None:
    """Show what is declared."""
    network = run(_load(context.obj)).network
    kinds = [kind_of(kind)] if kind else list(KINDS)
    items = [network.find(kinds[0], name, project)] if name else None
    if output is not Form.table:
        found = items or [item for item in network.ordered() if type(item) in kinds]
        data = [describe(network, item) for item in found]
        show_data(data[0] if name else data, output)
        return
    shown = False
    for each in kinds:
        found = items or [item for item in network.ordered() if type(item) is each]
        if found or kind:
            if shown:
                print()
            if not kind:
                print(f"{each.plural}:")
            show_kind(network, each, found)
            shown = True
    if not shown:
        print("nothing is declared yet: `retia apply -f FILE`")


async def _load(settings: Settings) -> View:
    async with store_of(settings) as store:
        return await View.load(store)


def show_kind(network: Network, kind: type[Object], items: list[Object]) -> None:
    columns = ["name", *fields(kind), *keys(kind), "document"]
    rows = [[network.path(item), *(_shown(cell(network, item, name), name) for name in columns[1:])] for item in items]
    show_table([column.upper().replace("_", " ") for column in columns], rows, f"there are no {kind.plural}")


def _shown(value: Any, column: str) -> Any:
    return None if column in NONE_AT_ZERO and not value else value


def cell(network: Network, item: Object, column: str) -> Any:
    value = getattr(item, column)
    if column in references(type(item)):
        return name_of(network, value)
    if column == "pool":
        return [f"{first}-{last}" for first, last in value]
    return value


def name_of(network: Network, identifier: str) -> str:
    target = network.objects.get(identifier)
    return network.path(target) if target is not None else identifier


def describe(network: Network, item: Object) -> dict[str, Any]:
    """An object as data: its fields, with names in place of ids, and its path."""
    data: dict[str, Any] = {"kind": item.kind, "path": network.path(item)}
    for info in msgspec.structs.fields(type(item)):
        data[info.name] = plain(cell(network, item, info.name))
    return data
