"""`retia status`: the hosts, whether they are alive, where ports live, and every problem anyone has named."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import typer

from retia.cli import watch as watching
from retia.cli.output import Form, console, show_data
from retia.cli.overview import Overview, newest, overview, page
from retia.cli.session import Output, run, store_of
from retia.config import Settings
from retia.daemons import control
from retia.daemons.wants import COUNTS as WANTS
from retia.errors import InvalidInput
from retia.model.state import FULL
from retia.store.access import Access
from retia.store.etcd import EtcdStore
from retia.store.records import APPLIED
from retia.store.sync import Sync


def status(
    context: typer.Context,
    local: Annotated[bool, typer.Option(help="Ask this host's agent instead of the store.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again at every change, until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option("-n", "--interval", help="With --watch: at most once in this many.")] = 1.0,
    output: Output = Form.table,
) -> None:
    """Show hosts, liveness and problems."""
    settings: Settings = context.obj
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            run(watching.watch(EtcdStore(Access.of(settings)), _pause(seconds, local), output))
        return
    if local:
        _show_local(run(control.ask(settings.control_socket, "status")), output)
        return
    answer = run(_read(settings))
    if output is not Form.table:
        show_data(answer, output)
        return
    console().print(page(answer))


def _pause(seconds: float, local: bool) -> float:
    if local:
        raise InvalidInput("--watch and --local do not go together", where="status", advice="leave one of them out")
    if not 0 < seconds <= 3600:
        raise InvalidInput(f"{seconds:g} is no pause", where="--interval", advice="between 0 and 3600 seconds")
    return seconds


def _show_local(answer: dict[str, Any], output: Form) -> None:
    if output is not Form.table:
        show_data(answer, output)
        return
    for key in ("host", "revision", "store", "switch", "flows"):
        print(f"{key:9} {answer[key]}")
    _show_mode(answer["mode"])
    print(f"log       {', '.join(f'{name} {level}' for name, level in answer['log'].items())}")
    said = ", ".join(f"{kind} {number}" for kind, number in answer["answered"].items() if number)
    print(f"answered  {said or 'nothing'}")
    print(f"ports     {', '.join(answer['ports']) or 'none'}")
    print(f"peers     {', '.join(f'{host} ({address})' for host, address in answer['peers'].items()) or 'none'}")
    _show_gateways(answer["gateways"])
    for problem in answer["problems"]:
        print(f"problem   {problem['what']}\n          {problem['advice']}")


def _show_mode(told: dict[str, Any]) -> None:
    if told["set"] == FULL:
        print(f"mode      {FULL}")
        return
    if told["reads"] == "all":
        why = "it is an edge or has an uplink" if told["gateway"] else "it was an edge or had an uplink: restart it"
        print(f"mode      {FULL}, though {told['set']} is set: {why}")
        return
    print(f"mode      {told['set']}")
    rest = ", ".join(f"{told[name]} {name.replace('-', ' ')}" for name in WANTS)
    print(f"wants     {told['wants']}: {rest}")


def _show_gateways(told: dict[str, Any]) -> None:
    """What a host has that is no part of a gateway is not spoken of."""
    if told["reached"]:
        print(f"tunnels   {', '.join(f'{host} is {_word(up)}' for host, up in told['reached'].items())}")
    known = [f"{number} {standing}" for standing, number in told["neighbours"].items()]
    if known:
        waiting = f", {told['waiting']} packets wait" if told["waiting"] else ""
        print(f"outside   neighbours: {', '.join(known)}{waiting}")
    if told["zones"]:
        print(f"zones     {told['zones']} of connection tracking")


def _word(up: bool) -> str:
    return "reached" if up else "not reached"


async def _read(settings: Settings) -> Overview:
    async with store_of(settings) as store:
        sync, told = Sync(store), Sync(store, APPLIED)
        await sync.first()
        await told.first()
        return overview(sync, list(told.view.values()), await newest(store))
