"""An agent of another pipeline takes over: every packet, at any moment, goes wholly the old way or wholly the new."""

from __future__ import annotations

import asyncio

import pytest

from retia.flows.actions import Goto, Load, Output
from retia.flows.fields import Subfield
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.switch import connection, ovsdb
from retia.switch.reconciler import Reconciler
from tests.ovs.server import OvsServer

MANY = 12_000
TO = 0x020000000001
WAYS = {
    1: (match(eth_dst=TO), Goto(2)),
    2: (match(), Output(1)),
}
"""Of the former pipeline: 0, 1, 2, out. The later one has a stage more: 0, 1, 3, out, and drops in 2."""
LATER_WAYS = {1: (match(eth_dst=TO), Goto(3)), 2: (match(), None), 3: (match(), Output(1))}


def pipeline(generation: int, ways: dict) -> list[Flow]:
    """The way of one packet, apart from each other among flows that are many."""
    register = Subfield("reg1", 0, 16)
    steps = [Flow(0, 100, match(), (Goto(1),), generation << 56)]
    for table, (wanted, action) in ways.items():
        steps.append(Flow(table, 100, wanted, (action,) if action else (), generation << 56 | table))
    filling = [
        Flow(5, 100, match(eth_dst=TO + 9 + n), (Load(register, n),), generation << 56 | n << 8) for n in range(MANY)
    ]
    share = MANY // len(steps)
    return [flow for at, step in enumerate(steps) for flow in (step, *filling[at * share : (at + 1) * share])]


class Way:
    """Asks the switch again and again where a packet would go."""

    def __init__(self, control: ovsdb.Database, bridge: str) -> None:
        self._control, self._bridge = control, bridge
        self.seen: set[str] = set()
        self.asked = 0

    async def watch(self) -> None:
        while True:
            said = await self._control.call(
                "ofproto/trace", [self._bridge, "in_port=7,dl_dst=02:00:00:00:00:01,dl_type=0x1234"]
            )
            tables = [line.split(".")[0].strip() for line in said.splitlines() if ". " in line]
            self.seen.add(" ".join(tables) + (" out" if "output:1" in said else " lost"))
            self.asked += 1


@pytest.mark.parametrize(
    ("former", "later"), [((1, WAYS), (2, LATER_WAYS)), ((2, LATER_WAYS), (1, WAYS))], ids=["up", "down"]
)
async def test_each_packet_goes_one_way_whole(ovs: OvsServer, former: tuple, later: tuple) -> None:
    bridge = ovs.bridge()
    old = Reconciler()
    await old.start(pipeline(*former))
    made = await connection.connect(ovs.dir / f"{bridge}.mgmt")
    assert await old.connected(made) == []
    await made.close()

    control = await ovsdb.connect(ovs.dir / "ctl")
    way = Way(control, bridge)
    watching = asyncio.create_task(way.watch())
    new, made = Reconciler(), await connection.connect(ovs.dir / f"{bridge}.mgmt")
    try:
        await new.start(pipeline(*later))
        assert await new.connected(made) == []
        await asyncio.sleep(0.1)
        watching.cancel()
        assert way.seen == {"0 1 2 out", "0 1 3 out"}, way.asked
        assert way.asked > 20
        observed = list(await new.channel.dump())
        assert {one.flow.key: one.flow for one in observed} == new.desired
        assert not any(one.packets for one in observed)
    finally:
        watching.cancel()
        await made.close()
        await control.close()
