"""Each way in which a flow can disobey its stage is found, and named."""

from __future__ import annotations

import pytest

from retia.flows.actions import DecTtl, ForgetInPort, Goto, Load, Move, Output, Resubmit
from retia.flows.fields import IPV4, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import Match, match
from retia.flows.wire import Foreign
from retia.pipeline.check import check
from retia.pipeline.stage import PipelineError
from retia.pipeline.stages import (
    ADDRESS,
    ADMIT,
    ARP_REQUEST,
    DELIVER,
    DROP,
    HOOK,
    LOOKUP,
    NEXT_HOP,
    ROUTE,
    ROUTER_FORWARD,
)

IP = match(eth_type=IPV4)


def flow(*actions, wanted: Match = (), stage=ADMIT, priority: str = "miss") -> Flow:
    return Flow(stage, stage.priority(priority), wanted, actions)


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(flow(Load(Subfield("reg0", 0, 16), 5), Goto(HOOK)), id="goto"),
        pytest.param(flow(Resubmit(ADDRESS), stage=NEXT_HOP), id="ask"),
        pytest.param(flow(Resubmit(HOOK), stage=ROUTER_FORWARD), id="back"),
        pytest.param(flow(DecTtl(), Load(whole("nw_ttl"), 9), wanted=IP), id="ip"),
        pytest.param(flow(wanted=IP, stage=ROUTE, priority="connected-24"), id="prefix-length"),
        pytest.param(flow(ForgetInPort(), Output(7)), id="output"),
    ],
)
def test_good_flows(good: Flow) -> None:
    check(good)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        pytest.param(Flow(99, 0, (), ()), "no stage has table 99", id="table"),
        pytest.param(Flow(ADMIT, 7, (), ()), "ADMIT declares no priority 7", id="priority"),
        pytest.param(flow(Goto(DELIVER)), "ADMIT goes on to DELIVER, but declares", id="goto"),
        pytest.param(flow(Goto(99)), "goes on to 99", id="goto-nowhere"),
        pytest.param(
            flow(Resubmit(ARP_REQUEST)), "ADMIT resubmits to ARP_REQUEST, but declares nothing", id="resubmit"
        ),
        pytest.param(flow(Goto(ADDRESS), stage=NEXT_HOP), "goes on to ADDRESS", id="goto-what-it-only-asks"),
        pytest.param(flow(Goto(LOOKUP), stage=DROP), "goes on to LOOKUP", id="goto-back"),
        pytest.param(flow(Goto(DROP), Output(1)), "goto is not the last action", id="goto-first"),
        pytest.param(flow(wanted=match(ip_dst=1)), "ip_dst is matched without eth_type=0x800", id="match-needs"),
        pytest.param(flow(wanted=match(tcp_dst=1, eth_type=IPV4)), "tcp_dst is matched without", id="match-needs-two"),
        pytest.param(flow(wanted=(("reg0", 5, 3),)), "reg0=0x5/0x3 is no value and mask", id="value-beyond-mask"),
        pytest.param(flow(wanted=(("reg0", 0, 0),)), "is no value and mask", id="empty-mask"),
        pytest.param(flow(wanted=(("in_port", 0, 1),)), "in_port can only be matched whole", id="mask"),
        pytest.param(flow(wanted=match(reg1=1, metadata=1)[::-1]), "not in the order of the fields", id="order"),
        pytest.param(flow(wanted=(("xreg0", 1, 1),)), "xreg0 is matched instead of the registers", id="wide"),
        pytest.param(flow(wanted=(("vlan_tci", 1, 1),)), "unknown fields vlan_tci", id="unknown-field"),
        pytest.param(flow(Load(Subfield("reg0", 0, 4), 16)), r"0x10 does not fit into reg0\[0..3\]", id="value"),
        pytest.param(flow(Load(Subfield("reg0", 30, 4), 1)), r"reg0\[30..33\] does not exist", id="bits"),
        pytest.param(flow(Load(whole("ip_dst"), 1)), "ip_dst is used without a match on", id="load-needs"),
        pytest.param(flow(Load(whole("nw_proto"), 1), wanted=IP), "nw_proto cannot be written", id="read-only"),
        pytest.param(flow(Load(Subfield("nw_ttl", 0, 2), 1), wanted=IP), "only be loaded whole", id="load-part"),
        pytest.param(flow(Load(Subfield("ct_mark", 0, 2), 1)), "unknown field ct_mark", id="load-unknown"),
        pytest.param(flow(Move(whole("reg0"), whole("metadata"))), "differ in width", id="move-width"),
        pytest.param(flow(Move(whole("arp_spa"), whole("reg0"))), "arp_spa is used without", id="move-needs"),
        pytest.param(flow(Move(whole("reg0"), whole("in_port"))), "in_port cannot be written", id="move-read-only"),
        pytest.param(flow(DecTtl()), "dec_ttl without", id="dec-ttl"),
        pytest.param(flow(Output(0)), "there is no port 0", id="port"),
        pytest.param(flow(Foreign(b"x")), "unknown action", id="action"),
    ],
)
def test_bad_flows(bad: Flow, what: str) -> None:
    with pytest.raises(PipelineError, match=what):
        check(bad)


def test_all_faults_are_told() -> None:
    with pytest.raises(PipelineError, match=r"priority 7; .*port 0; .*goes on to DELIVER.*: cookie="):
        check(Flow(ADMIT, 7, (), (Output(0), Goto(DELIVER))))
