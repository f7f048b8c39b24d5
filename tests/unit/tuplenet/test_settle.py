"""What becomes of each record: every mapping, every way records do not fit each other, and that none is lost."""

from __future__ import annotations

import random

import pytest

from retia.errors import InvalidInput
from retia.model.names import check_name
from tests.tuplenet import VIEW, Builder, base, edges, mac
from tests.unit.tuplenet.imported import aside_of, document_of, outcome_of, remarks_of, text_of


def test_the_base_topology() -> None:
    made = outcome_of(base().tree)
    assert (made.aside, made.remarks) == ({}, [])
    switches = document_of(base().tree)["switches"]
    routers = document_of(base().tree)["routers"]
    assert document_of(base().tree)["hosts"] == {"hv1": {}, "hv2": {}, "hv3": {}}
    assert switches["LS-A"] == {
        "subnets": {"10.10.1.0-24": {"cidr": "10.10.1.0/24", "gateway": "10.10.1.1"}},
        "ports": {"lsp-portA": {"mac": "00:00:06:08:06:03", "addresses": "10.10.1.2"}},
    }
    assert sorted(switches["LS-B"]["ports"]) == ["lsp-portB", "lsp-portC"]
    assert routers["LR-A"] == {
        "ports": {
            "LR-A_to_LS-A": {"switch": "LS-A", "mac": "00:00:06:08:06:01", "addresses": "10.10.1.1/24"},
            "LR-A_to_LS-B": {"switch": "LS-B", "mac": "00:00:06:08:06:02", "addresses": "10.10.2.1/24"},
        }
    }
    assert routers["LR-agent"] == {"edges": {"hv3": {}}}


def test_one_pinned_router_is_a_router_with_one_edge() -> None:
    tree = edges().tree
    tree = {key: value for key, value in tree.items() if not any(name in key for name in ("2", "hv3", "agent"))}
    made = document_of(tree)
    assert made["routers"]["edge1"] == {
        "edges": {"hv2": {}},
        "ports": {
            "edge1_to_m1": {"switch": "m1", "mac": "00:00:06:08:08:01", "addresses": "100.10.10.2/24"},
            "edge1_to_outside1": {"switch": "outside1", "mac": "00:00:06:08:09:01", "addresses": "172.20.11.11/24"},
        },
        "routes": {
            "virtual": {"prefix": "10.10.0.0/16", "next_hop": "100.10.10.1"},
            "world": {"prefix": "0.0.0.0/0", "next_hop": "172.20.11.1"},
        },
    }
    assert made["switches"]["outside1"]["uplinks"] == {"hv2": {"bridge": "br0"}}


def nats(*rules: tuple[str, str, str]) -> dict[str, str]:
    made = base()
    made.switch("out")
    made.router("edge", "hv2")
    made.patch("out", "patch", "hv2", "br0")
    made.link("edge", "out", "172.20.11.11", mac("09:01"))
    for number, (inside, type_, outside) in enumerate(rules):
        made.nat("edge", f"n{number}", inside, type_, outside)
    return made.tree


def test_translations() -> None:
    tree = nats(
        ("10.10.9.9/16", "snat", "172.20.11.100"),
        ("10.10.1.2/32", "dnat", "172.20.11.101"),
        ("10.10.2.3/32", "dnat", "172.20.11.102"),
        ("10.10.2.3/32", "snat", "172.20.11.102"),
        ("10.10.2.4/32", "snat", "172.20.11.11"),
    )
    assert document_of(tree)["routers"]["edge"]["nats"] == {
        "n0": {"type": "snat", "internal": "10.10.0.0/16", "external": "172.20.11.100"},
        "n1": {"type": "dnat", "internal": "10.10.1.2", "external": "172.20.11.101"},
        "n3": {"type": "floating", "internal": "10.10.2.3", "external": "172.20.11.102"},
        "n4": {"type": "snat", "internal": "10.10.2.4", "external": "172.20.11.11"},
    }
    assert aside_of(tree) == {}


def test_translation_where_there_is_no_edge_is_named() -> None:
    made = base()
    made.nat("LR-A", "n", "10.10.0.0/16", "snat", "172.20.11.100")
    wrong = "router LR-A has no way to the physical network, so nothing is translated"
    assert aside_of(made.tree) == {"LR/LR-A/lnat/n": wrong}


