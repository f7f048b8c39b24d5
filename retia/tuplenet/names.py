"""Names that Retia takes, for those it does not: always the same for the same name, however often a tree is imported.

my port ──► my-port-5f1c9a3e      an id, d1b2...-... ──► host-d1b2...-...      too long a name: cut, with a digest
"""

from __future__ import annotations

import hashlib
import re

from retia.errors import InvalidInput
from retia.model.names import LONGEST, check_name, is_id

DIGEST = 8


class Names:
    """Hands out names, each once within its kind and parent."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {}
        self.changed: dict[str, tuple[str, str]] = {}
        """Key to the name there and the name here, where they differ."""

    def give(self, place: tuple[str, ...], name: str, key: str) -> str:
        """A name for what `key` calls `name`; `place` is its kind and what it lives in."""
        given = _allowed(name, place[0])
        if self._given.setdefault((*place, given), key) != key:
            given = _digested(given, key)
            self._given[(*place, given)] = key
        if given != name:
            self.changed[key] = (name, given)
        return given


def _allowed(name: str, kind: str) -> str:
    try:
        return check_name(name)
    except InvalidInput:
        return f"{kind}-{name}" if is_id(name) else _digested(re.sub("[^A-Za-z0-9._-]+", "-", name), name)


def _digested(name: str, of: str) -> str:
    digest = hashlib.sha256(of.encode()).hexdigest()[:DIGEST]
    readable = name.lstrip("._-")[: LONGEST - DIGEST - 1].rstrip("._-")
    return f"{readable}-{digest}" if readable else digest
