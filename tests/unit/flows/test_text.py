"""The text form is what ovs-ofctl takes, and comes back; tests/ovs/flows reads real dumps."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retia.errors import InvalidInput
from retia.flows.actions import (
    IN_PORT,
    LOCAL,
    Action,
    Ct,
    CtClear,
    DecTtl,
    ForgetInPort,
    Goto,
    Load,
    LoadLive,
    Move,
    Output,
    Resubmit,
    Spread,
    Translate,
)
from retia.flows.fields import FIELDS, WIDE, Subfield, whole
from retia.flows.flow import Flow
from retia.flows.match import Match, match
from retia.flows.text import parse_flow, show_actions, show_flow, show_match


@st.composite
def values(draw: st.DrawFn, name: str) -> tuple[int, int]:
    field = FIELDS[name]
    mask = draw(st.integers(1, field.full)) if field.maskable and draw(st.booleans()) else field.full
    return draw(st.integers(0, field.full)) & mask, mask


@st.composite
def parts(draw: st.DrawFn, *, written: bool) -> Subfield:
    field = draw(st.sampled_from([field for field in FIELDS.values() if field.writable or not written]))
    if not field.maskable or draw(st.booleans()):
        return whole(field.name)
    start = draw(st.integers(0, field.bits - 1))
    return Subfield(field.name, start, draw(st.integers(1, field.bits - start)))


@st.composite
def loads(draw: st.DrawFn) -> Load:
    part = draw(parts(written=True))
    return Load(part, draw(st.integers(0, (1 << part.bits) - 1)))


PORTS = st.one_of(st.integers(1, 0xFEFF), st.sampled_from([IN_PORT, LOCAL]))
TABLES = st.integers(0, 253)
ACTIONS = st.one_of(
    loads(),
    st.builds(Move, parts(written=False), parts(written=True)).filter(lambda move: move.source.bits == move.to.bits),
    st.builds(Output, PORTS),
    st.builds(Resubmit, TABLES),
    st.sampled_from([DecTtl(), ForgetInPort(), CtClear()]),
)


@st.composite
def matches(draw: st.DrawFn) -> Match:
    names = draw(st.sets(st.sampled_from([name for name in FIELDS if name not in WIDE]), max_size=5))
    return match(**{name: draw(values(name)) for name in names})


FLOWS = st.builds(
    lambda table, priority, wanted, actions, last, cookie: Flow(table, priority, wanted, (*actions, *last), cookie),
    TABLES,
    st.integers(0, 0xFFFF),
    matches(),
    st.lists(ACTIONS, max_size=5),
    st.lists(st.builds(Goto, TABLES), max_size=1),
    st.integers(0, (1 << 64) - 1),
)


@given(FLOWS)
def test_flows_come_back(flow: Flow) -> None:
    assert parse_flow(show_flow(flow)).flow == flow


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_comes_back(name: str) -> None:
    field = FIELDS[name]
    wanted = match(**{name: 0x11 & field.full})
    assert parse_flow(f"{show_match(wanted)} actions=drop").flow.match == wanted
    if field.maskable:
        masked = match(**{name: (1 << field.bits - 1, 1 << field.bits - 1)})
        assert parse_flow(f"{show_match(masked)} actions=drop").flow.match == masked


REG = Subfield("reg11", 0, 16)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        pytest.param(Load(Subfield("reg0", 0, 16), 5), "set_field:0x5/0xffff->reg0", id="part"),
        pytest.param(Load(Subfield("reg0", 16, 1), 1), "set_field:0x10000/0x10000->reg0", id="bit"),
        pytest.param(Load(whole("metadata"), 0), "set_field:0->metadata", id="zero"),
        pytest.param(Load(whole("eth_dst"), 5), "set_field:00:00:00:00:00:05->eth_dst", id="mac"),
        pytest.param(Load(whole("tun_dst"), 0x0A000001), "set_field:10.0.0.1->tun_dst", id="address"),
        pytest.param(Load(whole("nw_ttl"), 64), "set_field:64->nw_ttl", id="decimal"),
        pytest.param(
            Move(Subfield("reg0", 0, 16), Subfield("tun_metadata0", 48, 16)),
            "move:NXM_NX_REG0[0..15]->NXM_NX_TUN_METADATA0[48..63]",
            id="move",
        ),
        pytest.param(Output(7), "output:7", id="output"),
        pytest.param(Output(IN_PORT), "IN_PORT", id="in_port"),
        pytest.param(Output(LOCAL), "LOCAL", id="local"),
        pytest.param(Resubmit(9), "resubmit(,9)", id="resubmit"),
        pytest.param(Goto(9), "goto_table:9", id="goto"),
        pytest.param(DecTtl(), "dec_ttl", id="dec_ttl"),
        pytest.param(ForgetInPort(), "set_field:0->in_port", id="forget"),
        pytest.param(CtClear(), "ct_clear", id="ct-clear"),
        pytest.param(Ct(0, nat=Translate()), "ct(nat)", id="ct-nowhere"),
        pytest.param(Ct(REG, 5, nat=Translate()), "ct(table=5,zone=NXM_NX_REG11[0..15],nat)", id="ct-undo"),
        pytest.param(
            Ct(REG, 5, True, Translate(True, 0x0A000001, 1024, 65535)),
            "ct(commit,table=5,zone=NXM_NX_REG11[0..15],nat(src=10.0.0.1:1024-65535))",
            id="ct-snat",
        ),
        pytest.param(
            Ct(7, None, True, Translate(False, 0x0A000001, 80, 80)),
            "ct(commit,zone=7,nat(dst=10.0.0.1:80))",
            id="ct-dnat",
        ),
        pytest.param(
            LoadLive((1, 65000), REG, True),
            "bundle_load(symmetric_l3l4+udp,0,hrw,ofport,NXM_NX_REG11[0..15],members:1,65000)",
            id="live-spread",
        ),
        pytest.param(
            LoadLive((), REG, False),
            "bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG11[0..15],members:)",
            id="live-first",
        ),
        pytest.param(
            Spread(3, Subfield("reg0", 0, 2)),
            "multipath(symmetric_l3l4+udp,0,hrw,3,0,NXM_NX_REG0[0..1])",
            id="spread",
        ),
    ],
)
def test_every_action(action: Action, text: str) -> None:
    assert show_actions((action,)) == text
    assert parse_flow(f"actions={text}").flow.actions == (action,)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        pytest.param((0x22, 0x2A), "+est-rpl+trk", id="some"),
        pytest.param((0x21, 0xFF), "new|trk", id="all"),
        pytest.param((0, 0xFF), "0", id="none"),
    ],
)
def test_states(state: tuple[int, int], text: str) -> None:
    wanted = match(ct_state=state)
    assert show_match(wanted) == f"ct_state={text}"
    assert parse_flow(f"ct_state={text} actions=drop").flow.match == wanted


def test_states_may_stand_in_any_order_or_as_a_number() -> None:
    assert parse_flow("ct_state=+trk+est-rpl actions=drop").flow.match == match(ct_state=(0x22, 0x2A))
    assert parse_flow("ct_state=0x21/0x29 actions=drop").flow.match == match(ct_state=(0x21, 0x29))


class Named(int):
    def __str__(self) -> str:
        return "STAGE"


def test_stages_are_names_for_people_and_numbers_for_ovs_ofctl() -> None:
    actions = (Ct(7, Named(5)), Resubmit(Named(3)), Goto(Named(4)))
    assert show_actions(actions) == "ct(table=STAGE,zone=7),resubmit(,STAGE),goto_table:STAGE"
    shown = "cookie=0x0,table=2,priority=1 actions=ct(table=5,zone=7),resubmit(,3),goto_table:4"
    assert show_flow(Flow(Named(2), 1, (), actions)) == shown


def test_no_actions_are_a_drop() -> None:
    assert show_actions(()) == "drop" and parse_flow("actions=drop").flow.actions == ()


def test_a_line_of_dump_flows_with_its_counters() -> None:
    line = (
        " cookie=0x2a, duration=1.5s, table=3, n_packets=7, n_bytes=98, idle_age=0, priority=100,icmp,metadata=0x5,"
        "nw_dst=10.0.0.0/24,icmp_type=8 actions=dec_ttl,move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[],goto_table:4"
    )
    seen = parse_flow(line)
    assert (seen.packets, seen.octets, seen.seconds, seen.flow.cookie, seen.flow.table) == (7, 98, 1.5, 42, 3)
    wanted = match(metadata=5, eth_type=0x800, nw_proto=1, ip_dst=(0x0A000000, 0xFFFFFF00), icmp_type=8)
    assert seen.flow.match == wanted and seen.flow.priority == 100


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        pytest.param("load:0x5->NXM_NX_REG0[0..15]", (Load(Subfield("reg0", 0, 16), 5),), id="load"),
        pytest.param("load:0->NXM_OF_IN_PORT[]", (ForgetInPort(),), id="forget"),
        pytest.param("mod_dl_src:02:00:00:00:00:01", (Load(whole("eth_src"), 0x020000000001),), id="mac"),
        pytest.param("mod_nw_dst:10.0.0.1", (Load(whole("ip_dst"), 0x0A000001),), id="address"),
        pytest.param("mod_tp_dst:80", (Load(whole("tcp_dst"), 80),), id="port"),
    ],
)
def test_dumps_of_old_openflow(text: str, actions: tuple) -> None:
    assert parse_flow(f"tcp actions={text}").flow.actions == actions


@pytest.mark.parametrize(
    ("shown", "name"),
    [("veth1", "veth1"), ('"web-1"', "web-1"), ('"2"', "2"), ('"a,b c"', "a,b c"), ('"q\\"t"', 'q"t')],
)
def test_ports_by_name(shown: str, name: str) -> None:
    flow = parse_flow(f"in_port={shown},metadata=0x1 actions=output:{shown},goto_table:1", {name: 77}).flow
    assert flow.match == match(in_port=77, metadata=1) and flow.actions == (Output(77), Goto(1))
    with pytest.raises(InvalidInput, match=r"no port is called(.|\n)*--no-names"):
        parse_flow(f"in_port={shown} actions=drop")


def test_live_ports_by_name() -> None:
    text = 'bundle_load(symmetric_l3l4+udp,0,hrw,ofport,NXM_NX_REG11[0..15],members:2,veth1,"a,)b"),output:2'
    flow = parse_flow(f"actions={text}", {"veth1": 7, "a,)b": 8}).flow
    assert flow.actions == (LoadLive((2, 7, 8), REG, True), Output(2))
    with pytest.raises(InvalidInput, match="no port is called"):
        parse_flow(f"actions={text}", {"veth1": 7})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="a-word"),
        pytest.param("table=1 actions=fly", id="unknown-action"),
        pytest.param("table=1,vlan_tci=3 actions=drop", id="unknown-field"),
        pytest.param("table=one actions=drop", id="no-number"),
        pytest.param("reg0=0x1ffffffff actions=drop", id="too-wide"),
        pytest.param("eth_src=10.0.0.1 actions=drop", id="no-mac"),
        pytest.param("actions=set_field:0x5/0x5->reg0", id="mask-with-holes"),
        pytest.param("actions=move:NXM_NX_REG0[a..b]->NXM_NX_REG1[]", id="no-bits"),
        pytest.param("actions=resubmit(7,9)", id="resubmit-with-port"),
        pytest.param("ip actions=ct(commit,exec(set_field:1->ct_mark))", id="ct-with-mark"),
        pytest.param("ip actions=ct(commit,nat(src=10.0.0.1-10.0.0.9))", id="nat-to-a-range"),
        pytest.param("ip actions=ct(nat,nat)", id="nat-twice"),
        pytest.param("actions=bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[0..15],members:1)", id="other-hash"),
        pytest.param("actions=multipath(eth_src,0,hrw,3,0,NXM_NX_REG0[])", id="other-spread"),
        pytest.param("ct_state=+fine actions=drop", id="no-state"),
        pytest.param("ct_state=+est,-x actions=drop", id="cut-state"),
        pytest.param("tp_src=7 actions=drop", id="ports-of-nothing"),
        pytest.param("NXST_FLOW reply (xid=0x4):", id="the-head-of-a-dump"),
    ],
)
def test_what_is_no_flow_of_ours_is_said_so(line: str) -> None:
    with pytest.raises(InvalidInput):
        parse_flow(line)


@given(st.text(max_size=60))
def test_any_text_is_a_flow_or_invalid(text: str) -> None:
    for line in (text, f"{text} actions={text}", f"ip,reg0={text} actions=set_field:{text}->reg0"):
        with contextlib.suppress(InvalidInput):
            parse_flow(line)


def test_parts_of_fields_show_their_bits() -> None:
    assert str(Subfield("reg0", 16, 1)) == "reg0[16]" and str(Subfield("reg0", 0, 16)) == "reg0[0..15]"
