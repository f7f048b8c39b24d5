"""Trees as TupleNet leaves them in etcd, written by the facts of its data model: the base and the edge topology.

A ─ LS-A ─┐         ┌─ m1 ─ edge1 (hv2) ─ outside1 ─┐
          ├─ LR-A ──┤                               ├─ the physical network, 172.20.11.0/24
B, C ─ LS-B ┘       └─ m2 ─ edge2 (hv3) ─ outside2 ─┘
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from retia.store.contract import Transaction
from retia.store.etcd import Access, EtcdStore

Tree = dict[str, str]
VIEW = "entity_view/"
GLOBALS = {"globals/version": "1", "globals/device_ids": "OjAAAAEAAAAAAAYAEAAAAA=="}


def mac(last: str) -> str:
    return f"00:00:06:08:{last}"


class Builder:
    """Writes records as tpctl and the agents do; ids count up."""

    def __init__(self) -> None:
        self.tree: Tree = dict(GLOBALS)
        self._ids = itertools.count(1)

    def chassis(self, name: str, ip: str) -> None:
        self.tree[f"{VIEW}chassis/{name}"] = f"ip={ip},tick=1571000000"

    def switch(self, name: str) -> None:
        self.tree[f"{VIEW}LS/{name}"] = f"id={next(self._ids)}"

    def port(self, switch: str, name: str, ip: str, hardware: str, chassis: str = "") -> None:
        bound = f",chassis={chassis}" if chassis else ""
        self.tree[f"{VIEW}LS/{switch}/lsp/{name}"] = f"ip={ip},mac={hardware}{bound}"

    def patch(self, switch: str, name: str, chassis: str, bridge: str) -> None:
        self.tree[f"{VIEW}LS/{switch}/lsp/{name}"] = (
            f"ip=255.255.255.255,mac=ff:ff:ff:ff:ff:ee,chassis={chassis},peer={bridge}"
        )

    def router(self, name: str, chassis: str = "") -> None:
        pinned = f",chassis={chassis}" if chassis else ""
        self.tree[f"{VIEW}LR/{name}"] = f"id={next(self._ids)}{pinned}"

    def link(self, router: str, switch: str, ip: str, hardware: str, length: int = 24) -> None:
        near, far = f"{router}_to_{switch}", f"{switch}_to_{router}"
        self.tree[f"{VIEW}LR/{router}/lrp/{near}"] = f"ip={ip},mac={hardware},peer={far},prefix={length}"
        self.tree[f"{VIEW}LS/{switch}/lsp/{far}"] = f"ip={ip},mac={hardware},peer={near}"

    def route(self, router: str, name: str, ip: str, length: int, next_hop: str, switch: str) -> None:
        self.tree[f"{VIEW}LR/{router}/lsr/{name}"] = (
            f"ip={ip},next_hop={next_hop},outport={router}_to_{switch},prefix={length}"
        )

    def nat(self, router: str, name: str, inside: str, type_: str, outside: str) -> None:
        ip, _, length = inside.partition("/")
        self.tree[f"{VIEW}LR/{router}/lnat/{name}"] = f"ip={ip},prefix={length},xlate_ip={outside},xlate_type={type_}"

    def edge(self, number: int, host: str, last: str, address: str) -> tuple[str, str, str]:
        """A router on a host, behind an inner switch and with an uplink: names of it and of both switches. `last`: of
        LR-A's address inside; `address`: its own outside."""
        inner, edge, outside = f"m{number}", f"edge{number}", f"outside{number}"
        self.switch(inner)
        self.switch(outside)
        self.router(edge, host)
        self.patch(outside, f"patchport-{outside}", host, "br0")
        self.link("LR-A", inner, f"100.10.10.{last}", mac(f"07:0{number}"))
        self.link(edge, inner, "100.10.10.2", mac(f"08:0{number}"))
        self.link(edge, outside, address, mac(f"09:0{number}"))
        return edge, inner, outside


