"""An agent of an edge over a memory store: zones, attachments, announcements, direct exit, and a start that waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scapy.layers.l2 import ARP, Ether

from retia.compile.local import DirectFact, NeighbourFact, peer_name
from retia.compile.outputs import WantsNeighbour
from retia.daemons import loop as loops
from retia.daemons import neighbours
from retia.flows.carrying import Punted
from retia.model.document import parse
from retia.model.kinds import Nat, Route
from retia.model.local import Attachment, AttachmentChange, Interface, WantedPeer, WantedUplink
from retia.model.state import HostProblem
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import NEIGHBOUR, ZONES
from retia.store import catalog
from retia.store.memory import MemoryStore
from retia.switch.contract import AttachmentsChanged, Connected
from retia.values import Ip
from tests.unit.daemons.test_loop import Agent, running, until

DOCUMENT = """
retia: 1
document: test
hosts: {hv1: {}, hv2: {}}
switches:
  web: {subnets: {n: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}, ports: {a: {}, b: {}}}
  ext: {subnets: {n: {cidr: 203.0.113.0/24}}, uplinks: {hv1: {bridge: br-ex}}}
routers:
  r1:
    edges: {hv1: {}}
    ports: {in: {switch: web}, out: {switch: ext, addresses: 203.0.113.2/24}}
    routes: {world: {prefix: 0.0.0.0/0, next_hop: 203.0.113.254}}
    nats: {all: {type: snat, internal: 10.0.1.0/24}}
