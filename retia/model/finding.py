"""What validation finds: an object, its field, what is wrong and what to do. Where it stands is the caller's to say.

A message may name objects as `{0}`, `{1}`: whoever renders it puts their paths there, and where they are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from retia.model.network import Network


@dataclass(frozen=True)
class Finding:
    about: str
    field: str
    what: str
    advice: str = ""
    others: tuple[str, ...] = ()
    shared: bool = False

    @property
    def same(self) -> tuple[frozenset[str], str]:
        """Two findings with equal `same` tell one fact, seen from both its ends or, if `shared`, from anywhere."""
        return frozenset(() if self.shared else (self.about, *self.others)), self.what


Findings: TypeAlias = Iterator[Finding]
Check: TypeAlias = Callable[[Network, Any], Findings]
