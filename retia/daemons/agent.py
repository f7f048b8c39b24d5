"""`retia agent`: the wiring of the process that keeps one host's switch true.

    etcd ─► Sync ──────┐                         ┌─► OvsSwitch ─► Open vSwitch
                       ├─► Loop ─► Compiler ─────┤
    Open vSwitch ─┬────┘                         └─► Duties ─► HostAgent ─► etcd (bindings, problems, barriers)
                  └─► Answerer (punted packets) ─► Open vSwitch
                         ├─► Gateways (neighbours, zones, announcements) ─► Loop
                         └─► Wants (on-demand mode) ─► Sync

Every task has a name and one parent. A bug ends the process; the world being away does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from retia import __version__
from retia.compile.compiler import Compiler
from retia.config import Settings
from retia.daemons import control
from retia.daemons.answerer import Answerer
from retia.daemons.direct import kernel_forwards
from retia.daemons.duties import Duties
from retia.daemons.gateways import Gateways, Wish
from retia.daemons.loop import Loop
from retia.daemons.questions import Parts, Questions
from retia.daemons.supervisor import Supervisor
from retia.daemons.tracer import Tracer
from retia.daemons.wants import Wants, remembered
from retia.errors import InvalidInput, Retry
from retia.flows.carrying import Punted
from retia.log import logger
from retia.model.state import ON_DEMAND, HostState
from retia.pipeline.punts import KIND_OF, METERS, PuntKind
from retia.pipeline.stages import HOOK
from retia.store import schema
from retia.store.contract import Store
from retia.store.etcd import Access, EtcdStore
from retia.store.host import HostAgent, register
from retia.store.partial import PartialSync
from retia.store.sync import Sync
from retia.switch import datapath, exports
from retia.switch.bridge import Wanted
from retia.switch.contract import InterfacesChanged, Switch, SwitchEvent
from retia.switch.ovs import OvsSwitch, Place
from retia.values import Ip

AGAIN = 0.5
"""Seconds between two tries to reach what a start needs."""

HOOKS = frozenset({int(HOOK)})
"""Tables where other programs may have flows of their own."""

T = TypeVar("T")

log = logger("agent")


async def run(settings: Settings, supervisor: Supervisor) -> None:
    """Until SIGTERM or SIGINT. A store or a switch that is not there yet is waited for. Raises what waiting does not
    mend: InvalidInput, Unsupported, NotAllowed, Conflict."""
    tunnel = _tunnel_address(settings)
    store = EtcdStore(Access.of(settings))
    supervisor.beat()
    waiting = supervisor.status
    await patiently(lambda: schema.check(store), waiting)
    switch = OvsSwitch(await patiently(lambda: _place(settings), waiting), hooks=HOOKS)
    await patiently(switch.check, waiting)
    name, mode = settings.host_name, settings.mode
    state = await patiently(lambda: register(store, name, tunnel, __version__, mode), waiting)
    log.info("registered", host=state.host, key=state.key, tunnel=str(state.tunnel), mode=state.mode)

    def begun(tasks: list[asyncio.Task[None]], loop: Loop) -> None:
        _on_signals(tasks, supervisor)
        loop.on_started = lambda: supervisor.ready(f"{state.host} at {state.tunnel}")

    try:
        await attend(settings, state, store, switch, begun)
    finally:
        await store.close()


async def _place(settings: Settings) -> Place:
    """Raises SwitchAway, or InvalidInput for a collector that is none."""
    run_dir = Path(settings.ovs_run_dir)
    chosen = await datapath.choose(settings.datapath, run_dir / "db.sock", settings.bridge)
    return Place(run_dir, Wanted(settings.bridge, chosen, settings.bfd_interval, exports.read(settings)))


async def attend(
    settings: Settings,
    state: HostState,
    store: Store,
    switch: Switch,
    begun: Callable[[list[asyncio.Task[None]], Loop], None],
    forwards: Callable[[], bool] = kernel_forwards,
) -> None:
    """Keep the switch of a registered host true until the tasks that `begun` is told of are cancelled, or this is.
    `forwards`: whether the host's kernel does."""
    compiler = Compiler(state.host)
    wants = _wants(settings, state, store, switch)
    sync = wants.sync if wants is not None else Sync(store)
    host = HostAgent(store, state.host, settings.lease_seconds)
    duties = Duties(host, compiler, switch)
    answerer = Answerer(compiler, switch)
    wish = Wish(Path(settings.run_dir), settings.direct_exit, forwards)
    gateways = Gateways(compiler, switch, wish, answerer.unreachable)
    neighbours = gateways.neighbours
    answerer.elsewhere = {
        PuntKind.ASK_NEIGHBOUR: neighbours.take,
        PuntKind.HEARD_NEIGHBOUR: neighbours.take,
        PuntKind.WANTED: wants.take if wants is not None else _let_be,
    }
    tracer = Tracer(compiler, switch, store)
    loop = Loop(compiler, switch, duties, gateways, tracer)
    duties.records = sync.problems
    await switch.limit(METERS)
    parts = Parts(compiler, switch, sync, duties, loop, answerer, gateways, wants)
    server = await control.serve(settings.control_socket, Questions(parts).answers)

    try:
        async with _measured(settings, parts), asyncio.TaskGroup() as tasks:
            works = _works(parts, host, tracer)
            running = [tasks.create_task(never_ending(work), name=name) for name, work in works.items()]
            begun(running, loop)
    except* asyncio.CancelledError:
        pass
    finally:
        server.close()
        settings.control_socket.unlink(missing_ok=True)
        log.info("stopped")


