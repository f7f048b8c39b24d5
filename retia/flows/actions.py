"""What a flow does: small frozen values, in the order Open vSwitch carries them out.

`Goto` may only stand last and is sent as an instruction; all others go into one apply-actions. No actions at
all is a drop. The text, wire and walk views each know every action here, and nothing else.
"""

from __future__ import annotations

import msgspec

from retia.flows.fields import Subfield

IN_PORT = 0xFFFFFFF8
LOCAL = 0xFFFFFFFE
NOBODY_LIVE = 0xFFFF
"""What `LoadLive` writes when none of its ports is live."""
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


class Translate(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The address translation of a `Ct`. With an `address`: what a new connection's source (`source`) or destination
    becomes, with a port out of the range `first_port` to `last_port` (0: any). Without one, and for all packets of a
    connection that is known: what was settled for it is done, and undone for its replies."""

    source: bool = False
    address: int = 0
    first_port: int = 0
    last_port: int = 0


class Ct(Action, frozen=True, cache_hash=True):
    """Send the packet through connection tracking in a zone: a number, or 16 bits of a register. With a `table`, a copy
    goes on there with `ct_state` and `ct_zone` set, once the actions after this one are done: those still see the
    packet as it was before. `commit` makes a new connection known; only with it may a `nat` have an address."""

    zone: Subfield | int
    table: int | None = None
    commit: bool = False
    nat: Translate | None = None


class CtClear(Action, frozen=True, cache_hash=True):
    """The packet is of no known connection from here on: `ct_state` and `ct_zone` are 0, and the next `Ct` looks it up
    as it is now, even in a zone that it was in. Without a `Ct` before it that brought the packet here it does nothing.
    """


class LoadLive(Action, frozen=True, cache_hash=True):
    """Write one of the ports that are live into 16 bits, or 0xffff if none is: spread by connection, both directions
    alike, over all of them, else the first. A port that does not exist is not live."""

    members: tuple[int, ...]
    to: Subfield
    spread: bool


class Spread(Action, frozen=True, cache_hash=True):
    """Write one of 0 to `count` - 1, the same for all packets of a connection in both directions."""

    count: int
    to: Subfield


class ForgetInPort(Action, frozen=True, cache_hash=True):
    """Lets the packet leave by the port it came by, which Open vSwitch else refuses."""


Actions = tuple[Action, ...]

DROP: Actions = ()
