"""Each check of gateways and translations, at its bounds: what it lets through, and what it does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retia.errors import InvalidDocument
from retia.model.document import parse
from retia.model.kinds import Edge, Nat, NatType, Router, RouterPort
from retia.model.nat import nat_row
from retia.model.network import Network
from retia.model.validate import check
from retia.store import catalog
from retia.store.view import View
from retia.values import Mac, Prefix
from tests.unit.store.networks import GATEWAYS, head


def grown(*texts: str) -> Network:
    """The network after these documents. Raises InvalidDocument."""
    network = Network()
    for number, text in enumerate(texts):
        document = parse(text if text.startswith("retia") else head(f"d{number}") + text, f"{number}.yaml")
        after = network.copy()
        for _, item in catalog.plan(View(network), document).objects:
            if item is not None:
                after.put(item)
        network = after
    return network


def found(text: str, *before: str) -> list[str]:
    """What is wrong with a document on top of the gateways."""
    try:
        grown(GATEWAYS, *before, text)
    except InvalidDocument as error:
        return [problem.what for problem in error.problems]
    return []


THIRD = "uplinks: {out/hv3: {bridge: br-ex}}\nedges: {r1/hv3: {}}\n"
R2 = "  r2:\n    edges: {hv1: {}}\n    ports: {out: {switch: out, addresses: 203.0.113.21/24}}\n"


GOOD = {
    "third-edge": THIRD + "router-ports: {r1/out3: {switch: out, addresses: 203.0.113.13/24, host: hv3}}",
    "priority-highest": "edges: {r1/hv3: {priority: 65535}}",
    "priority-lowest": "edges: {r1/hv3: {priority: 0}}",
    "edge-of-another-name": "edges: {r1/spare: {host: hv3}}",
    "same-host-of-two-routers": "routers: {r2: {edges: {hv1: {}}}}",
    "vlans": "switches: {a: {uplinks: {hv1: {bridge: br-ex, vlan: 1}}},"
    " b: {uplinks: {hv1: {bridge: br-ex, vlan: 4094}}}}",
    "longest-bridge": "uplinks: {out/hv3: {bridge: a23456789012345}}",
    "one-edge-needs-no-host": "routers:\n" + R2,
    "port-of-one-edge-inside": "switches: {lan: {subnets: {l: {cidr: 10.5.0.0/24}}}}\n"
    "router-ports: {r1/lan: {switch: lan, addresses: 10.5.0.1/24, host: hv2}}",
    "one-switch-two-edges-each-its-own": "routers: {r2: {edges: {hv1: {}, hv2: {}}, ports: {"
    "a: {switch: out, addresses: 203.0.113.31/24, host: hv1},"
    " b: {switch: out, addresses: 203.0.113.32/24, host: hv2}}}}",
    "dnat-of-two-ports": "nats: {r1/a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.50, protocol: tcp,"
    " external_port: 1}, r1/b: {type: dnat, internal: 10.0.1.12, external: 203.0.113.50, protocol: tcp,"
    " external_port: 65535, internal_port: 65535}}",
    "dnat-of-one-port-both-protocols": "nats: {r1/a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.50,"
    " protocol: tcp, external_port: 53}, r1/b: {type: dnat, internal: 10.0.1.12, external: 203.0.113.50,"
    " protocol: udp, external_port: 53}}",
    "dnat-port-of-the-routers-own-address": "nats: {r1/a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.11,"
    " protocol: tcp, external_port: 80}}",
    "snat-to-the-routers-own-address": "nats: {r1/a: {type: snat, internal: 10.0.9.0/24, external: 203.0.113.11,"
    " host: hv1}}",
    "snat-of-each-edge": "nats: {r1/a: {type: snat, internal: 10.0.9.0/24, external: 203.0.113.81, host: hv1},"
    " r1/b: {type: snat, internal: 10.0.9.0/24, external: 203.0.113.82, host: hv2}}",
    "snat-narrower": "nats: {r1/a: {type: snat, internal: 10.0.1.12, ports: 1-65535}}",
    "snat-to-a-dnat-address": "nats: {r1/a: {type: snat, internal: 10.0.9.0/24, external: 203.0.113.60, host: hv1}}",
    "address-beyond-the-subnets": "nats: {r1/a: {type: floating, internal: 10.0.1.12, external: 198.51.100.9}}",
    "same-inside-at-two-routers": "routers:\n"
    + R2
    + "    nats: {f: {type: floating, internal: 10.0.1.11, external: 203.0.113.70}}",
    "equal-routes": "routes: {r1/more: {prefix: 0.0.0.0/0, next_hop: 203.0.113.2}}",
    "blackhole-behind": "routes: {r1/none: {prefix: 0.0.0.0/0, blackhole: true, metric: 65535}}",
    "route-by-source": "routes: {r1/from: {prefix: 0.0.0.0/0, source: 10.0.1.0/25, next_hop: 203.0.113.1}}",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_may_be(name: str) -> None:
    assert found(GOOD[name]) == []


BAD = {
    "priority-below": ("edges: {r1/hv3: {priority: -1}}", "a priority of -1 is outside 0 to 65535"),
    "priority-above": ("edges: {r1/hv3: {priority: 65536}}", "a priority of 65536"),
    "vlan-above": ("uplinks: {out/hv3: {bridge: b, vlan: 4095}}", "VLAN 4095 is outside 1 to 4094"),
    "bridge-too-long": ("uplinks: {out/hv3: {bridge: a234567890123456}}", "is no name of a bridge"),
    "bridge-empty": ("uplinks: {out/hv3: {bridge: ''}}", "'' is no name of a bridge"),
    "uplink-moved-onto-another": ("uplinks: {out/x: {host: hv2, bridge: b}}", "would be a loop"),
    "outside-port-of-no-uplink": (
        "edges: {r1/hv3: {}}\nrouter-ports: {r1/o: {switch: out, addresses: 203.0.113.13/24, host: hv3}}",
        "switch out has no uplink on host hv3",
    ),
    "only-edge-without-uplink": (
        "routers:\n" + R2.replace("hv1", "hv3"),
        "switch out has no uplink on host hv3",
    ),
    "snat-host-is-no-edge": (
        "nats: {r1/a: {type: snat, internal: 10.0.9.0/24, external: 203.0.113.81, host: hv3}}",
        "router r1 does not run on host hv3",
    ),
    "snat-twice-one-of-all": (
        "nats: {r1/a: {type: snat, internal: 10.0.1.0/24, external: 203.0.113.81, host: hv1}}",
        "both translate 10.0.1.0/24",
    ),
    "dnat-all-over-one-port": (
        "nats: {r1/a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.60, protocol: tcp, external_port: 22}}",
        "both translate what is for 203.0.113.60:22/tcp",
    ),
    "floating-on-the-routers-address": (
        "nats: {r1/a: {type: floating, internal: 10.0.1.12, external: 203.0.113.12}}",
        "both have the address 203.0.113.12",
    ),
    "another-routers-port": (
        "routers:\n" + R2 + "    nats: {a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.11, protocol: tcp,"
        " external_port: 80}}",
        "both have the address 203.0.113.11",
    ),
    "network-address": (
        "nats: {r1/a: {type: floating, internal: 10.0.1.12, external: 203.0.113.0}}",
        "203.0.113.0 is the network address",
    ),
    "port-zero": (
        "nats: {r1/a: {type: dnat, internal: 10.0.1.12, external: 203.0.113.9, protocol: tcp, external_port: -1}}",
        "port -1 is outside 1 to 65535",
    ),
    "router-with-an-address-of-nat": (
        "routers:\n" + R2.replace("203.0.113.21", "203.0.113.60"),
        "both have the address 203.0.113.60",
    ),
    "route-twice": (
        "routes: {r1/a: {prefix: 0.0.0.0/0, next_hop: 203.0.113.1, metric: 9}}",
        "both lead 0.0.0.0/0 to 203.0.113.1",
    ),
    "two-blackholes": (
        "routes: {r1/a: {prefix: 10.9.0.0/16, blackhole: true},"
        " r1/b: {prefix: 10.9.0.0/16, blackhole: true, metric: 1}}",
        "both lead 10.9.0.0/16 nowhere",
    ),
    "source-with-host-bits": (
        "routes: {r1/a: {prefix: 10.9.0.0/16, source: 10.0.1.1/24, blackhole: true}}",
        "10.0.1.1/24 has host bits",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_may_not_be(name: str) -> None:
    text, says = BAD[name]
    said = found(text)
    assert len(said) == 1 and says in said[0], said


CHAIN = """\
switches:
  m: {subnets: {m: {cidr: 10.7.0.0/24}}}
  n: {subnets: {n: {cidr: 10.8.0.0/24}}}
  far: {subnets: {f: {cidr: 10.9.0.0/24}}, uplinks: {%(host)s: {bridge: br-far}}}
