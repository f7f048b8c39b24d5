"""The part of a switch that sends: it remembers what, or is away."""

from __future__ import annotations

from retia.errors import SwitchAway


class Sender:
    def __init__(self) -> None:
        self.away = False
        self.sent: list[tuple[bytes, tuple]] = []

    def send(self, frame: bytes, actions: tuple, in_port: int = 0) -> None:
        if self.away:
            raise SwitchAway("away")
        self.sent.append((frame, actions))
