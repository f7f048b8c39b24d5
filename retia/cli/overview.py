"""All hosts at one moment, as data and as a page: what `retia status` shows once, and `--watch` at each change."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from retia.cli.output import table
from retia.compile.explain import Labels
from retia.model.kinds import Edge, Host, Port, Uplink
from retia.model.state import FULL, Applied, Binding, HostProblem, HostState, alive_hosts, host_standing
from retia.store.contract import DATA, Store
from retia.store.records import Thing
from retia.store.sync import Sync

COLUMNS = ("host", "state", "mode", "tunnel", "ports", "flows", "applied", "problems")
EDGE_COLUMNS = ("router", "edge", "priority", "state")
NOBODY = "no host has registered: start `retia agent`"

Overview = dict[str, Any]


async def newest(store: Store) -> int:
    """The revision of the last change that agents look at. Raises StoreAway."""
    return max((record.revision for record in (await store.snapshot(DATA)).records.values()), default=0)


def overview(sync: Sync, told: list[Thing], last: int) -> Overview:
    """`told`: how far each host is; `last`: the newest revision there is to be."""
    things = list(sync.view.values())
    applied = {one.host: one for one in told if isinstance(one, Applied)}
    ports = Counter(one.host for one in things if isinstance(one, Binding))
    problems = [one for one in things if isinstance(one, HostProblem)]
    troubled = Counter(one.host for one in problems)
    alive = alive_hosts(things)
    states = {one.host: one for one in things if isinstance(one, HostState)}
    declared = {one.name: one for one in things if isinstance(one, Host)}
    gateways = {one.host for one in things if isinstance(one, (Edge, Uplink))}
    hosts = [
        {
            "host": host,
            "state": host_standing(host, alive, states, declared),
            "mode": _mode(states.get(host), declared.get(host), gateways),
            "tunnel": str(states[host].tunnel) if host in states else "",
            "ports": ports[host],
            "flows": applied[host].flows if host in applied else 0,
            "applied": _applied(applied.get(host), last),
            "problems": troubled[host],
        }
        for host in sorted({*states, *declared})
    ]
    state = {host: host_standing(host, alive, states, declared) for host in declared}
    return {
        "revision": sync.revision,
        "hosts": hosts,
        "edges": _edges(sync, [one for one in things if isinstance(one, Edge)], state),
        "ports": sum(isinstance(one, Port) for one in things),
        "bound": ports.total(),
        "problems": _problems(sync, problems),
    }


def _edges(sync: Sync, edges: list[Edge], state: dict[str, str]) -> list[dict[str, Any]]:
    """Of each router, in the order in which they hold its translated addresses."""
    if not edges:
        return []
    labels = Labels(sync.view)
    names = {one.id: one.name for one in sync.view.values() if isinstance(one, Host)}
    found = []
    for edge in edges:
        host = names.get(edge.host, "")
        told = {"router": labels.path_of(edge.router), "edge": host, "priority": edge.priority}
        found.append(told | {"state": "drained" if not edge.admin_state else state.get(host, "unknown")})
    return sorted(found, key=lambda one: (one["router"], -one["priority"], one["edge"]))


def _problems(sync: Sync, named: list[HostProblem]) -> list[dict[str, str]]:
    labels = Labels(sync.view)
    said = [
        {"host": one.host, "what": labels.rewrite_ids(one.what), "where": one.where, "advice": one.advice}
        for one in sorted(named, key=lambda one: (one.host, one.about))
    ]
    known = {(one["what"], one["where"]) for one in said}
    for key, problem in sync.problems.items():
        if (problem.what, key) not in known:
            said.append({"host": "store", "what": problem.what, "where": key, "advice": problem.advice})
    return said


def _applied(told: Applied | None, last: int) -> str:
    """How far a host's switch is. An agent says so once a second, so "behind" may be about to end."""
    if told is None:
        return "not yet"
    return str(told.revision) if told.revision >= last else f"{told.revision}, behind"


def _mode(state: HostState | None, declared: Host | None, gateways: set[str]) -> str:
    """In which a host is: one that is an edge or has an uplink is full, whatever its setting says."""
    return FULL if state is None or (declared is not None and declared.id in gateways) else state.mode


def page(answer: Overview) -> RenderableType:
    """For people."""
    modest = any(host["mode"] != FULL for host in answer["hosts"])
    columns = [column for column in COLUMNS if modest or column != "mode"]
    rows = [[host[column] for column in columns] for host in answer["hosts"]]
    hosts = table([column.upper() for column in columns], rows) if rows else Text(NOBODY)
    count = f"\n{answer['bound']} of {answer['ports']} ports live on a host; store at revision {answer['revision']}"
    edges = [[edge[column] for column in EDGE_COLUMNS] for edge in answer["edges"]]
    routers: list[RenderableType] = [Text(), table([column.upper() for column in EDGE_COLUMNS], edges)] if edges else []
    return Group(hosts, *routers, Text(count), *(Text(line) for one in answer["problems"] for line in _lines(one)))


def _lines(problem: dict[str, str]) -> list[str]:
    advice = f"{problem['where']}: {problem['advice']}" if problem["where"] else problem["advice"]
    return [f"problem on {problem['host']}: {problem['what']}", f"  {advice}"]
