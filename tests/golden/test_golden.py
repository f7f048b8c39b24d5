"""Flows as expected, packets as promised, every flow true to its stage."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from retia.pipeline.check import check
from tests.golden import CASES, build, fate, load, show
from tests.network import Network

PACKETS = [(case, place) for case in CASES for place in range(len(load(case)["packets"]))]


@cache
def built(case: Path) -> Network:
    return build(load(case))


def _name(one: tuple[Path, int]) -> str:
    case, place = one
    return f"{case.stem}-{load(case)['packets'][place]['id']}"


def test_there_are_cases() -> None:
    assert len(CASES) >= 5 and len(PACKETS) >= 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_flows(case: Path) -> None:
    network = built(case)
    assert show(network) == case.with_suffix(".flows").read_text(encoding="utf-8"), "make golden shows the difference"
    for compiler in network.compilers.values():
        assert not compiler.conflicts
        for flow in compiler.flows.values():
            check(flow)


@pytest.mark.parametrize("packet", PACKETS, ids=map(_name, PACKETS))
def test_packet(packet: tuple[Path, int]) -> None:
    case, place = packet
    data = load(case)
    wanted = data["packets"][place]
    network = built(case)
    network.trackers.clear()
    assert fate(network, wanted, data["packets"]) == wanted["fate"], wanted["what"]
