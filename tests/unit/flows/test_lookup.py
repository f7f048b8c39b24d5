"""A lookup by index finds what a scan of all flows finds, through puts and drops."""

from __future__ import annotations

import random

import pytest

from retia.flows.actions import Output
from retia.flows.flow import Flow
from retia.flows.lookup import FlowTable
from retia.flows.match import match

NAMES = ("in_port", "metadata", "reg0", "eth_dst")


def scan(flows: dict, table: int, fields: dict[str, int]) -> int | None:
    hits = [f.priority for f in flows.values() if f.table == table
            and all(fields.get(name, 0) & mask == value for name, value, mask in f.match)]  # fmt: skip
    return max(hits, default=None)


def some_match(rnd: random.Random):
    wanted = {name: (rnd.randrange(4), rnd.randrange(1, 4)) for name in rnd.sample(NAMES, rnd.randrange(3))}
    return match(**{name: value[0] if name == "in_port" else value for name, value in wanted.items()})


@pytest.mark.parametrize("seed", range(50))
def test_index_and_scan_agree(seed: int) -> None:
    rnd = random.Random(seed)
    flows: dict = {}
    table = FlowTable()
    for n in range(200):
        if flows and rnd.random() < 0.3:
            key = rnd.choice(list(flows))
            del flows[key]
            table.drop(key)
        else:
            flow = Flow(rnd.randrange(2), rnd.randrange(1, 6), some_match(rnd), (Output(n + 1),))
            flows[flow.key] = flow
            table.put(flow)
        fields = {name: rnd.randrange(4) for name in NAMES}
        found = table.lookup(0, fields)
        assert (found.priority if found else None) == scan(flows, 0, fields)
    assert {flow.key: flow for flow in table} == flows and len(table) == len(flows)


def test_a_flow_replaces_the_one_with_its_key() -> None:
    old, new = Flow(0, 1, (), (Output(2),)), Flow(0, 1, (), (Output(3),))
    table = FlowTable([old, new])
    assert list(table) == [new]
    table.drop(new.key)
    table.drop(new.key)
    assert table.lookup(0, {}) is None and len(table) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(match(ip_src=1), id="ip_src-of-anything"),
        pytest.param(match(ip_src=1, eth_type=0x86DD), id="ip_src-of-ipv6"),
        pytest.param(match(tcp_dst=80, eth_type=0x800, nw_proto=17), id="tcp_dst-of-udp"),
        pytest.param(match(icmp_type=8, eth_type=0x86DD, nw_proto=1), id="icmp-of-ipv6"),
    ],
)
def test_what_a_switch_refuses_is_refused(wanted) -> None:
    with pytest.raises(ValueError, match="needs"):
        FlowTable([Flow(0, 1, wanted, ())])