def test_subnets_come_from_router_ports_and_else_from_guests() -> None:
    made = base()
    made.switch("alone")
    made.port("alone", "one", "10.30.0.7", mac("0a:01"))
    made.port("alone", "two", "10.30.0.8", mac("0a:02"))
    made.port("alone", "far", "192.168.7.1", mac("0a:03"))
    made.port("LS-A", "stray", "10.77.0.255", mac("0a:04"))
    switches = document_of(made.tree)["switches"]
    assert switches["alone"]["subnets"] == {
        "10.30.0.0-28": {"cidr": "10.30.0.0/28"},
        "192.168.7.0-29": {"cidr": "192.168.7.0/29"},
    }
    assert [one["cidr"] for one in switches["LS-A"]["subnets"].values()] == ["10.10.1.0/24", "10.77.0.0/23"]
    assert aside_of(made.tree) == {}


def without(*keys: str, **others: str) -> dict[str, str]:
    tree = {key: value for key, value in edges().tree.items() if key not in {f"{VIEW}{each}" for each in keys}}
    return tree | {f"{VIEW}{key}": value for key, value in others.items()}


def with_records(tree: dict[str, str], records: dict[str, str]) -> dict[str, str]:
    return tree | {f"{VIEW}{key}": value for key, value in records.items()}


