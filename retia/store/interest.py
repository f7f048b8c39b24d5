"""Which ports an on-demand agent keeps: its interfaces', those bound to its host, and those that packets were for.

    interface names it, by id or [PROJECT/]SWITCH/PORT ─┐
    its binding says this host ─────────────────────────┴─► own ──(no more)──┐
    a packet asked for its address or MAC ──► asked ──► found ──────────────►┴─► wanted ──(idle)──► let go

An own port that leaves stays wanted for a while, so that what still comes for it follows it. Decides only: no I/O, no
clock; `partial` feeds it and does what it says.
"""

from __future__ import annotations

from collections.abc import Iterable

from retia.model.kinds import Edge, Host, Port, Switch, Uplink
from retia.model.local import InterfaceChange, spelt
from retia.model.state import Binding
from retia.store.index import address_key, mac_key, name_key
from retia.store.records import Thing

PATIENCE = 10.0
"""Seconds for which what was asked for is not looked up again, and is taken from the watch where it comes."""
MOST_ASKED = 1000


class Interest:
    """`own`, `wanted`: ids of ports, those wanted longest first. `asked`: index keys, and when each is forgotten.
    `ids`: what interfaces may name by id, whether it exists or not."""

    def __init__(self, host: str, wanted: Iterable[str] = ()) -> None:
        self.host = host
        self.own: set[str] = set()
        self.wanted: dict[str, None] = dict.fromkeys(wanted)
        self.asked: dict[str, float] = {}
        self._interfaces: dict[str, str] = {}
        self._switches: dict[str, Switch] = {}
        self._keys: dict[int, str] = {}
        self._hosts: set[str] = set()
        self._gateways: dict[str, str] = {}
        self.ids: frozenset[str] = frozenset()
        self._scopes: frozenset[tuple[str, str]] | None = None
        self._name_keys: frozenset[str] = frozenset()
        self._is_gateway: bool | None = None

    # -- what it is told -------------------------------------------------------------------------------------------

    def plug(self, changes: Iterable[InterfaceChange]) -> None:
        for old, new in changes:
            if old is not None:
                self._interfaces.pop(old.name, None)
            if new is not None and new.iface_id:
                self._interfaces[new.name] = new.iface_id
        self.ids = frozenset(text for text in self._interfaces.values() if "/" not in text)
        self._scopes = None

    def note(self, old: Thing | None, new: Thing | None) -> None:
        """A record of another kind, before and after."""
        if isinstance(old, Switch):
            self._switches.pop(old.id, None)
            self._keys.pop(old.key, None)
        if isinstance(new, Switch):
            self._switches[new.id] = new
            self._keys[new.key] = new.id
        if isinstance(old or new, Switch):
            self._scopes = None
        if isinstance(old, Host):
            self._hosts.discard(old.id)
        if isinstance(new, Host) and new.name == self.host:
            self._hosts.add(new.id)
        if isinstance(old, (Edge, Uplink)):
            self._gateways.pop(old.id, None)
        if isinstance(new, (Edge, Uplink)):
            self._gateways[new.id] = new.host
        if isinstance(old or new, (Host, Edge, Uplink)):
            self._is_gateway = None

    def ask(self, key: str, now: float) -> bool:
        """Whether it is to be looked up: it was not asked for lately."""
        self.expire(now)
        if key in self.asked:
            return False
        if len(self.asked) >= MOST_ASKED:
            del self.asked[next(iter(self.asked))]
        self.asked[key] = now + PATIENCE
        return True

    def expire(self, now: float) -> None:
        while self.asked and next(iter(self.asked.values())) <= now:
            del self.asked[next(iter(self.asked))]

    # -- what it says ----------------------------------------------------------------------------------------------

    @property
    def is_gateway(self) -> bool:
        """Whether this host is an edge, or has an uplink: then all is of interest."""
        if self._is_gateway is None:
            self._is_gateway = any(host in self._hosts for host in self._gateways.values())
        return self._is_gateway

    @property
    def name_keys(self) -> frozenset[str]:
        """Where the ports that interfaces spell are looked up."""
        self._named()
        return self._name_keys

    def _named(self) -> frozenset[tuple[str, str]]:
        """Switch ids and port names."""
        if self._scopes is None:
            ports: dict[tuple[str, str], set[str]] = {}
            for text in self._interfaces.values():
                project, name, port = spelt(text)
                ports.setdefault((project, name), set()).add(port)
            self._scopes = frozenset(
                (one.id, port) for one in self._switches.values() for port in ports.get((one.project, one.name), ())
            )
            self._name_keys = frozenset(name_key(Port.kind, *scope) for scope in self._scopes)
        return self._scopes

    def switch_at(self, key: int) -> str:
        """The id of the switch with this datapath key; "" for none."""
        return self._keys.get(key, "")

    def follows(self, port: str) -> bool:
        """Whether all that happens to this port is of interest, and what it is was read."""
        return port in self.own or port in self.wanted

    def takes(self, thing: object) -> bool:
        """Whether a port that was not followed, by its record or its binding, is to be read and followed now."""
        if isinstance(thing, Binding):
            return thing.host == self.host or thing.port in self.ids
        if not isinstance(thing, Port):
            return False
        if self.asked and any(key in self.asked for key in _keys(thing)):
            self.wanted[thing.id] = None
            return True
        return thing.id in self.ids or (thing.switch, thing.name) in self._named()

    def settle(self, port: str, known: Port | None, binding: Binding | None) -> bool:
        """Whether a port is kept, now that this is known of it."""
        here = binding is not None and binding.host == self.host
        if here or port in self.ids or (known is not None and (known.switch, known.name) in self._named()):
            self.own.add(port)
            self.wanted.pop(port, None)
            return True
        was_own = port in self.own
        self.own.discard(port)
        if known is None:
            self.wanted.pop(port, None)
        elif was_own:
            self.wanted[port] = None
        return port in self.wanted

    def dismiss(self, known: Port) -> None:
        """A port is not kept any more: who asks for it again is to be heard."""
        for key in _keys(known):
            self.asked.pop(key, None)


def _keys(port: Port) -> list[str]:
    return [mac_key(port.switch, port.mac), *(address_key(port.switch, each) for each in port.addresses)]
