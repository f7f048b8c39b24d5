"""How answers look: tables for people, JSON and YAML for programs. Used by every command.

A command hands over plain data (dicts, lists, strings, numbers); values such as Mac print as text.
"""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from retia.values import Cidr, Ip, Mac, PortRange


class Form(enum.StrEnum):
    """`-o`: table for people, json and yaml for programs."""

    table = "table"
    json = "json"
    yaml = "yaml"


def plain(value: Any) -> Any:
    """Any answer as JSON's own types."""
    return msgspec.to_builtins(value, enc_hook=_text)


def _text(value: Any) -> Any:
    if isinstance(value, (Mac, Ip, Cidr, PortRange)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no text form")


def show_data(data: Any, form: Form) -> None:
    """Print `data` as JSON or YAML."""
    value = plain(data)
    if form is Form.yaml:
        sys.stdout.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    else:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str = "nothing to show") -> None:
    """A table as wide as its content when piped, fitted to the terminal else."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    console().print(table(columns, rows))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell_text(cell)) for cell in row))
    return made


def cell_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=not sys.stdout.isatty())


def show_rows(rows: Sequence[Mapping[str, Any]], form: Form, empty: str = "nothing to show") -> None:
    """Rows that share their columns, in the form asked for."""
    if form is not Form.table:
        show_data(list(rows), form)
        return
    columns = list(rows[0]) if rows else []
    show_table([column.upper().replace("_", " ") for column in columns], [list(row.values()) for row in rows], empty)
