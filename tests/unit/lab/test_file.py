"""Lab files: what a right one reads as, and what a wrong one is told, all of it at once, with its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from retia.errors import InvalidDocument, InvalidInput
from retia.lab import file
from retia.lab.actions.traffic import Ping
from retia.lab.conditions import Drops, Pinging, Way
from retia.lab.count import Count
from retia.lab.physical import Attached, SegmentName
from retia.lab.words import HostName
from retia.model.state import FULL, ON_DEMAND

HEAD = """\
hosts: [hv1, hv2]
guests:
  a: {host: hv1, port: web/a}
  b: {host: hv2, port: web/b}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        file.parse(text, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_right_one() -> None:
    read = file.parse(
        HEAD
        + """\
network: {switches: {web: {}}}
checks:
  - id: one
    name: All at once
    within: 2.5
    ping: {from: all, to: [b, r1/to-web, 10.0.0.1], reply-ttl: 63}
    drops: {hv1: {no-route: 2+}}
    pinging: {from: a, to: b, lost-at-most: 5}
""",
        "some/where.yaml",
    )
    assert (read.name, read.hosts, list(read.guests)) == ("where", ("hv1", "hv2"), ["a", "b"])
    assert read.network is not None
    assert (read.network.name, [wanted.names for wanted in read.network.wanted]) == ("lab", [("web",)])
    (step,) = read.checks
    assert step.action == Ping(("all",), ("b", "r1/to-web", "10.0.0.1"), reply_ttl=63)  # type: ignore[arg-type]
    assert (step.id, step.name, step.within) == ("one", "All at once", 2.5)
    assert step.conditions == (
        Drops({"hv1": {"no-route": Count(2, more=True)}}),  # type: ignore[dict-item]
        Pinging((Way("a", "b", lost_at_most=5),)),  # type: ignore[arg-type]
    )


def test_the_physical_side() -> None:
    read = file.parse(
        """\
hosts: [hv1, hv2]
outside:
  world: {segment: ext, address: 203.0.113.1/24, addresses: [198.51.100.7/24], routes: {10.0.0.0/8: 203.0.113.9}}
  gw: {segments: {ext: 203.0.113.9/24, far: 192.0.2.1/24}, mac: 06:00:00:00:00:99, forward: true}
physical: {hv1: {br-ex: ext}, hv2: {br-ex: {segment: ext, address: 203.0.113.12/24, gateway: 203.0.113.9}}}
settings: {hv2: {lease_seconds: 8}}
""",
        "x.yaml",
    )
    assert read.segments == ["ext", "far"]
    gateway = read.outside["gw"].interfaces(2)
    assert [(one.link, one.segment, str(one.address)) for one in gateway] == [
        ("eth0", "ext", "203.0.113.9/24"),
        ("eth1", "far", "192.0.2.1/24"),
    ]
    assert [str(one.mac) for one in gateway] == ["06:00:00:00:00:99", "06:00:00:00:02:01"]
    assert [str(one.mac) for one in read.outside["world"].interfaces(1)] == ["06:00:00:00:01:00"]
    assert read.physical[HostName("hv1")] == {"br-ex": Attached(SegmentName("ext"))}
    assert read.settings == {"hv2": {"lease_seconds": "8"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("outside: {w: {segment: ext}}", "on one segment with an address, or on several"),
        ("outside: {w: {segment: ext, address: 1.1.1.1/24, segments: {far: 2.2.2.2/24}}}", "or on several"),
        ("outside: {w: {segment: Ext, address: 1.1.1.1/24}}", "'Ext' is no name for a segment"),
        ("outside: {w: {segment: ext, address: 1.1.1.1/24, routes: {0.0.0.0/0: 9.9.9.9}}}", "reaches 9.9.9.9"),
        ("outside: {w: {segment: ext, address: 1.1.1.1/24, vlan: 4095}}", "4095 is no VLAN"),
        ("outside: {a: {segment: ext, address: 1.1.1.1/24}}", "'a' names two nodes"),
        ("physical: {hv9: {br-ex: ext}}", "there is no host 'hv9'"),
        ("physical: {hv1: {br-int: ext}}", "'br-int' is no name for a physical bridge"),
        ("physical: {hv1: {br-ex: ext, br-in: ext}}", "two bridges of one host on segment ext"),
        ("physical: {hv1: {br-ex: {segment: ext, gateway: 1.1.1.1}}}", "the host cannot reach 1.1.1.1"),
        ("settings: {hv1: {lease_second: 8}}", "has no setting 'lease_second'\n  did you mean lease_seconds"),
        ("settings: {hv1: {etcd: here}}", "has no setting 'etcd'"),
        ("settings: {hv1: {lease_seconds: long}}", "Expected `float`"),
    ],
)
def test_a_wrong_physical_side(text: str, wanted: str) -> None:
    (told,) = problems(f"{HEAD}{text}\n")
    assert told.startswith("x.yaml:5: ") and wanted in told, told


@pytest.mark.parametrize(
    ("text", "allowed", "refused"), [("2", [2], [1, 3]), ("1+", [1, 9], [0]), ("0-1", [0, 1], [2]), ("2-2", [2], [1])]
)
def test_counts(text: str, allowed: list[int], refused: list[int]) -> None:
    count = Count.from_text(text)
    assert all(map(count.allows, allowed)) and not any(map(count.allows, refused))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["x.yaml: the file is empty"]),
        ("hosts: [hv1", ["x.yaml:1: this is no YAML"]),
        ("guests: {}", ["x.yaml:1: hosts is missing"]),
        ("hosts: [hv1]\nhost: x", ["x.yaml:2: host: a head has no 'host'"]),
        ("hosts: [HV1]", ["x.yaml:1: hosts.0: 'HV1' is no name for a node"]),
        ("hosts: [br-int]", ["'br-int' has a meaning of its own"]),
        ("hosts: [h]\nguests: {h: {host: h, port: w/p}}", ["x.yaml:2: guests.h: 'h' names two nodes"]),
        ("hosts: [h]\nguests: {g: {host: hh, port: w/p}}", ["x.yaml:2: guests.g.host: there is no host 'hh'"]),
        ("hosts: [h]\nguests: {g: {host: h}}", ["x.yaml:2: guests.g: port is missing"]),
        ("hosts: [h]\nguests: {g: {host: h, port: p, mac: x}}", ["guests.g.mac: 'x' is no MAC address"]),
        ("hosts: [h]\nnetwork: {switches: {web: {mtu: x}}}", ["x.yaml:2: switches.web.mtu"]),
        ("hosts: [h]\nnetwork: nowhere.yaml", ["x.yaml:2: network: cannot read 'nowhere.yaml'"]),
        ("hosts: [h]\nlab: Big Lab", ["'Big Lab' is no name for a lab"]),
    ],
)
def test_wrong_heads(text: str, wanted: list[str]) -> None:
    told = problems(text)
    assert len(told) == len(wanted), told
    assert all(part in line for part, line in zip(wanted, told, strict=True)), told


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("{pin: {from: a, to: b}}", "checks.0.pin: there is no step 'pin'\n  did you mean ping"),
        ("{name: nothing}", "checks.0: a step does one thing, this does nothing"),
        ("{plug: a, unplug: b}", "checks.0: a step does one thing, this does plug and unplug"),
        ("{ping: {from: aa, to: b}}", "checks.0.ping.from: there is no guest 'aa'"),
        ("{ping: {from: a, to: bb}}", "checks.0.ping.to: there is no guest 'bb'"),
        ("{ping: {from: a}}", "checks.0.ping: to is missing"),
        ("{ping: {from: a, to: b, count: x}}", "checks.0.ping.count: expected a whole number, got 'x'"),
        ("{ping: {from: a, to: b, expect: maybe}}", "expected answer or silence, got 'maybe'"),
        ("{frame: {from: a, to-mac: b, received: {b: changed}}}", "a frame arrives `same`, or changed"),
        ("{wait: 1, drops: {hv1: {no-rout: 1}}}", "nothing is dropped for 'no-rout'\n  did you mean no-route"),
        ("{wait: 1, drops: {hv1: {no-route: some}}}", "'some' is no count"),
        ("{wait: 1, drops: {hv9: {no-route: 1}}}", "there is no host 'hv9'"),
        ("{wait: 1, flows: equal}", "flows are `same`, `untouched` or `kept`"),
        ("{wait: long}", "'long' is no number of seconds"),
        ("{move: {guest: a, to: hv3}}", "there is no host 'hv3'"),
        ("{withdraw: web}", "'web' is no kind and name"),
        ("{withdraw: prt web/a}", "'prt web/a' is no kind and name\n  did you mean"),
        ("{apply: {}}", "network is missing"),
        ("{do: [{plug: c}]}", "checks.0.do.0.plug: there is no guest 'c'"),
        ("{stop-agent: {host: hv1, when: now}}", "has no 'when'"),
        ("{wait: 1, arrived: {hv1: 2-1}}", "no count is between 2 and 1"),
        ("{wait: 1, collects: {on: a, kind: netflow}}", "expected ipfix or sflow, got 'netflow'"),
        ("{ping: {from: a, to: all, at: b}}", "want one guest or outside node in `to`"),
        ("{download: {from: a, to: b, at: '10.0.0.1:x'}}", "'x' is no port"),
        ("{download: {from: a, to: b, at: nobody}}", "there is no guest 'nobody'"),
        ("{spread: {from: a, to: b, over: {hv1: 50-20}}}", "'50-20' is no share"),
        ("{spread: {from: a, to: b, over: {hv1: 50}, via: {b: 50}}}", "with `over`, or of MACs, with `via`"),
        ("{cut: {between: [hv1]}}", "this is between two hosts"),
        ("{cut: {between: [hv1, hv1]}}", "this is between two hosts"),
        ("{isolate: {host: hv1, what: all}}", "expected underlay or physical, got 'all'"),
        ("{id: x, id: y, wait: 1}", "'id' is written twice"),
    ],
)
def test_wrong_steps(step: str, wanted: str) -> None:
    (told,) = problems(f"{HEAD}checks:\n- {step}\n")
    assert told.startswith("x.yaml:6: ") and wanted in told, told


