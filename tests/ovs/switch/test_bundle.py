"""Bundles on a real Open vSwitch: a bad message is named and left out, at ADD or at COMMIT, and costs no other."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import pytest

from retia.errors import SwitchAway, SwitchRefused
from retia.flows.actions import Goto
from retia.flows.flow import Flow, FlowKey
from retia.flows.match import match
from retia.flows.wire import flow_mod
from retia.switch.bundle import Bundler, Change, delete, put
from retia.switch.connection import Connection, Kind, connect
from tests.ovs.server import OvsServer

GOOD = [Flow(n % 4, 5, match(metadata=n), (Goto(20),), n) for n in range(40)]
BAD = [Flow(9, n, match(metadata=n), (Goto(2),), 900 + n) for n in range(3)]


@pytest.fixture
async def made(ovs: OvsServer) -> AsyncIterator[Connection]:
    connection = await connect(ovs.dir / f"{ovs.bridge()}.mgmt")
    await connection.map_option()
    yield connection
    await connection.close()


async def keys(connection: Connection) -> set[FlowKey]:
    return {one.flow.key for one in await connection.dump()}


def to_missing_group(flow: Flow) -> Change:
    """Accepted when it is added, refused at commit."""
    body = flow_mod(flow) + struct.pack("!HHIHHI", 4, 16, 0, 22, 8, 77)
    return Change(flow.key, flow, Kind.FLOW_MOD, body)


async def test_bad_ones_are_named_and_the_rest_goes_in(made: Connection) -> None:
    changes = [put(flow, False) for flow in [*GOOD[:20], BAD[0], *GOOD[20:], BAD[1], BAD[2]]]
    refusals = await Bundler(made).send(changes)
    assert [refusal.flow for refusal in refusals] == BAD
    assert all(f"{flow.cookie:#x}" in str(r.error) for flow, r in zip(BAD, refusals, strict=True))
    assert {(r.error.type_, r.error.detail) for r in refusals} == {(3, 2)}
    assert all("not a later one" in r.error.what for r in refusals)
    assert await keys(made) == {flow.key for flow in GOOD}


async def test_an_error_at_commit_is_named_too(made: Connection) -> None:
    grouped = Flow(5, 5, (), (), 55)
    changes = [*(put(flow, False) for flow in GOOD), to_missing_group(grouped), put(BAD[0], False)]
    refusals = await Bundler(made).send(changes)
    assert {refusal.flow for refusal in refusals} == {BAD[0], grouped}
    assert await keys(made) == {flow.key for flow in GOOD}


async def test_a_refused_flow_does_not_hold_up_the_deletion_of_its_key(made: Connection) -> None:
    old = Flow(9, 1, match(metadata=1), (Goto(20),), 1)
    bundler = Bundler(made)
    await bundler.send([put(old, False)])
    (refusal,) = await bundler.send([delete(old.key), put(BAD[1], False)])
    assert refusal.key == old.key == BAD[1].key
    assert await keys(made) == set()


async def test_order_is_kept_in_a_bundle(made: Connection) -> None:
    flow = GOOD[0]
    await Bundler(made).send([put(flow, False), delete(flow.key), put(flow._replace(cookie=7), False)])
    assert [one.flow.cookie for one in await made.dump()] == [7]


async def test_a_bundle_of_nothing_but_bad_ones(made: Connection) -> None:
    assert len(await Bundler(made).send([put(flow, False) for flow in BAD])) == 3
    assert await keys(made) == set()


async def test_a_closed_connection_is_no_refusal(made: Connection) -> None:
    made.abort()
    with pytest.raises(SwitchAway):
        await Bundler(made).send([put(GOOD[0], False)])


async def test_an_option_mapped_by_someone_else_is_said(ovs: OvsServer) -> None:
    bridge = ovs.bridge()
    ovs.ofctl("add-tlv-map", bridge, "{class=0xffff,type=0,len=4}->tun_metadata0")
    connection = await connect(ovs.dir / f"{bridge}.mgmt")
    with pytest.raises(SwitchRefused, match="cannot be mapped"):
        await connection.map_option()
    await connection.close()
