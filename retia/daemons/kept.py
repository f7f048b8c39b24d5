"""What an agent knows and keeps for its next start: small JSON files in its run directory, written whole or not at all.

A file that cannot be read is named and started over: what is in it can always be found out again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from retia.log import logger

T = TypeVar("T")

log = logger("agent")


def read(file: Path, form: type[T]) -> T | None:
    """What was kept there, if it is that; else None."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=form)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        refuse(file, str(error))
        return None


def refuse(file: Path, why: str) -> None:
    log.warning("kept file is broken and started over", file=str(file), error=why)


def write(file: Path, value: object) -> None:
    """A full disk is no reason to stop: it is logged."""
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(value))
        fresh.replace(file)
    except OSError as error:
        log.error("cannot be kept", file=str(file), error=str(error))
