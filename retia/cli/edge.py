"""`retia edge`: hosts that run a router come and go in steps, each waited for until every live host's switch has it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from retia.cli.output import Form, show_data, show_rows
from retia.cli.session import Output, Project, run, store_of
from retia.compile.local import uplink_name
from retia.config import Settings
from retia.errors import Conflict, InvalidInput, Timeout
from retia.model.gateways import outside_ports_of
from retia.model.kinds import DEFAULT_PROJECT, Edge, Router, Switch, Uplink
from retia.model.network import Network
from retia.model.shapes import parse_int
from retia.model.state import HostProblem, alive_hosts
from retia.store import catalog, edges
from retia.store.barrier import Answers, listening
from retia.store.changes import Changes
from retia.store.contract import Store
from retia.store.edges import LastEdge, Place, Wish
from retia.store.view import View, states
from retia.values import Cidr

app = typer.Typer(help="Bring edges of a router into service, and take them out, step by step.", no_args_is_help=True)

RouterName = Annotated[str, typer.Argument(help="The router.")]
HostName = Annotated[str, typer.Argument(help="The host.")]
StepWait = Annotated[float, typer.Option("--wait", help="Wait this many seconds, at each step, for every live host.")]
Force = Annotated[bool, typer.Option("--force", help="Also where it is the last edge that works.")]

PATIENCE, GLANCE = 1.0, 0.1
"""Seconds in which a host says that an uplink just made cannot be, and between two looks for that."""

Decide = Callable[[View], Changes]


class Steps:
    """Writes one step after the other, waits for each, and says so."""

    def __init__(self, store: Store, answers: Answers, limit: float, output: Form) -> None:
        self.store, self.limit, self.output = store, limit, output
        self._answers = answers
        self.told: list[dict[str, Any]] = []

    async def take(self, decide: Decide, meaning: str) -> Changes:
        """`meaning`: what is so once all have it. A step that changes nothing says nothing, but is waited for."""
        changes, revision = await catalog.change(self.store, decide, ask=True)
        if self.output is Form.table:
            for line in changes.lines():
                print(line, flush=True)
        try:
            answers = await self._answers.wait(self.limit, revision)
        except Timeout as error:
            advice = "this step is stored, the next is not taken: see `retia status`, then give the command again"
            raise Timeout(error.what, advice=advice) from None
        hosts = [answer.host for answer in answers]
        if changes:
            self.say(f"{meaning} (in the switches of {', '.join(hosts) or 'no host: none is alive'})", changes, hosts)
        return changes

    def say(self, what: str, changes: Changes | None = None, hosts: list[str] | None = None) -> None:
        self.told.append({"what": what, "changes": changes.lines() if changes else [], "hosts": hosts or []})
        if self.output is Form.table:
            print(what, flush=True)

    async def alive(self) -> set[str]:
        return alive_hosts(await states(self.store))


def _run(settings: Settings, limit: float, output: Form, work: Callable[[Steps], Awaitable[None]]) -> None:
    async def steps() -> Steps:
        async with store_of(settings) as store, listening(store) as answers:
            taken = Steps(store, answers, limit, output)
            await work(taken)
            return taken

    done = run(steps())
    if output is not Form.table:
        show_data({"steps": done.told}, output)


def _asked(settings: Settings, limit: float, output: Form, force: bool, work: Callable[..., Awaitable[None]]) -> None:
    """`work(steps, force)`; for the last edge a terminal is asked. Raises LastEdge where there is none."""
    try:
        _run(settings, limit, output, lambda steps: work(steps, force))
    except LastEdge as last:
        if not _is_terminal():
            raise
        typer.confirm(f"{last.what}. Go on?", abort=True)
        _run(settings, limit, output, lambda steps: work(steps, True))


def _is_terminal() -> bool:
    return sys.stdin.isatty()


@app.command()
def add(
    context: typer.Context,
    router: RouterName,
    host: HostName,
    priority: Annotated[
        int | None, typer.Option(help="The highest that lives holds translated addresses.", show_default=False)
    ] = None,
    port: Annotated[
        list[str] | None, typer.Option(help="Its own router port, as SWITCH=ADDRESS/LENGTH; may be repeated.")
    ] = None,
    uplink: Annotated[
        list[str] | None, typer.Option(help="An uplink to make there, as SWITCH=BRIDGE or SWITCH=BRIDGE:VLAN.")
    ] = None,
    project: Project = DEFAULT_PROJECT,
    wait: StepWait = 30.0,
    output: Output = Form.table,
) -> None:
    """Make a host an edge of a router: uplinks and ports first; packets are sent there once every switch has them."""
    place = Place(router, host, project)
    wish = Wish(priority, _ports(port or []), _uplinks(uplink or []))

    async def work(steps: Steps) -> None:
        await _add(steps, place, wish)

    _run(context.obj, wait, output, work)


async def _add(steps: Steps, place: Place, wish: Wish) -> None:
    view = await View.load(steps.store)
    router, host, before = place.find(view.network)
    alone = not view.network.has(router.id, Edge)
    edges.prepare(view, place, wish)  # what is wrong with the wish comes before what is wrong with the host
    if host.name not in await steps.alive():
        advice = "start its agent, see `retia status`, then give the command again"
        raise Conflict(f"host {host.name} is not alive, so it would carry nothing", advice=advice)
    ready = f"{host.name} alone runs router {router.name}" if alone else f"{host.name} is prepared"
    prepared = await steps.take(lambda fresh: edges.prepare(fresh, place, wish), ready)
    made = any(isinstance(item, Uplink) for item in prepared.creates)
    await _raise_not_ready(steps.store, place, PATIENCE if made else 0)
    served = await steps.take(lambda fresh: edges.serve(fresh, place), f"packets for {router.name} are sent to it too")
    if not prepared and not served and before is not None:
        steps.say(f"nothing changed: {host.name} is an edge of router {router.name} already")


async def _raise_not_ready(store: Store, place: Place, patience: float) -> None:
    """Raises Conflict with what the host says, now or within `patience`, of the uplinks of the edge's outside ports."""
    network = (await View.load(store)).network
    router, host, _ = place.find(network)
    switches = [network.get(Switch, port.switch) for port in outside_ports_of(network, router.id, host.id)]
    names = [uplink_name(switch.key) for switch in switches if switch is not None]
    end = time.monotonic() + patience
    while True:
        problems = [one for one in await states(store) if isinstance(one, HostProblem) and one.host == host.name]
        for one in problems:
            if any(name in text for name in names for text in (one.about, one.what, one.where)):
                advice = f"{one.advice}; then give the command again: no packets are sent there yet"
                raise Conflict(f"host {host.name} is not ready: {one.what}", where=one.where, advice=advice)
        if time.monotonic() >= end:
            return
        await asyncio.sleep(GLANCE)


