"""A forecast is what the compilers of all hosts would do: for random networks, hosts and changes, good and bad."""

from __future__ import annotations

import os
import random

import pytest

from retia.compile.assumed import assumed
from retia.compile.compiler import Compiler
from retia.compile.cookies import cookie
from retia.compile.outputs import FlowRow
from retia.flows.flow import Flow, FlowKey
from retia.model.local import Interface, InterfaceChange
from retia.plan.forecast import Forecast, forecast
from retia.plan.hosts import HostView
from tests.walks.histories import HOSTS, PORTS, World

SEED = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
CHANGES = int(os.environ.get("RETIA_HISTORIES", "40"))
CALM = (0.97, 0.9, 0.7)


def views(source: random.Random) -> list[HostView]:
    found = []
    for host in HOSTS:
        numbers = source.sample(range(1, 9), source.randrange(5))
        names = [source.choice((*PORTS, "a/port-0", "b/port-1", "a/none")) for _ in numbers]
        interfaces = tuple(Interface(f"if-{n}", n, name) for n, name in zip(numbers, names, strict=True))
        found.append(HostView(host, source.choice((0, 60000, 60000)), interfaces, {}))
    return found


def flow(row: FlowRow | None) -> Flow | None:
    return row and Flow(int(row.stage), row.priority, row.match, row.actions, cookie(row.rule, row.origin))


def after(flows: dict[FlowKey, Flow], told: Forecast, host: str) -> dict[FlowKey, Flow]:
    """The flows of a host with the forecast's differences made."""
    flows = dict(flows)
    for one in told.of(host):
        old, new = flow(one.old), flow(one.new)
        if old is not None:
            assert flows.pop(old.key) == old, "what goes or changes was there"
        if new is not None:
            assert new.key not in flows, "what comes was not there"
            flows[new.key] = new
    return flows


@pytest.mark.parametrize("part", range(4))
def test_every_host_every_flow(part: int) -> None:
    differing = 0
    for number in range(part, CHANGES, 4):
        seed = SEED + number
        world = World(random.Random(seed), CALM[number % len(CALM)])
        world.start()
        for _ in range(world.source.randrange(4)):
            world.step()
        known = views(world.source)
        before = dict(world.things)
        world.step()
        names = sorted(before.keys() | world.things.keys())
        pairs = [(before.get(name), world.things.get(name)) for name in names]
        pairs = [(old, new) for old, new in pairs if old != new]
        told = forecast(list(before.values()), pairs, known)
        now = assumed(before.values())
        then = assumed(world.things.values(), now)
        assert told.hosts == list(HOSTS)
        for view in known:
            where = f"RETIA_SEED={seed} RETIA_HISTORIES=1, {view.host}"
            compiler = Compiler(view.host)
            local = [((), now.rows(view.host))]
            plugged = [InterfaceChange(None, one) for one in view.interfaces]
            compiler.change([(None, thing) for thing in before.values()], plugged, view.tunnel_port, local)
            flows, troubles = compiler.flows, set(compiler.troubles)
            delta = compiler.change(pairs, local=[(now.rows(view.host), then.rows(view.host))])
            assert after(flows, told, view.host) == compiler.flows, where
            counts = told.counts().get(view.host, (0, 0, 0))
            assert counts[0] + counts[1] == len(delta.puts), where
            assert counts[2] == len(delta.drops), where
            bit = 1 << told.hosts.index(view.host)
            found = set(compiler.troubles)
            assert {one for one, hosts in told.came if hosts & bit} == found - troubles, where
            assert {one for one, hosts in told.went if hosts & bit} == troubles - found, where
            differing += len(delta.puts) + len(delta.drops)
    assert differing > 10


def test_nothing_changes_nothing() -> None:
    world = World(random.Random(1))
    world.start()
    told = forecast(list(world.things.values()), [], views(world.source))
    assert (told.flows, told.came, told.went, told.counts()) == ([], [], [], {})
