"""What tests of the catalog share: applying text to a store, and whether a store is referentially true."""

from __future__ import annotations

from collections import Counter

from retia.model.document import parse
from retia.model.kinds import Object, Port, Router, RouterPort, Switch
from retia.model.network import references_of
from retia.model.validate import examine
from retia.store import catalog
from retia.store.changes import Changes
from retia.store.contract import INDEX, Store
from retia.store.fence import FENCES
from retia.store.transactions import index_keys
from retia.store.view import View

NET = """\
retia: 1
document: net
switches:
  web:
    subnets: {web4: {cidr: 10.0.1.0/24, gateway: 10.0.1.1, pool: [10.0.1.10-10.0.1.99]}}
    ports: {web1: {addresses: [10.0.1.11], mac: 02:00:00:00:01:11}, web2: {}}
  db:
    subnets: {db4: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}
    ports: {db1: {}}
routers:
  r1:
    ports: {to-web: {switch: web}, to-db: {switch: db}}
    routes: {out: {prefix: 0.0.0.0/0, next_hop: 10.0.1.254}}
"""

GATEWAYS = """\
retia: 1
document: net
hosts: {hv1: {}, hv2: {}, hv3: {}}
switches:
  out:
    subnets: {out4: {cidr: 203.0.113.0/24, gateway: 203.0.113.1, pool: [203.0.113.100-203.0.113.199]}}
    uplinks: {hv1: {bridge: br-ex}, hv2: {bridge: br-ex}}
  web:
    subnets: {web4: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}
    ports: {web1: {addresses: [10.0.1.11], mac: 02:00:00:00:01:11}, web2: {addresses: [10.0.1.12]}}
routers:
  r1:
    edges: {hv1: {priority: 10}, hv2: {}}
    ports:
      to-web: {switch: web}
      out1: {switch: out, addresses: [203.0.113.11/24], host: hv1}
      out2: {switch: out, addresses: [203.0.113.12/24], host: hv2}
    routes: {out: {prefix: 0.0.0.0/0, next_hop: 203.0.113.1}}
    nats:
      all: {type: snat, internal: 10.0.1.0/24}
      web1: {type: floating, internal: 10.0.1.11, external: 203.0.113.60}
"""
"""A router on two edges, with an outside port on each."""


async def apply(store: Store, text: str, prune: bool = False) -> Changes:
    document = parse(text, "net.yaml")
    changes, _ = await catalog.change(store, lambda view: catalog.plan(view, document, prune))
    return changes


def head(name: str) -> str:
    return f"retia: 1\ndocument: {name}\n"


async def check_truth(store: Store) -> View:
    """No dangling reference, nothing held twice, every check content, and the indexes exactly those of the objects."""
    view = await View.load(store)
    objects = view.network.objects
    assert not view.problems
    for item in objects.values():
        assert all(id_ in objects for id_ in references_of(item)), f"{view.network.label(item)} dangles"
        assert not list(examine(view.network, item))
    keys = Counter(key for item in objects.values() for key in index_keys(item))
    assert not [key for key, count in keys.items() if count > 1]
    index = (await store.snapshot(INDEX)).records
    held = {key: record.value.decode() for key, record in index.items() if not key.startswith(FENCES)}
    assert held == {key: item.id for item in objects.values() for key in index_keys(item)}
    assert all(key.rpartition("/")[2] in objects for key in index if key.startswith(FENCES))
    assert all(item.key for item in objects.values() if isinstance(item, (Switch, Router, Port, RouterPort)))
    return view


def paths(view: View, *kinds: type[Object]) -> set[str]:
    return {view.network.path(item) for item in view.network.objects.values() if not kinds or isinstance(item, kinds)}
