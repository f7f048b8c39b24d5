"""What the reconciler sends, message by message: the difference, and nothing that is right already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from retia.flows.actions import Output
from retia.flows.flow import Flow
from retia.flows.match import match
from retia.flows.wire import DELETE, decode_flow_mod
from retia.switch import bundle
from retia.switch.bundle import Bundler, Change, Refusal
from retia.switch.reconciler import Reconciler
from retia.switch.software_bridge import Link, SoftwareBridge

FLOWS = [Flow(1, 10, match(metadata=n), (Output(n + 1),), cookie=n + 1) for n in range(6)]


class Listening(Link):
    """A link that remembers what was sent over it."""

    def __init__(self, switch: SoftwareBridge) -> None:
        super().__init__(switch, lambda update: None, lambda punted: None)
        self.sent: list[Change] = []
        self.whole: list[bool] = []

    async def send(self, changes: Sequence[Change], whole: bool = False) -> list[Refusal]:
        self.sent += changes
        self.whole.append(whole)
        return await super().send(changes, whole)


class Slow(Listening):
    """Takes changes once it `may`."""

    def __init__(self, switch: SoftwareBridge) -> None:
        super().__init__(switch)
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def send(self, changes: Sequence[Change], whole: bool = False) -> list[Refusal]:
        self.asked.set()
        await self.may.wait()
        return await super().send(changes, whole)


def bridge_with(*flows: Flow) -> SoftwareBridge:
    made = SoftwareBridge()
    made.ensure()
    for flow in flows:
        made.put(flow)
    return made


async def reconciled(switch: SoftwareBridge, *flows: Flow) -> tuple[Reconciler, Listening]:
    """A reconciler that has just made the switch agree with these flows."""
    reconciler, link = Reconciler(lambda link: link), Listening(switch)
    await reconciler.connected(link)
    await reconciler.start(flows)
    assert {flow.key: flow for flow in switch.flows} == {flow.key: flow for flow in flows}
    return reconciler, link


async def test_what_is_right_is_not_sent_again() -> None:
    reconciler, link = await reconciled(bridge_with(), *FLOWS)
    link.sent.clear()
    changed = FLOWS[2]._replace(actions=(Output(99),))
    await reconciler.apply([*FLOWS[:2], changed, *FLOWS[3:]], [FLOWS[0]._replace(priority=7).key])
    assert [change.flow for change in link.sent] == [changed]


async def test_a_reconnection_sends_the_difference() -> None:
    """At one moment, however large: a packet sees all of it or nothing."""
    stranger = Flow(3, 3, match(), (Output(1),), 77)
    spoilt = FLOWS[1]._replace(actions=(Output(50),))
    _, link = await reconciled(bridge_with(FLOWS[0], spoilt, *FLOWS[3:], stranger), *FLOWS)
    assert {change.key for change in link.sent} == {FLOWS[1].key, FLOWS[2].key, stranger.key}
    assert all(decode_flow_mod(change.body).command != DELETE for change in link.sent), "all are taken out at once"
    assert link.whole == [True]


async def test_it_agrees_only_when_the_whole_difference_is_in() -> None:
    """Not while it is on its way: who asked whether a change is in every switch would be told so too early."""
    switch = bridge_with()
    reconciler, _ = await reconciled(switch, *FLOWS)
    assert reconciler.agrees
    reconciler.disconnected()
    assert not reconciler.agrees
    switch.drop(FLOWS[0].key)
    again = Slow(switch)
    coming = asyncio.create_task(reconciler.connected(again))
    await again.asked.wait()
    assert not reconciler.agrees
    again.may.set()
    await coming
    assert reconciler.agrees and len(switch.flows) == len(FLOWS)


async def test_an_empty_switch_is_filled_in_slices() -> None:
    """No packet can see half of two sets, so the switch may breathe between the slices."""
    _, link = await reconciled(bridge_with(), *FLOWS)
    assert link.whole == [False] and len(link.sent) == len(FLOWS)


async def test_a_flow_of_another_object_begins_to_count_anew_at_connect() -> None:
    another, same = FLOWS[1]._replace(cookie=900), FLOWS[2]._replace(actions=(Output(50),))
    _, link = await reconciled(bridge_with(FLOWS[0], another, same, *FLOWS[3:]), *FLOWS)
    said = {change.key: decode_flow_mod(change.body).reset_counts for change in link.sent}
    assert said == {FLOWS[1].key: True, FLOWS[2].key: False}


class Slices(Bundler):
    """A bundler whose slices go nowhere."""

    def __init__(self) -> None:
        self.slices: list[list[Change]] = []

    async def _send_slice(self, changes: list[Change]) -> list[Refusal]:
        self.slices.append(changes)
        return []


async def test_many_changes_go_in_slices() -> None:
    """All of them, each once and in order; what must be seen whole goes as one."""
    many = [bundle.delete(FLOWS[0]._replace(priority=n).key) for n in range(2 * bundle.SIZE + 1)]
    pieces, one = Slices(), Slices()
    await pieces.send(many)
    await one.send(many, whole=True)
    assert [len(piece) for piece in pieces.slices] == [bundle.SIZE, bundle.SIZE, 1]
    assert [change for piece in pieces.slices for change in piece] == many
    assert one.slices == [many]
