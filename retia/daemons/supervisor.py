"""Tells systemd how the agent is (`Type=notify`): a status while it waits, READY once flows are in, a heartbeat.

    NOTIFY_SOCKET ◄── READY=1, STATUS=..., WATCHDOG=1, STOPPING=1          (sd_notify(3): datagrams of text)

Without that socket, as by hand or in a lab, it says nothing. The heartbeat comes from the agent's own loop, so that an
agent that hangs is started again. Never fails: a supervisor that does not listen is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping


class Supervisor:
    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        beat = environment.get("WATCHDOG_USEC", "")
        self._every = int(beat) / 2e6 if beat.isdecimal() else 0.0

    def status(self, text: str) -> None:
        """One line, shown by `systemctl status`."""
        self._tell(f"STATUS={text}")

    def ready(self, text: str) -> None:
        self._tell(f"READY=1\nSTATUS={text}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def beat(self) -> None:
        """Now, and again in half the time systemd waits, for as long as the running loop lives."""
        if self._every:
            self._tell("WATCHDOG=1")
            asyncio.get_running_loop().call_later(self._every, self.beat)

    def _tell(self, text: str) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.sendto(text.encode(), self._address)
