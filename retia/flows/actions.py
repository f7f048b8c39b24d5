"""What a flow does: small frozen values, in the order Open vSwitch carries them out.

`Goto` may only stand last and is sent as an instruction; all others go into one apply-actions. No actions at
all is a drop. The text, wire and walk views each know every action here, and nothing else.
"""

from __future__ import annotations

import msgspec

from retia.flows.fields import Subfield

IN_PORT = 0xFFFFFFF8
LOCAL = 0xFFFFFFFE
CONTROLLER = 0xFFFFFFFD
CONTROLLER_ID = 0x5254
""""RT": punts meant for another program's connection never reach ours, nor ours theirs."""


class Action(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Base of all actions. Actions of different types never compare equal."""


class Load(Action, frozen=True, cache_hash=True):
    """Write a constant into (part of) a field: `set_field:VALUE/MASK->FIELD`."""

    to: Subfield
    value: int


class Move(Action, frozen=True, cache_hash=True):
    """Copy (part of) a field to another of the same width."""

    source: Subfield
    to: Subfield


class Output(Action, frozen=True, cache_hash=True):
    """Send the packet as it is now out of an OpenFlow port; going on afterwards is allowed."""

    port: int


class Resubmit(Action, frozen=True, cache_hash=True):
    """Look up in another table (forwards or backwards), then go on with the next action."""

    table: int


class Goto(Action, frozen=True, cache_hash=True):
    """Go on in a later table. Last in its flow."""

    table: int


class DecTtl(Action, frozen=True, cache_hash=True):
    """Decrement the IP TTL (hop limit). Open vSwitch stops the packet where it would reach 0."""


class Metered(Action, frozen=True, cache_hash=True):
    """What is over the rate of this meter is sent nowhere from here on, by no flow. Counters count it all the same.
    First in its flow: ovs-ofctl refuses it elsewhere."""

    meter: int


class Punt(Action, frozen=True, cache_hash=True):
    """Send a copy of the packet, with its registers, metadata and this `userdata`, up to the agent, and go on. Always
    behind a `Metered`. (Open vSwitch 3.1 takes a punt's own meter_id for one that is missing, and limits nothing.)"""

    userdata: bytes


class CheckLarger(Action, frozen=True, cache_hash=True):
    """Write whether the frame, Ethernet header included, has more than so many bytes: 1 or 0 into one bit."""

    octets: int
    to: Subfield


class ForgetInPort(Action, frozen=True, cache_hash=True):
    """Lets the packet leave by the port it came by, which Open vSwitch else refuses."""


Actions = tuple[Action, ...]

DROP: Actions = ()
