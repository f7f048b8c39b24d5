"""Documents written from objects say what was read into them, for every kind and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from retia.model.document import parse
from retia.model.kinds import KINDS, Object
from retia.model.network import Network
from retia.model.shapes import fields
from retia.model.writing import write
from retia.store import catalog
from retia.store.view import View
from tests.errors import HERE

ALL = """
retia: 1
document: everything
project: acme
projects: {acme: {}}
hosts: {hv1: {admin_state: false}, hv2: {}, 'no': {}}
switches:
  'null': {mtu: 9000, admin_state: false}
  1e3:
    subnets: {a: {cidr: 10.0.0.0/24, gateway: 10.0.0.1, pool: [10.0.0.10-10.0.0.19, 10.0.0.30]}}
    ports:
      07: {mac: 12:00:00:00:00:11, addresses: [10.0.0.2, 10.0.0.3]}
      x: {mac: 02:00:00:00:00:12, addresses: 10.0.0.4, admin_state: false}
  ext:
    subnets: {n: {cidr: 203.0.113.0/24}}
    uplinks: {hv1: {bridge: br-ex, vlan: 7}, other: {host: hv2, bridge: br-ex}}
routers:
  off: {admin_state: false}
  r:
    edges: {hv1: {priority: 3}, second: {host: hv2, admin_state: false}}
    ports:
      in: {switch: 1e3, mac: 02:00:00:00:00:13, admin_state: false}
      out1: {switch: ext, host: hv1, addresses: 203.0.113.2/24, mac: 02:00:00:00:00:14}
      out2: {switch: ext, host: hv2, addresses: 203.0.113.3/24, mac: 02:00:00:00:00:15}
    routes:
      a: {prefix: 0.0.0.0/0, next_hop: 203.0.113.1, source: 10.0.0.0/25, metric: 5}
      b: {prefix: 192.0.2.0/24, blackhole: true}
    nats:
      s: {type: snat, internal: 10.0.0.0/24, external: 203.0.113.9, host: hv1, ports: 1024-2047}
      d: {type: dnat, internal: 10.0.0.2, external: 203.0.113.10, protocol: tcp, external_port: 443, internal_port: 84}
      f: {type: floating, internal: 10.0.0.3, external: 203.0.113.11, distributed: true}
"""


def plain(item: Object, network: Network) -> dict[str, Any]:
    """What a user wrote, references as paths."""
    written = {name: getattr(item, name) for name in fields(type(item))}
    places = {name: network.path(network.objects[value]) for name, value in written.items()
              if value in network.objects}  # fmt: skip
    return written | places | {"path": network.path(item), "document": item.document, "project": item.project}


def read(text: str) -> Network:
    return Network(catalog.plan(View(Network()), parse(text, "text")).creates)


def test_every_field_of_every_kind_comes_back() -> None:
    network = read(ALL)
    given = {(kind, name) for item in network.objects.values() for kind in (type(item),) for name, field in
             fields(kind).items() if getattr(item, name) != field.default}  # fmt: skip
    assert given == {(kind, name) for kind in KINDS for name in fields(kind)}
    again = read(write(network, "everything", "acme"))
    assert [plain(item, again) for item in again.ordered()] == [plain(item, network) for item in network.ordered()]


@pytest.mark.parametrize("file", [HERE / "before" / "gateways.yaml"], ids=lambda file: file.name)
def test_documents_of_other_tests_come_back(file: Path) -> None:
    network = read(file.read_text())
    again = read(write(network, next(iter(network.objects.values())).document))
    assert [plain(item, again) for item in again.ordered()] == [plain(item, network) for item in network.ordered()]


def test_a_name_is_a_text_for_every_reader_of_yaml() -> None:
    made = yaml.safe_load(write(read(ALL), "everything", "acme"))
    assert set(made["switches"]) == {"null", "1e3", "ext"} and "no" in made["hosts"]
    assert made["switches"]["1e3"]["ports"]["07"]["mac"] == "12:00:00:00:00:11"


def test_a_comment_cannot_end_early() -> None:
    text = write(read(ALL), "everything", "acme", ["one\nswitches: {}", "two\x1b[0m"])
    assert text.startswith("# one?switches: {}\n# two?[0m\nretia: 1\n")
