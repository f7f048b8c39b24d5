"""What is wrong, as rows: each trouble is named while it lasts, and gone when it is mended. See `retia status`."""

from __future__ import annotations

from retia.compile.facts import HostTunnel, InterfaceFact, PortFact, ThisHost
from retia.compile.outputs import Trouble
from retia.compile.presence import AddressHolder, Claims, Elsewhere, MacHolder, Names, Plugged, Reach, Working
from retia.rules import COL, Relation, Rule, fn, rule
from retia.values import Ip, Mac


class Named(Relation):
    "An interface that names a port which exists."

    interface: str = COL


@fn
def about(kind: str, name: str) -> str:
    """A slug that is stable while the trouble lasts; a key of the store has no slash in it."""
    return f"{kind}-{name}".replace("/", ".").replace(" ", "_")


@fn
def says(form: str, first: object, second: object) -> str:
    return form.format(first, second)


@rule
def named(i: str) -> Rule:
    "An interface whose iface-id a port bears."
    return Named(i) <= [Names(interface=i)]


@rule
def unknown_port(i: str, x: str) -> Rule:
    "An interface names a port that does not exist."
    return Trouble(
        about("unknown-port", i),
        says("interface {} names port {}, which does not exist", i, x),
        i,
        "declare the port, or correct external_ids:iface-id (SWITCH/PORT, PROJECT/SWITCH/PORT, or the port's id)",
    ) <= [InterfaceFact(i, names=x), ~Named(i)]


@rule
def named_twice(i: str, p: str, o: int, q: int) -> Rule:
    "Two interfaces here name one port; the lower OpenFlow port counts."
    return Trouble(
        about("named-twice", i),
        says("interface {} names port {}, and so does another interface here", i, p),
        i,
        "remove external_ids:iface-id from one of them",
    ) <= [Names(i, p, o), Plugged(p, q), o != q]


@rule
def bound_elsewhere(i: str, p: str, h: str) -> Rule:
    "A port is plugged in here and bound to another host."
    return Trouble(
        about("bound-elsewhere", p),
        says("port {} is plugged in here and bound to host {}", p, h),
        i,
        "unplug it there; it is taken over when that host lets go of it or its agent is dead",
    ) <= [Names(i, p), Elsewhere(p, h)]


@rule
def duplicate_mac(s: str, m: Mac, p: str, q: str) -> Rule:
    "Two ports of a switch have one MAC: another program wrote it."
    return Trouble(
        about("duplicate-mac", p),
        says("port {} has MAC {}, which another port of its switch has", p, m),
        p,
        "give one of them another MAC: `retia set port`",
    ) <= [Reach(s), PortFact(p, switch=s, mac=m), MacHolder(s, m, q), p != q]


@rule
def duplicate_address(s: str, a: Ip, p: str, q: str) -> Rule:
    "Two ports of a switch have one address: another program wrote it."
    return Trouble(
        about("duplicate-address", p),
        says("port {} has address {}, which another port of its switch has", p, a),
        p,
        "give one of them another address: `retia set port`",
    ) <= [Reach(s), Claims(s, a, p), AddressHolder(s, a, q), p != q]


@rule
def no_tunnel(s: str, p: str, h: str) -> Rule:
    "A port in reach lives on a host without a tunnel address."
    return Trouble(
        about("no-tunnel", h),
        says("host {} has no tunnel address, so its ports cannot be reached ({})", h, "no record of it"),
        h,
        "start its agent, with --tunnel-address",
    ) <= [Reach(s), Working(p, s), Elsewhere(p, h), ~HostTunnel(h)]


@rule
def this_without_tunnel(h: str) -> Rule:
    "This host has no record in the store."
    return Trouble(
        about("unregistered", h), says("host {} is not registered{}", h, ""), h, "its agent will try again"
    ) <= [ThisHost(h), ~HostTunnel(h)]


RULES = [
    named,
    unknown_port,
    named_twice,
    bound_elsewhere,
    duplicate_mac,
    duplicate_address,
    no_tunnel,
    this_without_tunnel,
]