def _works(parts: Parts, host: HostAgent, tracer: Tracer) -> dict[str, Coroutine[Any, Any, None]]:
    """What an agent does all the while, by name."""
    sync, duties, inbox, gateways, wants = parts.sync, parts.duties, parts.loop.inbox, parts.gateways, parts.wants

    async def follow() -> None:
        async for delta in sync.deltas():
            duties.records = sync.problems
            inbox.put_nowait(delta)

    def report(event: SwitchEvent) -> None:
        if isinstance(event, InterfacesChanged) and wants is not None:
            wants.sync.plug(event.changes, event.whole, partial(inbox.put_nowait, event))
        elif not isinstance(event, Punted):
            inbox.put_nowait(event)
        elif KIND_OF.get(event.userdata) is PuntKind.TRACED:
            tracer.take(event)
        else:
            parts.answerer.take(event)

    return {
        "store": follow(),
        "switch": parts.switch.run(report),
        "loop": parts.loop.run(),
        "answerer": parts.answerer.run(),
        "duties": duties.run(),
        "applied": duties.tell_applied(),
        "lease": host.run(),
        "neighbours": gateways.neighbours.run(),
        "tracer": tracer.run(),
        "announcer": gateways.announcer.run(),
        "direct exit": gateways.direct.run(),
    } | ({"wants": wants.run()} if wants is not None else {})


def _wants(settings: Settings, state: HostState, store: Store, switch: Switch) -> Wants | None:
    """In on-demand mode, with what the last agent wanted."""
    if state.mode != ON_DEMAND:
        return None
    file = Path(settings.run_dir) / f"wants-{state.host}.json"
    return Wants(PartialSync(store, state.host, remembered(file)), switch, file, settings.want_idle)


def _let_be(punt: Punted) -> None:
    """Of a flow from before this agent, which needs no such thing."""


def _measured(settings: Settings, parts: Parts) -> AbstractAsyncContextManager[None]:
    """prometheus-client is loaded only where it is used."""
    if not settings.metrics_address:
        return contextlib.nullcontext()
    from retia.daemons import exporter

    return exporter.serving(settings.metrics_address, parts)


async def never_ending(work: Coroutine[Any, Any, None]) -> None:
    """Raises RuntimeError when `work` ends and nobody told it to: an agent that lives and hears no more would be worse
    than one that its supervisor starts again."""
    task = asyncio.current_task()
    try:
        await work
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
    raise RuntimeError(f"the agent's part {task.get_name() if task else work} has ended")


async def patiently(ask: Callable[[], Awaitable[T]], say: Callable[[str], None]) -> T:
    """Its answer, once it does not raise Retry. Each new reason to wait is logged once, and said."""
    said = ""
    while True:
        try:
            return await ask()
        except Retry as error:
            if error.what != said:
                say(f"waiting: {error.what} ({error.where})")
                log.error("waiting", why=error.what, where=error.where, advice=error.advice)
            said = error.what
            await asyncio.sleep(AGAIN)


def _tunnel_address(settings: Settings) -> Ip:
    if not settings.tunnel_address:
        raise InvalidInput(
            "no tunnel address is given",
            where="tunnel_address",
            advice="set --tunnel-address to this host's address in the network that joins the hosts",
        )
    address = Ip.parse(settings.tunnel_address)
    if address.family != 4:
        raise InvalidInput(
            "tunnels over IPv6 are not carried yet", where="tunnel_address", advice="give an IPv4 address"
        )
    return address


def _on_signals(tasks: list[asyncio.Task[None]], supervisor: Supervisor) -> None:
    def stop() -> None:
        supervisor.stopping()
        for task in tasks:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
