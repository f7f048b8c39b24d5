"""Open vSwitch's unix sockets, opened with words for what hinders it. Used by both connections and by labs."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from retia.errors import NotAllowed, SwitchAway


async def open_socket(path: Path, who: str, daemon: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """`who` should answer there, `daemon` is to be started if not. Raises SwitchAway or NotAllowed."""
    where = str(path)
    try:
        return await asyncio.open_unix_connection(where)
    except PermissionError:
        raise NotAllowed("may not be opened by this user", where=where, advice="run as root") from None
    except OSError as error:
        advice = f"start {daemon} (on Debian: systemctl start openvswitch-switch), or name its --ovs-run-dir"
        raise SwitchAway(f"{who} does not answer: {error.strerror}", where=where, advice=advice) from None


def listens(path: Path) -> bool:
    """Whether someone listens there: a socket's file is there a moment before anyone does."""
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(path))
        except OSError:
            return False
        return True
