"""Model objects and agents' state as records: which key, and JSON by msgspec. See docs/store.md for the layout."""

from __future__ import annotations

from typing import Any

import msgspec

from retia.errors import InvalidInput, Problem
from retia.model import kinds
from retia.model.kinds import Object
from retia.model.state import Alive, Applied, Barrier, Binding, HostProblem, HostState, State, Trace, TraceReport
from retia.store.contract import DATA, PREFIX
from retia.values import Cidr, Ip, Mac, PortRange

OBJECTS = DATA + "object/"
STATES = DATA + "state/"
RESTORING = DATA + "restoring"
"""While this key is there what is declared is not whole: who takes a new snapshot waits for its end."""
APPLIED = PREFIX + "applied/"
"""Outside of what agents watch: to say how far one is must not be news to the others."""

Thing = Object | State
Identity = tuple[str, str]
"""(kind, id): what a record is about, whatever its value."""

TRACES = DATA + "trace/"
TRACED = PREFIX + "traced/"
"""Outside of what agents watch, too: what hosts say of traced packets."""

_PATHS: dict[type[State], str] = {
    HostState: STATES + "host/{0.host}",
    Alive: STATES + "alive/{0.host}",
    Binding: STATES + "binding/{0.port}",
    HostProblem: STATES + "problem/{0.host}/{0.about}",
    Barrier: DATA + "barrier",
    Applied: APPLIED + "{0.host}",
    Trace: TRACES + "{0.id}",
    TraceReport: TRACED + "{0.host}/{0.trace}/{0.number}",
}
_DIRECTORIES: dict[str, type[Thing]] = {
    **{f"{OBJECTS}{kind.kind}/": kind for kind in kinds.KINDS},
    **{path.partition("{")[0]: kind for kind, path in _PATHS.items()},
}


def _encode(value: Any) -> Any:
    if isinstance(value, (Mac, Ip, Cidr, PortRange)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no text form")


def _decode(wanted: type, value: Any) -> Any:
    try:
        return wanted.parse(value)  # type: ignore[attr-defined]
    except InvalidInput as error:
        raise ValueError(error.what) from None


_ENCODER = msgspec.json.Encoder(enc_hook=_encode)
_DECODERS: dict[type[Thing], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind, dec_hook=_decode) for kind in _DIRECTORIES.values()
}


def key_of(thing: Thing) -> str:
    if isinstance(thing, Object):
        return f"{OBJECTS}{thing.kind}/{thing.id}"
    return _PATHS[type(thing)].format(thing)


def encode(thing: Thing) -> bytes:
    return _ENCODER.encode(thing)


def identity(key: str) -> Identity | None:
    """What a key is about; None for a key no record of Retia has. (Only `barrier` is a key by itself.)"""
    directory = _directory(key)
    return (_DIRECTORIES[directory].kind, key[len(directory) :]) if directory is not None else None


def _directory(key: str) -> str | None:
    """Nearly every key is its directory and one more part."""
    directory = key[: key.rfind("/") + 1]
    if directory in _DIRECTORIES:
        return directory if len(key) > len(directory) else None
    deeper = (one for one in _DIRECTORIES if key.startswith(one))
    return next((one for one in deeper if (len(key) > len(one)) == one.endswith("/")), None)


def decode(key: str, value: bytes) -> Thing | Problem:
    """The record, or what is wrong with it: other programs may write to etcd too."""
    directory = _directory(key)
    if directory is None:
        return Problem(key, "no record of Retia has such a key", "remove it, or move it out of Retia's prefix")
    kind = _DIRECTORIES[directory]
    try:
        thing: Thing = _DECODERS[kind].decode(value)
    except (msgspec.DecodeError, ValueError) as error:
        return Problem(key, f"is no {kind.kind}: {error}", "the last good value is kept; write it with `retia`")
    if key_of(thing) != key:
        return Problem(key, f"holds the {kind.kind} of another key", "the last good value is kept; remove it")
    return thing