@app.command()
def drain(
    context: typer.Context,
    router: RouterName,
    host: HostName,
    force: Force = False,
    project: Project = DEFAULT_PROJECT,
    wait: StepWait = 30.0,
    output: Output = Form.table,
) -> None:
    """Send no more packets to an edge; its connections go on by the others. `edge add` brings it back."""
    place = Place(router, host, project)

    async def work(steps: Steps, force: bool) -> None:
        changes = await _drain(steps, place, force)
        for update in changes.updates:
            _note_document(steps, update.after.document, "drained")
        if not changes:
            steps.say(f"nothing changed: edge {host} of router {router} is drained already")

    _asked(context.obj, wait, output, force, work)


async def _drain(steps: Steps, place: Place, force: bool) -> Changes:
    alive = await steps.alive()
    drained = f"edge {place.host} of router {place.router} is drained"
    return await steps.take(lambda view: edges.drain(view, place, alive, force), drained)


def _note_document(steps: Steps, document: str, state: str) -> None:
    if document:
        steps.say(f"note: document {document} declares it; applied as it is, it is not {state} any more")


@app.command()
def remove(
    context: typer.Context,
    router: RouterName,
    host: HostName,
    force: Force = False,
    project: Project = DEFAULT_PROJECT,
    wait: StepWait = 30.0,
    output: Output = Form.table,
) -> None:
    """Drain an edge, then delete it with the ports, routes and translations that only it has. Its uplinks stay."""
    place = Place(router, host, project)

    async def work(steps: Steps, force: bool) -> None:
        await _remove(steps, place, force)

    _asked(context.obj, wait, output, force, work)