EDGES = ((1, "hv2", "1"), (2, "hv3", "3"))
"""Their numbers, hosts, and the last part of LR-A's address towards each."""


def base() -> Builder:
    """Two switches on a router that is everywhere, three guests on two hosts, and a router pinned to a third one."""
    made = Builder()
    for number in (1, 2, 3):
        made.chassis(f"hv{number}", f"192.168.100.{number}")
    made.switch("LS-A")
    made.switch("LS-B")
    made.router("LR-A")
    made.router("LR-agent", "hv3")
    made.link("LR-A", "LS-A", "10.10.1.1", mac("06:01"))
    made.link("LR-A", "LS-B", "10.10.2.1", mac("06:02"))
    made.port("LS-A", "lsp-portA", "10.10.1.2", mac("06:03"), "hv1")
    made.port("LS-B", "lsp-portB", "10.10.2.3", mac("06:04"), "hv2")
    made.port("LS-B", "lsp-portC", "10.10.2.4", mac("06:0a"), "hv1")
    made.tree["ip_book/LS/LS-A"] = made.tree["ip_book/LR/LR-A"] = "OjAAAAEAAAAAAAEAEAAAAAEAAgA="
    return made


def edges() -> Builder:
    """The same, with two edges that share what leaves, each behind a switch of its own and with an uplink."""
    made = base()
    for number, host, last in EDGES:
        edge, inner, outside = made.edge(number, host, last, f"172.20.11.1{number}")
        made.route("LR-A", f"default{number}", "0.0.0.0", 0, "100.10.10.2", inner)
        made.route(edge, "virtual", "10.10.0.0", 16, f"100.10.10.{last}", inner)
        made.route(edge, "world", "0.0.0.0", 0, "172.20.11.1", outside)
    made.tree["communicate/push/hv1/cmd/7"] = "cmd=pkt_trace,packet=ffff,port=lsp-portA"
    return made


def translating() -> Builder:
    """The base, with two edges to outsides of their own, each of which translates: sources, and one guest both ways."""
    made = base()
    for number, host, last in EDGES:
        edge, inner, _ = made.edge(number, host, last, f"172.20.1{number}.19")
        made.route("LR-A", f"out{number}", f"172.20.1{number}.0", 24, "100.10.10.2", inner)
        made.route(edge, "virtual", "10.10.0.0", 16, f"100.10.10.{last}", inner)
        made.nat(edge, "all", "10.10.0.0/16", "snat", f"172.20.1{number}.100")
        made.nat(edge, "to-a", "10.10.1.2/32", "dnat", f"172.20.1{number}.101")
        made.nat(edge, "from-a", "10.10.1.2/32", "snat", f"172.20.1{number}.101")
    return made


def large(ports: int = 20_000, each: int = 100) -> Builder:
    """Switches of that many ports each, on one router."""
    made = Builder()
    made.router("LR")
    for number in range(ports // each):
        switch, net = f"LS-{number}", f"10.{number // 250}.{number % 250}"
        made.switch(switch)
        made.link("LR", switch, f"{net}.1", f"f2:01:0a:{number // 250:02x}:{number % 250:02x}:01")
        for last in range(2, each + 2):
            hardware = f"f2:01:0a:{number // 250:02x}:{number % 250:02x}:{last:02x}"
            made.port(switch, f"lsp-{number}-{last}", f"{net}.{last}", hardware)
    return made


def put(endpoint: str, tree: Mapping[str, str | bytes], prefix: str = "/tuplenet/") -> None:
    """Write a tree into an etcd, as tpctl would."""
    asyncio.run(_put(endpoint, {f"{prefix}{key}": value for key, value in tree.items()}))


async def _put(endpoint: str, records: dict[str, str | bytes]) -> None:
    store = EtcdStore(Access((endpoint,)))
    try:
        for start in range(0, len(records), 100):
            keys = list(records)[start : start + 100]
            values = {key: records[key] for key in keys}
            puts = {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}
            await store.commit(Transaction(puts=puts))
    finally:
        await store.close()
