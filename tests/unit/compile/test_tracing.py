"""Traced packets are reported from every stage and no other packet is; nobody gets one unasked."""

from __future__ import annotations

import pytest

from retia.compile.hits import Hits
from retia.compile.reasons import Reason
from retia.compile.tracing import HELD
from retia.flows.actions import Load, Resubmit
from retia.flows.fields import OPTION
from retia.flows.lookup import FlowTable
from retia.flows.packet import parse
from retia.flows.walk import ALWAYS, Walk, walk, walk_out
from retia.model.state import Trace
from retia.pipeline.check import STAGE_OF
from retia.pipeline.fields import COMMAND, REASON, TRACED, TUNNEL_TRACED
from retia.pipeline.stages import ADMIT, BESIDE, DELIVER
from tests.golden import CASES, build, entry, load
from tests.network import Network

CASE = next(case for case in CASES if case.stem == "traced")
MARKS = (Load(TRACED, 1), Load(COMMAND, 7), Resubmit(int(ADMIT)))


@pytest.fixture(scope="module")
def network() -> Network:
    return build(load(CASE))


def inject(network: Network, packet: int = 0) -> Walk:
    host, port, frame = entry(network, load(CASE)["packets"][packet])
    flows = FlowTable(network.compilers[host].flows.values())
    return walk_out(flows, frame, MARKS, in_port=port)


def stages(story: Walk) -> list[str]:
    return [STAGE_OF[copy.step.table].name for copy in story.punted]


def test_each_stage_on_the_way_reports_once_and_the_packet_waits_before_it_leaves_or_is_routed(
    network: Network,
) -> None:
    story = inject(network, 1)
    assert stages(story) == ["ADMIT", "HOOK", "ARP_REQUEST", "LOOKUP", "DECIDE", "LOOPBACK", "DELIVER"]
    assert not story.sent and DELIVER in HELD
    assert {copy.fields["reg13"] for copy in story.punted} == {7}


def test_it_crosses_hosts_with_its_marks_and_is_reported_there(network: Network) -> None:
    (sent,) = inject(network).sent
    assert sent.tunnel[OPTION] & TUNNEL_TRACED.mask and sent.tunnel[OPTION] & 0xFFFF == 7
    there = FlowTable(network.compilers["hv2"].flows.values())
    story = walk(there, sent.frame, sent.port, {**sent.tunnel, "tun_src": 1})
    assert stages(story) == ["ADMIT", "LOOPBACK", "DELIVER"]
    assert {copy.fields["reg13"] for copy in story.punted} == {7}
    assert not story.sent


def test_where_nobody_traces_it_ends_as_it_arrives_and_that_is_counted(network: Network) -> None:
    (sent,) = inject(network).sent
    others = build({**load(CASE), "traced": 8})
    others.drop(next(thing for thing in others.things.values() if isinstance(thing, Trace)))
    flows = FlowTable(others.compilers["hv2"].flows.values())
    story = walk(flows, sent.frame, sent.port, {**sent.tunnel, "tun_src": 1})
    assert not story.sent and not story.punted
    assert story.read(REASON) == Reason.TRACED


def test_nothing_is_on_the_way_of_other_packets_and_nothing_stays(network: Network) -> None:
    quiet = build({**load(CASE), "traced": 8})
    trace = next(thing for thing in quiet.things.values() if isinstance(thing, Trace))
    before = {host: compiler.size for host, compiler in quiet.compilers.items()}
    quiet.drop(trace)
    for host, compiler in quiet.compilers.items():
        assert before[host] - compiler.size == len(STAGE_OF) - len(BESIDE) + 1
        assert not [flow for flow in compiler.flows.values() if flow.priority == ADMIT.priority("trace")]
        flows = FlowTable(compiler.flows.values())
        for packet in load(CASE)["packets"]:
            at, port, frame = entry(quiet, packet)
            if at == host:
                traced = FlowTable(network.compilers[host].flows.values())
                assert [step.flow for step in walk(flows, frame, port).steps] == [
                    step.flow for step in walk(traced, frame, port).steps
                ]


def test_hits_are_what_the_switch_would_find(network: Network) -> None:
    """Against the walk's own table, for all packets of all golden cases."""
    looked = 0
    for case in CASES:
        data = load(case)
        built = build(data)
        for packet in [one for one in data["packets"] if "send" in one]:
            host, port, frame = entry(built, packet)
            compiler = built.compilers[host]
            hits = Hits(compiler)
            flows = FlowTable(compiler.flows.values())
            fields = {**dict.fromkeys(ALWAYS, 0), **parse(frame).fields, "in_port": port}
            for table in STAGE_OF:
                flow, row = flows.lookup(table, fields), hits.find(table, fields)
                assert (flow is None) == (row is None), (case.stem, packet["id"], STAGE_OF[table])
                assert flow is None or row is None or flow.key == (row.stage, row.priority, row.match)
                looked += flow is not None
    assert looked > 1000
