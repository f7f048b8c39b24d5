"""The benchmark's network in OVN's words: rows for its northbound database, bindings for its southbound one.

The same names, MACs and addresses as `network` gives Retia. Pure: returns operations, `ovn` sends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bench import gateway
from bench.network import Size, extra_switch, host_of, objects, tunnel
from retia.model.kinds import Nat, NatType, Port, Route, RouterPort, Switch

PHYSICAL, OUTSIDE = "physical", "r_ext"
"""A name for the physical bridge, and the router's one port outside."""

Operation = dict[str, Any]


def named(name: str) -> list[str]:
    return ["named-uuid", name]


def insert(table: str, row: dict[str, Any], name: str = "") -> Operation:
    operation: Operation = {"op": "insert", "table": table, "row": row}
    return operation | ({"uuid-name": name} if name else {})


def member(table: str, name: str, column: str, value: list[str], how: str = "insert") -> Operation:
    """Make the row `value` one of those in `column` of the row called `name`, or no longer."""
    return {"op": "mutate", "table": table, "where": [["name", "==", name]], "mutations": [[column, how, value]]}


def port_row(port: Port) -> dict[str, Any]:
    addresses = f"{port.mac} {port.addresses[0]}"
    return {"name": port.name, "addresses": addresses, "port_security": addresses}


def add_port(port: Port) -> list[Operation]:
    row = insert("Logical_Switch_Port", port_row(port), "added")
    return [row, member("Logical_Switch", port.switch, "ports", named("added"))]


def add_route(route: Route) -> list[Operation]:
    row = {"ip_prefix": str(route.prefix), "nexthop": str(route.next_hop)}
    added = insert("Logical_Router_Static_Route", row, "added")
    return [added, member("Logical_Router", route.router, "static_routes", named("added"))]


def add_switch(size: Size, n: int) -> list[Operation]:
    switch, joined = extra_switch(size, n)
    rows = [*_router_port(joined), insert("Logical_Switch", {"name": switch.name, "ports": named(_side(switch.name))})]
    return [*rows, member("Logical_Router", "r", "ports", named(_name(joined)))]


def outside() -> list[Operation]:
    """The router's way to the physical network: a gateway port on the same edges, with the address of the first."""
    things = list(gateway.objects())
    members = [insert("Gateway_Chassis", _gateway_chassis(host), f"e_{host}") for host in gateway.EDGES]
    own = next(thing for thing in things if isinstance(thing, RouterPort))
    port = {"name": OUTSIDE, "mac": str(own.mac), "networks": str(own.addresses[0])}
    port["gateway_chassis"] = ["set", [named(f"e_{host}") for host in gateway.EDGES]]
    side = {"name": "ext_r", "type": "router", "addresses": "router", "options": ["map", [["router-port", OUTSIDE]]]}
    way = {"name": "ext_w", "type": "localnet", "addresses": "unknown"}
    way["options"] = ["map", [["network_name", PHYSICAL]]]
    switch = {"name": gateway.SWITCH, "ports": ["set", [named("ext_r"), named("ext_w")]]}
    rows = [insert("Logical_Switch_Port", side, "ext_r"), insert("Logical_Switch_Port", way, "ext_w")]
    rows += [*members, insert("Logical_Router_Port", port, OUTSIDE), insert("Logical_Switch", switch)]
    route, nat = (next(thing for thing in things if isinstance(thing, kind)) for kind in (Route, Nat))
    joined = member("Logical_Router", "r", "ports", named(OUTSIDE))
    return [*rows, joined, *add_route(route), *add_nat(nat, "translated")]


def add_nat(nat: Nat, name: str = "added") -> list[Operation]:
    floating = nat.type is NatType.FLOATING
    external = nat.external if floating else gateway.own(gateway.EDGES[0]).address
    inside = str(nat.internal.address if floating else nat.internal)
    row = {"type": "dnat_and_snat" if floating else "snat", "external_ip": str(external), "logical_ip": inside}
    return [insert("NAT", row, name), member("Logical_Router", nat.router, "nat", named(name))]


def add_edge(host: str) -> list[Operation]:
    row = insert("Gateway_Chassis", _gateway_chassis(host), "added")
    return [row, member("Logical_Router_Port", OUTSIDE, "gateway_chassis", named("added"))]


def _gateway_chassis(host: str) -> dict[str, Any]:
    return {"name": f"{OUTSIDE}-{host}", "chassis_name": host, "priority": gateway.priority(host)}


def whole(size: Size) -> list[Operation]:
    """Everything that the northbound database holds."""
    operations: list[Operation] = []
    ports: dict[str, list[list[str]]] = {}
    joined: list[list[str]] = []
    for item in objects(size):
        if isinstance(item, Switch):
            ports[item.name] = [named(_side(item.name))]
        elif isinstance(item, RouterPort):
            operations += _router_port(item)
            joined.append(named(_name(item)))
        elif isinstance(item, Port):
            operations.append(insert("Logical_Switch_Port", port_row(item), item.name))
            ports[item.switch].append(named(item.name))
    switches = [insert("Logical_Switch", {"name": name, "ports": ["set", rows]}) for name, rows in ports.items()]
    return [*operations, *switches, insert("Logical_Router", {"name": "r", "ports": ["set", joined]})]


def _router_port(joined: RouterPort) -> Iterator[Operation]:
    name = _name(joined)
    row = {"name": name, "mac": str(joined.mac), "networks": str(joined.addresses[0])}
    yield insert("Logical_Router_Port", row, name)
    options = ["map", [["router-port", name]]]
    side = {"name": _side(joined.switch), "type": "router", "addresses": "router", "options": options}
    yield insert("Logical_Switch_Port", side, _side(joined.switch))


def _name(joined: RouterPort) -> str:
    return joined.id.replace("-", "_")


def _side(switch: str) -> str:
    return f"{switch}_r"


def chassis(hosts: Iterable[str], features: Any) -> Iterator[Operation]:
    """Other hosts, which announce the same features as the one under test."""
    for host in hosts:
        encapsulation = {"type": "geneve", "chassis_name": host, "ip": str(tunnel(host))}
        yield insert("Encap", encapsulation | {"options": ["map", [["csum", "true"]]]}, f"e_{host}")
        yield insert(
            "Chassis", {"name": host, "hostname": host, "encaps": named(f"e_{host}"), "other_config": features}
        )


def bind(row: list[str], chassis_row: list[str]) -> Operation:
    """The port's binding, as the host's own agent would write it."""
    bound = {"chassis": chassis_row, "up": True}
    return {"op": "update", "table": "Port_Binding", "where": [["_uuid", "==", row]], "row": bound}


def remote_host(size: Size, port: str) -> str | None:
    """The other host a port of the network lives on; None for a local one."""
    host = host_of(size, int(port[1:]))
    return None if host == "me" else host
