"""What `retia plan` foretells is what `apply` then does to real switches: the difference of two dumps, host by host."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from retia.lab import commands, file
from retia.lab.spaces import SpacesLab
from retia.pipeline.stages import NEIGHBOUR, UPLINK_ARP
from retia.store.contract import PREFIX

Document = dict[str, Any]
Place = tuple[str, int, int]  # how it changes, table, priority
PHYSICAL = {"hv2": {"br-ex": "out"}, "hv3": {"br-ex": "out"}}
OUTSIDE = {"gw": {"segment": "out", "address": "203.0.113.254/24"}}
SETTLED = 20.0
"""Seconds until attachments are made and BFD has spoken."""
LEARNED = {
    (int(UPLINK_ARP), UPLINK_ARP.priority("heard")),
    (int(NEIGHBOUR), NEIGHBOUR.priority("learned")),
}
"""Table and priority of what hosts learn by themselves: they ask for next hops as soon as there are routes."""
GUESTS = {"a": ("hv1", "web"), "b": ("hv2", "web"), "c": ("hv2", "db"), "d": ("hv3", "far")}

FIRST: Document = {
    "retia": 1,
    "document": "lab",
    "switches": {
        "web": {"subnets": {"n": {"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}}, "ports": {"a": {}, "b": {}}},
        "db": {"subnets": {"n": {"cidr": "10.2.0.0/24", "gateway": "10.2.0.1"}}, "ports": {"c": {}, "spare": {}}},
        "far": {"subnets": {"n": {"cidr": "10.3.0.0/24", "gateway": "10.3.0.1"}}, "ports": {"d": {}}},
    },
    "routers": {
        "r1": {"ports": {"to-web": {"switch": "web"}, "to-db": {"switch": "db"}}},
    },
}


def new_port(document: Document) -> None:
    document["switches"]["web"]["ports"]["later"] = {"addresses": "10.1.0.99"}


def new_switch(document: Document) -> None:
    subnet = {"n": {"cidr": "10.4.0.0/24", "gateway": "10.4.0.1"}}
    document["switches"]["more"] = {"subnets": subnet, "ports": {"e": {}}}
    document["routers"]["r1"]["ports"]["to-more"] = {"switch": "more"}


def join(document: Document) -> None:
    document["routers"]["r1"]["ports"]["to-far"] = {"switch": "far"}


def route(document: Document) -> None:
    document["routers"]["r1"]["routes"] = {"out": {"prefix": "192.0.2.0/24", "next_hop": "10.2.0.77"}}


def disabled(document: Document) -> None:
    document["switches"]["web"]["ports"]["b"]["admin_state"] = False


def pruned(document: Document) -> None:
    del document["switches"]["db"]["ports"]["spare"]
    del document["switches"]["db"]["ports"]["c"]
    del document["routers"]["r1"]["routes"]


def router_down(document: Document) -> None:
    document["routers"]["r1"]["admin_state"] = False


def nothing(document: Document) -> None:
    pass


CHANGES: list[Callable[[Document], None]] = [
    new_port, route, join, new_switch, disabled, nothing, pruned, router_down
]  # fmt: skip


def first_edge(document: Document) -> None:
    """A router that ran everywhere runs on one host from now on."""
    document["hosts"] = {"hv1": {}, "hv2": {}, "hv3": {}}
    subnet = {"n": {"cidr": "203.0.113.0/24"}}
    document["switches"]["ext"] = {"subnets": subnet, "uplinks": {"hv2": {"bridge": "br-ex"}}}
    document["routers"]["r1"]["edges"] = {"hv2": {"priority": 10}}
    document["routers"]["r1"]["ports"]["out2"] = {"switch": "ext", "host": "hv2", "addresses": "203.0.113.2/24"}


def second_edge(document: Document) -> None:
    document["switches"]["ext"]["uplinks"]["hv3"] = {"bridge": "br-ex"}
    document["routers"]["r1"]["edges"]["hv3"] = {}
    document["routers"]["r1"]["ports"]["out3"] = {"switch": "ext", "host": "hv3", "addresses": "203.0.113.3/24"}


def ways_out(document: Document) -> None:
    document["routers"]["r1"]["routes"] = {
        "world": {"prefix": "0.0.0.0/0", "next_hop": "203.0.113.254"},
        "world2": {"prefix": "0.0.0.0/0", "next_hop": "203.0.113.253"},
        "dark": {"prefix": "192.0.2.0/24", "blackhole": True},
    }


def translation(document: Document) -> None:
    document["routers"]["r1"]["nats"] = {
        "all": {"type": "snat", "internal": "10.1.0.0/24"},
        "c": {"type": "dnat", "internal": "10.2.0.2", "external": "203.0.113.20"},
    }


def floating(document: Document) -> None:
    document["routers"]["r1"]["nats"]["a"] = {
        "type": "floating", "internal": "10.1.0.2", "external": "203.0.113.21",
    }  # fmt: skip


def drained(document: Document) -> None:
    document["routers"]["r1"]["edges"]["hv3"]["admin_state"] = False


def edge_gone(document: Document) -> None:
    del document["routers"]["r1"]["ports"]["out3"], document["routers"]["r1"]["edges"]["hv3"]
    del document["switches"]["ext"]["uplinks"]["hv3"]


GATEWAYS: list[Callable[[Document], None]] = [
    first_edge, second_edge, ways_out, translation, floating, drained, nothing, edge_gone
]  # fmt: skip


@pytest.mark.parametrize(("changes", "least"), [(CHANGES, 100), (GATEWAYS, 200)], ids=["inside", "gateways"])
async def test_a_plan_is_the_difference_of_two_dumps(changes: list[Callable[[Document], None]], least: int) -> None:
    guests = {name: {"host": host, "port": f"{switch}/{name}"} for name, (host, switch) in GUESTS.items()}
    parts = {"hosts": ["hv1", "hv2", "hv3"], "guests": guests, "physical": PHYSICAL, "outside": OUTSIDE}
    spec = yaml.safe_dump({"lab": "plan", **parts, "network": FIRST})
    async with commands.standing(file.parse(spec, "plan"), f"plan-{os.getpid()}", True, False) as lab:
        assert isinstance(lab, SpacesLab)
        document = copy.deepcopy(FIRST)
        touched = 0
        for change in changes:
            change(document)
            touched += await _foretold(lab, document, change.__name__)
    assert touched > least


async def _foretold(lab: SpacesLab, document: Document, name: str) -> int:
    """How many flows a change touched, after comparing it with what was foretold."""
    path = lab.place.dir / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    host = lab.hosts["hv1"]
    words = ("-f", str(path), "--prune", "-o", "json")
    revision = (await lab.store.snapshot(PREFIX)).revision
    plan = json.loads((await host.run("retia", "plan", *words, "--flows")).out)
    again = (await lab.store.snapshot(PREFIX)).records
    assert max(record.revision for key, record in again.items() if "/data/object/" in key) <= revision, name
    before = await _dumps(lab)
    applied = json.loads((await host.run("retia", "apply", *words, "--wait", "20")).out)
    for part in ("create", "update", "delete"):
        assert len(plan[part]) == len(applied[part]), (name, part)
    lines = {one["host"]: one["lines"] for one in plan["flows"]}
    told = {each: Counter(_place(line) for line in lines.get(each, ())) for each in before}
    end = asyncio.get_running_loop().time() + SETTLED
    while True:
        after = await _dumps(lab)
        wanted = {each: _difference(before[each], after[each]) for each in before}
        if told == wanted or asyncio.get_running_loop().time() > end:
            break
    assert told == wanted, name
    assert plan["untouched"] == sum(not difference for difference in wanted.values()), name
    return sum(sum(difference.values()) for difference in wanted.values())


async def _dumps(lab: SpacesLab) -> dict[str, dict[str, str]]:
    """Of each host, what every flow (table, priority and match) does and bears as its cookie, but for LEARNED."""
    await asyncio.sleep(0.2)
    dumps = {name: dict(_flow(line) for line in await host.flows()) for name, host in lab.hosts.items()}
    return {name: {match: rest for match, rest in one.items() if _rank(match) not in LEARNED}
            for name, one in dumps.items()}  # fmt: skip


def _flow(line: str) -> tuple[str, str]:
    cookie, _, rest = line.partition(", ")
    match, _, actions = rest.partition(" actions=")
    return match.replace("reset_counts ", ""), cookie + actions


def _place(line: dict[str, Any]) -> Place:
    return line["change"], line["table"], line["priority"]


def _difference(before: dict[str, str], after: dict[str, str]) -> Counter[Place]:
    changes = {match: "+" if match not in before else "-" for match in before.keys() ^ after.keys()}
    changes |= {match: "~" for match in before.keys() & after.keys() if before[match] != after[match]}
    return Counter((how, *_rank(match)) for match, how in changes.items())


def _rank(match: str) -> tuple[int, int]:
    return _number(match, "table", 0), _number(match, "priority", 32768)


def _number(match: str, name: str, absent: int) -> int:
    found = re.search(rf"\b{name}=(\d+)", match)
    return int(found[1]) if found else absent
