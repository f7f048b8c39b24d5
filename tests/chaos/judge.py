"""What must hold whenever nothing is being broken: the chaos ends, and pauses now and then, in these questions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

from retia.compile.compiler import Compiler
from retia.compile.local import NeighbourFact, attachment_rows
from retia.daemons import kept
from retia.daemons.zones import Zones
from retia.flows.flow import Flow, FlowKey
from retia.lab.hosts import Host
from retia.lab.names import INTEGRATION
from retia.lab.spaces import SpacesLab
from retia.model.local import TUNNEL_PORT, Attachment, Interface
from retia.rules import Relation
from retia.store import catalog
from retia.store.sync import Sync
from retia.store.view import View
from retia.switch import connection, ovsdb
from retia.switch.attachments import Attachments
from retia.switch.bridge import Wanted
from retia.switch.interfaces import MONITORED, Interfaces
from retia.values import Ip, Mac
from tests.chaos.model import MOVERS, STEADY, WORLD, Wish

PATIENCE = 5.0
ASKED = 5


async def differences(lab: SpacesLab) -> list[str]:
    """Where a host's flows are not those of a compiler that begins with nothing, once all had time to become so."""
    end = time.monotonic() + PATIENCE
    while True:
        found = [line for host in lab.hosts.values() for line in await _of_host(lab, host)]
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(0.2)


class Seen(NamedTuple):
    """A host's interfaces and attachments, by name."""

    interfaces: dict[str, Interface]
    attachments: dict[str, Attachment]


async def fresh(lab: SpacesLab, host: Host) -> tuple[Compiler, Seen]:
    """A compiler that begins with nothing, given all there is now; and what there is on the host."""
    changes = (await Sync(lab.store).first()).changes
    interfaces, attachments = Interfaces(INTEGRATION), Attachments(Wanted(INTEGRATION))
    database = await ovsdb.connect(host.dir / "db.sock")
    try:
        rows = await database.monitor(MONITORED)
    finally:
        await database.close()
    came = interfaces.update(rows, whole=True)
    attachments.update(rows, whole=True)
    tunnel = interfaces.known.get(TUNNEL_PORT)
    compiler = Compiler(host.name)
    guests = [one for one in came if one.name != TUNNEL_PORT and one.name not in attachments.known]
    compiler.change(changes, guests, tunnel.ofport if tunnel else 0, local=[((), _local(host, attachments))])
    return compiler, Seen(interfaces.known, attachments.known)


def _local(host: Host, attachments: Attachments) -> list[Relation]:
    """What the host knows by itself: its attachments, and what its agent keeps for the next one."""
    found = [row for one in attachments.known.values() for row in attachment_rows(host.name, one)]
    found += Zones(host.name, host.dir / f"zones-{host.name}.json").rows
    kept_rows = kept.read(host.dir / f"neighbours-{host.name}.json", list[tuple[str, str, str]]) or []
    return found + [NeighbourFact(port, Ip.parse(address), Mac.parse(mac)) for port, address, mac in kept_rows]


async def _of_host(lab: SpacesLab, host: Host) -> list[str]:
    wanted, observed = (await fresh(lab, host))[0].flows, await flows_of(host)
    lacking = [f"{host.name} lacks {wanted[key]}" for key in wanted if observed.get(key) != wanted[key]]
    return lacking + [f"{host.name} has too much: {observed[key]}" for key in observed.keys() - wanted.keys()]


async def flows_of(host: Host) -> dict[FlowKey, Flow]:
    """Those that are in its switch."""
    switch = await connection.connect(host.dir / f"{INTEGRATION}.mgmt")
    try:
        return {one.flow.key: one.flow for one in await switch.dump()}
    finally:
        await switch.close()


async def lost_changes(lab: SpacesLab, wish: Wish) -> list[str]:
    """What was acknowledged and is not in the store, or is there and was never wished."""
    return catalog.plan(await View.load(lab.store), wish.document(), prune=True).lines()


async def wrong_ways(lab: SpacesLab, wish: Wish) -> list[str]:
    """Pairs of guests that should reach each other and do not, or the other way round."""
    names = [*STEADY, *MOVERS]
    pairs = [(a, b) for a in names for b in names if a != b] + [(a, "world") for a in STEADY]
    answers = await asyncio.gather(*(_answers(lab, wish, *pair) for pair in pairs))
    wrong = [pair for pair, answered in zip(pairs, answers, strict=True) if answered != wish.reaches(*pair)]
    return [f"{a} {'does not reach' if wish.reaches(a, b) else 'reaches'} {b}" for a, b in wrong]


async def _answers(lab: SpacesLab, wish: Wish, source: str, target: str) -> bool:
    setup = lab.guests[target].setup if target != "world" else None
    if target != "world" and (setup is None or setup.address is None):
        return False
    with lab.guests[source].pinger(str(setup.address.address) if setup and setup.address else WORLD) as pings:
        for _ in range(ASKED if wish.reaches(source, target) else 2):
            await pings.settle(pings.send(), 0.5)
            if pings.replies:
                return True
    return False


def memory(host: Host) -> int:
    """Bytes of its agent that are in memory now; 0 when there is none."""
    pid = host.pid("agent")
    if pid is None:
        return 0
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