uplinks: {out/hv3: {bridge: br-ex}}
routers:
  b:
    edges: {hv1: {}}
    ports: {out: {switch: out, addresses: 203.0.113.31/24}, m: {switch: m, addresses: 10.7.0.1/24}}
    nats: {all: {type: snat, internal: 10.6.0.0/16}}
  between:
    ports: {m: {switch: m, addresses: 10.7.0.2/24}, n: {switch: n, addresses: 10.8.0.2/24}}
  c:
    edges: {%(host)s: {}}
    ports: {n: {switch: n, addresses: 10.8.0.3/24}, far: {switch: far, addresses: 10.9.0.3/24}}
"""
THIRD_NAT = "nats: {c/all: {type: snat, internal: 10.5.0.0/16}}"


def test_three_in_a_row_are_refused_through_routers_without_nat_too() -> None:
    said = found(THIRD_NAT, CHAIN % {"host": "hv1"})
    assert said == ["packets could pass 3 routers with NAT in a row on one host: c, b, r1"]


def test_not_where_no_host_runs_them_all() -> None:
    assert found(THIRD_NAT, CHAIN % {"host": "hv3"}) == []


def test_a_guests_own_host_is_any_host() -> None:
    far = CHAIN % {"host": "hv3"}
    distributed = "nats: {c/f: {type: floating, internal: 10.5.0.9, external: 10.9.0.99, distributed: true}}"
    assert len(found(distributed, far)) == 1 and found(distributed.replace("true", "false"), far) == []


def test_nor_where_a_link_is_missing() -> None:
    chain = CHAIN % {"host": "hv1"}
    apart = chain.replace("m: {switch: m, addresses: 10.7.0.2/24}, ", "")
    assert found(THIRD_NAT, apart) == []
    linked = found("router-ports: {between/late: {switch: m, addresses: 10.7.0.2/24}}", apart, THIRD_NAT)
    assert len(linked) == 1 and "3 routers with NAT in a row" in linked[0]


def test_what_was_wrong_before_does_not_hinder() -> None:
    network = grown(GATEWAYS, CHAIN % {"host": "hv1"})
    nat = next(each for each in network.of(Nat) if each.name == "all" and network.path(each) == "b/all")
    broken = network.copy()
    (c,) = (router for router in network.of(Router) if router.name == "c")
    values = {name: getattr(nat, name) for name in nat.__struct_fields__}
    broken.put(Nat(**values | {"id": "third", "router": c.id, "name": "third"}))
    assert len(check(network, broken, ["third"])) == 1
    assert check(broken, broken.copy(), ["third"]) == []


def every_row(network: Network, router: str) -> bool:
    """What `nat_row` finds, by following every way there is."""
    own = network.has(router, Nat)
    edges = {each.id: {edge.host for edge in network.referrers(each.id, Edge)} or HOSTS for each in network.of(Router)}
    arms = [(0, set(), HOSTS)]

    def follow(at: str, nats: tuple[str, ...], switches: set[str], hosts: set[str]) -> None:
        for switch in {port.switch for port in network.referrers(at, RouterPort)} - switches:
            for beyond in {port.router for port in network.referrers(switch, RouterPort)} - {at, router, *nats}:
                passed = (*nats, beyond) if network.has(beyond, Nat) else nats
                if hosts & edges[beyond]:
                    arms.append((len(passed), switches | {switch}, hosts & edges[beyond]))
                    follow(beyond, passed, switches | {switch}, hosts & edges[beyond])

    follow(router, (), set(), edges[router])
    return any(
        one[0] + other[0] + own > 2 and not one[1] & other[1] and one[2] & other[2] for one in arms for other in arms
    )


HOSTS = {"h1", "h2", "h3"}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_rows_are_found_whatever_the_network(data: st.DataObject) -> None:
    network = Network()
    for number in range(data.draw(st.integers(1, 6))):
        router = Router(id=f"r{number}", name=f"r{number}")
        network.put(router)
        for switch in data.draw(st.sets(st.sampled_from("abcd"), max_size=3)):
            id_ = f"{router.id}{switch}"
            network.put(RouterPort(id=id_, name=id_, router=router.id, switch=switch, mac=Mac(1), addresses=()))
        for host in data.draw(st.sets(st.sampled_from(sorted(HOSTS)), max_size=2)):
            network.put(Edge(id=router.id + host, name=host, router=router.id, host=host))
        if data.draw(st.booleans()):
            internal = Prefix.parse("10.0.0.0/8")
            network.put(Nat(id=f"n{number}", name="n", router=router.id, type=NatType.SNAT, internal=internal))
    for router in network.of(Router):
        assert bool(nat_row(network, router.id)) == every_row(network, router.id)


def test_hundreds_of_tenants_outside_of_one_switch() -> None:
    """Each with its router and NAT: to look at all rows of routers must not cost the square of them."""
    tenants = range(1, 201)
    switches = "".join(f"  s{n}: {{subnets: {{s: {{cidr: 10.0.0.0/24, gateway: 10.0.0.1}}}}}}\n" for n in tenants)
    routers = "".join(
        f"  t{n}: {{edges: {{hv1: {{}}}}, ports: {{in: {{switch: s{n}}}, out: {{switch: out,"
        f" addresses: 198.18.0.{n}/16}}}}, nats: {{all: {{type: snat, internal: 10.0.0.0/24}}}}}}\n"
        for n in tenants
    )
    wide = GATEWAYS.replace("out4: {", "wide: {cidr: 198.18.0.0/16}, out4: {")
    begin = time.monotonic()
    network = grown(wide, f"switches:\n{switches}routers:\n{routers}")
    assert len(list(network.of(Nat))) == 202
    assert time.monotonic() - begin < 5, "half a second, usually"
