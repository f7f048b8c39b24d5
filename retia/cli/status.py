"""`retia status`: the hosts, whether they are alive, where ports live, and every problem anyone has named."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retia.cli.output import Form, show_data, show_table
from retia.cli.session import Output, run, store_of
from retia.compile.explain import Labels
from retia.config import Settings
from retia.daemons import control
from retia.model.kinds import Host, Port
from retia.model.state import Alive, Applied, Binding, HostProblem, HostState
from retia.store.contract import DATA
from retia.store.records import APPLIED, decode
from retia.store.sync import Sync


def status(
    context: typer.Context,
    local: Annotated[bool, typer.Option(help="Ask this host's agent instead of the store.")] = False,
    output: Output = Form.table,
) -> None:
    """Show hosts, liveness and problems."""
    settings: Settings = context.obj
    if local:
        _show_local(run(control.ask(settings.control_socket, "status")), output)
        return
    answer = run(_read(settings))
    if output is not Form.table:
        show_data(answer, output)
        return
    columns = ("host", "state", "tunnel", "ports", "applied", "problems")
    rows = [[host[column] for column in columns] for host in answer["hosts"]]
    show_table([column.upper() for column in columns], rows, "no host has registered: start `retia agent`")
    print(f"\n{answer['bound']} of {answer['ports']} ports live on a host; store at revision {answer['revision']}")
    for problem in answer["problems"]:
        print(f"problem on {problem['host']}: {problem['what']}")
        print(f"  {problem['where']}: {problem['advice']}" if problem["where"] else f"  {problem['advice']}")


def _show_local(answer: dict[str, Any], output: Form) -> None:
    if output is not Form.table:
        show_data(answer, output)
        return
    for key in ("host", "revision", "store", "switch", "flows"):
        print(f"{key:9} {answer[key]}")
    print(f"log       {', '.join(f'{name} {level}' for name, level in answer['log'].items())}")
    print(f"ports     {', '.join(answer['ports']) or 'none'}")
    print(f"peers     {', '.join(f'{host} ({address})' for host, address in answer['peers'].items()) or 'none'}")
    for problem in answer["problems"]:
        print(f"problem   {problem['what']}\n          {problem['advice']}")


async def _read(settings: Settings) -> dict[str, Any]:
    async with store_of(settings) as store:
        sync = Sync(store)
        await sync.first()
        newest = max((record.revision for record in (await store.snapshot(DATA)).records.values()), default=0)
        told = [decode(*record[:2]) for record in (await store.snapshot(APPLIED)).records.values()]
    applied = {one.host: one.revision for one in told if isinstance(one, Applied)}
    things = list(sync.view.values())
    labels = Labels(sync.view)
    bindings = [one for one in things if isinstance(one, Binding)]
    problems = [one for one in things if isinstance(one, HostProblem)]
    alive = {one.host for one in things if isinstance(one, Alive)}
    states = {one.host: one for one in things if isinstance(one, HostState)}
    declared = {one.name: one for one in things if isinstance(one, Host)}
    hosts = [
        {
            "host": host,
            "state": _state(host, alive, states, declared),
            "tunnel": str(states[host].tunnel) if host in states else "",
            "ports": sum(one.host == host for one in bindings),
            "applied": _applied(applied.get(host), newest),
            "problems": sum(one.host == host for one in problems),
        }
        for host in sorted({*states, *declared})
    ]
    said = [
        {"host": one.host, "what": labels.rewrite_ids(one.what), "where": one.where, "advice": one.advice}
        for one in sorted(problems, key=lambda one: (one.host, one.about))
    ]
    known = {(one["what"], one["where"]) for one in said}
    for key, problem in sync.problems.items():
        if (problem.what, key) not in known:
            said.append({"host": "store", "what": problem.what, "where": key, "advice": problem.advice})
    return {
        "revision": sync.revision,
        "hosts": hosts,
        "ports": sum(isinstance(one, Port) for one in things),
        "bound": len(bindings),
        "problems": said,
    }


def _applied(revision: int | None, newest: int) -> str:
    """How far a host's switch is. An agent says so once a second, so "behind" may be about to end."""
    if revision is None:
        return "not yet"
    return str(revision) if revision >= newest else f"{revision}, behind"


def _state(host: str, alive: set[str], states: dict[str, HostState], declared: dict[str, Host]) -> str:
    if host in declared and not declared[host].admin_state:
        return "out of service"
    if host not in states:
        return "declared, never registered"
    return "alive" if host in alive else "dead"
