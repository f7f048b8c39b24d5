"""Frames that need more than one look: moved ports, stale hosts, routes that change, a port asking for itself."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from retia.compile.outputs import FlowRow
from retia.compile.reasons import Reason
from retia.flows.actions import Load
from retia.flows.packet import parse
from retia.flows.walk import Fate, Walk
from retia.model.kinds import Port, Route, Router
from retia.model.local import Interface, InterfaceChange
from retia.model.state import Binding
from retia.pipeline.fields import DESTINATION, REASON
from retia.values import Cidr, Ip
from tests.network import Network, reasons
from tests.unit.compile.base import THINGS, TUNNEL, WEB1, WEB2, Lab, mac, router_port

NET = {
    "switches": {
        "web": {
            "subnets": {"n": {"cidr": "10.0.1.0/24", "gateway": "10.0.1.1"}},
            "ports": {"a": {}, "b": {}, "c": {}},
        },
        "db": {"subnets": {"n": {"cidr": "10.0.2.0/24", "gateway": "10.0.2.1"}}, "ports": {"d": {}}},
    },
    "routers": {"r": {"ports": {"to-web": {"switch": "web"}, "to-db": {"switch": "db"}}}},
}


@pytest.fixture
def network() -> Network:
    made = Network()
    for name in ("hv1", "hv2", "hv3"):
        made.add_host(name)
    made.apply(NET)
    made.plug("hv1", "web/a")
    made.plug("hv2", "web/b")
    made.plug("hv3", "db/d")
    return made


def reason(story: Walk) -> Reason:
    assert story.fate in (Fate.DROPPED, Fate.PUNTED)
    return Reason(story.read(REASON))


def frame_from_tunnel(lab: Lab, frame: bytes, source: int, target: int, flags: int = 0) -> Walk:
    option = source << 48 | target << 32 | flags << 16
    return lab.walk(frame, TUNNEL, tun_id=1, tun_metadata0=option, tun_src=int(Ip.parse("192.0.2.2")))


def ethernet(source: object, target: object) -> bytes:
    return bytes(Ether(src=str(source), dst=str(target), type=0x88B5) / bytes(46))


def test_a_moved_port_is_followed_once() -> None:
    """A frame for a port that left goes on to its new host, marked; a marked one for a port not here is dropped."""
    lab = Lab()  # web2 lives on h1
    frame = ethernet(WEB1.mac, WEB2.mac)
    story = frame_from_tunnel(lab, frame, WEB1.key, WEB2.key)
    assert [sent.port for sent in story.sent] == [TUNNEL]
    tunnel = story.sent[0].tunnel
    assert tunnel["tun_dst"] == int(Ip.parse("192.0.2.2")) and tunnel["tun_src"] == 0
    assert tunnel["tun_metadata0"] == WEB1.key << 48 | WEB2.key << 32 | 2 << 16
    assert reason(frame_from_tunnel(lab, frame, WEB1.key, WEB2.key, flags=2)) is Reason.NO_SUCH_PORT


def test_hosts_that_disagree_do_not_play_ball(network: Network) -> None:
    """Each of two hosts believes that the port is on the other: the frame ends after one forward."""
    port = network.port("web/b")
    frame = network.frame("web/a", "web/b")
    held = Binding(port=port.id, host="hv2")
    network.compilers["hv2"].change([(held, Binding(port=port.id, host="hv3"))])
    network.compilers["hv3"].change([(held, Binding(port=port.id, host="hv2"))])
    journey = network.send("web/a", frame)
    assert not journey.arrivals and not journey.endless and len(journey.legs) == 3
    assert reasons(journey) == ["no-such-port"]


def test_a_stale_host_reaches_a_moved_port(network: Network) -> None:
    """hv1 has not heard of the move: hv2, where the interface still is, passes the frame on, and it arrives once."""
    frame = network.frame("web/a", "web/b")
    port = network.port("web/b")
    old, new = Binding(port=port.id, host="hv2"), Binding(port=port.id, host="hv3")
    network.compilers["hv3"].change(interfaces=[InterfaceChange(None, Interface("moved", 5, "web/b"))])
    before = len(network.compilers["hv3"].flows)
    for name in ("hv2", "hv3"):
        network.compilers[name].change([(old, new)])
    came, went = 3, 1  # admit, deliver, silence for its own address; the tunnel to hv2 has no port at its end now
    assert len(network.compilers["hv3"].flows) == before + came - went
    network.plugs["hv3"]["web/b"] = 5
    journey = network.send("web/a", frame)
    assert [leg.host for leg in journey.legs] == ["hv1", "hv2", "hv3"]
    assert [(one.host, one.port) for one in journey.arrivals] == [("hv3", 5)]


def test_a_forwarded_mark_does_not_survive_a_router() -> None:
    lab = Lab(THINGS, [(1, "web1")])
    flows = lab.flows("ROUTER_FORWARD", rule="forward")
    assert flows and all("Load(to=Subfield(field='reg0', start=17, bits=1), value=0)" in str(flow) for flow in flows)


@pytest.mark.parametrize("sender", ["0.0.0.0", "10.0.1.11"], ids=["probe", "announcement"])
def test_a_port_that_asks_for_itself(sender: str) -> None:
    """RFC 5227: an answer would tell the guest that its address is taken."""
    lab = Lab()
    ask = Ether(src=str(WEB1.mac), dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=str(WEB1.mac), psrc=sender, pdst="10.0.1.11"
    )
    assert reason(lab.walk(bytes(ask))) is Reason.ARP_OWN
    ask.pdst = "10.0.1.12"
    told = lab.walk(bytes(ask))
    assert [sent.port for sent in told.sent] == [1]
    assert parse(told.sent[0].frame).fields["arp_sha"] == WEB2.mac


def test_who_has_not_the_address_hears_who_has() -> None:
    lab = Lab()
    lab.put(Port(id="x", name="x", switch="web", mac=mac(40), addresses=WEB1.addresses, key=40))
    lab.plug(2, "x")
    ask = Ether(src=str(mac(40)), dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="0.0.0.0", pdst="10.0.1.11")
    assert parse(lab.walk(bytes(ask), 2).sent[0].frame).fields["arp_sha"] == WEB1.mac


@pytest.mark.parametrize(
    ("in_port", "tunnel"),
    [
        pytest.param(9, {}, id="unbound-port"),
        pytest.param(TUNNEL, {"tun_id": 77}, id="unknown-key"),
        pytest.param(TUNNEL, {"tun_id": 0}, id="no-key"),
        pytest.param(TUNNEL, {"tun_id": 9}, id="key-of-a-router"),
    ],
)
def test_what_comes_from_nowhere_is_dropped(in_port: int, tunnel: dict[str, int]) -> None:
    lab = Lab()
    assert reason(lab.walk(ethernet(WEB2.mac, WEB1.mac), in_port, **tunnel)) is Reason.UNKNOWN_PORT


def ways(lab: Lab) -> list[str]:
    """The ids of the routes that count."""
    rules = ("route_static", "route_member")
    return sorted(row.origin for row in lab.compiler.program.rows(FlowRow) if row.rule in rules)


def route(id_: str, hop: str, metric: int = 0, prefix: str = "172.16.0.0/12") -> Route:
    fields = {"prefix": Cidr.parse(prefix), "next_hop": Ip.parse(hop), "metric": metric}
    return Route(id=id_, name=id_, router="r", **fields)


def test_tuplenet_16_equal_routes_share_and_one_is_enough() -> None:
    """tuplenet-16: of the lowest metric, all; when one goes, the other takes all; then the next metric counts."""
    routes = [route("third", "10.0.1.10", 1), route("second", "10.0.1.12"), route("first", "10.0.1.11")]
    lab = Lab((*THINGS, *routes))
    for left in (["first", "second"], ["second"], ["third"], []):
        assert ways(lab) == left
        if left:
            lab.drop(lab.things["route", left[0]])


def test_two_routes_to_one_next_hop_are_one() -> None:
    lab = Lab((*THINGS, route("second", "10.0.1.12"), route("first", "10.0.1.12")))
    assert ways(lab) == ["first"] and not lab.flows("ROUTE", rule="route_shared")


@pytest.mark.parametrize("hop", ["192.168.0.1", "10.0.3.1", "10.0.1.1", "10.0.2.1"])
def test_a_next_hop_must_be_a_neighbour(hop: str) -> None:
    """Off every connected prefix, or the router itself: the route does not count."""
    assert not ways(Lab((*THINGS, route("way", hop))))


def test_a_route_goes_with_its_prefix_and_comes_back() -> None:
    lab = Lab((*THINGS, route("way", "10.0.2.9")))
    link = lab.things["router-port", "to-db"]
    lab.drop(link)
    assert not ways(lab)
    lab.put(link)
    assert ways(lab) == ["way"]


def test_a_next_hop_in_two_connected_prefixes() -> None:
    """It leaves by the longer one, as a packet for it would; when that goes, by the other."""
    half = router_port("to-db", "r", "db", 102, addresses=(Cidr.parse("10.0.1.129/25"),))
    lab = Lab((*THINGS, half, route("way", "10.0.1.200")))
    for leaves_by in ("to-db", "to-web"):
        (flow,) = lab.flows("ROUTE", "way")
        assert Load(DESTINATION, lab.things["router-port", leaves_by].key) in flow.actions
        lab.drop(lab.things["router-port", leaves_by])
    assert not lab.flows("ROUTE", "way")


def test_a_longer_static_prefix_beats_a_connected_one_but_not_an_equal() -> None:
    lab = Lab(
        (*THINGS, route("same", "10.0.1.12", prefix="10.0.2.0/24"), route("half", "10.0.1.12", prefix="10.0.2.0/25"))
    )
    rank = {flow.priority: origin for origin in ("same", "to-db", "half") for flow in lab.flows("ROUTE", origin)}
    assert [rank[priority] for priority in sorted(rank)] == ["same", "to-db", "half"]


@pytest.mark.parametrize("target", ["224.0.0.5", "127.0.0.1", "255.255.255.255", "0.0.0.1", "169.254.169.254"])
def test_what_routers_never_carry(network: Network, target: str) -> None:
    router = network.objects.find(Router, "r").id
    out = {"prefix": Cidr.parse("0.0.0.0/0"), "next_hop": Ip.parse("10.0.2.254")}
    network.put(Route(id="out", name="out", router=router, **out))
    frame = network.frame("web/a", target, via="r/to-web")
    assert reasons(network.send("web/a", frame)) == ["not-routable"]


def test_routers_that_point_at_each_other_end() -> None:
    lab = Lab((*THINGS, route("way", "10.0.1.12")))
    assert ways(lab) == ["way"]
    loops = [
        Route(id="back", name="back", router="r2", prefix=Cidr.parse("172.16.0.0/12"), next_hop=Ip.parse("10.0.1.1")),
        Router(id="r2", name="r2", key=10),
        router_port("r2-web", "r2", "web", 103, addresses=(Cidr.parse("10.0.1.2/24"),)),
        route("way", "10.0.1.2"),
    ]
    lab.put(*loops)
    head = Ether(src=str(WEB1.mac), dst=str(mac(101)))
    frame = bytes(head / IP(src="10.0.1.11", dst="172.16.0.1", ttl=9) / UDP(sport=1, dport=2))
    assert reason(lab.walk(frame)) is Reason.TTL_EXPIRED
