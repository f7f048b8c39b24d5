"""Records: every kind, every way one can be wrong, and what is no record of a network."""

from __future__ import annotations

import pytest

from retia.errors import Unsupported
from retia.tuplenet.reading import check_version, read
from retia.tuplenet.tree import Chassis, Router, RouterPort, StaticRoute, Switch, SwitchPort, Translation
from retia.values import Cidr, Ip, Mac
from tests.tuplenet import base, edges

PORT = "LS/LS-A/lsp/p"
WRONG = [
    ("LS/x", "", "its value '' is not of the form NAME=VALUE,NAME=VALUE"),
    ("LS/x", "name=x", "id is missing"),
    ("LS/x", "id=", "id is missing"),
    ("LS/x", "id=seven", "id: 'seven' is no whole number from 1 to 65535"),
    ("LS/x", "id=0", "id: '0' is no whole number from 1 to 65535"),
    ("LS/x", "id=65536", "id: '65536' is no whole number from 1 to 65535"),
    ("LS/x", "id=3,id=4", "id is given twice"),
    ("LS/", "id=3", "it has no name"),
    ("LS/LS-A/lsp/ ", "ip=10.10.1.9,mac=00:00:06:08:06:09", "it has no name"),
    ("LR/x", "id=-1", "id: '-1' is no whole number from 1 to 65535"),
    (PORT, "ip=10.10.1.9", "mac is missing"),
    (PORT, "mac=00:00:06:08:06:09", "ip is missing"),
    (PORT, "ip=10.10.1.9,mac=00:00:06:08:06:09:11", "mac: '00:00:06:08:06:09:11' is no MAC address"),
    (PORT, "ip=10.10.2.a,mac=00:00:06:08:06:09", "ip: '10.10.2.a' is no IP address"),
    (PORT, "ip=fd00::1,mac=00:00:06:08:06:09", "ip: 'fd00::1' is no IPv4 address"),
    (PORT, "ip", "its value 'ip' is not of the form NAME=VALUE,NAME=VALUE"),
    (PORT, "ip=255.255.255.255,mac=ff:ff:ff:ff:ff:ee,peer=br0",
     "chassis is missing: a patch port names the host it is on"),
    (PORT, "ip=255.255.255.255,mac=ff:ff:ff:ff:ff:ee,chassis=h",
     "peer is missing: a patch port names the bridge it leads to"),
    (PORT, "ip=255.255.255.255,mac=00:00:06:08:06:09,chassis=h,peer=br0",
     "255.255.255.255 is a patch port's, whose mac is ff:ff:ff:ff:ff:ee, not 00:00:06:08:06:09"),
    ("LR/LR-A/lrp/p", "ip=10.10.9.1,mac=00:00:06:08:06:09,peer=x", "prefix is missing"),
    ("LR/LR-A/lrp/p", "ip=10.10.9.1,prefix=33,mac=00:00:06:08:06:09", "prefix: '33' is no whole number from 0 to 32"),
    ("LR/LR-A/lsr/r", "ip=0.0.0.0,prefix=0,next_hop=10.10.1.9", "outport is missing"),
    ("LR/LR-A/lsr/r", "ip=0.0.0.0,prefix=0,next_hop=x,outport=p", "next_hop: 'x' is no IP address"),
    ("LR/LR-A/lnat/n", "ip=10.1.0.0,prefix=16,xlate_type=nat,xlate_ip=1.1.1.1",
     "xlate_type: 'nat' is neither snat nor dnat"),
    ("LR/LR-A/lnat/n", "ip=10.1.0.0,prefix=16,xlate_type=dnat,xlate_ip=1.1.1.1",
     "dnat is to one address, not to 10.1.0.0/16"),
    ("chassis/hv9", "ip=192.168.100.9,tick=aa", "tick: 'aa' is no whole number from 0 to 1000000000000"),
    ("chassis/hv9", "tick=1", "ip is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "what"), WRONG, ids=[f"{key}: {value}" for key, value, _ in WRONG])
def test_a_malformed_record_is_named_and_the_rest_is_read(key: str, value: str, what: str) -> None:
    good = base().tree
    tree = read({name: text.encode() for name, text in {**good, f"entity_view/{key}": value}.items()})
    assert {name: problem.what for name, problem in tree.problems.items()} == {f"entity_view/{key}": what}
    assert tree.problems[f"entity_view/{key}"].advice
    assert tree.entities == read({name: text.encode() for name, text in good.items()}).entities


def test_a_value_that_is_no_text() -> None:
    tree = read({"entity_view/LS/x": b"\xff\xfe"})
    assert tree.problems["entity_view/LS/x"].what == "its value is no text"


def test_every_kind_of_record() -> None:
    made = edges()
    made.nat("edge1", "n", "10.10.0.9/16", "snat", "172.20.11.100")
    entities = read({key: value.encode() for key, value in made.tree.items()}).entities
    view = "entity_view/"
    assert entities[f"{view}chassis/hv1"] == Chassis(f"{view}chassis/hv1", "hv1", Ip.parse("192.168.100.1"), 1571000000)
    assert entities[f"{view}LS/LS-A"] == Switch(f"{view}LS/LS-A", "LS-A", 1)
    assert entities[f"{view}LR/edge1"] == Router(f"{view}LR/edge1", "edge1", 7, "hv2")
    key = f"{view}LS/LS-A/lsp/lsp-portA"
    mac = Mac.parse("00:00:06:08:06:03")
    assert entities[key] == SwitchPort(key, "LS-A", "lsp-portA", Ip.parse("10.10.1.2"), mac, "", "hv1")
    key = f"{view}LR/LR-A/lrp/LR-A_to_LS-A"
    mac, peer = Mac.parse("00:00:06:08:06:01"), "LS-A_to_LR-A"
    assert entities[key] == RouterPort(key, "LR-A", "LR-A_to_LS-A", Cidr.parse("10.10.1.1/24"), mac, peer)
    key = f"{view}LR/LR-A/lsr/default1"
    hop, everywhere = Ip.parse("100.10.10.2"), Cidr.parse("0.0.0.0/0")
    assert entities[key] == StaticRoute(key, "LR-A", "default1", everywhere, hop, "LR-A_to_m1")
    key = f"{view}LR/edge1/lnat/n"
    inside = Cidr.parse("10.10.0.0/16")
    assert entities[key] == Translation(key, "edge1", "n", "snat", inside, Ip.parse("172.20.11.100"))


def test_what_has_no_counterpart_is_told_once_a_kind() -> None:
    more = {"entity_view/LS/LS-A/acl/one": "x", "entity_view/LS/LS-B/acl/two": "x", "future/thing/1": "y"}
    more["entity_view/LS/LS-C"] = "id=99,colour=red"
    tree = read({key: value.encode() for key, value in {**edges().tree, **more}.items()})
    assert {kind: len(keys) for kind, keys in tree.ignored.items()} == {
        "communicate": 1,
        "entity_view/LS/*/acl/*": 2,
        "field 'colour' of LS/*": 1,
        "future/thing/*": 1,
        "globals/device_ids": 1,
        "ip_book": 2,
    }
    assert tree.entities["entity_view/LS/LS-C"] == Switch("entity_view/LS/LS-C", "LS-C", 99)


@pytest.mark.parametrize("version", ["1", "01", " 1\n"])
def test_the_version_is_compared_as_a_number(version: str) -> None:
    check_version(read({"globals/version": version.encode()}), "there")


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2", "this tree is version 2; retia import knows 1"),
        ("10", "this tree is version 10; retia import knows 1"),
        ("0", "this tree is version 0; retia import knows 1"),
        ("1.1", "this tree is of version '1.1', no number; retia import knows 1"),
        ("", "this tree is of version '', no number; retia import knows 1"),
    ],
)
def test_a_tree_of_another_version_is_refused(version: str, told: str) -> None:
    with pytest.raises(Unsupported) as refused:
        check_version(read({"globals/version": version.encode()}), "there")
    assert refused.value.what == told and refused.value.where == "there" and refused.value.advice
