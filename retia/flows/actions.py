"""What a flow does: small frozen values, in the order Open vSwitch carries them out.

`Goto` may only stand last and is sent as an instruction; all others go into one apply-actions. No actions at
all is a drop. The text, wire and walk views each know every action here, and nothing else.
"""

from __future__ import annotations

import msgspec

from retia.flows.fields import Subfield

IN_PORT = 0xFFFFFFF8
LOCAL = 0xFFFFFFFE


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


class ForgetInPort(Action, frozen=True, cache_hash=True):
    """Lets the packet leave by the port it came by, which Open vSwitch else refuses."""


Actions = tuple[Action, ...]

DROP: Actions = ()
