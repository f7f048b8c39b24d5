"""ADMIT: which port a packet came by. A local port gives it its datapath, a tunnel brings it along."""

from __future__ import annotations

from retia.compile.facts import ThisHost
from retia.compile.modes import Asks
from retia.compile.outputs import FlowRow
from retia.compile.presence import Here, LiveSwitch, Reach, Working
from retia.compile.reasons import Reason, drop
from retia.flows.actions import Actions, Goto, Load, Move
from retia.flows.match import ANYTHING
from retia.pipeline.fields import (
    DATAPATH,
    DESTINATION_PORT,
    FLAGS,
    SOURCE_PORT,
    TUNNEL_DESTINATION_PORT,
    TUNNEL_FLAGS,
    TUNNEL_KEY,
    TUNNEL_SOURCE_PORT,
    Shape,
)
from retia.pipeline.stages import ADMIT, ARP_REQUEST, HOOK, LOOPBACK_JUDGE
from retia.rules import Rule, fn, rule

# A tunnel's packets are told by their key alone: those of a watched host come by that host's own port. No other packet
# has one, and no datapath the key 0.
came_by = fn(Shape("in_port"))
came_tunnelled = fn(Shape("tun_id"))

UNPACK: Actions = (
    Move(TUNNEL_KEY, DATAPATH),
    Move(TUNNEL_SOURCE_PORT, SOURCE_PORT),
    Move(TUNNEL_DESTINATION_PORT, DESTINATION_PORT),
    Move(TUNNEL_FLAGS, FLAGS),
    Goto(LOOPBACK_JUDGE),
)


@fn
def enter(datapath: int, port: int) -> Actions:
    return (Load(DATAPATH, datapath), Load(SOURCE_PORT, port), Goto(HOOK))


@rule
def admit_port(p: str, o: int, d: int, k: int) -> Rule:
    "What comes by a port that is here enters the port's switch."
    return FlowRow(ADMIT, ADMIT.priority("local"), came_by(o), enter(d, k), p) <= [
        Here(p, ofport=o),
        Working(p, datapath=d, key=k),
    ]


@rule
def admit_tunnel(s: str, d: int, h: str) -> Rule:
    "What comes by a tunnel with the key of a reached switch was looked up at its source: it goes to its port."
    return FlowRow(ADMIT, ADMIT.priority("tunnel"), came_tunnelled(d), UNPACK, s) <= [
        Reach(s, h),
        LiveSwitch(s, d),
        ~Asks(h),
    ]


@rule
def admit_known(s: str, d: int, h: str) -> Rule:
    "To a host that has only what it asked for nothing comes but for ports that it knows: here, or here until lately."
    return FlowRow(ADMIT, ADMIT.priority("tunnel"), came_tunnelled(d), UNPACK, s) <= [
        Asks(h),
        Working(switch=s, datapath=d),
        Reach(s, h),
    ]


@rule
def pass_hook(h: str) -> Rule:
    "Where no other program has a say, packets go on."
    return FlowRow(HOOK, HOOK.priority("miss"), ANYTHING, (Goto(ARP_REQUEST),), h) <= [ThisHost(h)]


@rule
def admit_nothing_else(h: str) -> Rule:
    "What comes by anything else is dropped."
    return FlowRow(ADMIT, ADMIT.priority("miss"), ANYTHING, drop(Reason.UNKNOWN_PORT), h) <= [ThisHost(h)]


RULES = [admit_port, admit_tunnel, admit_known, pass_hook, admit_nothing_else]