"""
FLOATING = {"type": "floating", "internal": "10.0.1.2", "external": "203.0.113.10"}


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await catalog.change(made, lambda view: catalog.plan(view, parse(DOCUMENT, "test.yaml")))
    return made


async def up(agent: Agent) -> None:
    """Started, with its uplink there."""
    agent.plug(Interface("g1", 1, "web/a"), whole=True)
    await until(lambda: agent.loop.started and agent.switch.attached[0])
    (uplink,) = agent.switch.attached[0]
    attach(agent, Attachment(uplink.name, 50))
    await until(lambda: agent.compiler.outside)


def attach(agent: Agent, *there: Attachment) -> None:
    agent.loop.inbox.put_nowait(AttachmentsChanged(tuple(AttachmentChange(None, one) for one in there)))


def zoned(agent: Agent) -> set:
    return {flow for flow in agent.switch.flows.values() if flow.table == int(ZONES) and flow.match}


def announced(agent: Agent) -> list[str]:
    said = [Ether(frame)[ARP] for frame, actions in agent.switch.sent if len(actions) == 1]
    return [one.psrc for one in said if one.psrc == one.pdst]


async def test_a_router_with_nat_has_clean_zones_from_its_first_flow_on(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        await up(agent)
        assert agent.switch.flushed == [1, 2] and agent.gateways.zones.in_use == 2
        assert agent.switch.log.index("flush") < agent.switch.log.index("start") < agent.switch.log.index("attach")
        assert len(zoned(agent)) == 1
        await catalog.change(store, lambda view: catalog.delete(view, [view.find(Nat, "r1/all")]))
        await until(lambda: not zoned(agent))
        assert agent.gateways.zones.in_use == 0
        await catalog.change(store, lambda view: catalog.create(view, Nat, "r1/a", FLOATING))
        await until(lambda: zoned(agent))
        assert agent.switch.flushed == [1, 2, 1, 2] and agent.switch.flows == agent.compiler.flows


async def test_uplinks_and_watched_tunnels_are_asked_for_and_what_is_there_is_known(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent, running(store, "hv2") as other:
        await up(agent)
        ((uplink,), peers) = agent.switch.attached
        assert uplink == WantedUplink(uplink.name, "br-ex", 0) and peers == ()
        other.plug(Interface("g9", 9, "web/b"), whole=True)
        await until(lambda: other.switch.attached[1])
        (peer,) = other.switch.attached[1]
        assert isinstance(peer, WantedPeer) and peer.address == "192.0.2.1"
        attach(other, Attachment(peer.name, 60, "up", True))
        await until(lambda: other.gateways.edges == {peer.name: True})


async def test_addresses_are_announced_once_their_flows_are_there_and_again_when_the_switch_is_back(
    store: MemoryStore,
) -> None:
    async with running(store, "hv1") as agent:
        await up(agent)
        await until(lambda: announced(agent) == ["203.0.113.2"])
        await catalog.change(store, lambda view: catalog.create(view, Nat, "r1/a", FLOATING))
        await until(lambda: "203.0.113.10" in announced(agent))
        before = len(announced(agent))
        agent.loop.inbox.put_nowait(Connected())
        await until(lambda: {"203.0.113.2", "203.0.113.10"} <= set(announced(agent)[before:]), 0.9)


def asking(agent: Agent) -> Punted:
    (out,) = agent.compiler.outside.values()
    fields = {"metadata": out.router_key, "reg1": out.key, "reg7": int(Ip.parse("203.0.113.254"))}
    return Punted(b"held", fields, bytes([PuntKind.ASK_NEIGHBOUR]), 0, 0)


def heard() -> Punted:
    frame = bytes(Ether() / ARP(op=2, psrc="203.0.113.254", hwsrc="06:00:00:00:00:01"))
    return Punted(frame, {"in_port": 50}, bytes([PuntKind.HEARD_NEIGHBOUR]), 0, 0)


async def test_a_neighbour_is_learned_and_a_restart_changes_no_flow(store: MemoryStore, tmp_path: Path) -> None:
    async with running(store, "hv1", str(tmp_path)) as agent:
        await up(agent)
        agent.gateways.neighbours.take(asking(agent))
        await until(lambda: any(Ether(frame).dst == "ff:ff:ff:ff:ff:ff" for frame, _ in agent.switch.sent))
        agent.gateways.neighbours.take(heard())
        await until(lambda: any(frame == b"held" for frame, _ in agent.switch.sent))
        (uplink,) = agent.switch.attached[0]
        flows = agent.switch.flows
        assert any(flow.table == int(NEIGHBOUR) for flow in flows.values())
    async with running(store, "hv1", str(tmp_path)) as agent:
        agent.loop.inbox.put_nowait(
            AttachmentsChanged((AttachmentChange(None, Attachment(uplink.name, 50)),), whole=True)
        )
        agent.plug(Interface("g1", 1, "web/a"), whole=True)
        await until(lambda: agent.loop.started)
        assert agent.switch.flows == flows and not agent.switch.flushed
        assert [row for row in agent.compiler.program.rows(NeighbourFact) if row.mac]


async def test_the_next_hop_of_a_route_is_asked_for_before_any_packet_and_named_while_it_is_silent(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "APART", 0.05)
    monkeypatch.setattr(neighbours, "FORGIVEN", 0.1)
    async with running(store, "hv1") as agent:
        await up(agent)
        await until(lambda: agent.gateways.neighbours.silent)
        told = agent.sync.view.values()
        await until(lambda: any(isinstance(one, HostProblem) for one in told))
        (problem,) = [one for one in told if isinstance(one, HostProblem)]
        assert problem.what.startswith("next hop 203.0.113.254 does not answer here") and problem.where == "r1/out"
        agent.gateways.neighbours.take(heard())
        await until(lambda: any(flow.table == int(NEIGHBOUR) for flow in agent.switch.flows.values()))
        await until(lambda: not any(isinstance(one, HostProblem) for one in told))
        await catalog.change(store, lambda view: catalog.delete(view, [view.find(Route, "r1/world")]))
        await until(lambda: not list(agent.compiler.program.rows(WantsNeighbour)))
        monkeypatch.setattr(neighbours, "REFRESH", 0.0)
        agent.gateways.neighbours.take(heard())
        await until(lambda: not agent.gateways.neighbours.rows)


async def test_packets_held_go_on_only_when_the_switch_is_there(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        await up(agent)
        agent.gateways.neighbours.take(asking(agent))
        await until(lambda: len(list(agent.compiler.program.rows(NeighbourFact))) == 1)
        agent.switch.connected = False
        agent.gateways.neighbours.take(heard())
        await asyncio.sleep(0.1)
        assert not any(frame == b"held" for frame, _ in agent.switch.sent)
        agent.switch.connected = True
        agent.loop.inbox.put_nowait(Connected())
        await until(lambda: any(frame == b"held" for frame, _ in agent.switch.sent))


async def test_a_start_waits_for_attachments_but_not_for_ever(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "PATIENCE", 0.3)
    async with running(store, "hv1", direct_exit=True) as agent:
        agent.switch.away = True
        agent.plug(Interface("g1", 1, "web/a"), whole=True)
        await asyncio.sleep(0.15)
        assert not agent.loop.started
        await until(lambda: agent.loop.started)


async def test_a_direct_exit_is_known_before_the_first_flow_and_a_kernel_that_does_not_forward_is_named(
    store: MemoryStore,
) -> None:
    async with running(store, "hv1", direct_exit=True) as agent:
        agent.switch.away = True
        agent.plug(Interface("g1", 1, "web/a"), whole=True)
        await asyncio.sleep(0.1)
        assert not agent.loop.started
        agent.switch.away = False
        await until(lambda: agent.loop.started)
        (fact,) = agent.compiler.program.rows(DirectFact)
        assert fact == DirectFact("hv1", True, fact.mac) and str(fact.mac) == "0a:00:00:00:00:fe"
        await until(lambda: any(one.about == "direct-exit" for one in agent.duties.problems()))
        (problem,) = [one for one in agent.duties.problems() if one.about == "direct-exit"]
        assert problem.where == "sysctl net.ipv4.ip_forward"


async def test_a_bridge_that_is_not_there_is_named_until_it_comes(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        await up(agent)
        (uplink,) = agent.switch.attached[0]
        agent.switch.attachment_problems = {uplink.name: "bridge br-ex is not there", peer_name(9): "refused"}
        agent.loop.inbox.put_nowait(AttachmentsChanged(()))
        await until(agent.loop.inbox.empty)
        found = {one.about: one for one in agent.duties.problems()}
        problem = found[f"attachment-{uplink.name}"]
        assert (problem.what, problem.where) == ("switch ext has no way out here: bridge br-ex is not there", "br-ex")
        assert "ovs-vsctl add-br br-ex" in problem.advice and f"attachment-{peer_name(9)}" in found
        agent.switch.attachment_problems = {}
        assert not agent.duties.problems()


async def test_changes_of_another_port_touch_none_of_it(store: MemoryStore) -> None:
    async with running(store, "hv1") as agent:
        await up(agent)
        agent.switch.log.clear()
        agent.unplug(Interface("g1", 1, "web/a"))
        await until(lambda: agent.switch.log)
        await until(agent.loop.inbox.empty)
        assert set(agent.switch.log) <= {"apply"} and agent.switch.flushed == [1, 2]
