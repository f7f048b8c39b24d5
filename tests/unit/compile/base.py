"""A network of two switches and a router as records, the way another program might write them: nothing validates.

web (key 1): web1 on me, web2 on h1          db (key 2): db1 on h1          router r (key 9): 10.0.1.1, 10.0.2.1
"""

from __future__ import annotations

from collections.abc import Iterable

from retia.compile.compiler import Compiler, Thing
from retia.compile.outputs import FlowRow
from retia.flows.flow import Flow, FlowKey
from retia.flows.lookup import FlowTable
from retia.flows.walk import Walk, walk
from retia.model.kinds import Host, Object, Port, Router, RouterPort, Switch
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding, HostState, State
from retia.pipeline.stages import STAGES
from retia.values import Cidr, Ip, Mac

TUNNEL = 60000


def mac(number: int) -> Mac:
    return Mac(0x02 << 40 | number)


def port(id_: str, switch: str, number: int, **fields: object) -> Port:
    net = 1 if switch == "web" else 2
    values = {"mac": mac(number), "addresses": (Ip.parse(f"10.0.{net}.{number}"),), "key": number, **fields}
    return Port(**{"id": id_, "name": id_, "switch": switch, **values})  # type: ignore[arg-type]


def router_port(id_: str, router: str, switch: str, number: int, **fields: object) -> RouterPort:
    net = 1 if switch == "web" else 2
    values = {"mac": mac(number), "addresses": (Cidr.parse(f"10.0.{net}.1/24"),), "key": number, "switch_key": number}
    return RouterPort(
        **{"id": id_, "name": id_, "router": router, "switch": switch, **values, **fields}  # type: ignore[arg-type]
    )


def host(name: str, key: int, tunnel: str) -> HostState:
    return HostState(host=name, key=key, tunnel=Ip.parse(tunnel))


WEB1, WEB2, DB1 = port("web1", "web", 11), port("web2", "web", 12), port("db1", "db", 13)
THINGS: tuple[Thing, ...] = (
    host("me", 1, "192.0.2.1"),
    host("h1", 2, "192.0.2.2"),
    Host(id="host-me", name="me"),
    Host(id="host-h1", name="h1"),
    Switch(id="web", name="web", key=1),
    Switch(id="db", name="db", key=2),
    Router(id="r", name="r", key=9),
    router_port("to-web", "r", "web", 101),
    router_port("to-db", "r", "db", 102),
    WEB1,
    WEB2,
    DB1,
    Binding(port="web1", host="me"),
    Binding(port="web2", host="h1"),
    Binding(port="db1", host="h1"),
)


class Lab:
    """One host's compiler, with what it was told; `put` and `drop` are a batch each."""

    def __init__(self, things: Iterable[Thing] = THINGS, plugs: Iterable[tuple[int, str]] = ((1, "web1"),)) -> None:
        self.compiler = Compiler("me")
        self.things: dict[tuple[str, str], Thing] = {}
        self.interfaces: dict[int, Interface] = {}
        self.compiler.change(tunnel_port=TUNNEL)
        self.put(*things)
        for number, names in plugs:
            self.plug(number, names)

    def put(self, *things: Thing) -> None:
        changes = []
        for thing in things:
            changes.append((self.things.get(_place(thing)), thing))
            self.things[_place(thing)] = thing
        self.compiler.change(changes)

    def drop(self, *things: Thing) -> None:
        self.compiler.change([(self.things.pop(_place(thing)), None) for thing in things])

    def plug(self, number: int, names: str) -> None:
        new = Interface(f"if{number}", number, names)
        self.compiler.change(interfaces=[InterfaceChange(self.interfaces.get(number), new)])
        self.interfaces[number] = new

    def unplug(self, number: int) -> None:
        self.compiler.change(interfaces=[InterfaceChange(self.interfaces.pop(number), None)])

    # -- looking ---------------------------------------------------------------------------------------------------

    def flows(self, stage: str, origin: str | None = None, rule: str | None = None) -> list[Flow]:
        """The flows of a stage, of one object or rule if named."""
        rows = self.compiler.program.raw_rows(FlowRow)
        wanted = [
            FlowKey(row[0], row[1], row[2])
            for row in rows
            if row[0] == STAGES[stage] and origin in (None, row[4]) and rule in (None, row[5])
        ]
        return [self.compiler.flows[key] for key in wanted]

    def abouts(self) -> list[str]:
        return sorted(one.about for one in self.compiler.troubles)

    def walk(self, frame: bytes, in_port: int = 1, **tunnel: int) -> Walk:
        return walk(FlowTable(self.compiler.flows.values()), frame, in_port, tunnel)

    def mac_leads_to(self, switch: int, address: Mac) -> str:
        """The object whose LOOKUP flow has this MAC of a datapath; "" when none has."""
        for row in self.compiler.program.raw_rows(FlowRow):
            if row[0] == STAGES["LOOKUP"] and row[2] == (("metadata", switch, (1 << 64) - 1), _eth_dst(address)):
                return str(row[4])
        return ""

    def address_is(self, datapath: int, text: str) -> str:
        """The object that an address of a datapath resolves to; "" when to none."""
        for row in self.compiler.program.raw_rows(FlowRow):
            values = [value for _, value, _ in row[2]]
            if row[0] == STAGES["ADDRESS"] and values == [datapath, int(Ip.parse(text))]:
                return str(row[4])
        return ""


def _eth_dst(address: Mac) -> tuple[str, int, int]:
    return "eth_dst", int(address), (1 << 48) - 1


def _place(thing: Object | State) -> tuple[str, str]:
    if isinstance(thing, Object):
        return thing.kind, thing.id
    return thing.kind, getattr(thing, "port", "") or getattr(thing, "host", "")
