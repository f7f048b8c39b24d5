"""What flows of several features say of a packet's way: whom it is for, where that is, by which tunnel."""

from __future__ import annotations

from retia.flows.actions import Actions, Goto, Load
from retia.flows.fields import whole
from retia.pipeline.fields import DESTINATION, Shape
from retia.pipeline.stages import DECIDE, ENCAP
from retia.rules import fn
from retia.values import Ip

for_mac = fn(Shape("datapath", "eth_dst"))
for_port = fn(Shape("datapath", "destination_port"))


@fn
def found(port: int, host: int) -> Actions:
    return (Load(DESTINATION, host << 16 | port), Goto(DECIDE))


@fn
def tunnel_to(address: Ip) -> Actions:
    return (Load(whole("tun_dst"), address), Goto(ENCAP))
