"""Structured logs: an event name and fields, as text for people or JSON for machines, on standard error.

Processes call `configure` once; parts get their logger by `logger(part)`. `set_level` changes what is logged, of all
parts or of one, while the process runs. The pure layers never log.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from typing import Any, cast

import structlog

from retia.errors import InvalidInput

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
EVERY = "all"
"""Stands for the level of the parts that have none of their own."""

logged: Counter[str] = Counter()
"""Messages logged by this process, by level."""

_parts: set[str] = set()
_levels: dict[str, str] = {EVERY: "info"}


def configure(level: str = "info", form: str = "text") -> None:
    """Raises InvalidInput for a level or form that does not exist."""
    _check(level)
    if form not in ("text", "json"):
        raise InvalidInput(f"{form!r} is no log format", where="log_format", advice="text or json")
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _choose,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            cast(Any, last),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _levels.clear()
    set_level(level)


def set_level(level: str, part: str = "") -> None:
    """Of one part, or of all: then none keeps one of its own. Raises InvalidInput for what does not exist."""
    _check(level)
    if part and part not in _parts:
        raise InvalidInput(f"{part!r} is no logger", where="log level", advice=f"one of {', '.join(sorted(_parts))}")
    if not part:
        _levels.clear()
    _levels[part or EVERY] = level
    lowest = min(LEVELS[one] for one in _levels.values())
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(lowest))


def levels() -> dict[str, str]:
    """The level of all, and of the parts that have one of their own."""
    return dict(_levels)


def logger(part: str) -> structlog.typing.FilteringBoundLogger:
    _parts.add(part)
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(part=part))


def _check(level: str) -> None:
    if level not in LEVELS:
        raise InvalidInput(f"{level!r} is no log level", where="log_level", advice=f"one of {', '.join(LEVELS)}")


def _choose(_: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop what its part does not log; count the rest."""
    wanted = _levels.get(event.get("part", ""), _levels[EVERY])
    if LEVELS.get(method, logging.ERROR) < LEVELS[wanted]:
        raise structlog.DropEvent
    logged[method] += 1
    return event