def test_all_problems_at_once() -> None:
    assert len(problems(f"{HEAD}checks:\n- {{plug: c}}\n- {{wait: x}}\n- {{ping: {{}}}}\n")) == 4


def test_an_id_names_one_check() -> None:
    (told,) = problems(f"{HEAD}checks:\n- {{id: one, wait: 1}}\n- {{id: one, wait: 1}}\n")
    assert "two checks have the id 'one'" in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read the lab file"):
        file.load(tmp_path / "nowhere.yaml")


def test_on_demand_mode_leaves_one_host_full() -> None:
    read = file.parse(HEAD + "settings: {hv1: {bfd_interval: 300}}\n", "x.yaml")
    assert file.in_mode(read, FULL) is read and not read.on_demand
    lazy = file.in_mode(read, ON_DEMAND)
    assert lazy.on_demand
    assert lazy.settings == {"hv1": {"mode": ON_DEMAND, "bfd_interval": "300"}, "hv2": {}}
    kept = file.in_mode(file.parse(HEAD + "settings: {hv1: {mode: full}}\n", "x.yaml"), ON_DEMAND)
    assert kept.settings == {"hv1": {"mode": FULL}, "hv2": {}}


def test_where_there_is_an_edge_all_hosts_are_set_to_it() -> None:
    network = "network: {hosts: {hv1: {}}, routers: {r: {edges: {hv1: {}}}}}\n"
    lazy = file.in_mode(file.parse(HEAD + network, "x.yaml"), ON_DEMAND)
    assert lazy.settings == {"hv1": {"mode": ON_DEMAND}, "hv2": {"mode": ON_DEMAND}}


def test_conditions_of_on_demand_mode() -> None:
    (step,) = file.parse(
        HEAD + "checks: [{ping: {from: a, to: b}, on-demand: {drops: {hv1: {no-route: 1}}}}]", "x"
    ).checks
    assert step.on_demand == (Drops({"hv1": {"no-route": Count(1)}}),)  # type: ignore[dict-item]
    told = problems(HEAD + "checks: [{ping: {from: a, to: b}, on-demand: {dropz: 1}}]")
    assert len(told) == 1 and "there is no action or condition 'dropz'" in told[0]
