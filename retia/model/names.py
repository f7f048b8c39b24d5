"""Names: which are allowed, how a user writes the way to an object, and what he may have meant.

    web            a switch of the project in use        web/web1       a port of it
    r1/to-web      a router port                         acme:web/web1  the same in another project
Used by documents, look-ups and the CLI. Does no I/O.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from retia.errors import InvalidInput

LONGEST = 63
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Path(NamedTuple):
    """The names from the outermost object inwards; `project` is empty when none was written."""

    project: str
    names: tuple[str, ...]


def check_name(text: str) -> str:
    """`text`, if an object may bear it. Raises InvalidInput."""
    if is_id(text):
        raise InvalidInput(f"{text!r} looks like an id and is reserved", advice="choose a name people can read")
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{text!r} is no name",
            advice=f"use up to {LONGEST} letters, digits, '-', '_' and '.', a letter or digit first",
        )
    return text


def is_id(text: str) -> bool:
    return bool(_UUID.fullmatch(text))


def parse_path(text: str, length: int) -> Path:
    """A path of `length` names, perhaps with its project before a colon. Raises InvalidInput."""
    project, colon, rest = text.rpartition(":")
    names = tuple(rest.split("/"))
    if len(names) != length:
        form = "/".join(("PARENT", "NAME")[-length:])
        raise InvalidInput(f"{text!r} is not of the form {form}", advice=f"write [PROJECT:]{form}")
    for name in (*((project,) if colon else ()), *names):
        check_name(name)
    return Path(project, names)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Advice naming the nearest of `known`, or all of them when none is near and they are few."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there is {', '.join(names)}" if 0 < len(names) <= 16 else ""
