"""A plan with edges: what comes, changes and goes on each host, with uplinks and tunnels by name and zones veiled."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from retia.model.document import parse as parse_document
from retia.model.network import Network as Objects
from retia.plan.forecast import Forecast, forecast
from retia.plan.hosts import attachments, hosts
from retia.plan.lines import Lines, Veil
from retia.store import catalog
from retia.store.changes import Changes
from retia.store.view import View
from tests.network import Network
from tests.unit.reach.test_gateways import standing


@pytest.fixture(scope="module")
def network() -> Network:
    return standing()


class Plan:
    """A change of the standing network, foretold."""

    def __init__(self, network: Network, change: dict[str, Any]) -> None:
        text = yaml.safe_dump({"retia": 1, "document": "test", **change}, sort_keys=False)
        self.before = network
        self.changes: Changes = catalog.plan(View(network.objects), parse_document(text, "test.yaml"))
        self.after = network.objects.copy()
        for old, new in self.changes.objects:
            if new is not None:
                self.after.put(new)
            elif old is not None:
                self.after.remove(old)
        self.states = [one for (kind, _), one in network.things.items() if kind in ("host-state", "binding")]
        self.known = hosts(self.states, network.objects)
        things = [*network.objects.objects.values(), *self.states]
        self.told: Forecast = forecast(things, self.changes.objects, self.known)

    def lines(self, host: str) -> list[dict[str, Any]]:
        networks: tuple[Objects, Objects] = (self.before.objects, self.after)
        labels = {item.id: each.label(item) for each in networks for item in each.objects.values()}
        names = attachments(self.states, networks)
        own = next(view.names for view in self.known if view.host == host)
        lines = Lines(Veil.over(self.changes, self.after.objects), labels)
        return lines.data(self.told.of(host), names | own)

    def at(self, host: str, stage: str) -> list[tuple[str, str, str]]:
        return [(one["change"], one["match"], one["actions"]) for one in self.lines(host) if one["stage"] == stage]


def drained(host: str) -> dict[str, Any]:
    return {"routers": {"r": {"edges": {host: {"admin_state": False}}}}}


def test_a_drained_edge_gets_no_new_connections(network: Network) -> None:
    plan = Plan(network, drained("hv3"))
    ((change, _, actions),) = plan.at("hv1", "CHOOSE")
    assert change == "~" and actions == "set_field:0x20000/0xffff0000->reg1,goto_table:TO_TUNNEL", "one is left, hv2"
    ((_, _, own),) = plan.at("hv3", "CHOOSE")
    assert "members:<tunnel to hv2>" in own, "a drained edge itself sends to the others"
    assert "hv4" not in plan.told.counts(), "who has nothing to do with it is untouched"


def test_an_uplink_and_an_edge_more(network: Network) -> None:
    change = {
        "switches": {"ext": {"uplinks": {"hv4": {"bridge": "br-ex"}}}},
        "routers": {
            "r": {
                "ports": {"out4": {"switch": "ext", "addresses": ["203.0.113.4/24"], "host": "hv4"}},
                "edges": {"hv4": {"priority": 20}},
            }
        },
    }
    plan = Plan(network, change)
    admitted = plan.at("hv4", "ADMIT")
    assert any(match == "in_port=<uplink of ext>" for _, match, _ in admitted)
    delivered = [actions for _, _, actions in plan.at("hv4", "DELIVER")]
    assert "output:<uplink of ext>" in delivered
    ((_, match, actions),) = plan.at("hv4", "ZONES")
    assert match.startswith("metadata=") and actions.count("set_field:<allocated>/0xffff") == 2
    assert ("+", "reg12=<tunnel to hv4>/0xffff") in [each[:2] for each in plan.at("hv1", "EDGE")]
    assert {"hv1", "hv2", "hv3", "hv4"} == set(plan.told.counts())


def test_another_router_with_nat_changes_nobodys_zones(network: Network) -> None:
    change = {
        "switches": {"aa": {"subnets": {"n": {"cidr": "10.8.0.0/24", "gateway": "10.8.0.1"}}}},
        "routers": {
            "r0": {
                "ports": {
                    "in": {"switch": "aa"},
                    "out": {"switch": "ext", "addresses": ["203.0.113.9/24"], "host": "hv2"},
                },
                "edges": {"hv2": {}},
                "nats": {"all": {"type": "snat", "internal": "10.8.0.0/24"}},
            }
        },
    }
    plan = Plan(network, change)
    assert [each[0] for each in plan.at("hv2", "ZONES")] == ["+"], "only the new router's"
    assert not plan.at("hv3", "ZONES")
    assert all("<allocated>" in match for _, match, _ in plan.at("hv2", "ZONES"))


def test_a_floating_ip_touches_few_flows(network: Network) -> None:
    change = {
        "routers": {"r": {"nats": {"b": {"type": "floating", "internal": "10.0.1.11", "external": "203.0.113.12"}}}}
    }
    plan = Plan(network, change)
    assert set(plan.told.counts()) == {"hv1", "hv2", "hv3"}
    assert all(sum(counts) < 15 for counts in plan.told.counts().values())
    assert all(re.search("203.0.113.12|10.0.1.11", one["match"] + one["actions"]) for one in plan.lines("hv1"))