async def _remove(steps: Steps, place: Place, force: bool) -> None:
    view = await View.load(steps.store)
    router, host, edge = place.find(view.network)
    if edge is None:
        steps.say(f"nothing changed: {host.name} is no edge of router {router.name}")
        return
    left = edges.left_uplinks(view.network, router.id, host.id)
    edges.remove(view, place, force)  # asks before it drains
    await _drain(steps, place, force)
    removed = f"{host.name} is no edge of router {router.name} any more"
    await steps.take(lambda fresh: edges.remove(fresh, place, force), removed)
    for uplink in left:
        path = view.network.path(uplink)
        steps.say(f"note: uplink {path} stays, and nothing uses it: `retia delete uplink {path}`")
    _note_document(steps, edge.document, "removed")


@app.command("list")
def list_(
    context: typer.Context,
    router: Annotated[str, typer.Argument(help="The router; all when left out.")] = "",
    project: Project = DEFAULT_PROJECT,
    output: Output = Form.table,
) -> None:
    """Show edges: whether they are in service and alive, who holds translated addresses, and addresses outside."""
    network, alive = run(_load(context.obj))
    routers = [network.find(Router, router, project)] if router else sorted(network.of(Router), key=network.path)
    show_rows([row for each in routers for row in _rows(network, each, alive)], output, "there are no edges")


async def _load(settings: Settings) -> tuple[Network, set[str]]:
    async with store_of(settings, reading=True) as store:
        alive = alive_hosts(await states(store))
        return (await View.load(store)).network, alive


def _rows(network: Network, router: Router, alive: set[str]) -> list[dict[str, Any]]:
    ranked = [(edge, network.objects[edge.host].name) for edge in network.referrers(router.id, Edge)]
    ranked.sort(key=lambda each: (-each[0].priority, each[1]))
    holder = next((host for edge, host in ranked if edge.admin_state and host in alive), "")
    return [
        {
            "router": network.path(router),
            "host": host,
            "priority": edge.priority,
            "state": "in service" if edge.admin_state else "drained",
            "alive": host in alive,
            "holds": host == holder,
            "outside": _outside(network, edge),
        }
        for edge, host in ranked
    ]


def _outside(network: Network, edge: Edge) -> list[str]:
    return [str(cidr) for port in outside_ports_of(network, edge.router, edge.host) for cidr in port.addresses]


def _ports(texts: list[str]) -> dict[str, tuple[Cidr, ...]]:
    """SWITCH=ADDRESS/LENGTH, several of one switch together. Raises InvalidInput."""
    ports: dict[str, tuple[Cidr, ...]] = {}
    for text in texts:
        switch, address = _halves(text, "--port", "SWITCH=ADDRESS/LENGTH, as in out=203.0.113.13/24")
        ports[switch] = (*ports.get(switch, ()), Cidr.parse(address))
    return ports


def _uplinks(texts: list[str]) -> dict[str, tuple[str, int]]:
    """SWITCH=BRIDGE or SWITCH=BRIDGE:VLAN. Raises InvalidInput."""
    uplinks: dict[str, tuple[str, int]] = {}
    for text in texts:
        switch, bridge = _halves(text, "--uplink", "SWITCH=BRIDGE, as in out=br-ex or out=br-ex:100")
        bridge, _, vlan = bridge.partition(":")
        uplinks[switch] = (bridge, parse_int(vlan) if vlan else 0)
    return uplinks


def _halves(text: str, option: str, form: str) -> tuple[str, str]:
    left, _, right = text.partition("=")
    if not left or not right:
        raise InvalidInput(f"{text!r} is not of that form", where=option, advice=f"write {form}")
    return left, right
