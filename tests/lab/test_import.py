"""A TupleNet tree in a real etcd, imported, applied to real hosts: its guests talk to each other and to the outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from retia.lab import commands
from tests.etcd import EtcdServer
from tests.tuplenet import Builder, edges, put, translating

GUESTS = """
lab: import
hosts: [hv1, hv2, hv3]
guests:
  a: {host: hv1, port: LS-A/lsp-portA}
  b: {host: hv2, port: LS-B/lsp-portB}
  c: {host: hv1, port: LS-B/lsp-portC}
"""

LAB = (
    GUESTS
    + """\
outside:
  gw:
    segments: {ext: 172.20.11.1/24, far: 198.51.100.254/24}
    routes: {10.10.0.0/16: 172.20.11.12}
    forward: true
  server: {segment: far, address: 198.51.100.7/24, routes: {0.0.0.0/0: 198.51.100.254}}
  near: {segment: ext, address: 172.20.11.9/24, routes: {10.10.0.0/16: 172.20.11.11}}
physical: {hv2: {br0: ext}, hv3: {br0: ext}}
checks:
  - {id: guests-ping, name: Guests reach each other, ping: {from: [a, b, c], to: [a, b, c], count: 2}}
  - id: tuplenet-1
    name: On one switch a frame arrives as it was sent
    frame: {from: c, to-mac: b, ip: b, received: {b: same}}
  - id: tuplenet-3
    name: The gateway answers with the MAC that it has at TupleNet
    arp: {from: a, asks: LR-A/LR-A_to_LS-A, answer: '00:00:06:08:06:01'}
  - id: tuplenet-9
    name: Routed to another host, with the MACs that it has at TupleNet
    frame:
      {from: a, to-mac: '00:00:06:08:06:01', ip: b, ttl: 9,
       received: {b: {source-mac: '00:00:06:08:06:02', destination-mac: '00:00:06:08:06:04', ttl: 8}}}
    tunnel: {hv1: 1}
  - id: tuplenet-10
    name: Routed on one host, without a tunnel
    frame:
      {from: a, to-mac: '00:00:06:08:06:01', ip: c, ttl: 9,
       received: {c: {source-mac: '00:00:06:08:06:02', destination-mac: '00:00:06:08:06:0a', ttl: 8}}}
    tunnel: {hv1: 0}
  - id: outside-ping
    name: Guests reach the outside
    within: 10
    ping: {from: [a, b, c], to: [near, server], count: 3}
  - id: tuplenet-37
    name: Two routers are on the way out, and the edge's own MAC is what leaves
    within: 10
    frame: {from: b, to-mac: '00:00:06:08:06:02', ip: near, ttl: 9,
            received: {near: {source-mac: '00:00:06:08:09:01', destination-mac: near, ttl: 7}}}
  - id: tuplenet-39
    name: Each edge answers for its own address outside, and leads in
    do:
      - {arp: {from: near, asks: edge1/edge1_to_outside1, answer: '00:00:06:08:09:01'}}
      - {arp: {from: near, asks: edge1/edge2_to_outside2, answer: '00:00:06:08:09:02'}}
      - frame: {from: near, to-mac: '00:00:06:08:09:01', ip: a, ttl: 9,
                received: {a: {source-mac: '00:00:06:08:06:01', destination-mac: '00:00:06:08:06:03', ttl: 7}}}
      - {ping: {from: [near, server], to: [a, b, c], count: 2}}
  - id: spread
    name: What leaves is shared by both edges
    within: 10
    spread: {from: a, to: server, flows: 200, over: {hv2: 30-70, hv3: 30-70}}
  - id: tuplenet-43
    name: One edge loses its power, and the other has everything
    do: [{kill-host: hv2}, {wait: 2}, {ping: {from: [a, c], to: server, count: 10}}]
"""
)


TRANSLATING = (
    GUESTS
    + """\
outside:
  one: {segment: ext1, address: 172.20.11.9/24}
  two: {segment: ext2, address: 172.20.12.9/24}
physical: {hv2: {br0: ext1}, hv3: {br0: ext2}}
checks:
  - id: tuplenet-41
    name: Each edge translates sources to what it did at TupleNet
    within: 10
    do:
      - {ping: {from: [b, c], to: one, sees: 172.20.11.100, count: 2}}
      - {ping: {from: [b, c], to: two, sees: 172.20.12.100, count: 2}}
      - {download: {from: c, to: one, sees: 172.20.11.100}}
  - id: tuplenet-42
    name: One guest has addresses outside, both ways
    within: 10
    do:
      - {ping: {from: one, to: a, at: 172.20.11.101, count: 2}}
      - {ping: {from: two, to: a, at: 172.20.12.101, count: 2}}
      - {ping: {from: a, to: one, sees: 172.20.11.101, count: 2}}
      - {ping: {from: a, to: two, sees: 172.20.12.101, count: 2}}
      - {download: {from: one, to: a, at: 172.20.11.101}}
  - {id: inside, name: Guests reach each other, ping: {from: [a, b, c], to: [a, b, c], count: 2}}
"""
)


@pytest.mark.parametrize(("tree", "lab"), [(edges, LAB), (translating, TRANSLATING)], ids=["edges", "translating"])
def test_an_imported_network_carries_packets(
    own_etcd: EtcdServer, tmp_path: Path, tree: Callable[[], Builder], lab: str
) -> None:
    put(own_etcd.endpoint, tree().tree)
    file = tmp_path / "imported.yaml"
    words = ["import", "tuplenet", own_etcd.endpoint, "--out", str(file)]
    done = subprocess.run([sys.executable, "-m", "retia", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    spec = yaml.safe_load(lab) | {"network": yaml.load(file.read_text(), yaml.BaseLoader)}
    again = {"in": "hv1", "command": f"retia apply -f {file}", "prints": "0 created, 0 changed, 0 deleted"}
    spec["checks"].insert(0, {"id": "applied", "name": "It is what was imported", "run": again})
    path = tmp_path / "import.yaml"
    path.write_text(yaml.safe_dump(spec))
    result = commands.check(path)
    wrong = [f"{step.id}: {step.error}" for step in result.steps if not step.ok]
    assert result.ok, "\n".join(wrong)
    assert len(result.steps) == len(spec["checks"])
