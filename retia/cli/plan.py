"""`retia plan`: what `retia apply` of a document would change: objects, and flows on every host. Writes nothing."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from retia.cli.apply import answer_of, read
from retia.cli.output import Form, console, show_data
from retia.cli.session import Output, run, store_of
from retia.compile.compiler import Thing
from retia.compile.explain import Labels
from retia.compile.outputs import Trouble
from retia.config import Settings
from retia.model.document import Document
from retia.model.network import Network
from retia.model.state import State
from retia.plan.forecast import Counts, Forecast, forecast
from retia.plan.hosts import attachments, hosts
from retia.plan.lines import Lines, Veil, spoken
from retia.store import catalog
from retia.store.changes import ALLOCATED, Changes
from retia.store.view import View, states

STYLES = {"+": "green", "~": "yellow", "-": "red"}


def plan(
    context: typer.Context,
    file: Annotated[Path, typer.Option("-f", "--file", help="The document; - for standard input.")],
    prune: Annotated[bool, typer.Option(help="As `apply --prune`: what it would delete is shown in red.")] = False,
    flows: Annotated[bool, typer.Option("--flows", help="Show every flow that comes, changes or goes.")] = False,
    output: Output = Form.table,
) -> None:
    """Show what `apply` would change, objects and flows on every host, and change nothing."""
    gc.disable()  # one answer, then the end: what it makes is not worth looking through for garbage
    document = read(file)
    view, said = run(_load(context.obj))
    changes = catalog.plan(view, document, prune)
    answer = _answer(document, view, changes, said, flows)
    if output is not Form.table:
        show_data(answer, output)
    else:
        _show(answer)


async def _load(settings: Settings) -> tuple[View, list[State]]:
    async with store_of(settings, reading=True) as store:
        return await View.load(store), await states(store)


def _answer(document: Document, view: View, changes: Changes, said: list[State], flows: bool) -> dict[str, Any]:
    """What `apply -o json` answers, as far as it can be known, and the forecast."""
    answer = answer_of(document, ALLOCATED if changes else view.revision, changes.veil())
    known = hosts(said, view.network)
    after = _after(view.network, changes)
    things: list[Thing] = [*view.network.objects.values(), *said]
    told = forecast(things, changes.objects, known) if changes else Forecast()
    names = attachments(said, (view.network, after))
    lines = (
        _lines(told, changes, {one.host: names | one.names for one in known}, (view.network, after)) if flows else {}
    )
    counts = told.counts()
    answer["flows"] = [_host(host, number, lines) for host, number in counts.items()]
    answer["untouched"] = len(known) - len(counts)
    answer["problems"], answer["mended"] = (_problems(told, one, after) for one in (told.came, told.went))
    return answer


def _after(network: Network, changes: Changes) -> Network:
    after = network.copy()
    for old, new in changes.objects:
        if new is not None:
            after.put(new)
        elif old is not None:
            after.remove(old)
    return after


def _lines(
    told: Forecast, changes: Changes, names: dict[str, dict[int, str]], networks: tuple[Network, Network]
) -> dict[str, list[dict[str, Any]]]:
    labels = {item.id: each.label(item) for each in networks for item in each.objects.values()}
    lines = Lines(Veil.over(changes, networks[1].objects), labels)
    return {host: lines.data(told.of(host), names[host]) for host in told.counts()}


def _host(host: str, number: Counts, lines: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"host": host, **number._asdict()} | ({"lines": lines[host]} if lines else {})


def _problems(told: Forecast, troubles: list[tuple[Trouble, int]], network: Network) -> list[dict[str, Any]]:
    """One entry a trouble, with the hosts that would name it."""
    labels = Labels({(item.kind, item.id): item for item in network.objects.values()} if troubles else {})
    return [
        {"what": one.what, "where": labels.rewrite_ids(one.where), "advice": one.advice, "hosts": told.named(mask)}
        for one, mask in sorted(troubles, key=lambda each: each[0].about)
    ]


def _show(answer: dict[str, Any]) -> None:
    out = console()
    for line in answer["lines"]:
        out.print(Text(line, style=STYLES[line[0]]))
    for host in answer["flows"]:
        out.print(_counts(host))
        for each in host.get("lines", ()):
            out.print(Text(f"  {spoken(each)}", style=STYLES[each["change"]]))
    for problem in answer["problems"]:
        out.print(Text(f"problem on {', '.join(problem['hosts'])}: {problem['what']}", style="red"))
        print(f"  {problem['where']}: {problem['advice']}" if problem["where"] else f"  {problem['advice']}")
    for problem in answer["mended"]:
        print(f"mended on {', '.join(problem['hosts'])}: {problem['what']}")
    print(_summary(answer))


def _counts(host: dict[str, Any]) -> Text:
    """hv1: +3 flows, ~1, -2"""
    parts = [(f"+{host['added']}", "green"), (f"~{host['changed']}", "yellow"), (f"-{host['removed']}", "red")]
    text = Text(f"{host['host']}: ")
    for place, (part, style) in enumerate([each for each in parts if each[0][1:] != "0"]):
        text.append(", " if place else "").append(part, style=style).append("" if place else " flows")
    return text


def _summary(answer: dict[str, Any]) -> str:
    counts = [len(answer[key]) for key in ("create", "update", "delete")]
    if not any(counts):
        return f"nothing would change: {answer['unchanged']} objects are so already"
    untouched = answer["untouched"]
    rest = f", {untouched} {'is' if untouched == 1 else 'are'} untouched" if untouched else ""
    hosts_touched = len(answer["flows"])
    where = f"flows change on {hosts_touched} host{'' if hosts_touched == 1 else 's'}{rest}"
    return f"{counts[0]} to create, {counts[1]} to change, {counts[2]} to delete; {where}"