FITS_NOT: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a switch set aside takes all along": (
        {"LS/LS-A": "id=x"},
        {
            "LS/LS-A": "id: 'x' is no whole number from 1 to 65535",
            "LS/LS-A/lsp/lsp-portA": "its switch entity_view/LS/LS-A is set aside",
            "LS/LS-A/lsp/LS-A_to_LR-A": "its switch entity_view/LS/LS-A is set aside",
            "LR/LR-A/lrp/LR-A_to_LS-A": "its peer entity_view/LS/LS-A/lsp/LS-A_to_LR-A is set aside",
        },
    ),
    "a router set aside takes all along": (
        {"LR/LR-A": "chassis=hv1", "LR/LR-A/lsr/r": "ip=9.0.0.0,prefix=8,next_hop=10.10.1.9,outport=LR-A_to_LS-A",
         "LR/LR-A/lnat/n": "ip=9.0.0.0,prefix=8,xlate_type=snat,xlate_ip=10.10.1.9"},
        {
            "LR/LR-A": "id is missing",
            "LR/LR-A/lrp/LR-A_to_LS-A": "its router entity_view/LR/LR-A is set aside",
            "LR/LR-A/lrp/LR-A_to_LS-B": "its router entity_view/LR/LR-A is set aside",
            "LR/LR-A/lsr/r": "its router entity_view/LR/LR-A is set aside",
            "LR/LR-A/lnat/n": "its router entity_view/LR/LR-A is set aside",
            "LS/LS-A/lsp/LS-A_to_LR-A": "its peer entity_view/LR/LR-A/lrp/LR-A_to_LS-A is set aside",
            "LS/LS-B/lsp/LS-B_to_LR-A": "its peer entity_view/LR/LR-A/lrp/LR-A_to_LS-B is set aside",
        },
    ),
    "a port without its switch": (
        {"LS/gone/lsp/p": "ip=10.10.1.9,mac=00:00:06:08:06:09"},
        {"LS/gone/lsp/p": "its switch gone has no record"},
    ),
    "a router port without a peer, and a route by it": (
        {"LR/LR-A/lrp/p": "ip=10.10.9.1,prefix=24,mac=00:00:06:08:06:09",
         "LR/LR-A/lsr/r": "ip=9.0.0.0,prefix=8,next_hop=10.10.9.2,outport=p"},
        {"LR/LR-A/lrp/p": "it has no peer, so it leads to no switch",
         "LR/LR-A/lsr/r": "its outport entity_view/LR/LR-A/lrp/p is set aside"},
    ),
    "ends that do not name each other": (
        {"LR/LR-A/lrp/p": "ip=10.10.9.1,prefix=24,mac=00:00:06:08:06:09,peer=q",
         "LS/LS-A/lsp/r": "ip=10.10.9.1,mac=00:00:06:08:06:09,peer=s"},
        {"LR/LR-A/lrp/p": "its peer q is no switch port that names it too, so it leads nowhere",
         "LS/LS-A/lsp/r": "it is an end of a link, and its peer s is no router port that names it too"},
    ),
    "a route by no port": (
        {"LR/LR-A/lsr/r": "ip=9.0.0.0,prefix=8,next_hop=10.10.1.9,outport=nowhere"},
        {"LR/LR-A/lsr/r": "its outport nowhere is no port of LR-A"},
    ),
    "a route whose next hop is elsewhere": (
        {"LR/LR-A/lsr/r": "ip=9.0.0.0,prefix=8,next_hop=10.10.2.9,outport=LR-A_to_LS-A"},
        {"LR/LR-A/lsr/r": "its next hop 10.10.2.9 is not on 10.10.1.0/24, where its outport leads"},
    ),
    "a MAC twice": (
        {"LS/LS-A/lsp/z": "ip=10.10.1.9,mac=00:00:06:08:06:03"},
        {"LS/LS-A/lsp/z": "entity_view/LS/LS-A/lsp/z and entity_view/LS/LS-A/lsp/lsp-portA both have the MAC "
                          "00:00:06:08:06:03"},
    ),
    "an address twice": (
        {"LS/LS-A/lsp/z": "ip=10.10.1.2,mac=00:00:06:08:06:09"},
        {"LS/LS-A/lsp/z": "entity_view/LS/LS-A/lsp/z and entity_view/LS/LS-A/lsp/lsp-portA both have the address "
                          "10.10.1.2"},
    ),
    "a guest on the gateway's address": (
        {"LS/LS-A/lsp/a": "ip=10.10.1.1,mac=00:00:06:08:06:09"},
        {"LS/LS-A/lsp/a": "entity_view/LR/LR-A/lrp/LR-A_to_LS-A and entity_view/LS/LS-A/lsp/a both have the address "
                          "10.10.1.1"},
    ),
    "a broadcast address": (
        {"LS/LS-A/lsp/z": "ip=10.10.1.255,mac=00:00:06:08:06:09"},
        {"LS/LS-A/lsp/z": "10.10.1.255 is the broadcast address of 10.10.1.0/24"},
    ),
    "a multicast MAC": (
        {"LS/LS-A/lsp/z": "ip=10.10.1.9,mac=01:00:06:08:06:09"},
        {"LS/LS-A/lsp/z": "01:00:06:08:06:09 is a multicast MAC"},
    ),
    "a bridge no kernel would call so": (
        {"LS/LS-A/lsp/z": "ip=255.255.255.255,mac=ff:ff:ff:ff:ff:ee,chassis=hv1,peer=a bridge"},
        {"LS/LS-A/lsp/z": "'a bridge' is no name of a bridge"},
    ),
    "a malformed host": (
        {"chassis/hv1": "ip=192.168.100.1,tick=aa"},
        {"chassis/hv1": "tick: 'aa' is no whole number from 0 to 1000000000000"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS_NOT)
def test_what_does_not_fit_is_named_and_the_rest_goes_on(name: str) -> None:
    records, told = FITS_NOT[name]
    tree = with_records(base().tree, records)
    assert aside_of(tree) == told
    assert all(problem.advice for problem in outcome_of(tree).aside.values())
    assert document_of(tree)["switches"]["LS-B"]["ports"].keys() == {"lsp-portB", "lsp-portC"}


def test_a_router_that_is_everywhere_does_not_meet_the_physical_network() -> None:
    made = base()
    made.patch("LS-A", "patch", "hv1", "br0")
    assert list(aside_of(made.tree)) == ["LR/LR-A/lrp/LR-A_to_LS-A", "LS/LS-A/lsp/LS-A_to_LR-A"]
    assert "and its router runs on every host" in aside_of(made.tree)["LR/LR-A/lrp/LR-A_to_LS-A"]
    assert document_of(made.tree)["switches"]["LS-A"]["uplinks"] == {"hv1": {"bridge": "br0"}}


def test_hosts_without_a_record_are_declared_where_something_is_on_them() -> None:
    tree = {key: value for key, value in edges().tree.items() if not key.endswith(("chassis/hv1", "chassis/hv2"))}
    assert list(document_of(tree)["hosts"]) == ["hv2", "hv3"]
    told = [what for _, what in remarks_of(tree)]
    assert told.count("chassis hv2 has no record of its own (no agent ran there, or it was deleted)") == 1


def test_remarks_on_what_is_otherwise() -> None:
    made = base()
    made.tree[f"{VIEW}LS/LS-A"] = "id=2"
    made.port("LS-A", "lsp-portB", "10.10.1.9", mac("0a:01"))
    made.route("LR-A", "same", "10.10.1.0", 24, "10.10.2.9", "LS-B")
    made.route("LR-A", "one", "9.0.0.0", 8, "10.10.2.9", "LS-B")
    made.route("LR-A", "two", "9.0.0.0", 8, "10.10.2.10", "LS-B")
    far = f"{VIEW}LS/LS-B/lsp/LS-B_to_LR-A"
    made.tree[far] = made.tree[far].replace("06:02", "06:22")
    assert aside_of(made.tree) == {}
    told = dict(remarks_of(made.tree))
    assert "its id 2 is also that of entity_view/LS/LS-A" in told["LS/LS-B"]
    assert told["LS/LS-B/lsp/lsp-portB"].startswith("entity_view/LS/LS-A/lsp/lsp-portB has the same name")
    assert "is also a prefix that its router is connected to" in told["LR/LR-A/lsr/same"]
    assert "Retia shares the packets among them" in told["LR/LR-A/lsr/one"]
    assert "00:00:06:08:06:02, its peer" in told["LR/LR-A/lrp/LR-A_to_LS-B"]
    assert len(told) == 5


def test_two_links_to_one_switch_are_one_port() -> None:
    made = base()
    near = "ip=10.20.1.1,prefix=24,mac=00:00:06:08:0c:01,peer=second"
    made.tree[f"{VIEW}LR/LR-A/lrp/more"] = near
    made.tree[f"{VIEW}LS/LS-A/lsp/second"] = "ip=10.20.1.1,mac=00:00:06:08:0c:01,peer=more"
    ports = document_of(made.tree)["routers"]["LR-A"]["ports"]
    assert ports["LR-A_to_LS-A"]["addresses"] == ["10.10.1.1/24", "10.20.1.1/24"] and "more" not in ports
    assert "is linked to LS-A twice" in dict(remarks_of(made.tree))["LR/LR-A/lrp/more"]


NAMES = ["my port", "生产", "x" * 64, "-dash", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a:b", "no", "null", "1e3"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_retia_does_not_take_are_changed_always_the_same_way(name: str) -> None:
    made = Builder()
    made.chassis(name, "192.168.100.1")
    made.switch(name)
    made.router(name, name)
    made.link(name, name, "10.0.0.1", mac("06:01"))
    made.port(name, name, "10.0.0.2", mac("06:02"))
    made.patch(name, f"{name}-patch", name, "br0")
    outcome = outcome_of(made.tree)
    again = outcome_of({**made.tree, **base().tree})
    assert outcome.aside == {}
    names = {item.id: item.name for item in outcome.objects.network.objects.values()}
    assert names.items() <= {item.id: item.name for item in again.objects.network.objects.values()}.items()
    renamed = names[f"{VIEW}LS/{name}"] != name
    try:
        check_name(name)
        assert not renamed
    except InvalidInput:
        assert renamed
    told = [one.where for one in outcome.remarks if "it is called" in one.what or "it is host" in one.what]
    assert (f"{VIEW}LS/{name}" in told, f"{VIEW}chassis/{name}" in told) == (renamed, renamed)


def test_names_that_would_become_the_same_stay_apart() -> None:
    made = Builder()
    made.switch("s")
    for number, name in enumerate(("a b", "a:b", "a-b")):
        made.port("s", name, f"10.0.0.{number + 2}", mac(f"0a:0{number}"))
    ports = document_of(made.tree)["switches"]["s"]["ports"]
    assert len(ports) == 3 and "a-b" in ports


def test_a_tree_without_a_version_is_read_and_says_so() -> None:
    tree = {key: value for key, value in base().tree.items() if key != "globals/version"}
    assert remarks_of(tree) == [("globals/version", "it is missing, so the tree was read as one of version 1")]


def test_another_project_is_declared() -> None:
    outcome = outcome_of(base().tree, "acme")
    assert "project: acme\nprojects:\n  acme: {}\n" in text_of(outcome, "acme")


def test_the_same_tree_gives_the_same_text() -> None:
    tree = edges().tree
    backwards = dict(reversed(tree.items()))
    assert text_of(outcome_of(tree)) == text_of(outcome_of(backwards))


@pytest.mark.parametrize("round_", range(60))
def test_however_a_tree_is_broken_nothing_is_lost(round_: int) -> None:
    """`outcome_of` checks it: every record is in a valid document, or set aside."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    tree = edges().tree
    for number in range(4):
        made = Builder()
        made.nat(f"edge{source.randint(1, 2)}", f"n{number}", "10.10.1.2/32", source.choice(["snat", "dnat"]),
                 f"172.20.11.{source.randint(99, 101)}")  # fmt: skip
        tree |= made.tree
    values = [part for value in tree.values() for part in value.split(",")]
    for _ in range(source.randint(1, 6)):
        key = source.choice([each for each in tree if each.startswith(VIEW)])
        if source.random() < 0.3:
            del tree[key]
            continue
        parts = dict(part.partition("=")[::2] for part in tree[key].split(","))
        field = source.choice([*parts])
        same = [value.partition("=")[2] for value in values if value.startswith(f"{field}=")]
        parts[field] = source.choice([*same, "", "x"])
        tree[key] = ",".join(f"{name}={value}" for name, value in parts.items())
    outcome_of(tree)
