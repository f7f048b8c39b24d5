"""Metrics: what is declared is what a scrape answers, with the running agent's numbers; bad addresses are named."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from retia.daemons import exporter, metrics
from retia.daemons.answerer import Answerer
from retia.daemons.metrics import METRICS, OF_THE_PROCESS, Type
from retia.daemons.questions import Parts
from retia.errors import Conflict, InvalidInput
from retia.model.kinds import Port
from retia.model.local import Interface
from retia.store import catalog
from retia.store.memory import MemoryStore
from retia.switch.contract import DATABASE, VSWITCHD, Disconnected, ForeignChange
from tests.etcd import free_port
from tests.unit.daemons.test_loop import Agent, running, store, until  # noqa: F401

ROOT = Path(__file__).parents[3]


def parts(agent: Agent) -> Parts:
    return Parts(
        agent.compiler,
        agent.switch,
        agent.sync,
        agent.duties,
        agent.loop,
        Answerer(agent.compiler, agent.switch),
        agent.gateways,
    )


async def scrape(port: int) -> dict[tuple[str, ...], float]:
    """Every sample by its name and labels."""

    def fetch() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    families = text_string_to_metric_families(await asyncio.to_thread(fetch))
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


async def test_a_scrape_tells_what_the_agent_did(store: MemoryStore) -> None:  # noqa: F811
    async with running(store, "hv1") as agent:
        agent.plug(Interface("g1", 1, "web/one"), Interface("g9", 9, "web/none"), whole=True)
        await until(lambda: agent.loop.started and agent.duties.bound == 1)
        port = free_port()
        async with exporter.serving(f"127.0.0.1:{port}", parts(agent)):
            before = await scrape(port)
            assert before["retia_connected", "store"] == before["retia_connected", "openflow"] == 1
            assert before["retia_connected", "ovsdb"] == 1
            assert before["retia_flows_wanted",] == len(agent.switch.flows) > 0
            stages = sum(value for name, value in before.items() if name[0] == "retia_flows")
            assert stages == len(agent.switch.flows)
            assert (before["retia_bindings",], before["retia_claims",]) == (1, 1)
            assert before["retia_problems", "unknown-port"] == 1
            assert before["retia_snapshots_total",] == 1
            assert before["retia_agent_info", "hv1", exporter.__version__] == 1
            await catalog.change(store, lambda view: catalog.create(view, Port, "web/none", {}))
            await until(lambda: agent.duties.bound == 2)
            for event in (ForeignChange(3), Disconnected(DATABASE), Disconnected(VSWITCHD)):
                agent.loop.inbox.put_nowait(event)
            await until(agent.loop.inbox.empty)
            after = await scrape(port)
        grew = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
        assert grew["retia_flow_changes_total", "put"] > 0
        assert grew["retia_change_seconds_count",] >= 1 and after["retia_change_seconds_sum",] < 10
        assert grew["retia_foreign_flows_total",] == 3
        assert grew["retia_connections_lost_total", "ovsdb"] == grew["retia_connections_lost_total", "openflow"] == 1
        assert grew["retia_connected", "ovsdb"] == -1
        assert after["retia_revision_applied",] == after["retia_revision_seen",] > before["retia_revision_seen",]
        assert ("retia_problems", "unknown-port") not in after


async def test_everything_declared_is_answered_and_nothing_else(store: MemoryStore) -> None:  # noqa: F811
    async with running(store, "hv1") as agent:
        agent.plug(whole=True)
        await until(lambda: agent.loop.started)
        port = free_port()
        async with exporter.serving(f"127.0.0.1:{port}", parts(agent)):
            said = await asyncio.to_thread(
                lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
            )
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", said, re.M))
    assert types == {one.name: str(one.type) for one in (*METRICS, *OF_THE_PROCESS)}


def test_names_follow_the_conventions() -> None:
    names = [one.name for one in METRICS]
    assert len(names) == len(set(names)) > 20
    for one in METRICS:
        assert re.fullmatch(r"retia_[a-z_]+", one.name)
        assert one.name.endswith("_total") == (one.type is Type.counter)
        assert one.name.endswith("_seconds") == (one.type is Type.histogram)
        assert one.means.endswith(".")


def test_counting_costs_little() -> None:
    tally = metrics.Tally()
    for _ in range(1000):
        tally.count(metrics.FLOW_CHANGES, 2, "put")
        tally.since(metrics.CHANGE, 0.0)
    assert tally.counts[metrics.FLOW_CHANGES, "put"] == 2000
    assert sum(tally.histograms[metrics.CHANGE].counts) == 1000


@pytest.mark.parametrize("text", ["9273", "127.0.0.1", "127.0.0.1:no", "127.0.0.1:0", "127.0.0.1:70000", ":9273"])
def test_bad_addresses_are_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="no address to listen at"):
        exporter.endpoint(text)


def test_an_ipv6_address_may_be_given() -> None:
    assert exporter.endpoint("[::1]:9273") == ("::1", 9273)


async def test_a_port_in_use_is_said(store: MemoryStore) -> None:  # noqa: F811
    async with running(store, "hv1") as agent:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(Conflict, match="in use") as error:
                async with exporter.serving(address, parts(agent)):
                    pass
            assert error.value.where == address and "--metrics-address" in error.value.advice


def dashboard() -> dict:
    return json.loads((ROOT / "deploy/grafana/retia.json").read_text())


def queries() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_asks_only_for_what_is_declared() -> None:
    known = {one.name for one in (*METRICS, *OF_THE_PROCESS)}
    known |= {one.name + end for one in METRICS if one.type is Type.histogram for end in ("_bucket", "_sum", "_count")}
    asked = {name for query in queries() for name in re.findall(r"\b(?:retia|process)_[a-z_]+", query)}
    assert asked and asked <= known, asked - known
    kinds = {one.name: one.type for one in METRICS}
    for query in queries():
        for name in re.findall(r"\bretia_[a-z_]+", query):
            counts = name not in kinds or kinds[name] is Type.counter
            assert counts == bool(re.search(rf"(?:rate|increase)\({name}", query)), query


def test_the_dashboards_labels_are_declared() -> None:
    labels = {one.name: set(one.labels) for one in METRICS} | {one.name: set() for one in OF_THE_PROCESS}
    for query in queries():
        for group in re.findall(r"by \(([^)]*)\)", query):
            (name,) = (re.sub("_bucket$", "", one) for one in re.findall(r"\b(?:retia|process)_[a-z_]+", query))
            assert {one.strip() for one in group.split(",")} <= labels[name] | {"instance", "le"}, query


def test_the_dashboard_can_be_imported() -> None:
    board = dashboard()
    assert board["uid"] and board["title"] and board["schemaVersion"] >= 36
    assert [one["type"] for one in board["templating"]["list"] if one["name"] == "datasource"] == ["datasource"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells, panel["title"]
        cells |= covered
