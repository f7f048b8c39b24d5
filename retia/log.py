"""Structured logs: an event name and fields, as text for people or JSON for machines, on standard error.

Processes call `configure` once; parts get their logger by `logger(part)`. The pure layers never log.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import structlog

from retia.errors import InvalidInput

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str = "info", form: str = "text") -> None:
    """Raises InvalidInput for a level or form that does not exist."""
    if level not in LEVELS:
        raise InvalidInput(f"{level!r} is no log level", where="log_level", advice=f"one of {', '.join(LEVELS)}")
    if form not in ("text", "json"):
        raise InvalidInput(f"{form!r} is no log format", where="log_format", advice="text or json")
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            cast(Any, last),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(part: str) -> structlog.typing.FilteringBoundLogger:
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(part=part))
